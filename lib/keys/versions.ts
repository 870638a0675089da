import { isAnyOf, pageFrom } from '../list.ts';
import type { ListCall } from '../list.ts';
import { NEVER_ASKED } from '../drift/verdict.ts';
import type { KeyPartition } from '../records/reading.ts';
import type { WireManagedKeyList } from '../wire/keys.ts';
import type { QueryOf } from '../wire/operations.ts';
import { instanceId } from './key.ts';
import type { ManagedKey } from './key.ts';
import { assignedKeystores } from './alignment.ts';
import { keyMatcher, SORT_VALUES } from './list.ts';
import type { KeyReferences } from './list.ts';
import { presentKey } from './view.ts';
import type { KeyContext } from './view.ts';

/** A page of a key's versions, each shown as the key in that version; the latest first unless sorted otherwise. */
export function listVersions(
  partition: KeyPartition,
  key: ManagedKey,
  context: KeyContext,
  call: ListCall<QueryOf<'ListManagedKeyVersions'>>,
): WireManagedKeyList {
  const matches = keyMatcher(call.query);
  const flags = call.query['status_in_keystores[].keystore_sync_flag'];
  const flagsOf = (version: number) =>
    partition.instances
      .filter((instance) => instance.version === version)
      .map(
        (instance) => partition.observed.get(instanceId(instance))?.keystoreSyncFlag ?? NEVER_ASKED.keystoreSyncFlag,
      );
  const references: KeyReferences = {
    keystores: context.keystores,
    templateOf: () => context.template,
    assignedOf: (template) => assignedKeystores(template, [...context.keystores.values()]),
  };
  const versions = partition.versions
    .map((version): ManagedKey => ({
      ...key,
      version: version.version,
      state: version.state,
      createdAt: version.createdAt,
      rotatedAt: version.rotatedAt ?? (version.version === key.version ? key.rotatedAt : undefined),
      deactivatedAt: version.deactivatedAt,
    }))
    .filter(
      (each) =>
        matches(each, references) &&
        (flags === undefined || flagsOf(each.version).some((flag) => isAnyOf(flags, flag))),
    );
  const { page, items } = pageFrom(
    versions,
    call,
    { ...SORT_VALUES, version: ({ version }: ManagedKey) => version },
    ({ version }) => String(version).padStart(6, '0'),
    ['-version'],
  );
  return { ...page, managed_keys: items.map((each) => presentKey(partition, each, context, call.baseUrl)) };
}
