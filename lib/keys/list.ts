import pMap from 'p-map';
import type { Vaults } from '../access/permissions.ts';
import type { SyncFlag } from '../drift/observed.ts';
import { beginsWith, isAnyOf, isWithin, pageFrom, vaultIds } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Keystore } from '../keystores/keystore.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import type { ListedManagedKey } from '../records/entities.ts';
import { keystoresOfVault, readKey, readVault, templatesOfVault } from '../records/reading.ts';
import { INDEX_KEY } from '../records/table.ts';
import type { Template } from '../templates/template.ts';
import { dayRange, instantRange } from '../wire/lists.ts';
import type { WireManagedKeyList } from '../wire/keys.ts';
import type { QueryOf } from '../wire/operations.ts';
import { assignedKeystores, isAligned } from './alignment.ts';
import { presentKey } from './view.ts';
import type { KeyContext } from './view.ts';

/** Every filter of the key lists; those that one of them does not have stay undefined. */
export type KeyFilters = Partial<Omit<QueryOf<'ListManagedKeys'>, 'sort' | 'limit' | 'offset'>>;

/** What keys of one vault refer to, as far as filters ask for it. */
export interface KeyReferences {
  readonly keystores: ReadonlyMap<string, Keystore>;
  readonly templateOf: (row: ListedManagedKey) => Template | undefined;
  /** Where the keys of a template are to live. */
  readonly assignedOf: (template: Template) => readonly Keystore[];
}

/** A vault with what its keys refer to: read once for a whole list. */
interface VaultOfKeys extends KeyContext {
  readonly id: string;
  readonly templates: ReadonlyMap<string, Template>;
  /** By template id: where its keys are to live. */
  readonly assigned: ReadonlyMap<string, readonly Keystore[]>;
}

async function readVaultOfKeys(database: Database, id: string): Promise<VaultOfKeys> {
  const [vault, templates, keystores] = await Promise.all([
    readVault(database, id),
    templatesOfVault(database, id),
    keystoresOfVault(database, id),
  ]);
  return {
    id,
    vault,
    template: undefined,
    keystores: new Map(keystores.map((keystore) => [keystore.id, keystore])),
    templates: new Map(templates.map((template) => [template.id, template])),
    assigned: new Map(templates.map((template) => [template.id, assignedKeystores(template, keystores)])),
  };
}

/**
 * A page of the managed keys in the vaults that the caller may list; `keystoreId` narrows it to the keys of one keystore. Filters and sorts
 * the index rows of those vaults, and reads in full only the keys of the page.
 */
export async function listKeys(
  database: Database,
  listable: Vaults,
  call: ListCall<KeyFilters & Pick<QueryOf<'ListManagedKeys'>, 'sort'>>,
  keystoreId?: string,
): Promise<WireManagedKeyList> {
  const { query } = call;
  const ids = await vaultIds(database, listable, query['vault.id']);
  const vaults = new Map(
    (await pMap(ids, (id) => readVaultOfKeys(database, id), { concurrency: 8 })).map((vault) => [vault.id, vault]),
  );
  const flagged = await flaggedKeys(database, [...vaults.values()], query['status_in_keystores[].keystore_sync_flag']);
  const matches = keyMatcher(query);
  const rows: ListedManagedKey[] = [];
  for (const vault of vaults.values()) {
    const references: KeyReferences = {
      keystores: vault.keystores,
      templateOf: ({ templateId }) => vault.templates.get(templateId),
      assignedOf: ({ id }) => vault.assigned.get(id) ?? [],
    };
    for await (const item of database.query({ index: 'by_vault', pk: INDEX_KEY.keysOfVault(vault.id) })) {
      const row = READ.listedKey(item);
      if (keystoreId !== undefined && !row.keystoreIds.includes(keystoreId)) continue;
      if (flagged !== undefined && !flagged.has(row.id)) continue;
      if (matches(row, references)) rows.push(row);
    }
  }
  const { page, items } = pageFrom(rows, call, SORT_VALUES, ({ id }) => id, ['label']);
  const shown = await pMap(items, ({ id }) => readKey(database, id), { concurrency: 32 });
  return {
    ...page,
    managed_keys: shown.flatMap((partition) => {
      const { key } = partition;
      const vault = key === undefined ? undefined : vaults.get(key.vaultId);
      if (key === undefined || vault === undefined) return [];
      const context = { ...vault, template: vault.templates.get(key.templateId) };
      return [presentKey(partition, key, context, call.baseUrl)];
    }),
  };
}

