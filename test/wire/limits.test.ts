import { describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import { parseIfMatch } from '../../lib/wire/etag.ts';
import { parseJson } from '../../lib/wire/json.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
import { parseBody, parseQuery } from '../../lib/wire/parse.ts';

const id = (number: number) => `6f1c1a2e-9b1d-4c58-8a43-${String(number).padStart(12, '0')}`;
const VAULT = { id: id(0) };
const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const groups = (count: number) => many(count, (at) => `group ${at}`);
const ids = (count: number) => many(count, (at) => ({ id: id(at) }));
const tags = (count: number) => many(count, (at) => ({ name: `tag ${at}`, value: '' }));

const KEYSTORE = { type: 'aws_kms', vault: VAULT, name: 'production', aws_region: 'eu_central_1' };
const PROPERTIES = { size: '256', algorithm: 'aes', activation_date: '', expiration_date: 'P2Y', state: 'active' };
const TEMPLATE = {
  vault: VAULT,
  name: 'payments',
  key: PROPERTIES,
  keystores: [{ type: 'aws_kms', group: 'production' }],
};
const KEY = { vault: VAULT, template_name: 'payments', label: 'key' };

const accepts = (operation: OperationId, body: unknown) => parseBody(OPERATIONS[operation].body(), body);

/** The names of what is refused; none when nothing is. */
function refusedOf(run: () => unknown): (string | undefined)[] {
  try {
    run();
    return [];
  } catch (error) {
    if (error instanceof Fault) return error.details.map(({ target }) => target?.name);
    throw error;
  }
}

type Sized = readonly [
  what: string,
  operation: OperationId,
  field: string,
  limit: number,
  body: (size: number) => unknown,
];

const LISTS: readonly Sized[] = [
  ['groups of a keystore', 'CreateKeystore', 'groups', 128, (size) => ({ ...KEYSTORE, groups: groups(size) })],
  [
    'keystores of a template',
    'CreateKeyTemplate',
    'keystores',
    128,
    (size) => ({ ...TEMPLATE, keystores: many(size, (at) => ({ type: 'aws_kms', group: `group ${at}` })) }),
  ],
  [
    'keystores of a key without a template',
    'CreateManagedKey',
    'keystores',
    90,
    (size) => ({ vault: VAULT, label: 'key', key: PROPERTIES, keystores: ids(size) }),
  ],
  ['tags of a key', 'CreateManagedKey', 'tags', 128, (size) => ({ ...KEY, tags: tags(size) })],
  ['label tags of a key', 'CreateManagedKey', 'label_tags', 128, (size) => ({ ...KEY, label_tags: tags(size) })],
  ['keystores to sync', 'SyncManagedKey', 'keystores', 1000, (size) => ({ keystores: ids(size) })],
];
const TEXTS: readonly Sized[] = [
  ['name of a vault', 'CreateVault', 'name', 100, (size) => ({ name: 'v'.repeat(size) })],
  ['description', 'CreateVault', 'description', 200, (size) => ({ name: 'v', description: 'é'.repeat(size) })],
  ['name of a keystore', 'CreateKeystore', 'name', 100, (size) => ({ ...KEYSTORE, name: 'k'.repeat(size) })],
  ['group', 'CreateKeystore', 'groups[0]', 200, (size) => ({ ...KEYSTORE, groups: ['g'.repeat(size)] })],
  ['tls_proxy', 'CreateKeystore', 'tls_proxy', 255, (size) => ({ ...KEYSTORE, tls_proxy: 'p'.repeat(size) })],
  ['name of a template', 'CreateKeyTemplate', 'name', 30, (size) => ({ ...TEMPLATE, name: 't'.repeat(size) })],
  [
    'naming scheme',
    'CreateKeyTemplate',
    'naming_scheme',
    500,
    (size) => ({ ...TEMPLATE, naming_scheme: 'n'.repeat(size) }),
  ],
  ['label', 'CreateManagedKey', 'label', 255, (size) => ({ ...KEY, label: 'l'.repeat(size) })],
  [
    'name of a tag',
    'CreateManagedKey',
    'tags[0].name',
    254,
    (size) => ({ ...KEY, tags: [{ name: 't'.repeat(size), value: '' }] }),
  ],
  [
    'value of a tag',
    'CreateManagedKey',
    'tags[0].value',
    8192,
    (size) => ({ ...KEY, tags: [{ name: 't', value: 'v'.repeat(size) }] }),
  ],
];

describe('as much as there may be is accepted, and one more is refused by name:', () => {
  it.each([...LISTS, ...TEXTS])('%s', (_what, operation, field, limit, body) => {
    expect(refusedOf(() => accepts(operation, body(limit)))).toEqual([]);
    expect(refusedOf(() => accepts(operation, body(limit + 1)))).toEqual([field]);
  });

  it.each([
    ['ListManagedKeys', 'limit', 1000],
    ['ListManagedKeys', 'offset', 2_147_483_647],
    ['ListVaults', 'limit', 1000],
    ['ListKeystores', 'limit', 1000],
    ['ListKeyTemplates', 'limit', 1000],
  ] as const)('%s: %s', (operation, name, limit) => {
    const query = (value: number) => parseQuery(OPERATIONS[operation].query(), `${name}=${value}`);
    expect(refusedOf(() => query(limit))).toEqual([]);
    expect(refusedOf(() => query(limit + 1))).toEqual([name]);
  });

  it('levels of nested JSON', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(() => parseJson(nested(32))).not.toThrow();
    expect(() => parseJson(nested(33))).toThrow('nested deeper than 32');
  });

  it('characters of If-Match', () => {
    const tagsOf = (length: number) => `${'"a", '.repeat(Math.floor((length - 3) / 5))}"a"`.padEnd(length, ' ');
    expect(parseIfMatch(tagsOf(10_240))).toHaveLength(2048);
    expect(refusedOf(() => parseIfMatch(tagsOf(10_241)))).toEqual(['If-Match']);
  });
});
