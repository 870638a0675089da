import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Seen } from '../../lib/drivers/driver.ts';
import { keyInKeystore } from '../../lib/drift/look.ts';
import { observation, sameFinding } from '../../lib/drift/verdict.ts';
import type { KeyInstance } from '../../lib/keys/key.ts';
import type { RawItem } from '../../lib/records/database.ts';
import { STORED } from '../../lib/records/entities.ts';
import { itemText } from '../../lib/records/item-text.ts';
import type { ItemText } from '../../lib/records/item-text.ts';
import { fromWire } from '../../lib/records/wire.ts';
import type { WireItem, WireValue } from '../../lib/records/wire.ts';
import { readPair } from '../../lib/sweep/pairs.ts';
import { calm, isAsBefore } from '../../lib/sweep/unchanged.ts';

const AT = new Date('2026-01-01T00:00:00.000Z');
const LATER = new Date('2026-01-02T00:00:00.000Z');
const EVER = '9999';
const ID = 'arn:aws:kms:us-east-1:111122223333:key/one';

const INSTANCE: KeyInstance = {
  keyId: '00000000-0000-4000-8000-000000000001',
  version: 1,
  keystoreId: '00000000-0000-4000-8000-000000000002',
  vaultId: '00000000-0000-4000-8000-000000000003',
  label: 'payments',
  spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
  keyState: 'active',
  current: true,
  wanted: 'enabled',
  outgrown: false,
  rotating: false,
  keyRemoved: false,
  removedByUser: false,
  binding: { idInKeystore: ID, fingerprint: 'aa' },
  intendedAt: AT,
  createSentAt: undefined,
  rotationSentAt: undefined,
  fence: 3,
  touchedAt: AT,
  open: undefined,
};
const SEEN: Extract<Seen, { presence: 'present' }> = {
  presence: 'present',
  idInKeystore: ID,
  state: 'enabled',
  fingerprint: 'aa',
  name: 'leads_here',
  pendingDeletionUntil: undefined,
  remark: undefined,
};

function toWire(value: unknown): WireValue {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value instanceof Uint8Array) return { B: Buffer.from(value).toString('base64') };
  if (value === null) return { NULL: true };
  if (Array.isArray(value)) return { L: value.map(toWire) };
  return { M: wireItem(value as RawItem) };
}
function wireItem(item: RawItem): WireItem {
  return Object.fromEntries(
    Object.entries(item).flatMap(([name, value]) => (value === undefined ? [] : [[name, toWire(value)]])),
  );
}
const pairOf = (instance: KeyInstance, seen: Seen) => ({
  instance: itemText(JSON.stringify(wireItem(STORED.keyInstance(instance)))),
  observed: itemText(JSON.stringify(wireItem(STORED.observed(observation(instance, { seen }, undefined, AT))))),
});

const withAttribute = (item: ItemText, name: string, value: string): ItemText => new Map([...item, [name, value]]);

