import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { convergeAll, decided } from '../drift/converge.ts';
import { Fault } from '../fault.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, fencedInstance, replacement, STORED } from '../records/entities.ts';
import type { KeyPartition } from '../records/reading.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { kindOf, newInstance } from './create.ts';
import type { KeyInstance, KeyVersion, ManagedKey } from './key.ts';
import { requireState } from './lifecycle.ts';
import { isRotatable } from './naming.ts';

const HOUR_MS = 3_600_000;

/** What a rotation makes of a key: the next version, and what becomes of the one before. */
export interface Rotation {
  readonly key: ManagedKey;
  readonly versions: readonly [next: KeyVersion, previous: KeyVersion];
  readonly added: readonly KeyInstance[];
  readonly changed: readonly KeyInstance[];
}

/**
 * Decides a rotation: version + 1 with new material in every keystore, by each keystore's own way (`rotatesInPlace`: new material in the
 * same key; otherwise a new key behind the same name). Pure. Throws `state_conflict` for a key that is not active or is named by system
 * placeholders, `too_often` within an hour of the last rotation.
 */
export function decideRotation(
  partition: KeyPartition,
  key: ManagedKey,
  by: { readonly subject: string; readonly now: Date },
): Rotation {
  requireState('rotate', key.state);
  if (!isRotatable(key)) {
    throw new Fault(
      'state_conflict',
      'The key is named by system placeholders: a new version would have to be named otherwise.',
    );
  }
  const wait = key.rotatedAt === undefined ? 0 : key.rotatedAt.getTime() + HOUR_MS - by.now.getTime();
  if (wait > 0) {
    const retryAfter = Math.ceil(wait / 1000);
    throw new Fault('too_often', `A key can be rotated once an hour; this one again in ${retryAfter} seconds.`, {
      retryAfter,
    });
  }
  const next: ManagedKey = {
    ...key,
    revision: key.revision + 1,
    version: key.version + 1,
    rotatedAt: by.now,
    updatedAt: by.now,
    updatedBy: by.subject,
  };
  const inPlace = kindOf(key.keystoreType).rotatesInPlace(key.spec);
  const before = partition.instances.filter(({ version }) => version === key.version);
  // Where a create was sent in place of a key that is gone, that key is the version's own, and the next version gets another.
  const continues = ({ binding, createSentAt }: KeyInstance) =>
    inPlace && binding !== undefined && createSentAt === undefined;
  const oldState = key.deactivateOnRotation ? 'deactivated' : key.state;
  const added = before.map((instance) => {
    const fresh: KeyInstance = {
      ...newInstance(next, instance.keystoreId, by.now),
      removedByUser: instance.removedByUser,
    };
    return decided(
      continues(instance) ? { ...fresh, binding: instance.binding, rotating: true } : fresh,
      next,
      'rotate',
      by.now,
    );
  });
  const changed = before.map((instance) =>
    decided(
      { ...instance, current: false, outgrown: continues(instance) },
      { ...next, state: oldState },
      'rotate',
      by.now,
    ),
  );
  const previous = partition.versions.find(({ version }) => version === key.version);
  if (previous === undefined) throw new Error(`Version ${key.version} of key ${key.id} has no record.`);
  return {
    key: next,
    versions: [
      {
        keyId: key.id,
        version: next.version,
        state: next.state,
        createdAt: by.now,
        rotatedAt: undefined,
        deactivatedAt: undefined,
        publicKey: undefined,
      },
      { ...previous, state: oldState, rotatedAt: by.now, deactivatedAt: key.deactivateOnRotation ? by.now : undefined },
    ],
    added,
    changed,
  };
}

/** Carries out a rotation: new material as ciphertext, all records in one transaction, then the keystores in parallel. */
export async function rotate(
  deployment: Deployment,
  attempt: Attempt,
  before: ManagedKey,
  rotation: Rotation,
  signal: AbortSignal,
): Promise<void> {
  const { key, added, changed } = rotation;
  const [next, previous] = rotation.versions;
  const material =
    key.spec.material === 'imported'
      ? await deployment.custody.generate(key.spec, { keyId: key.id, version: key.version })
      : undefined;
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    replacement(STORED.managedKey(key), before.revision, changedMeanwhile),
    creation(STORED.keyVersion({ ...next, publicKey: material?.publicKey })),
    { op: 'put', item: STORED.keyVersion(previous) },
    ...(material === undefined ? [] : [creation(STORED.material(key.id, key.version, material))]),
    ...added.map((instance) => creation(STORED.keyInstance(instance))),
    ...changed.map((instance) => fencedInstance(instance, instance.fence - 1)),
  ];
  const entry = {
    vaultId: key.vaultId,
    type: 'managed_key',
    id: key.id,
    at: key.updatedAt,
    status: 200,
    before: { version: before.version },
    after: { version: key.version },
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  // The name moves to the new version before the old one is disabled, so that nobody finds a disabled key behind it.
  await convergeAll(deployment, key, added, signal);
  await convergeAll(deployment, key, changed, signal);
}
