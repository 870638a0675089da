import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { claimed, convergeAll } from '../drift/converge.ts';
import { previewKeystores, totalSeconds } from '../drift/preview.ts';
import type { Observed } from '../drift/observed.ts';
import { Fault } from '../fault.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { requireDeletable } from '../keys/associated.ts';
import { instanceId } from '../keys/key.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance, READ, replacement, STORED } from '../records/entities.ts';
import { readKey } from '../records/reading.ts';
import { INDEX_KEY, ITEM } from '../records/table.ts';
import { countInVault } from '../vaults/counting.ts';
import type { WirePlannedChanges } from '../wire/planned.ts';
import { countInternal } from './internal.ts';
import type { Keystore } from './keystore.ts';
import { shown } from './write.ts';
import { inParallel } from '../in-parallel.ts';

export type DisconnectMode = 'restrict' | 'deactivate' | 'destroy' | 'disconnect';

/** A version of a key in the keystore, and what was last seen of it there. */
interface Held {
  readonly instance: KeyInstance;
  readonly observed: Observed | undefined;
}

async function heldIn(deployment: Deployment, keystoreId: string): Promise<Held[]> {
  const instances: KeyInstance[] = [];
  const observed = new Map<string, Observed>();
  const nameOf = (of: Pick<KeyInstance, 'keyId' | 'version'>) => `${of.keyId}#${of.version}`;
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) } as const;
  for await (const item of deployment.database.query(query)) {
    if (String(item['sk']).startsWith('INSTANCE#')) instances.push(READ.keyInstance(item));
    else {
      const seen = READ.observed(item);
      observed.set(nameOf(seen), seen);
    }
  }
  return instances.map((instance) => ({ instance, observed: observed.get(nameOf(instance)) }));
}

/** Every instance that the keystore holds, tombstones too. */
export async function instancesIn(deployment: Deployment, keystoreId: string): Promise<KeyInstance[]> {
  return (await heldIn(deployment, keystoreId)).map(({ instance }) => instance);
}

/**
 * The instances that a mode first does something to, as they would be; those that an earlier run did not finish are among them. What is
 * destroyed stays so, whatever the mode.
 */
function retired(held: readonly Held[], mode: DisconnectMode, now: Date): KeyInstance[] {
  if (mode !== 'deactivate' && mode !== 'destroy') return [];
  return held.flatMap(({ instance, observed }) => {
    const wanted = mode === 'destroy' || instance.wanted === 'gone' ? 'gone' : 'disabled';
    if (instance.wanted !== wanted) return [claimed({ ...instance, wanted, removedByUser: true }, mode, now)];
    return isDone(instance, observed) ? [] : [claimed(instance, mode, now)];
  });
}

function isDone(instance: KeyInstance | undefined, observed: Observed | undefined): boolean {
  return instance?.open === undefined && observed?.error === undefined;
}

/** Whether keys live in it that a `restrict` must protect: those that are active or deactivated. */
export function holdsKeys(instances: readonly KeyInstance[]): boolean {
  return instances.some(({ keyState }) => keyState === 'active' || keyState === 'deactivated');
}

/**
 * Disconnects a keystore. `restrict` refuses while it holds active or deactivated keys; `deactivate` and `destroy` first do that to its
 * copies of the keys, and refuse to go on when one of them cannot be done; `disconnect` leaves the copies as they are. Keys live on in
 * their other keystores. Can be repeated: what an earlier run finished stays finished.
 */
export async function disconnect(
  deployment: Deployment,
  attempt: Attempt,
  keystore: Keystore,
  mode: DisconnectMode,
  signal: AbortSignal,
): Promise<void> {
  const held = await heldIn(deployment, keystore.id);
  const instances = held.map(({ instance }) => instance);
  requireDisconnectable(instances, mode);
  const retiring = retired(held, mode, deployment.clock());
  if (mode === 'destroy') await requireDeletable(deployment, retiring, new Map([[keystore.id, keystore]]), signal);
  await retire(deployment, attempt, retiring, signal);
  for (const instance of instances) await release(deployment, attempt, instance);
  await forgetKeystore(deployment, attempt, keystore, mode);
  // A key that was assigned in between, from the keystores as they were before.
  for (const instance of await instancesIn(deployment, keystore.id)) await release(deployment, attempt, instance);
}

