import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { convergeAll, decided } from '../drift/converge.ts';
import { Fault } from '../fault.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, fencedInstance, replacement, STORED } from '../records/entities.ts';
import type { KeyPartition } from '../records/reading.ts';
import { scheduleFor } from '../schedule/schedule.ts';
import { presentSchedule } from '../schedule/view.ts';
import type { Template } from '../templates/template.ts';
import { assignedKeystores, datesFrom } from './alignment.ts';
import { countInVault } from '../vaults/counting.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { kindOf, newInstance, requireHeldIn, templateUnchanged } from './create.ts';
import type { KeyInstance, ManagedKey } from './key.ts';
import { requireState } from './lifecycle.ts';

/** What realigning a key makes of it. Instances whose fence is 1 are new. */
export interface Realignment {
  readonly key: ManagedKey;
  readonly instances: readonly KeyInstance[];
}

/**
 * Decides what realigning makes of a key: general properties, lifecycle and assigned keystores. Pure. A keystore that drops out keeps the
 * material, disabled and marked as removed by the user; one that comes back is enabled again. What no keystore can change on an existing
 * key stays as it is; `differencesOf` lists it. Throws `template_archived` and `state_conflict`.
 */
export function decideRealignment(
  partition: KeyPartition,
  key: ManagedKey,
  template: Template,
  keystores: readonly Keystore[],
  by: { readonly subject: string; readonly now: Date },
): Realignment {
  requireState('realign', key.state);
  if (template.state === 'archived') {
    throw new Fault(
      'template_archived',
      `The template “${template.name}” is archived: its keys cannot be realigned with it.`,
    );
  }
  const assigned = assignedKeystores(template, keystores);
  const joining = assigned.filter(({ id }) => !key.keystoreIds.includes(id));
  requireHeldIn(kindOf(key.keystoreType), key.spec, joining);
  const dates = datesFrom(template, key.createdAt);
  const next: ManagedKey = {
    ...key,
    revision: key.revision + 1,
    templateVersion: template.version,
    keystoreIds: assigned.map(({ id }) => id),
    activationDate: dates.activationDate ?? key.activationDate,
    expirationDate: dates.expirationDate ?? key.expirationDate,
    deactivateOnRotation: template.key.deactivateOnRotation,
    schedule: scheduleFor(template.key.schedule, key.schedule, by.now),
    updatedAt: by.now,
    updatedBy: by.subject,
  };
  return { key: next, instances: reassigned(partition.instances, next, by.now) };
}

/** Instances that an assignment changes or adds, with the work claimed; those that stay as they are are not among them. */
export function reassigned(instances: readonly KeyInstance[], key: ManagedKey, now: Date): KeyInstance[] {
  const wanted = new Set(key.keystoreIds);
  const changed = instances
    .filter(({ removedByUser, keystoreId }) => removedByUser === wanted.has(keystoreId))
    .map((instance) =>
      decided(
        { ...instance, removedByUser: !instance.removedByUser },
        { ...key, state: instance.keyState },
        'realign',
        now,
        // What the keystore shows of the key may have changed while it was out.
        { details: instance.removedByUser || instance.label !== key.label },
      ),
    );
  const known = new Set(instances.filter(({ version }) => version === key.version).map(({ keystoreId }) => keystoreId));
  const added = key.keystoreIds
    .filter((id) => !known.has(id))
    .map((id) => decided(newInstance(key, id, now), key, 'realign', now));
  return [...changed, ...added];
}

/** Carries out a realignment: one transaction, then the keystores that it concerns, in parallel. */
export async function realign(
  deployment: Deployment,
  attempt: Attempt,
  before: ManagedKey,
  realignment: Realignment,
  template: Template,
  keystoresGeneration: number,
  signal: AbortSignal,
): Promise<void> {
  const { key, instances } = realignment;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    replacement(STORED.managedKey(key), before.revision, changedMeanwhile),
    ...instances.map((instance) =>
      instance.fence === 1 ? creation(STORED.keyInstance(instance)) : fencedInstance(instance, instance.fence - 1),
    ),
    countInVault(key.vaultId, {}, keystoresGeneration),
    templateUnchanged(template),
  ];
  const shown = (of: ManagedKey) => ({
    template_version: of.templateVersion,
    keystores: of.keystoreIds,
    activation_date: of.activationDate,
    expiration_date: of.expirationDate,
    deactivate_on_rotation: of.deactivateOnRotation,
    ...(of.schedule === undefined ? {} : { schedule: presentSchedule(of.schedule) }),
  });
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
