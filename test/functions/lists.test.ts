import { unzipSync } from 'fflate';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROLES } from '../../lib/access/permissions.ts';
import { mediaTypesOf } from '../../lib/wire/formats.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { WireApiError } from '../../lib/wire/errors.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { parseCsv } from '../wire/csv.ts';
import { BASE_URL, startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { act, create, keystoreBody, templateBody } from './world.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_122);

type List =
  | 'ListManagedKeys'
  | 'ListManagedKeyVersions'
  | 'ListManagedKeysFromKeystore'
  | 'ListKeyTemplates'
  | 'ListKeystores'
  | 'ListVaults'
  | 'ListAssociatedResourcesForManagedKey'
  | 'ListAssociatedResourcesForTargetKeystore';
const LISTS: readonly List[] = [
  'ListManagedKeys',
  'ListManagedKeyVersions',
  'ListManagedKeysFromKeystore',
  'ListKeyTemplates',
  'ListKeystores',
  'ListVaults',
  'ListAssociatedResourcesForManagedKey',
  'ListAssociatedResourcesForTargetKeystore',
];

/** An item of a list, as the JSON is. */
type Item = Readonly<Record<string, unknown>>;

let api: TestApi;
let client: ApiClient;
/** What stands for `{id}` in the paths of the lists that have one. */
let ids: { readonly key: string; readonly keystore: string };

beforeAll(async () => {
  api = await startApi();
  client = api.client(await api.token([...ROLES]));
  ids = await fill();
});
afterAll(() => api.close());

/** Two vaults with items that differ in whatever can be asked for. */
async function fill(): Promise<typeof ids> {
  const first = await create(client, 'vaults', { name: 'Payments', description: 'cards and Transfers' });
  const second = await create(client, 'vaults', { name: 'Payroll', description: 'people' });
  await create(client, 'vaults', { name: 'payments small', description: '' });

  const east = await create(client, 'keystores', { ...keystoreBody(first, 'east'), description: 'near; the Sea' });
  const west = { ...keystoreBody(first, 'eastern west', ['Production', 'Second']), aws_region: 'us_west_2' };
  const westId = await create(client, 'keystores', west);
  await create(client, 'keystores', {
    ...keystoreBody(second, 'East', ['Test']),
    description: 'the other',
    aws_access_key_id: 'AKIANOBODY',
  });
  await create(client, 'keystores', {
    ...keystoreBody(second, 'hsm', ['HSM']),
    type: 'aws_cloudhsm',
    aws_custom_key_store_id: api.customKeyStoreId,
  });

  const template = (vault: string, name: string, more: Readonly<Record<string, Json>> = {}, key: object = {}) =>
    create(client, 'templates', {
      ...templateBody(vault, name),
      ...more,
      key: { ...templateBody(vault, name).key, ...key },
    });
  const unaligned = await template(first, 'aes', {}, { expiration_date: 'P1Y' });
  await template(
    first,
    'aes-waiting',
    { keystores: [{ type: 'aws_kms', group: 'Second' }] },
    { state: 'pre_activation' },
  );
  await template(first, 'Ec', {}, { algorithm: 'ec', size: '384', activation_date: 'P1D' });
  await template(first, 'hmac-named', { naming_scheme: 'Hmac_<owner>' }, { algorithm: 'hmac', size: '512' });
  await template(second, 'aes-hsm', { keystores: [{ type: 'aws_cloudhsm', group: 'HSM' }] });
  await template(second, 'other', { keystores: [{ type: 'aws_kms', group: 'Test' }], naming_scheme: '<owner>_hmac' });
  const archived = await template(second, 'archived');

  const key = (vault: string, template_name: string, label: string) =>
    create(client, 'managed_keys', { vault: { id: vault }, template_name, label });
  const rotated = await key(first, 'aes', 'Card/one');
  const off = await key(first, 'aes', 'card/two');
  await key(first, 'aes', 'card/three');
  await key(first, 'aes-waiting', 'waiting');
  await key(first, 'Ec', 'signing');
  await create(client, 'managed_keys', {
    vault: { id: first },
    template_name: 'hmac-named',
    label_tags: [{ name: 'owner', value: 'ada' }],
  });
  await key(second, 'aes-hsm', 'card/hsm');
  const shadow = { ...templateBody(first, '').key, size: '128', material: 'imported' };
  const drifted = await create(client, 'managed_keys', {
    vault: { id: first },
    label: 'drifted',
    key: { ...shadow, size: '256' },
    keystores: [{ id: westId }],
  });

  await act(client, `managed_keys/${off}/deactivate`);
  await act(client, `managed_keys/${rotated}/rotate`);
  await act(client, `templates/${archived}/archive`);
  await expectStatus(client, 200, {
    method: 'PATCH',
    path: `/managed_keys/${drifted}`,
    ifMatch: '*',
    body: { activation_date: '2026-01-31', expiration_date: '2031-12-31' },
  });
  await expectStatus(client, 200, {
    method: 'PATCH',
    path: `/templates/${unaligned}`,
    ifMatch: '*',
    body: { key: { expiration_date: 'P2Y' }, description: 'longer' },
  });
  await act(client, `managed_keys/${off}/update_from_template`);
  const inKms = api.kms.operator.keys().find(({ tags }) => tags['shearline:key'] === drifted);
  await api.kms.operator.disable(inKms?.keyId ?? '');
  for (const id of [drifted, rotated, off]) {
    await expectStatus(client, 200, { method: 'GET', path: `/managed_keys/${id}/status_in_keystores` });
  }
  return { key: rotated, keystore: east };
}

function pathOf(list: List): string {
  const id = OPERATIONS[list].path.includes('managed_keys/{id}') ? ids.key : ids.keystore;
  return OPERATIONS[list].path.replace('/api/v4', '').replace('{id}', id);
}

interface Page {
  readonly total_count: number;
  readonly limit: number;
  readonly offset: number;
  readonly first: { readonly href: string };
  readonly previous?: { readonly href: string };
  readonly next?: { readonly href: string };
  readonly last: { readonly href: string };
  readonly items: readonly Item[];
}

async function get(path: string): Promise<Page> {
  const { body } = await expectStatus(client, 200, { method: 'GET', path });
  const items = Object.values(body as object).find((value) => Array.isArray(value)) as readonly Item[];
  return { ...(body as Page), items };
}

const ask = (list: List, query: Readonly<Record<string, string>> = {}) =>
  get(`${pathOf(list)}?${new URLSearchParams(query).toString()}`);
const all = async (list: List, query: Readonly<Record<string, string>> = {}) =>
  (await ask(list, { limit: '1000', ...query })).items;

/** What identifies an item in its list: versions of a key share its id. */
const idOf = (item: Item): string => `${textAt(item, 'id')} ${textAt(item, 'version')}`;

const at = (item: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((object, name) => (object as Item | undefined)?.[name], item);
const textAt = (item: unknown, path: string): string => {
  const value = at(item, path);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};
const listAt = (item: Item, path: string) => (at(item, path) as readonly Item[] | undefined) ?? [];

/** Whether an item belongs to the answer of one filter, by the contract's words; and values that tell items apart. */
interface Filter {
  readonly holds: (item: Item, value: string) => boolean;
  readonly values: (items: readonly Item[]) => readonly string[];
}

const distinct = (values: readonly unknown[]) => [
  ...new Set(values.filter((value) => value !== undefined).map(String)),
];

function anyOf(...paths: readonly string[]): Filter {
  const valuesOf = (item: Item) =>
    paths.flatMap((path) => {
      const [list, field] = path.split('[].');
      if (field !== undefined) return listAt(item, list ?? '').map((each) => textAt(each, field));
      const value = at(item, path);
      return Array.isArray(value) ? value.map(String) : [textAt(item, path)];
    });
  return {
    holds: (item, value) => valuesOf(item).some((own) => value.split(',').includes(own)),
    values: (items) => {
      const found = distinct(items.flatMap(valuesOf)).filter(Boolean);
      return [...found, found.slice(0, 2).join(',')];
    },
  };
}
function beginsWith(path: string): Filter {
  return {
    holds: (item, value) => textAt(item, path).startsWith(value),
    values: (items) => distinct(items.flatMap((item) => [1, 4].map((length) => textAt(item, path).slice(0, length)))),
  };
}
function contains(path: string): Filter {
  return {
    holds: (item, value) => textAt(item, path).includes(value),
    values: (items) =>
      distinct(items.flatMap((item) => [textAt(item, path).slice(2, 5), textAt(item, path).slice(-4)])).filter(Boolean),
  };
}
function compared(
  path: string,
  holds: (own: number | string, value: number | string) => boolean,
  numbers: boolean,
): Filter {
  const read = (text: string) => (numbers ? Number.parseInt(text, 10) : text);
  return {
    holds: (item, value) => at(item, path) !== undefined && holds(read(textAt(item, path)), read(value)),
    values: (items) => distinct(items.map((item) => at(item, path))),
  };
}
const ranged = (name: string, path = name, numbers = false): Readonly<Record<string, Filter>> => ({
  [`${name}_min`]: compared(path, (own, value) => own >= value, numbers),
  [`${name}_max`]: compared(path, (own, value) => own <= value, numbers),
});
/** Times are asked for as they are given, and as whole days. */
const timed = (name: string): Readonly<Record<string, Filter>> => ({
  [name]: compared(name, (own, value) => String(own).startsWith(String(value)), false),
  ...ranged(name),
});
const dated = (name: string): Readonly<Record<string, Filter>> => ({
  [name]: compared(name, (own, value) => own === value, false),
  ...ranged(name),
});

const OF_KEYS: Readonly<Record<string, Filter>> = {
  algorithm: anyOf('algorithm'),
  state: anyOf('state'),
  label: beginsWith('label'),
  ...dated('activation_date'),
  ...dated('deactivation_date'),
  ...dated('expiration_date'),
  ...timed('created_at'),
  ...timed('updated_at'),
  ...ranged('rotated_at'),
  size: anyOf('size'),
  ...ranged('size', 'size', true),
  'template.name': beginsWith('template.name'),
  'template.id': anyOf('template.id'),
  'template.type[]': anyOf('template.type'),
  'template.alignment_status': { ...anyOf('template.alignment_status'), values: () => ['aligned', 'unaligned'] },
  'status_in_keystores[].keystore_sync_flag': anyOf('status_in_keystores[].keystore_sync_flag'),
};
const OF_KEYS_EVERYWHERE: Readonly<Record<string, Filter>> = {
  ...OF_KEYS,
  'referenced_keystores[].type': anyOf('referenced_keystores[].type'),
  'referenced_keystores[].name': anyOf('referenced_keystores[].name'),
  'instances[].keystore.type': anyOf('instances[].keystore.type'),
};
const VAULT_ID = { 'vault.id': anyOf('vault.id') };
const MANAGING_SYSTEMS = {
  managing_systems: { ...anyOf('managing_systems'), values: () => ['web', 'workstation', 'web,workstation'] },
};

const FILTERS: Readonly<Record<List, Readonly<Record<string, Filter>>>> = {
  ListManagedKeys: { ...OF_KEYS_EVERYWHERE, ...VAULT_ID, ...MANAGING_SYSTEMS },
  ListManagedKeyVersions: OF_KEYS_EVERYWHERE,
  ListManagedKeysFromKeystore: OF_KEYS,
  ListKeyTemplates: {
    ...VAULT_ID,
    ...MANAGING_SYSTEMS,
    name: beginsWith('name'),
    naming_scheme: contains('naming_scheme'),
    'key.algorithm': anyOf('key.algorithm'),
    'key.size': anyOf('key.size'),
    ...ranged('key.size', 'key.size', true),
    'keystores[].type': anyOf('keystores[].type'),
    'keystores[].group': anyOf('keystores[].group'),
    ...timed('created_at'),
    ...timed('updated_at'),
    'type[]': anyOf('type'),
    state: anyOf('state'),
  },
  ListKeystores: {
    ...VAULT_ID,
    type: anyOf('type'),
    name: beginsWith('name'),
    description: contains('description'),
    group: { ...anyOf('groups'), values: () => ['Production', 'Second', 'Test', 'Prod'] },
    'groups[]': anyOf('groups'),
    location: anyOf('location'),
    'status.health_status': anyOf('status.health_status'),
  },
  ListVaults: { name: beginsWith('name'), description: contains('description') },
  ListAssociatedResourcesForManagedKey: {},
  ListAssociatedResourcesForTargetKeystore: {},
};

const PAGING = ['limit', 'offset', 'sort'];
const parametersOf = (list: List) =>
  Object.keys((OPERATIONS[list].query()._zod.def as { readonly shape: object }).shape).filter(
    (name) => !PAGING.includes(name),
  );

const found = (items: readonly Item[]) => items.map(idOf).sort();

describe.each(LISTS)('%s', (list) => {
  it('has a check here for each of its parameters', () => {
    expect(Object.keys(FILTERS[list]).sort()).toEqual(parametersOf(list).sort());
  });

  it('gives for each filter and value exactly what it asks for', async () => {
    const items = await all(list);
    let telling = 0;
    for (const [name, { holds, values }] of Object.entries(FILTERS[list])) {
      const tried = values(items);
      for (const value of tried) {
        const expected = items.filter((item) => holds(item, value));
        if (expected.length > 0 && expected.length < items.length) telling += 1;
        const { items: given, total_count: total } = await ask(list, { limit: '1000', [name]: value });
        expect(found(given), `${name}=${value}`).toEqual(found(expected));
        expect(total).toBe(expected.length);
      }
    }
    // A list whose items no filter can tell apart would prove nothing.
    if (Object.keys(FILTERS[list]).length > 0) expect(telling).toBeGreaterThan(3);
  });

  it('gives for several filters together what each of them gives', async () => {
    const items = await all(list);
    const one = Object.entries(FILTERS[list]).flatMap(([name, filter]) =>
      filter.values(items).map((value) => ({ name, value, filter })),
    );
    if (one.length === 0) return;
    const some = fc.uniqueArray(fc.constantFrom(...one), {
      minLength: 2,
      maxLength: 4,
      // The exact parameter and its bounds exclude each other.
      selector: ({ name }) => name.replace(/_m(?:in|ax)$/, ''),
    });
    await fc.assert(
      fc.asyncProperty(some, async (chosen) => {
        const query = Object.fromEntries(chosen.map(({ name, value }) => [name, value]));
        const expected = items.filter((item) => chosen.every(({ filter, value }) => filter.holds(item, value)));
        expect(found(await all(list, query)), JSON.stringify(query)).toEqual(found(expected));
      }),
      { seed: SEED, numRuns: 40 },
    );
  });

  it('sorts by each field, either way, what is missing last, and equals always in the same order', async () => {
    const items = await all(list);
    for (const field of sortFields(list)) {
      for (const sort of [field, `-${field}`]) {
        const sorted = await all(list, { sort });
        expect(found(sorted), sort).toEqual(found(items));
        const values = sorted.map((item) => sortValue(item, field));
        for (const [index, value] of values.entries()) {
          const next = values[index + 1];
          if (index + 1 === values.length || next === undefined || next === value) continue;
          expect(
            value !== undefined && (sort === field ? value < next : value > next),
            `${sort}: ${value ?? ''}, ${next}`,
          ).toBe(true);
        }
        expect((await all(list, { sort })).map(idOf)).toEqual(sorted.map(idOf));
      }
    }
  });

  it('sorts by several fields, the first of them first', async () => {
    const [first, second] = sortFields(list).slice(-2);
    if (first === undefined || second === undefined) return;
    const sorted = await all(list, { sort: `${first},-${second}` });
    for (const [index, item] of sorted.entries()) {
      const next = sorted[index + 1];
      if (next === undefined || sortValue(item, first) !== sortValue(next, first)) continue;
      const [own, others] = [sortValue(item, second), sortValue(next, second)];
      if (own !== undefined && others !== undefined) expect(own >= others).toBe(true);
    }
  });

  it.each([1, 2, 3, 1000])('is the same list page by page, %i at a time, forwards and backwards', async (limit) => {
    const whole = (await all(list)).map(idOf);
    const forwards: string[] = [];
    let page = await ask(list, { limit: String(limit) });
    const [first] = [page];
    for (;;) {
      expect([page.total_count, page.limit, page.offset]).toEqual([whole.length, limit, forwards.length]);
      forwards.push(...page.items.map(idOf));
      if (page.next === undefined) break;
      page = await follow(page.next);
    }
    expect(forwards).toEqual(whole);
    expect(await follow(first.last)).toEqual(page);
    while (page.previous !== undefined) page = await follow(page.previous);
    expect(page).toEqual(first);
    expect(await follow(page.first)).toEqual(first);
    expect(first.previous).toBeUndefined();
  });

  it('keeps the other parameters in its links', async () => {
    const query = { offset: '1', limit: '1', sort: sortFields(list)[0] ?? '' };
    const page = await ask(list, query);
    for (const link of [page.first, page.last, page.next, page.previous]) {
      if (link === undefined) continue;
      const { searchParams, pathname, origin } = new URL(link.href);
      expect([origin, pathname]).toEqual([BASE_URL, `/api/v4${pathOf(list)}`]);
      expect([searchParams.get('limit'), searchParams.get('sort')]).toEqual(['1', query.sort]);
    }
  });

  it('refuses what it does not know, and what excludes each other, naming it', async () => {
    const conflicts = Object.keys(FILTERS[list]).filter(
      (name) => /_m(?:in|ax)$/.test(name) && name.replace(/_m(?:in|ax)$/, '') in FILTERS[list],
    );
    const valueOf = (name: string) => (name.includes('size') ? '256' : '2026-01-31');
    const queries = [
      ['colour=red', 'colour', 'unknown_parameter'],
      ['Limit=1', 'Limit', 'unknown_parameter'],
      ['limit=0', 'limit', 'invalid_parameter'],
      ['limit=1001', 'limit', 'invalid_parameter'],
      ['limit=1&limit=2', 'limit', 'invalid_parameter'],
      ['offset=-1', 'offset', 'invalid_parameter'],
      ['sort=colour', 'sort', 'invalid_parameter'],
      ['sort=', 'sort', 'invalid_parameter'],
      ...conflicts.map((name) => [
        `${name}=${valueOf(name)}&${name.replace(/_m(?:in|ax)$/, '')}=${valueOf(name)}`,
        name,
        'conflicting_parameters',
      ]),
    ];
    for (const [query, name, code] of queries) {
      const { body } = await expectStatus(client, 400, { method: 'GET', path: `${pathOf(list)}?${query ?? ''}` });
      const { errors } = body as WireApiError;
      expect(errors, query).toMatchObject([{ code, target: { type: 'parameter', name } }]);
    }
  });

  it('comes in every media type that it has: the same items', async () => {
    const page = await ask(list, { limit: '2' });
    const whole = await all(list);
    for (const { name, format } of mediaTypesOf(list)) {
      const path = `${pathOf(list)}?limit=2`;
      const { body, headers } = await expectStatus(client, 200, { method: 'GET', path, headers: { accept: name } });
      expect(headers.get('content-type')?.split(';')[0]).toBe(name);
      expect(headers.get('vary')).toBe('accept');
      const items = format.startsWith('zipped') ? whole : page.items;
      const content = format.startsWith('zipped') ? unzipped(body) : body;
      if (format.endsWith('json')) {
        const given = (typeof content === 'string' ? JSON.parse(content) : content) as object;
        expect(Object.values(given).find((value) => Array.isArray(value))).toEqual(items);
        expect(given).toMatchObject({ total_count: whole.length });
      } else {
        const [names = [], ...rows] = parseCsv(String(content));
        expect(rows).toHaveLength(items.length);
        const column = names.indexOf('id');
        expect(rows.map((row) => row[column])).toEqual(items.map((item) => item['id']));
        if (format === 'csv' && page.next !== undefined)
          expect(headers.get('link')).toContain(`<${page.next.href}>; rel="next"`);
      }
    }
  });
});

function unzipped(body: unknown): string {
  const files = Object.entries(unzipSync(body as Uint8Array));
  expect(files).toHaveLength(1);
  return new TextDecoder().decode(files[0]?.[1]);
}

async function follow({ href }: { readonly href: string }): Promise<Page> {
  expect(href.startsWith(`${BASE_URL}/api/v4/`)).toBe(true);
  return get(href.slice(`${BASE_URL}/api/v4`.length));
}

function sortFields(list: List): readonly string[] {
  const refused = OPERATIONS[list].query().safeParse({ sort: ['no such field'] }).error?.issues ?? [];
  const values = refused.flatMap((issue) => ('values' in issue ? (issue.values as readonly string[]) : []));
  expect(values.length).toBeGreaterThan(2);
  return values.filter((value) => !value.startsWith('-'));
}

function sortValue(item: Item, field: string): string | number | undefined {
  const value = at(item, field);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  return field.endsWith('size') ? Number.parseInt(value, 10) : value;
}

describe('texts in filters', () => {
  it.each([
    ['managed_keys?label=card', ['card/hsm', 'card/three', 'card/two'], 'label'],
    ['managed_keys?label=Card', ['Card/one'], 'label'],
    ['managed_keys?label=ard', [], 'label'],
    ['templates?name=aes', ['aes', 'aes-hsm', 'aes-waiting'], 'name'],
    ['templates?name=ec', [], 'name'],
    ['templates?naming_scheme=hmac', ['other'], 'name'],
    ['templates?naming_scheme=mac', ['hmac-named', 'other'], 'name'],
    ['keystores?name=east', ['east', 'eastern west'], 'name'],
    ['keystores?description=Sea', ['east'], 'name'],
    ['keystores?description=sea', [], 'name'],
    ['vaults?name=Pay', ['Payments', 'Payroll'], 'name'],
    ['vaults?description=Trans', ['Payments'], 'name'],
  ])(
    '%s finds %j: names from their beginning, schemes and descriptions anywhere, capitals as they are',
    async (path, names, field) => {
      const { items } = await get(`/${path}`);
      expect(items.map((item) => item[field]).sort()).toEqual(names);
    },
  );
});