/** Nearly always one of the first kind, so that what is nearly calm is tried too. */
const mostly = <T>(common: readonly T[], ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...common) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const seen: fc.Arbitrary<Seen> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Seen>({ presence: 'absent' }) },
  {
    weight: 30,
    arbitrary: fc.record({
      presence: fc.constant('present' as const),
      idInKeystore: mostly([ID], 'another'),
      state: mostly<typeof SEEN.state>(
        ['enabled', 'disabled'],
        'no_material',
        'unusable',
        'pending_deletion',
        'settling',
      ),
      fingerprint: mostly<string | undefined>(['aa'], undefined, 'bb'),
      name: mostly<typeof SEEN.name>(['leads_here'], 'not_applicable', 'missing', 'leads_elsewhere'),
      pendingDeletionUntil: mostly<Date | undefined>([undefined], LATER),
      remark: mostly<string | undefined>([undefined], 'It is odd.'),
    }),
  },
);
const desired = mostly<Pick<KeyInstance, 'keyState' | 'wanted'>>(
  [
    { keyState: 'active', wanted: 'enabled' },
    { keyState: 'deactivated', wanted: 'disabled' },
  ],
  { keyState: 'pre_activation', wanted: 'none' },
  { keyState: 'destroyed', wanted: 'gone' },
  { keyState: 'compromised', wanted: 'disabled' },
  { keyState: 'active', wanted: 'disabled' },
  { keyState: 'deactivated', wanted: 'enabled' },
);
const instance: fc.Arbitrary<KeyInstance> = fc
  .record({
    desired,
    current: mostly([true], false),
    outgrown: mostly([false], true),
    rotating: mostly([false], true),
    removedByUser: mostly([false], true),
    keyRemoved: mostly([false], true),
    binding: mostly([INSTANCE.binding], { idInKeystore: ID, fingerprint: undefined }, undefined),
    spec: mostly([INSTANCE.spec], { ...INSTANCE.spec, material: 'native' as const }),
  })
  .map(({ desired: { keyState, wanted }, ...rest }) => ({ ...INSTANCE, ...rest, keyState, wanted }));

describe('the quick comparison', () => {
  test('takes a key that is as it was, enabled or disabled as wanted', () => {
    const quick = calm(pairOf(INSTANCE, SEEN), EVER);
    expect(quick?.key).toEqual(keyInKeystore(INSTANCE, undefined));
    expect(quick !== undefined && isAsBefore(quick, SEEN)).toBe(true);
    const disabled: KeyInstance = { ...INSTANCE, keyState: 'deactivated', wanted: 'disabled' };
    const off: Seen = { ...SEEN, state: 'disabled' };
    const same = calm(pairOf(disabled, off), EVER);
    expect(same !== undefined && isAsBefore(same, off)).toBe(true);
    expect(same !== undefined && isAsBefore(same, SEEN)).toBe(false);
  });

  test('never calls unchanged what the verdict would write', () => {
    let taken = 0;
    fc.assert(
      fc.property(instance, seen, seen, (given, first, second) => {
        const pair = pairOf(given, first);
        const quick = calm(pair, EVER);
        if (quick === undefined || !isAsBefore(quick, second)) return;
        taken += 1;
        const { instance: read, before } = readPair(pair);
        if (before === undefined) throw new Error('It was observed.');
        const next = observation(read, { seen: second }, before, LATER);
        expect(sameFinding(before, next)).toBe(true);
        expect(next.judgedFence).toBe(before.judgedFence);
        expect(next.keystoreSyncFlag).toBe('ok');
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  test('leaves alone what we touched a moment ago, what is worked on, and what was judged before our last change', () => {
    const pair = pairOf(INSTANCE, SEEN);
    expect(calm(pair, '2025-12-31T23:59:59.999Z')).toBeUndefined();
    expect(calm(pair, AT.toISOString())).toBeDefined();
    const { instance: stored, observed } = pair;
    expect(calm({ instance: withAttribute(stored, 'fence', '{"N":"4"}'), observed }, EVER)).toBeUndefined();
    expect(calm({ instance: withAttribute(stored, 'open', '{"M":{}}'), observed }, EVER)).toBeUndefined();
    expect(calm({ instance: stored, observed: undefined }, EVER)).toBeUndefined();
    const changed = withAttribute(observed, 'reason', '{"S":"The key is enabled, since yesterday."}');
    expect(calm({ instance: stored, observed: changed }, EVER)).toBeUndefined();
  });

  test('reads an item as the database does, whatever its types', () => {
    const item = {
      s: 'x',
      n: 1.5,
      b: true,
      none: null,
      l: [1, 'a'],
      m: { deep: [{ x: 'y' }] },
      bytes: Uint8Array.of(1, 2),
    };
    expect(fromWire(wireItem(item))).toEqual(item);
    expect(() => fromWire({ odd: {} })).toThrow('unknown type');
  });
});
