import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { chooseMediaType, csvOf, itemsOf, mediaTypesOf } from '../../lib/wire/formats.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
import { parseCsv } from './csv.ts';

const KEYS = 'application/vnd.ibm.uko.managed-key-list.v4.1';

describe('the media type of a list', () => {
  it.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/json', 'application/json'],
    [`${KEYS}+json`, `${KEYS}+json`],
    [`${KEYS.toUpperCase()}+JSON`, `${KEYS}+json`],
    [`${KEYS}.json+zip`, `${KEYS}.json+zip`],
    [`${KEYS}.csv+zip`, `${KEYS}.csv+zip`],
    ['text/csv', 'text/csv'],
    ['text/*', 'text/csv'],
    ['application/*', 'application/json'],
    ['text/csv; charset=utf-8', 'text/csv'],
    ['application/json;q=0.5, text/csv', 'text/csv'],
    ['text/csv;q=0.5, application/json', 'application/json'],
    ['text/csv, application/json', 'text/csv'],
    ['application/json;q=0, */*', `${KEYS}+json`],
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'application/json'],
    ['*/*;q=0.1, text/csv;q=0.2', 'text/csv'],
    ['image/png', 'application/json'],
    ['application/vnd.ibm.uko.vault-list.v4.1+json', 'application/json'],
    ['text/csv;q=nonsense', 'application/json'],
    ['', 'application/json'],
    [',;,q=', 'application/json'],
  ])('for Accept %s is %s', (accept, expected) => {
    expect(chooseMediaType('ListManagedKeys', accept).name).toBe(expected);
  });

  it('is one of those offered, whatever the header says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (accept) => {
        expect(mediaTypesOf('ListVaults')).toContainEqual(chooseMediaType('ListVaults', accept));
      }),
    );
  });

  it.each([
    ['ListManagedKeys', 'managed-key-list'],
    ['ListManagedKeyVersions', 'managed-key-list'],
    ['ListManagedKeysFromKeystore', 'managed-key-list'],
    ['ListKeyTemplates', 'key-template-list'],
    ['ListKeystores', 'keystore-list'],
    ['ListVaults', 'vault-list'],
  ] as const)('of %s is called %s', (operation, name) => {
    expect(mediaTypesOf(operation).map((type) => type.name)).toContain(`application/vnd.ibm.uko.${name}.v4.1+json`);
  });

  it('is JSON alone for what is no list', () => {
    for (const id of Object.keys(OPERATIONS) as OperationId[]) {
      if (id.startsWith('List')) expect(mediaTypesOf(id).length, id).toBeGreaterThan(1);
      else expect(chooseMediaType(id, 'text/csv').name, id).toBe('application/json');
    }
  });
});

const ROW = z.strictObject({
  text: z.string(),
  number: z.optional(z.int()),
  inner: z.optional(z.strictObject({ name: z.string() })),
  texts: z.array(z.string()),
  objects: z.array(z.strictObject({ name: z.string() })),
});

describe('CSV', () => {
  it('has a column for each field, in the order of the model', () => {
    expect(csvOf(ROW, [])).toBe('text,number,inner.name,texts,objects\r\n');
    const row = { text: 'a', number: 2, inner: { name: 'b' }, texts: ['c', 'd'], objects: [{ name: 'e' }] };
    expect(csvOf(ROW, [row, { text: '', texts: [], objects: [] }])).toBe(
      'text,number,inner.name,texts,objects\r\na,2,b,c;d,"[{""name"":""e""}]"\r\n,,,,\r\n',
    );
  });

  it('has the columns of all keystore types in the list of keystores', () => {
    const item = itemsOf('ListKeystores')?.item;
    if (item === undefined) throw new Error('There is no list of keystores.');
    const [names = ''] = csvOf(item, []).split('\r\n');
    const columns = names.split(',');
    expect(columns).toEqual(
      expect.arrayContaining(['vault.name', 'aws_region', 'azure_tenant', 'status.health_status']),
    );
    expect(new Set(columns).size).toBe(columns.length);
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1', '＋1', '－1', '＠A'])(
    'makes %j harmless to a spreadsheet',
    (text) => {
      const [, [cell] = []] = parseCsv(csvOf(z.strictObject({ text: z.string() }), [{ text }]));
      expect(cell).toBe(`'${text}`);
    },
  );

  it('keeps every other text as it is, whatever is in it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', "'", ',', ';', '\r', '\n', ' ', '=', 'ä', '😀') });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 5 }), (rows) => {
        const schema = z.strictObject({ a: z.string(), b: z.string() });
        const [, ...read] = parseCsv(
          csvOf(
            schema,
            rows.map(([a, b]) => ({ a, b })),
          ),
        );
        expect(read).toEqual(rows.map((row) => row.map((cell) => (/^[=\r\n]/.test(cell) ? `'${cell}` : cell))));
      }),
    );
  });
});