/** What disconnecting would do to which key, and for how long. Changes nothing. Throws as `disconnect` does for `restrict`. */
export async function previewDisconnect(
  deployment: Deployment,
  keystore: Keystore,
  mode: DisconnectMode,
  signal: AbortSignal,
): Promise<WirePlannedChanges> {
  const held = await heldIn(deployment, keystore.id);
  const instances = held.map(({ instance }) => instance);
  requireDisconnectable(instances, mode);
  const working = retired(held, mode, deployment.clock());
  const keystores = new Map([[keystore.id, keystore]]);
  if (mode === 'destroy') await requireDeletable(deployment, working, keystores, signal);
  const rows = await previewKeystores(deployment, undefined, working, keystores, signal);
  const changes = instances.map(({ label }) => ({
    property: `keystores of ${label}`,
    before: keystore.name,
    after: null,
  }));
  return { changes, keystores: rows, estimated_seconds: totalSeconds(rows) };
}

/** Throws `in_use` when `restrict` must protect the keys that the keystore holds. */
export function requireDisconnectable(instances: readonly KeyInstance[], mode: DisconnectMode): void {
  if (mode !== 'restrict' || !holdsKeys(instances)) return;
  const count = instances.filter(({ keyState }) => keyState === 'active' || keyState === 'deactivated').length;
  throw new Fault(
    'in_use',
    `The keystore holds ${count} active or deactivated keys. Take them out first, or delete it with mode deactivate, destroy or disconnect.`,
  );
}

async function retire(
  deployment: Deployment,
  attempt: Attempt,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<void> {
  const failed = await inParallel(
    instances,
    async (instance) => {
      const entry = {
        vaultId: instance.vaultId,
        type: 'managed_key',
        id: instance.keyId,
        at: deployment.clock(),
        status: 200,
        after: { keystore: instance.keystoreId, wanted: instance.wanted },
      } as const;
      await commit(deployment.database, [fencedInstance(instance, instance.fence - 1)], success(attempt, entry));
      const partition = await readKey(deployment.database, instance.keyId);
      await convergeAll(deployment, partition.key, [instance], signal);
      const after = await readKey(deployment.database, instance.keyId);
      const stored = after.instances.find((each) => instanceId(each) === instanceId(instance));
      return isDone(stored, after.observed.get(instanceId(instance))) ? [] : [instance.label];
    },
    8,
  );
  const labels = failed.flat();
  if (labels.length === 0) return;
  throw new Fault(
    'keystore_unreachable',
    `${labels.length} keys could not be taken out of use in the keystore, so it stays connected: ` +
      `${labels.slice(0, 5).join(', ')}${labels.length > 5 ? ', …' : ''}. Repeat when it answers again, or use mode disconnect.`,
  );
}

/** Takes the keystore out of a key: its instance there, and its assignment, in one transaction. */
async function release(deployment: Deployment, attempt: Attempt, instance: KeyInstance): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const { key } = await readKey(deployment.database, instance.keyId);
    const now = deployment.clock();
    const changes: Change[] = [
      { op: 'delete', key: ITEM.instance(instance.keyId, instance.version, instance.keystoreId) },
      { op: 'delete', key: ITEM.observed(instance.keyId, instance.version, instance.keystoreId) },
      ...(key?.keystoreIds.includes(instance.keystoreId) === true
        ? [unassigned(key, instance.keystoreId, attempt.subject, now)]
        : []),
    ];
    const entry = {
      vaultId: instance.vaultId,
      type: 'managed_key',
      id: instance.keyId,
      at: now,
      status: 200,
      before: { keystore: instance.keystoreId },
      after: { keystore: null },
    } as const;
    try {
      await commit(deployment.database, changes, success(attempt, entry));
      return;
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'precondition_failed') || tries === 5) throw error;
    }
  }
}

function unassigned(key: ManagedKey, keystoreId: string, subject: string, now: Date): Change {
  const next: ManagedKey = {
    ...key,
    revision: key.revision + 1,
    keystoreIds: key.keystoreIds.filter((id) => id !== keystoreId),
    updatedAt: now,
    updatedBy: subject,
  };
  return replacement(STORED.managedKey(next), key.revision, changedMeanwhile);
}

async function forgetKeystore(
  deployment: Deployment,
  attempt: Attempt,
  keystore: Keystore,
  mode: DisconnectMode,
): Promise<void> {
  const now = deployment.clock();
  const changes: Change[] = [
    ...attempt.alongside(keystore.id),
    {
      op: 'delete',
      key: ITEM.keystore(keystore.id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': keystore.revision },
      refused: changedMeanwhile,
    },
    { op: 'delete', key: ITEM.keystoreCredentials(keystore.id) },
    { op: 'delete', key: ITEM.keystoreHealth(keystore.id) },
    { op: 'delete', key: ITEM.name('KEYSTORE', keystore.vaultId, keystore.name) },
    countInVault(keystore.vaultId, { keystores: -1 }, 'changed'),
    ...countInternal(keystore, -1),
  ];
  const entry = {
    vaultId: keystore.vaultId,
    type: 'keystore',
    id: keystore.id,
    at: now,
    status: 204,
    before: shown(keystore),
    after: { mode },
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
}
