import type { Vaults } from '../access/permissions.ts';
import { beginsWith, contains, isAnyOf, isWithin, pageFrom, vaultIds } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { readVault, templatesOfVault } from '../records/reading.ts';
import { ITEM } from '../records/table.ts';
import { instantRange } from '../wire/lists.ts';
import type { QueryOf } from '../wire/operations.ts';
import type { WireTemplateList } from '../wire/templates.ts';
import { keystoreTypeOf } from './template.ts';
import { presentTemplate } from './view.ts';

/** A page of the templates in the vaults that the caller may list. */
export async function listTemplates(
  database: Database,
  listable: Vaults,
  call: ListCall<QueryOf<'ListKeyTemplates'>>,
): Promise<WireTemplateList> {
  const { query } = call;
  const ids = await vaultIds(database, listable, query['vault.id']);
  const vaults = new Map(
    (await Promise.all(ids.map((id) => readVault(database, id)))).map((vault) => [vault?.id, vault]),
  );
  const created = instantRange(query, 'created_at');
  const updated = instantRange(query, 'updated_at');
  const sizes = { from: query['key.size_min'], to: query['key.size_max'] };
  const templates = (await Promise.all(ids.map((id) => templatesOfVault(database, id))))
    .flat()
    .filter(
      (template) =>
        beginsWith(query.name, template.name) &&
        contains(query.naming_scheme, template.namingScheme ?? '') &&
        isAnyOf(query['key.algorithm'], template.key.algorithm) &&
        isAnyOf(query['key.size'], template.key.size) &&
        (sizes.from === undefined && sizes.to === undefined
          ? true
          : isWithin(sizes, Number.parseInt(template.key.size, 10))) &&
        isAnyOf(query['keystores[].type'], keystoreTypeOf(template)) &&
        template.keystores.some(({ group }) => isAnyOf(query['keystores[].group'], group ?? '')) &&
        isWithin(created, template.createdAt) &&
        isWithin(updated, template.updatedAt) &&
        isAnyOf(query['type[]'], template.type) &&
        isAnyOf(query.state, template.state) &&
        isAnyOf(query.managing_systems, 'web'),
    );
  const counters = new Map(
    (await database.batchGet(templates.map(({ id }) => ITEM.templateCounters(id)))).map((item) => [
      item['pk'],
      READ.counters(item).keys,
    ]),
  );
  const keysOf = (id: string) => counters.get(ITEM.templateCounters(id).pk) ?? 0;
  const { page, items } = pageFrom(
    templates,
    call,
    {
      name: ({ name }) => name,
      state: ({ state }) => state,
      'key.algorithm': ({ key }) => key.algorithm,
      'key.size': ({ key }) => Number.parseInt(key.size, 10),
      keys_count: ({ id }) => keysOf(id),
      created_at: ({ createdAt }) => createdAt,
      updated_at: ({ updatedAt }) => updatedAt,
      'vault.id': ({ vaultId }) => vaultId,
    },
    ({ id }) => id,
    ['name'],
  );
  return {
    ...page,
    templates: items.map((template) =>
      presentTemplate(template, keysOf(template.id), vaults.get(template.vaultId), call.baseUrl),
    ),
  };
}
