import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { convergeAll } from '../drift/converge.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, fencedInstance, replacement, STORED } from '../records/entities.ts';
import type { KeyPartition } from '../records/reading.ts';
import { changedMeanwhile } from '../records/revision.ts';
import type { Template } from '../templates/template.ts';
import { countInVault } from '../vaults/counting.ts';
import { kindOf, requireHeldIn } from './create.ts';
import { instanceId } from './key.ts';
import type { KeyInstance, ManagedKey } from './key.ts';
import { reassigned } from './realign.ts';
import { templateChange, templateWithKeystores } from './shadow.ts';

/** A key whose keystores are chosen by hand, with the shadow template that says so. */
export interface Assignment {
  readonly key: ManagedKey;
  readonly template: Template;
  readonly instances: readonly KeyInstance[];
}

/**
 * Decides what choosing a key's keystores by hand makes of it, on top of an edit that was decided about it (`key` and `edited`, not stored
 * yet). Pure.
 * Keystores that drop out keep the material, disabled; those that come in get it.
 */
export function decideAssignment(
  partition: KeyPartition,
  key: ManagedKey,
  template: Template,
  keystores: readonly Keystore[],
  edited: readonly KeyInstance[],
  by: { readonly id: string; readonly subject: string; readonly now: Date },
): Assignment {
  const joining = keystores.filter(({ id }) => !key.keystoreIds.includes(id));
  requireHeldIn(kindOf(key.keystoreType), key.spec, joining);
  const shadow = templateWithKeystores(template, keystores, by);
  const next: ManagedKey = {
    ...key,
    templateId: shadow.id,
    templateVersion: shadow.version,
    keystoreIds: shadow.keystoreIds ?? [],
  };
  const moved = reassigned(partition.instances, next, by.now);
  return {
    key: next,
    template: shadow,
    instances: [
      ...moved,
      ...edited.filter((instance) => !moved.some((each) => instanceId(each) === instanceId(instance))),
    ],
  };
}

/** Carries out an assignment: key, shadow template and work in one transaction, then the keystores that it concerns. */
export async function assign(
  deployment: Deployment,
  attempt: Attempt,
  before: ManagedKey,
  beforeTemplate: Template,
  assignment: Assignment,
  keystoresGeneration: number,
  signal: AbortSignal,
): Promise<void> {
  const { key, template, instances } = assignment;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    replacement(STORED.managedKey(key), before.revision, changedMeanwhile),
    ...instances.map((instance) =>
      instance.fence === 1 ? creation(STORED.keyInstance(instance)) : fencedInstance(instance, instance.fence - 1),
    ),
    ...templateChange(beforeTemplate, template),
    countInVault(key.vaultId, { templates: template.id === beforeTemplate.id ? 0 : 1 }, keystoresGeneration),
  ];
  const shown = (of: ManagedKey) => ({ template_id: of.templateId, keystores: of.keystoreIds });
  const entry = {
    vaultId: key.vaultId,
    type: 'managed_key',
    id: key.id,
    at: key.updatedAt,
    status: 200,
    before: shown(before),
    after: shown(key),
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await convergeAll(deployment, key, instances, signal);
}
