import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringIn } from '../../lib/records/item-text.ts';
import { Pairs } from '../../lib/sweep/pairs.ts';
import type { Pair, ReadPage } from '../../lib/sweep/pairs.ts';

const KEYSTORE = 'k';

/** What lies in the index of one key: its instance and, perhaps, what was observed of it. */
function itemsOf(at: number, isObserved: boolean): string[] {
  const keyId = `key-${String(at).padStart(3, '0')}`;
  const common = { key_id: { S: keyId }, version: { N: '1' } };
  const instance = { ...common, sk: { S: `INSTANCE#000001#${KEYSTORE}` }, keystore_sk: { S: `${keyId}#000001#1` } };
  const observed = { ...common, sk: { S: `OBSERVED#000001#${KEYSTORE}` }, keystore_sk: { S: `${keyId}#000001#2` } };
  return (isObserved ? [instance, observed] : [instance]).map((item) => JSON.stringify(item));
}

test('every pair is taken once, by any number of workers, however the items are cut into pages, empty ones too', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { maxLength: 40 }),
      fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 12 }),
      async (observed, cuts, workers) => {
        const items = observed.flatMap((isObserved, at) => itemsOf(at, isObserved));
        const pages: string[][] = [];
        let start = 0;
        for (const cut of cuts) {
          pages.push(items.slice(start, start + cut));
          start += cut;
        }
        pages.push(items.slice(start));
        const read: ReadPage = async (after) => {
          await Promise.resolve();
          const page = after === undefined ? 0 : Number(after['page']?.N);
          const next = page + 1 < pages.length ? { page: { N: String(page + 1) } } : undefined;
          return { items: pages[page] ?? [], next };
        };
        const source = new Pairs(read, KEYSTORE);
        const taken: Pair[] = [];
        const worker = async () => {
          for (let pair = await source.take(); pair !== undefined; pair = await source.take()) {
            taken.push(pair);
            await Promise.resolve();
          }
        };
        await Promise.all(Array.from({ length: workers }, worker));
        expect(taken.map(({ instance }) => stringIn(instance.get('key_id')))).toEqual(
          observed.map((_, at) => `key-${String(at).padStart(3, '0')}`),
        );
        expect(taken.map((pair) => pair.observed !== undefined)).toEqual(observed);
        expect(await source.take()).toBeUndefined();
      },
    ),
    { numRuns: 500 },
  );
});

test('a page that cannot be read fails whoever takes, and is not taken for the end', async () => {
  const source = new Pairs(() => Promise.reject(new Error('The table is gone.')), KEYSTORE);
  await expect(Promise.resolve(source.take())).rejects.toThrow('The table is gone.');
});
