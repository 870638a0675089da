import type { Vaults } from '../access/permissions.ts';
import { beginsWith, contains, isAnyOf, pageFrom, vaultIds } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { keystoresOfVault, readVault } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import type { WireKeystoreList } from '../wire/keystores.ts';
import type { QueryOf } from '../wire/operations.ts';
import { locationOf, presentKeystore } from './view.ts';

/** A page of the keystores in the vaults that the caller may list. */
export async function listKeystores(
  database: Database,
  listable: Vaults,
  call: ListCall<QueryOf<'ListKeystores'>>,
): Promise<WireKeystoreList> {
  const { query } = call;
  const ids = await vaultIds(database, listable, query['vault.id']);
  const vaults = new Map(
    (await Promise.all(ids.map((id) => readVault(database, id)))).map((vault) => [vault?.id, vault]),
  );
  const all = (await Promise.all(ids.map((id) => keystoresOfVault(database, id)))).flat();
  const health = new Map(
    (await database.batchGet(all.map(({ id }) => ITEM.keystoreHealth(id)))).map((item) => {
      const found = READ.keystoreHealth(item);
      return [found.keystoreId, found];
    }),
  );
  const keystores = all.filter(
    (keystore) =>
      isAnyOf(query.type, keystore.type) &&
      beginsWith(query.name, keystore.name) &&
      contains(query.description, keystore.description) &&
      (query.group === undefined || keystore.groups.includes(query.group)) &&
      (query['groups[]'] === undefined ||
        query['groups[]'].split(',').some((group) => keystore.groups.includes(group))) &&
      isAnyOf(query.location, locationOf(keystore)) &&
      isAnyOf(query['status.health_status'], health.get(keystore.id)?.status ?? 'pending_check'),
  );
  const { page, items } = pageFrom(
    keystores,
    call,
    {
      name: ({ name }) => name,
      type: ({ type }) => type,
      description: ({ description }) => description,
      location: locationOf,
      created_at: ({ createdAt }) => createdAt,
      updated_at: ({ updatedAt }) => updatedAt,
      'vault.id': ({ vaultId }) => vaultId,
      'status.health_status': ({ id }) => health.get(id)?.status ?? 'pending_check',
    },
    ({ id }) => id,
    ['name'],
  );
  return {
    ...page,
    keystores: items.map((keystore) =>
      presentKeystore(keystore, health.get(keystore.id), vaults.get(keystore.vaultId), call.baseUrl),
    ),
  };
}
