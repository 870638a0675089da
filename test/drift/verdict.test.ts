import { describe, expect, it } from 'vitest';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import type { KeystoreFaultKind, Seen } from '../../lib/drivers/driver.ts';
import type { KeystoreStatus, Observed, SyncFlag, SyncFlagDetail } from '../../lib/drift/observed.ts';
import { judge, NEVER_ASKED, observation, sameFinding } from '../../lib/drift/verdict.ts';
import { wantedIn } from '../../lib/keys/lifecycle.ts';
import { KEY_STATES } from '../../lib/keys/key.ts';
import type { KeyInstance, KeyState } from '../../lib/keys/key.ts';
import { instanceOf } from '../examples.ts';

type Present = Extract<Seen, { presence: 'present' }>;

const ABSENT: Seen = { presence: 'absent' };
const UNTIL = new Date('2026-02-07T12:00:00Z');
const present = (given: Partial<Present> = {}): Present => ({
  presence: 'present',
  idInKeystore: 'arn:ours',
  state: 'enabled',
  fingerprint: 'f1',
  name: 'leads_here',
  pendingDeletionUntil: undefined,
  remark: undefined,
  ...given,
});
const fault = (kind: KeystoreFaultKind, message = 'AWS KMS gave no answer to DescribeKey (ECONNRESET).') =>
  new KeystoreFault(kind, message);
/** A key in this state, in a keystore that it is assigned to or that a user took it out of. */
const wantedAs = (keyState: KeyState, removedByUser = false, given: Partial<KeyInstance> = {}) =>
  instanceOf({ keyState, removedByUser, wanted: wantedIn(keyState, removedByUser), ...given });

/** What the contract calls each status, as keystores show it. */
const LOOKS: Record<'active' | 'not_active' | 'not_present' | 'wrong_key', readonly [string, Seen][]> = {
  active: [['enabled', present()]],
  not_active: [
    ['disabled', present({ state: 'disabled' })],
    ['without its material', present({ state: 'no_material' })],
    ['enabled, but of no use', present({ state: 'unusable' })],
  ],
  not_present: [['absent', ABSENT]],
  wrong_key: [
    ['enabled, with other material', present({ fingerprint: 'f2' })],
    ['enabled, under another id', present({ idInKeystore: 'arn:theirs' })],
  ],
};
const PENDING = present({ state: 'pending_deletion', pendingDeletionUntil: UNTIL });
const FAULT_KINDS: readonly KeystoreFaultKind[] = [
  'denied',
  'throttled',
  'unreachable',
  'not_found',
  'conflict',
  'unsupported',
  'unavailable',
  'broken',
];

/** The contract's table: key is, keystore says, flag, detail. */
const TABLE: readonly [KeyState | 'removed', readonly (keyof typeof LOOKS)[], SyncFlag, SyncFlagDetail][] = [
  ['active', ['active'], 'ok', 'active_key_is_active_in_keystore'],
  ['active', ['not_active', 'not_present', 'wrong_key'], 'out_of_sync', 'active_key_is_not_active_in_keystore'],
  ['deactivated', ['not_active', 'not_present'], 'ok', 'deactivated_key_is_deactivated_in_keystore'],
  ['deactivated', ['active', 'wrong_key'], 'out_of_sync', 'deactivated_key_is_not_deactivated_in_keystore'],
  ['compromised', ['not_active', 'not_present'], 'ok', 'deactivated_key_is_deactivated_in_keystore'],
  ['compromised', ['active', 'wrong_key'], 'out_of_sync', 'deactivated_key_is_not_deactivated_in_keystore'],
  ['destroyed', ['not_present'], 'ok', 'destroyed_key_is_not_present_in_keystore'],
  ['destroyed', ['active', 'not_active', 'wrong_key'], 'out_of_sync', 'destroyed_key_is_present_in_keystore'],
  ['destroyed_compromised', ['not_present'], 'ok', 'destroyed_key_is_not_present_in_keystore'],
  ['destroyed_compromised', ['active'], 'out_of_sync', 'destroyed_key_is_present_in_keystore'],
  ['pre_activation', ['not_present'], 'ok', 'pre_active_key_is_not_present_in_keystore'],
  ['pre_activation', ['active', 'not_active', 'wrong_key'], 'out_of_sync', 'pre_active_key_is_present_in_keystore'],
  ['removed', ['not_active', 'not_present'], 'ok', 'target_keystore_removed_by_user'],
  ['removed', ['active', 'wrong_key'], 'out_of_sync', 'target_keystore_removed_by_user_contains_an_active_key'],
];
const ROWS = TABLE.flatMap(([keyIs, statuses, flag, detail]) =>
  statuses.flatMap((status) => LOOKS[status].map(([how, seen]) => ({ keyIs, status, how, seen, flag, detail }))),
);