/** What the key lists sort by. */
export const SORT_VALUES = {
  label: ({ label }: ListedManagedKey) => label,
  algorithm: ({ spec }: ListedManagedKey) => spec.algorithm,
  state: ({ state }: ListedManagedKey) => state,
  activation_date: ({ activationDate }: ListedManagedKey) => activationDate,
  deactivation_date: ({ deactivationDate }: ListedManagedKey) => deactivationDate,
  expiration_date: ({ expirationDate }: ListedManagedKey) => expirationDate,
  created_at: ({ createdAt }: ListedManagedKey) => createdAt,
  updated_at: ({ updatedAt }: ListedManagedKey) => updatedAt,
  size: ({ spec }: ListedManagedKey) => Number.parseInt(spec.size, 10),
  'vault.id': ({ vaultId }: ListedManagedKey) => vaultId,
};

/** A predicate made once for the whole list, so that a row costs only the filters that were asked for. */
export function keyMatcher(query: KeyFilters): (row: ListedManagedKey, context: KeyReferences) => boolean {
  const dates = {
    activation: dayRange(query, 'activation_date'),
    deactivation: dayRange(query, 'deactivation_date'),
    expiration: dayRange(query, 'expiration_date'),
  };
  const created = instantRange(query, 'created_at');
  const updated = instantRange(query, 'updated_at');
  const rotated = instantRange(
    { rotated_at_min: query.rotated_at_min, rotated_at_max: query.rotated_at_max },
    'rotated_at',
  );
  const sizes =
    query.size_min === undefined && query.size_max === undefined
      ? undefined
      : { from: query.size_min, to: query.size_max };
  return (row, context) =>
    isAnyOf(query.algorithm, row.spec.algorithm) &&
    isAnyOf(query.state, row.state) &&
    beginsWith(query.label, row.label) &&
    isWithin(dates.activation, row.activationDate) &&
    isWithin(dates.deactivation, row.deactivationDate) &&
    isWithin(dates.expiration, row.expirationDate) &&
    isWithin(created, row.createdAt) &&
    isWithin(updated, row.updatedAt) &&
    isWithin(rotated, row.rotatedAt) &&
    isAnyOf(query.size, row.spec.size) &&
    isWithin(sizes, Number.parseInt(row.spec.size, 10)) &&
    isAnyOf(query.managing_systems, 'web') &&
    isAnyOf(query['instances[].keystore.type'], row.keystoreType) &&
    matchesKeystores(query, row, context) &&
    matchesTemplate(query, row, context);
}

function matchesKeystores(query: KeyFilters, row: ListedManagedKey, context: KeyReferences): boolean {
  const types = query['referenced_keystores[].type'];
  const names = query['referenced_keystores[].name'];
  if (types !== undefined && !(row.keystoreIds.length > 0 && types.includes(row.keystoreType))) return false;
  return names === undefined || row.keystoreIds.some((id) => names.includes(context.keystores.get(id)?.name ?? ''));
}

function matchesTemplate(query: KeyFilters, row: ListedManagedKey, context: KeyReferences): boolean {
  const template = context.templateOf(row);
  if (!isAnyOf(query['template.id'], row.templateId)) return false;
  if (!beginsWith(query['template.name'], template?.name ?? '')) return false;
  const types = query['template.type[]'];
  if (types !== undefined && (template === undefined || !types.includes(template.type))) return false;
  const alignment = query['template.alignment_status'];
  if (alignment === undefined) return true;
  const aligned = template !== undefined && isAligned(row, template, context.assignedOf(template));
  return (alignment === 'aligned') === aligned;
}

/**
 * The ids of the keys that have one of these flags in any keystore; undefined when no flag is asked for. Drift alone is read from the
 * sparse index; whether something is well, or was never asked, only the keystores' own rows tell.
 */
async function flaggedKeys(
  database: Database,
  vaults: readonly VaultOfKeys[],
  flags: readonly SyncFlag[] | undefined,
): Promise<ReadonlySet<string> | undefined> {
  if (flags === undefined) return undefined;
  const found = new Set<string>();
  if (flags.every((flag) => flag === 'out_of_sync' || flag === 'error')) {
    for (const vault of vaults) {
      for (const flag of flags) {
        const query = { index: 'flagged', pk: INDEX_KEY.flaggedInVault(vault.id), beginsWith: `${flag}#` } as const;
        for await (const item of database.query(query)) found.add(String(item['key_id']));
      }
    }
    return found;
  }
  for (const vault of vaults) {
    for (const keystore of vault.keystores.keys()) {
      for await (const [keyId, flag] of flagsIn(database, keystore)) if (flags.includes(flag)) found.add(keyId);
    }
  }
  return found;
}

async function* flagsIn(database: Database, keystoreId: string): AsyncGenerator<readonly [string, SyncFlag]> {
  let waiting: string | undefined;
  for await (const item of database.query({ index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) })) {
    const keyId = String(item['key_id']);
    if (String(item['sk']).startsWith('INSTANCE#')) {
      if (waiting !== undefined) yield [waiting, 'verifying_sync'];
      waiting = keyId;
    } else {
      yield [keyId, READ.observed(item).keystoreSyncFlag];
      waiting = undefined;
    }
  }
  if (waiting !== undefined) yield [waiting, 'verifying_sync'];
}
