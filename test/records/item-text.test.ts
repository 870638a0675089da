import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText, itemText, pageText, stringIn } from '../../lib/records/item-text.ts';
import { fromWire } from '../../lib/records/wire.ts';
import type { WireItem, WireValue } from '../../lib/records/wire.ts';

/** Also what could be taken for the page's own structure. */
const strings = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"Items":[', '"}', '\\', '\\"', '{"S":"x"}', '],"LastEvaluatedKey":{', '"open":', 'ä€😀'),
);
const names = fc.oneof(fc.constantFrom('Items', 'S', 'M', 'LastEvaluatedKey', 'sk'), fc.string({ minLength: 1 }));
const { value } = fc.letrec<{ value: WireValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.record({ S: strings }),
    fc.record({ N: fc.integer().map(String) }),
    fc.record({ BOOL: fc.boolean() }),
    fc.record({ NULL: fc.constant(true) }),
    fc.record({ L: fc.array(tie('value'), { maxLength: 3 }) }),
    fc.record({ M: fc.dictionary(names, tie('value'), { maxKeys: 3 }) }),
  ),
}));
const items = fc.array(fc.dictionary(names, value, { maxKeys: 6 }), { maxLength: 5 });
const key = fc.option(fc.dictionary(names, fc.record({ S: strings }), { minKeys: 1, maxKeys: 3 }), { nil: undefined });

const read = (json: string) => fromText(itemText(json));

describe('a page of a query', () => {
  it('is taken apart into what JSON.parse would have made of it, whatever is in it and in whatever order', () => {
    fc.assert(
      fc.property(items, key, fc.boolean(), (given, next, isKeyFirst) => {
        const last = next === undefined ? {} : { LastEvaluatedKey: next };
        const rest = { Items: given, Count: given.length };
        const body = JSON.stringify(isKeyFirst ? { ...last, ...rest } : { ...rest, ...last });
        const page = pageText(body);
        expect(page.items.map(read)).toEqual(given.map((item) => fromWire(item as WireItem)));
        expect(page.LastEvaluatedKey).toEqual(next);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is read also where it is written otherwise than DynamoDB does', () => {
    const item = { pk: { S: 'a' }, n: { N: '1' } };
    const body = JSON.stringify({ Items: [item, {}], LastEvaluatedKey: { pk: { S: 'a' } } }, undefined, 2);
    expect(pageText(body).items.map(read)).toEqual([{ pk: 'a', n: 1 }, {}]);
    expect(pageText(body).LastEvaluatedKey).toEqual({ pk: { S: 'a' } });
    expect(pageText('{"Count":0}').items).toEqual([]);
    expect(pageText('{"Items":[{"\\u0070k":{"S":"a"}}]}').items.map(read)).toEqual([{ pk: 'a' }]);
  });

  it('is refused when it was cut off', () => {
    const body = JSON.stringify({ Items: [{ pk: { S: 'a' } }] });
    for (let end = 1; end < body.length; end += 1) expect(() => pageText(body.slice(0, end))).toThrow(SyntaxError);
  });
});

describe('a string in it', () => {
  it('is told from every other type', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(stringIn(JSON.stringify(given))).toBe(given.S);
      }),
    );
    expect(stringIn(undefined)).toBeUndefined();
  });
});