describe('the contract’s table', () => {
  it.each(ROWS)('$keyIs, and the key is $how there: $flag, $detail', ({ keyIs, status, seen, flag, detail }) => {
    const instances =
      keyIs === 'removed'
        ? (['active', 'deactivated', 'pre_activation'] as const).map((state) => wantedAs(state, true))
        : [wantedAs(keyIs)];
    for (const instance of instances) {
      expect(judge(instance, { seen })).toMatchObject({
        status,
        keystoreSyncFlag: flag,
        keystoreSyncFlagDetail: detail,
        error: undefined,
      });
    }
  });

  it.each(KEY_STATES)('%s, and the keystore could not be asked: an error, never absent and never ok', (state) => {
    for (const removed of [false, true]) {
      for (const kind of FAULT_KINDS) {
        const verdict = judge(wantedAs(state, removed), { fault: fault(kind) });
        expect(verdict).toMatchObject({
          status: 'error',
          keystoreSyncFlag: 'error',
          keystoreSyncFlagDetail: 'connection_error',
          error: { code: `keystore_${kind}`, message: 'AWS KMS gave no answer to DescribeKey (ECONNRESET).' },
        });
        expect(verdict.finding).toContain('could not be asked');
      }
    }
  });

  it('never asked yet: verifying', () => {
    expect(NEVER_ASKED).toMatchObject({
      status: 'unknown',
      keystoreSyncFlag: 'verifying_sync',
      keystoreSyncFlagDetail: 'unknown',
    });
  });

  it.each(KEY_STATES)('%s, and the keystore is still at work on the key: neither good nor bad', (state) => {
    expect(judge(wantedAs(state), { seen: present({ state: 'settling' }) })).toMatchObject({
      status: 'unknown',
      keystoreSyncFlag: 'verifying_sync',
      keystoreSyncFlagDetail: 'unknown',
    });
  });
});

describe('a key that waits for its deletion', () => {
  it('is not present any more when it was destroyed, and says until when it can be seen', () => {
    expect(judge(wantedAs('destroyed'), { seen: PENDING })).toMatchObject({
      status: 'not_present',
      keystoreSyncFlag: 'ok',
      pendingDestructionUntil: UNTIL,
      keyIdInKeystore: 'arn:ours',
    });
  });

  it('is not active when nobody destroyed it, and out of sync where it should be', () => {
    expect(judge(wantedAs('active'), { seen: PENDING })).toMatchObject({
      status: 'not_active',
      keystoreSyncFlag: 'out_of_sync',
      pendingDestructionUntil: UNTIL,
    });
    expect(judge(wantedAs('deactivated'), { seen: PENDING }).status).toBe('not_active');
    expect(judge(wantedAs('active', true), { seen: PENDING }).status).toBe('not_active');
  });
});

describe('another key', () => {
  it('that is disabled does no harm to a key that is to be disabled', () => {
    const seen = present({ state: 'disabled', fingerprint: 'f2' });
    expect(judge(wantedAs('deactivated'), { seen })).toMatchObject({ status: 'not_active', keystoreSyncFlag: 'ok' });
    expect(judge(wantedAs('active'), { seen })).toMatchObject({ status: 'wrong_key', keystoreSyncFlag: 'out_of_sync' });
  });

  it('to which the name leads is the wrong key; with no name at all the key is not active', () => {
    const status = (name: Present['name'], state: KeyState = 'active') =>
      judge(wantedAs(state), { seen: present({ name }) }).status;
    expect(status('leads_elsewhere')).toBe('wrong_key');
    expect(status('missing')).toBe('not_active');
    expect(status('not_applicable')).toBe('active');
    expect(status('leads_elsewhere', 'deactivated')).toBe('active');
  });

  it('is not wrong when it was made in place of one that is gone, and its creation was answered to nobody', () => {
    const seen = present({ idInKeystore: 'arn:made-anew', state: 'no_material', fingerprint: undefined });
    const createSentAt = new Date('2026-01-31T12:00:00Z');
    expect(judge(wantedAs('active', false, { createSentAt }), { seen }).status).toBe('not_active');
    expect(judge(wantedAs('active'), { seen }).status).toBe('wrong_key');
  });

  it('cannot be told where neither side has a fingerprint', () => {
    const { spec } = wantedAs('active');
    const native = wantedAs('active', false, {
      binding: { idInKeystore: 'arn:ours', fingerprint: undefined },
      spec: { ...spec, material: 'native' },
    });
    expect(judge(native, { seen: present({ fingerprint: 'f9' }) }).status).toBe('active');
    expect(judge(wantedAs('active'), { seen: present({ fingerprint: undefined }) }).status).toBe('active');
  });
});

