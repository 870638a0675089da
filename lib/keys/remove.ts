import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance } from '../records/entities.ts';
import type { KeyPartition } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import { countKeys } from '../templates/counting.ts';
import type { Template } from '../templates/template.ts';
import { countInVault } from '../vaults/counting.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { instanceId } from './key.ts';
import type { KeyInstance, ManagedKey } from './key.ts';
import { requireState } from './lifecycle.ts';
import { shadowRemoval } from './shadow.ts';

/**
 * Takes a destroyed key out of its vault. Its instances stay as tombstones, and are followed, until every keystore confirms that its
 * pending period is over. Throws `state_conflict` for a key that is not destroyed.
 */
export async function removeKey(
  deployment: Deployment,
  attempt: Attempt,
  partition: KeyPartition,
  key: ManagedKey,
  template: Template | undefined,
): Promise<void> {
  requireState('remove', key.state);
  const shadow = template?.type === 'shadow' ? template : undefined;
  const now = deployment.clock();
  const changes: Change[] = [
    ...attempt.alongside(key.id),
    {
      op: 'delete',
      key: ITEM.key(key.id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': key.revision },
      refused: changedMeanwhile,
    },
    ...partition.versions.map((version): Change => ({ op: 'delete', key: ITEM.version(key.id, version.version) })),
    ...partition.instances.flatMap((instance) => entombed(partition, instance)),
    { op: 'delete', key: ITEM.name('KEY', key.vaultId, key.label) },
    ...(shadow === undefined ? [countKeys(key.templateId, -1)] : shadowRemoval(shadow)),
    countInVault(key.vaultId, { keys: -1, templates: shadow === undefined ? 0 : -1 }, 'unconcerned'),
  ];
  const before = { label: key.label, state: key.state };
  const entry = { vaultId: key.vaultId, type: 'managed_key', id: key.id, at: now, status: 204, before } as const;
  await commit(deployment.database, changes, success(attempt, entry));
}

function entombed(partition: KeyPartition, instance: KeyInstance): Change[] {
  const observed = partition.observed.get(instanceId(instance));
  const confirmed =
    instance.open === undefined &&
    observed?.status === 'not_present' &&
    observed.judgedFence === instance.fence &&
    observed.pendingDestructionUntil === undefined;
  if (!confirmed) {
    return [fencedInstance({ ...instance, keyRemoved: true, fence: instance.fence + 1 }, instance.fence)];
  }
  return [
    { op: 'delete', key: ITEM.instance(instance.keyId, instance.version, instance.keystoreId) },
    { op: 'delete', key: ITEM.observed(instance.keyId, instance.version, instance.keystoreId) },
  ];
}
