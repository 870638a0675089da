import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { convergeAll, decided } from '../drift/converge.ts';
import { Fault } from '../fault.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance, replacement, STORED } from '../records/entities.ts';
import type { KeyPartition } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import type { Tag } from '../tag.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { kindOf, labelLock, requireHoldable } from './create.ts';
import type { KeyInstance, ManagedKey } from './key.ts';

export interface KeyEdit {
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  readonly activationDate?: string | undefined;
  readonly expirationDate?: string | undefined;
  readonly tags?: readonly Tag[] | undefined;
}

/** Decides an edit. Pure. Throws when the key cannot be edited so. */
export function decideEdit(
  partition: KeyPartition,
  key: ManagedKey,
  edit: KeyEdit,
  by: { readonly subject: string; readonly now: Date },
): { readonly key: ManagedKey; readonly instances: readonly KeyInstance[] } {
  const label = edit.label ?? key.label;
  if (label !== key.label && key.namingScheme !== undefined) {
    throw new Fault('state_conflict', {
      message: `The label was made by the naming scheme ${key.namingScheme} and cannot be edited.`,
      target: { type: 'field', name: 'label' },
    });
  }
  if (
    (key.state === 'destroyed' || key.state === 'destroyed_compromised') &&
    Object.values(edit).some((value) => value !== undefined)
  ) {
    throw new Fault('state_conflict', `The key is ${key.state} and cannot be edited any more.`);
  }
  const tags = edit.tags ?? key.tags;
  const kind = kindOf(key.keystoreType);
  requireHoldable(kind, label, tags);
  const named = partition.instances.some(({ binding, open }) => binding !== undefined || open !== undefined);
  if (label !== key.label && named && kind.refusesRename !== undefined) {
    throw new Fault('unsupported_by_keystore', {
      message: kind.refusesRename,
      target: { type: 'field', name: 'label' },
    });
  }
  const activationDate = edit.activationDate ?? key.activationDate;
  const expirationDate = edit.expirationDate ?? key.expirationDate;
  if (activationDate !== undefined && expirationDate !== undefined && expirationDate < activationDate) {
    throw new Fault('invalid_field', {
      message: `The expiration date ${expirationDate} lies before the activation date ${activationDate}.`,
      target: { type: 'field', name: edit.expirationDate === undefined ? 'activation_date' : 'expiration_date' },
    });
  }
  const next: ManagedKey = {
    ...key,
    revision: key.revision + 1,
    label,
    description: edit.description ?? key.description,
    tags,
    activationDate,
    expirationDate,
    updatedAt: by.now,
    updatedBy: by.subject,
  };
  const shown = label !== key.label || next.description !== key.description || edit.tags !== undefined;
  const instances = shown
    ? partition.instances.map((instance) =>
        decided(instance, { ...next, state: instance.keyState }, 'edit', by.now, { details: true }),
      )
    : [];
  return { key: next, instances };
}

/** Carries out a decided edit; keystores follow where they show what was edited. */
export async function edit(
  deployment: Deployment,
  attempt: Attempt,
  before: ManagedKey,
  decision: { readonly key: ManagedKey; readonly instances: readonly KeyInstance[] },
  signal: AbortSignal,
): Promise<void> {
  const { key, instances } = decision;
  const renamed = key.label !== before.label;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    replacement(STORED.managedKey(key), before.revision, changedMeanwhile),
    ...instances.map((instance) => fencedInstance(instance, instance.fence - 1)),
    ...(renamed
      ? [labelLock(key), { op: 'delete', key: ITEM.name('KEY', before.vaultId, before.label) } as const]
      : []),
  ];
  const shown = (of: ManagedKey) => ({
    label: of.label,
    description: of.description,
    activation_date: of.activationDate,
    expiration_date: of.expirationDate,
    tags: of.tags,
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
