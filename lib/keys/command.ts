import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { convergeAll, decided } from '../drift/converge.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance, replacement, STORED } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import type { KeyPartition } from '../records/reading.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { activatedBySomebody } from '../schedule/schedule.ts';
import type { KeyInstance, KeyVersion, ManagedKey } from './key.ts';
import { stateAfter } from './lifecycle.ts';
import { dateOf } from './period.ts';

export type StateCommand = 'activate' | 'deactivate' | 'destroy';

/** What a command makes of a key: its new record, its versions and its instances with the work claimed on them. */
export interface Decision {
  readonly key: ManagedKey;
  readonly versions: readonly KeyVersion[];
  readonly instances: readonly KeyInstance[];
}

/** Decides a command. Pure. Throws `state_conflict` for a move that the lifecycle does not have. */
export function decide(
  command: StateCommand,
  partition: KeyPartition,
  key: ManagedKey,
  by: { readonly subject: string; readonly now: Date; readonly destroyCoolDownHours: number },
): Decision {
  const state = stateAfter(command, key, by);
  const today = dateOf(by.now);
  const next: ManagedKey = {
    ...key,
    revision: key.revision + 1,
    state,
    ...(command === 'activate'
      ? {
          activationDate: key.activationDate ?? today,
          deactivationDate: undefined,
          deactivatedAt: undefined,
          schedule: activatedBySomebody(key, by.now),
        }
      : {}),
    ...(command === 'deactivate' ? { deactivationDate: today, deactivatedAt: by.now } : {}),
    ...(command === 'destroy' ? { destroyedAt: by.now } : {}),
    updatedAt: by.now,
    updatedBy: by.subject,
  };
  const versions = partition.versions
    .filter((version) => follows(command, version, key))
    .map((version) => ({
      ...version,
      state,
      deactivatedAt: command === 'deactivate' ? by.now : command === 'activate' ? undefined : version.deactivatedAt,
    }));
  const moved = new Set(versions.map(({ version }) => version));
  const instances = partition.instances
    .filter(({ version }) => moved.has(version))
    .map((instance) => decided(instance, next, command, by.now));
  return { key: next, versions, instances };
}

/** Older versions go with the current one, except that activating does not bring back those that a rotation took out of use. */
function follows(command: StateCommand, version: KeyVersion, key: ManagedKey): boolean {
  if (version.version === key.version || command === 'destroy') return true;
  return command === 'deactivate'
    ? version.state === 'active'
    : version.state === 'deactivated' && version.deactivatedAt?.getTime() === key.deactivatedAt?.getTime();
}

/**
 * Carries out a decided command: all of it in one transaction, then the keystores in parallel. Destroying deletes the kept material:
 * from then on nobody can bring the key back. Throws `precondition_failed` when the key changed meanwhile.
 */
export async function carryOut(
  deployment: Deployment,
  attempt: Attempt,
  command: StateCommand,
  before: ManagedKey,
  decision: Decision,
  signal: AbortSignal,
): Promise<void> {
  const { key, versions, instances } = decision;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    replacement(STORED.managedKey(key), before.revision, changedMeanwhile),
    ...versions.map((version): Change => ({ op: 'put', item: STORED.keyVersion(version) })),
    ...instances.map((instance) => fencedInstance(instance, instance.fence - 1)),
    ...(command === 'destroy' && key.spec.material === 'imported'
      ? versions.map((version): Change => ({ op: 'delete', key: ITEM.material(key.id, version.version) }))
      : []),
  ];
  const entry = {
    vaultId: key.vaultId,
    type: 'managed_key',
    id: key.id,
    at: key.updatedAt,
    status: 200,
    before: { state: before.state },
    after: { state: key.state },
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await convergeAll(deployment, key, instances, signal);
}
