import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FlagChange } from '../../lib/history/entry.ts';
import { DigestOf, isNews, toldFrom, windowOf } from '../../lib/notices/digest.ts';
import { digestNotice } from '../../lib/notices/notice.ts';
import { signatureOf } from '../../lib/notices/signature.ts';

const OK = { status: 'active', flag: 'ok', detail: 'active_key_is_active_in_keystore' } as const;
const DRIFTED = { status: 'not_active', flag: 'out_of_sync', detail: 'active_key_is_not_active_in_keystore' } as const;
const DARK = { status: 'error', flag: 'error', detail: 'connection_error' } as const;
const WINDOW = windowOf(new Date('2026-11-22T12:00:30Z'), 60);

let last = 0;
const change = (of: Partial<FlagChange>): FlagChange => ({
  kind: 'flag',
  id: `id-${(last += 1)}`,
  keyId: 'key',
  vaultId: 'vault',
  at: WINDOW.from,
  version: 1,
  keystoreId: 'kms',
  label: 'label',
  from: OK,
  to: DRIFTED,
  reason: 'because',
  cause: 'scan',
  error: undefined,
  ...of,
});

describe('windows', () => {
  it('lie end to end: every time is in just one', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-01-01') }),
        fc.integer({ min: 1, max: 3600 }),
        (at, seconds) => {
          const { from, to } = windowOf(at, seconds);
          expect(from <= at && at < to).toBe(true);
          expect(to.getTime() - from.getTime()).toBe(seconds * 1000);
          expect(windowOf(to, seconds).from).toEqual(to);
          expect(toldFrom({ from, to }) > to).toBe(true);
        },
      ),
    );
  });

  it('are told when they are over and the index has followed: half a window later, 30 s at most', () => {
    expect(toldFrom(WINDOW)).toEqual(new Date('2026-11-22T12:01:30Z'));
    expect(toldFrom(windowOf(WINDOW.from, 3600)).getTime() - windowOf(WINDOW.from, 3600).to.getTime()).toBe(30_000);
    expect(toldFrom(windowOf(WINDOW.from, 2)).getTime() - windowOf(WINDOW.from, 2).to.getTime()).toBe(1_000);
  });
});

describe('news', () => {
  it.each([
    ['a flag that became another', {}, true],
    ['a key that is well again', { from: DRIFTED, to: OK }, true],
    ['a new key that is not well', { from: undefined }, true],
    ['a new key that is well', { from: undefined, to: OK }, false],
    ['another detail of the same flag', { from: DRIFTED, to: { ...DRIFTED, status: 'not_present' } as const }, false],
    [
      'what cannot be judged for a moment',
      { to: { status: 'unknown', flag: 'verifying_sync', detail: 'unknown' } as const },
      false,
    ],
  ] as const)('%s', (_what, of, expected) => {
    expect(isNews(change(of))).toBe(expected);
  });
});

describe('a digest', () => {
  const digestOf = (changes: readonly FlagChange[]) => {
    const digest = new DigestOf(WINDOW);
    for (const each of changes) digest.add(each);
    return digest.result();
  };

  it('is none without news', () => {
    expect(digestOf([change({ from: undefined, to: OK })])).toBeUndefined();
  });

  it('adds up keys, changes and findings, and shows the first ten', () => {
    const changes = [
      ...Array.from({ length: 30 }, (_, at) => change({ keyId: `key-${at}`, to: DARK })),
      change({ keyId: 'key-1', from: DARK, to: OK }),
      change({ keyId: 'other' }),
    ];
    const digest = digestOf(changes);
    expect(digest).toMatchObject({ changes: 32, keys: 31, to: { ok: 1, out_of_sync: 1, error: 30 } });
    expect(digest?.findings[0]).toEqual({ ...DARK, count: 30 });
    expect(digest?.examples).toEqual(changes.slice(0, 10));
    const named = { vault: { id: 'vault', name: 'Payments' }, keystore: { id: 'kms', name: 'kms-eu' } };
    if (digest === undefined) throw new Error('There is news.');
    expect(digestNotice(digest, named, undefined)).toMatchObject({
      summary: 'Of 31 keys in kms-eu, 30 could not be asked, 1 went out of sync, 1 became ok.',
      from: '2026-11-22T12:00:00.000Z',
      to: '2026-11-22T12:01:00.000Z',
    });
  });

  it('has the same id for the same changes, and another with one more', () => {
    const changes = [change({}), change({})];
    expect(digestOf(changes)?.id).toBe(digestOf(changes)?.id);
    expect(digestOf([...changes, change({})])?.id).not.toBe(digestOf(changes)?.id);
  });
});

describe('the signature of a webhook', () => {
  it('is HMAC-SHA256 over time and body, as any receiver can make it', () => {
    // As by: printf '1795348800.{}' | openssl dgst -sha256 -hmac secret
    expect(signatureOf('secret', '{}', new Date('2026-11-22T12:00:00.900Z'))).toBe(
      't=1795348800,v1=a2bb56e28c051bf8ec34a6b17227a73c171ec872e2d3f7a2bdd11b571f529cff',
    );
  });
});