describe('an older version of a key', () => {
  const older = { outgrown: true, current: false, version: 1 };

  it('in the key that a newer one shares is well while it can decrypt, and out of use by itself', () => {
    const seen = present({ fingerprint: 'f2', name: 'not_applicable' });
    expect(judge(wantedAs('active', false, older), { seen })).toMatchObject({
      status: 'active',
      keystoreSyncFlag: 'ok',
    });
    expect(judge(wantedAs('deactivated', false, older), { seen })).toMatchObject({
      status: 'not_active',
      keystoreSyncFlag: 'ok',
    });
    expect(judge(wantedAs('active', false, older), { seen: ABSENT }).keystoreSyncFlag).toBe('out_of_sync');
  });

  it('that is still the keystore’s current material is the wrong key for the newer one', () => {
    const verdict = judge(wantedAs('active', false, { rotating: true, version: 2 }), { seen: present() });
    expect(verdict).toMatchObject({ status: 'wrong_key', keystoreSyncFlag: 'out_of_sync' });
    expect(verdict.finding).toContain('the version before');
  });
});

describe('the reason', () => {
  const LOOKED = new Date('2026-02-01T08:00:00.000Z');
  const reason = (state: KeyState, seen: Seen, given: Partial<KeyInstance> = {}) =>
    observation(wantedAs(state, false, given), { seen }, undefined, LOOKED).reason;

  it('says what was seen, since when, and what sync would do', () => {
    expect(reason('active', present({ state: 'disabled' }))).toBe(
      'The key is disabled, since 2026-02-01T08:00:00.000Z at the latest. Sync would enable it.',
    );
    expect(reason('active', ABSENT)).toBe(
      'The keystore has no such key, since 2026-02-01T08:00:00.000Z at the latest. ' +
        'Sync would make the key and import its material.',
    );
    expect(reason('active', PENDING)).toBe(
      'The key is scheduled for deletion at 2026-02-07T12:00:00.000Z, since 2026-02-01T08:00:00.000Z at the latest. ' +
        'Sync would cancel its deletion and enable it.',
    );
    expect(reason('active', present({ name: 'missing' }))).toContain('Sync would make its name lead to it again.');
  });

  it('says nothing of sync where nothing is to be done', () => {
    expect(reason('active', present())).toBe('The key is enabled, since 2026-02-01T08:00:00.000Z at the latest.');
  });

  it('says what people can do where sync cannot repair it', () => {
    expect(reason('active', present({ fingerprint: 'f2' }))).toMatch(/Sync cannot repair this: .*rotate the key/);
    expect(reason('active', present({ state: 'unusable', remark: 'The backing key is gone.' }))).toMatch(
      /^The backing key is gone, since .* Sync cannot repair this: /,
    );
  });

  it('of a pre-active key that was found names the two ways out', () => {
    const found = reason('pre_activation', present({ state: 'disabled' }));
    expect(found).toMatch(/activate/);
    expect(found).toMatch(/destroy/);
  });

  it('of a keystore that could not be asked says why', () => {
    const { reason: said } = observation(wantedAs('active'), { fault: fault('unreachable') }, undefined, LOOKED);
    expect(said).toBe(
      'The keystore could not be asked: AWS KMS gave no answer to DescribeKey (ECONNRESET), ' +
        'since 2026-02-01T08:00:00.000Z at the latest. Sync will try again.',
    );
  });

  it('says why the last repair failed, as long as it is not well', () => {
    const failure = { code: 'keystore_denied', message: 'You may not.' };
    const broken = observation(wantedAs('active'), { seen: ABSENT }, undefined, LOOKED, failure);
    expect(broken.reason).toMatch(/ The last repair failed: You may not\.$/);
    expect(broken.error).toEqual(failure);
    const well = observation(wantedAs('active'), { seen: present() }, undefined, LOOKED, failure);
    expect([well.reason.includes('failed'), well.error]).toEqual([false, undefined]);
  });
});

