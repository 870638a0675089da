import type { WireManagedKey } from '../wire/keys.ts';
import type { KeyPartition } from '../records/reading.ts';
import { instanceId } from './key.ts';
import type { ManagedKey } from './key.ts';
import type { Realignment } from './realign.ts';
import { presentKey } from './view.ts';
import type { KeyContext } from './view.ts';

/**
 * What realigning would make of a key, for `dry_run=true`: the key as it would be, every difference, and what would be done in each
 * keystore that it concerns.
 */
export function presentRealignment(
  partition: KeyPartition,
  key: ManagedKey,
  realignment: Realignment,
  context: KeyContext,
  baseUrl: string,
): WireManagedKey {
  const changed = new Map(realignment.instances.map((instance) => [instanceId(instance), instance]));
  const instances = [
    ...partition.instances.map((instance) => changed.get(instanceId(instance)) ?? instance),
    ...realignment.instances.filter(
      (instance) => !partition.instances.some((known) => instanceId(known) === instanceId(instance)),
    ),
  ];
  const asItWouldBe = { ...realignment.key, updatedAt: key.updatedAt, updatedBy: key.updatedBy };
  return {
    ...presentKey({ ...partition, instances }, asItWouldBe, context, baseUrl),
    planned_changes: {
      differences: realignment.differences.map(({ property, key: now, template, changeable }) => ({
        property,
        key: now,
        template,
        changeable,
      })),
      keystores: realignment.instances.map((instance) => ({
        id: instance.keystoreId,
        name: context.keystores.get(instance.keystoreId)?.name ?? instance.keystoreId,
        change: instance.removedByUser ? 'deactivate_and_keep' : instance.binding === undefined ? 'distribute' : 'reactivate',
      })),
    },
  };
}
