import type { Vaults } from '../access/permissions.ts';
import { beginsWith, contains, pageFrom } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { allVaults } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import type { QueryOf } from '../wire/operations.ts';
import type { WireVaultList } from '../wire/vaults.ts';
import { presentVault } from './view.ts';

/** A page of the vaults that the caller may list. */
export async function listVaults(
  database: Database,
  listable: Vaults,
  call: ListCall<QueryOf<'ListVaults'>>,
): Promise<WireVaultList> {
  const { query } = call;
  const vaults = (await allVaults(database)).filter(
    (vault) =>
      (listable === 'all' || listable.has(vault.id)) &&
      beginsWith(query.name, vault.name) &&
      contains(query.description, vault.description),
  );
  const { page, items } = pageFrom(
    vaults,
    call,
    {
      name: (vault) => vault.name,
      description: (vault) => vault.description,
      created_at: (vault) => vault.createdAt,
      updated_at: (vault) => vault.updatedAt,
    },
    (vault) => vault.id,
    ['name'],
  );
  const counters = new Map(
    (await database.batchGet(items.map(({ id }) => ITEM.vaultCounters(id)))).map((item) => [item['pk'], item]),
  );
  return {
    ...page,
    vaults: items.map((vault) =>
      presentVault(vault, READ.counters(counters.get(ITEM.vaultCounters(vault.id).pk)), call.baseUrl),
    ),
  };
}