describe('since when', () => {
  const first = new Date('2026-02-01T08:00:00.000Z');
  const later = new Date('2026-02-01T09:00:00.000Z');
  const look = (seen: Seen, before: Observed | undefined, at: Date) =>
    observation(wantedAs('active'), { seen }, before, at);

  it('is the first look that found it so, and stays while status, flag and detail do', () => {
    const before = look(present({ state: 'disabled' }), undefined, first);
    const after = look(present({ state: 'disabled' }), before, later);
    expect(after.since).toEqual(first);
    expect(after.seenAt).toEqual(later);
    expect(sameFinding(before, after)).toBe(true);
  });

  it('stays when only the cause changes, which is told as a new finding', () => {
    const before = look(present({ state: 'disabled' }), undefined, first);
    const after = look(present({ state: 'no_material' }), before, later);
    expect(after.since).toEqual(first);
    expect(sameFinding(before, after)).toBe(false);
  });

  it('begins anew when it is well again, and when it is ill again', () => {
    const ill = look(present({ state: 'disabled' }), undefined, first);
    const well = look(present(), ill, later);
    expect(well.since).toEqual(later);
    expect(look(present({ state: 'disabled' }), well, new Date('2026-02-02T00:00:00Z')).since.toISOString()).toBe(
      '2026-02-02T00:00:00.000Z',
    );
  });
});

describe('a finding', () => {
  const at = new Date('2026-02-01T08:00:00.000Z');
  const statuses: readonly KeystoreStatus[] = ['active', 'not_active', 'not_present', 'wrong_key', 'error', 'unknown'];

  it('is the same only when all that people see of it is', () => {
    const base = observation(wantedAs('active'), { seen: present() }, undefined, at);
    for (const status of statuses) {
      expect(sameFinding(base, { ...base, status })).toBe(status === base.status);
    }
    expect(sameFinding(base, { ...base, reason: 'Another.' })).toBe(false);
    expect(sameFinding(base, { ...base, error: { code: 'a', message: 'b' } })).toBe(false);
    expect(sameFinding(base, { ...base, keyIdInKeystore: 'arn:other' })).toBe(false);
    expect(sameFinding(base, { ...base, pendingDestructionUntil: UNTIL })).toBe(false);
    expect(sameFinding(base, { ...base, seenAt: UNTIL, judgedFence: 99 })).toBe(true);
  });

  it('keeps the id in the keystore that is known from before, also while the keystore cannot be asked', () => {
    const silent = observation(wantedAs('active'), { fault: fault('unreachable') }, undefined, at);
    expect(silent.keyIdInKeystore).toBe('arn:ours');
  });
});

describe('a key that was found by its marks, with the answer to its import lost', () => {
  const unproven = (given: Partial<KeyInstance> = {}) =>
    wantedAs('active', false, { binding: { idInKeystore: 'arn:ours', fingerprint: undefined }, ...given });

  it('is neither ok nor wrong while nobody has compared the material in it', () => {
    const verdict = judge(unproven(), { seen: present({ fingerprint: 'anybody' }) });
    expect(verdict).toMatchObject({
      status: 'unknown',
      keystoreSyncFlag: 'verifying_sync',
      keystoreSyncFlagDetail: 'unknown',
    });
    expect(verdict.finding).toContain('nothing has proven yet');
  });

  it('is out of sync where it is disabled all the same, and where it is to be out of use', () => {
    const disabled = judge(unproven(), { seen: present({ state: 'disabled' }) });
    expect(disabled).toMatchObject({ status: 'not_active', keystoreSyncFlag: 'out_of_sync' });
    const deactivated = judge(unproven({ keyState: 'deactivated', wanted: 'disabled' }), { seen: present() });
    expect(deactivated).toMatchObject({ status: 'active', keystoreSyncFlag: 'out_of_sync' });
  });

  it('of native material is ok: the keystore made it', () => {
    const { spec } = unproven();
    const native = unproven({ spec: { ...spec, material: 'native' } });
    expect(judge(native, { seen: present() }).keystoreSyncFlag).toBe('ok');
  });
});
