import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enoughFor, isMassChange, permits, policyFor } from '../../lib/auto-repair/policy.ts';
import type { Seen, StepName } from '../../lib/drivers/driver.ts';
import { planFor, planWithin } from '../../lib/drift/plan.ts';
import type { KeyInstance, OpenWork, Wanted } from '../../lib/keys/key.ts';
import { instanceOf } from '../examples.ts';

type Present = Extract<Seen, { presence: 'present' }>;

const STATES: readonly Present['state'][] = [
  'enabled',
  'disabled',
  'no_material',
  'unusable',
  'pending_deletion',
  'settling',
];
const present = (state: Present['state'], given: Partial<Present> = {}): Present => ({
  presence: 'present',
  idInKeystore: 'arn:ours',
  state,
  fingerprint: 'f1',
  name: 'leads_here',
  pendingDeletionUntil: undefined,
  remark: undefined,
  ...given,
});
const ABSENT: Seen = { presence: 'absent' };
const NATIVE = { algorithm: 'aes', size: '256', material: 'native', properties: {} } as const;

const judged = (seen: Seen, given: Partial<KeyInstance> = {}) => {
  const instance = instanceOf(given);
  const answer = permits(instance, seen, planFor(instance, seen));
  return answer.permitted ? answer.steps : answer.why;
};

const seen = fc.oneof(
  fc.constant(ABSENT),
  fc.record({
    presence: fc.constant('present' as const),
    idInKeystore: fc.constantFrom('arn:ours', 'arn:other'),
    state: fc.constantFrom(...STATES),
    fingerprint: fc.constantFrom('f1', 'f2', undefined),
    name: fc.constantFrom('leads_here', 'missing', 'leads_elsewhere', 'not_applicable'),
    pendingDeletionUntil: fc.constant(undefined),
    remark: fc.constant(undefined),
  }) as fc.Arbitrary<Present>,
);
const wanted = fc.constantFrom<Wanted[]>('enabled', 'disabled', 'gone', 'none');
const instance = fc
  .record({
    wanted,
    native: fc.boolean(),
    rotating: fc.boolean(),
    outgrown: fc.boolean(),
    current: fc.boolean(),
    bound: fc.boolean(),
  })
  .map(({ native, bound, ...given }) =>
    instanceOf({
      ...given,
      ...(native ? { spec: NATIVE } : {}),
      binding: bound ? { idInKeystore: 'arn:ours', fingerprint: 'f1' } : undefined,
    }),
  );

describe('what is repaired without people', () => {
  it('restores an active key: enabled, imported again, its deletion cancelled, made anew from the material that is kept', () => {
    expect(judged(present('disabled'))).toEqual(['enable']);
    expect(judged(present('no_material'))).toEqual(['import']);
    expect(judged(present('pending_deletion'))).toEqual(['cancel_deletion', 'enable']);
    expect(judged(ABSENT)).toEqual(['create', 'import']);
    expect(judged(present('enabled', { name: 'missing' }))).toEqual(['rename']);
  });

  it('restores a deactivated key as that: disabled again, its deletion cancelled', () => {
    expect(judged(present('enabled'), { wanted: 'disabled', keyState: 'deactivated' })).toEqual(['disable']);
    expect(judged(present('pending_deletion'), { wanted: 'disabled', keyState: 'deactivated' })).toEqual([
      'cancel_deletion',
    ]);
  });

  it('leaves to people what replaces material, what others may use by now, and what cannot be taken back', () => {
    expect(judged(ABSENT, { spec: NATIVE })).toContain('rotate the key');
    expect(judged(present('enabled', { fingerprint: 'f2' }))).toContain('other material');
    expect(judged(present('enabled', { name: 'leads_elsewhere' }))).toContain('another key');
    expect(judged(present('enabled'), { wanted: 'gone', keyState: 'destroyed' })).toContain('cannot be taken back');
    expect(judged(present('enabled'), { wanted: 'none', keyState: 'pre_activation' })).toContain('not active yet');
    expect(judged(present('enabled'), { rotating: true })).toContain('rotation');
    expect(judged(ABSENT, { rotating: true, spec: NATIVE })).toContain('rotation');
  });

  it('is never a deletion or a rotation, and disables only what is to be disabled, whatever is seen and wanted', () => {
    fc.assert(
      fc.property(instance, seen, (each, look) => {
        const answer = permits(each, look, planFor(each, look));
        if (!answer.permitted) {
          expect(answer.why).not.toBe('');
          return;
        }
        const steps: readonly StepName[] = answer.steps;
        expect(steps).not.toContain('schedule_deletion');
        expect(steps).not.toContain('rotate');
        if (steps.includes('disable')) expect(each.wanted).toBe('disabled');
        if (steps.includes('enable')) expect(each.wanted).toBe('enabled');
        if (steps.includes('create') || steps.includes('import')) expect(each.spec.material).toBe('imported');
        if (look.presence === 'present' && look.state === 'enabled' && each.wanted === 'enabled') {
          // What is in use and is not known to be ours is never touched.
          expect(look.idInKeystore === 'arn:ours' || each.binding === undefined).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is all that its open work may do, also where the keystore has become another since', () => {
    const open = (cause: OpenWork['cause']): OpenWork => ({
      cause,
      details: false,
      since: new Date(0),
      attempts: 1,
      dueAt: new Date(0),
      lastError: undefined,
      givenUp: false,
    });
    fc.assert(
      fc.property(instance, seen, (each, look) => {
        const working = { ...each, open: open('auto_repair') };
        const plan = planWithin(working, look);
        if (plan.outcome === 'steps') expect(permits(working, look, plan).permitted).toBe(true);
        const adopting = planWithin({ ...each, open: { ...open('adopt'), details: true } }, look);
        if (adopting.outcome === 'steps') {
          for (const step of adopting.steps) expect(['rename', 'tag']).toContain(step);
        }
        expect(planWithin({ ...each, open: open('sync') }, look)).toEqual(
          planFor({ ...each, open: open('sync') }, look),
        );
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the policy of a key', () => {
  it("is its template's, where that has one, else the vault's", () => {
    expect(policyFor({ policy: 'sync' }, 'as_vault')).toEqual({ policy: 'sync', from: 'vault' });
    expect(policyFor({ policy: 'sync' }, undefined)).toEqual({ policy: 'sync', from: 'vault' });
    expect(policyFor({ policy: 'sync' }, 'flag')).toEqual({ policy: 'flag', from: 'template' });
    expect(policyFor({ policy: 'flag' }, 'sync')).toEqual({ policy: 'sync', from: 'template' });
  });
});

describe('a mass change', () => {
  const drifting = fc.record({
    drifting: fc.nat(5000),
    total: fc.nat(5000),
    accepted: fc.nat(100),
  });
  const percent = fc.integer({ min: 1, max: 100 });

  it('is never one key alone, nor what a person has accepted', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), percent, (total, accepted, stopAt) => {
        expect(isMassChange({ drifting: accepted + 1, total, accepted }, stopAt)).toBe(false);
      }),
    );
    expect(isMassChange({ drifting: 2, total: 2, accepted: 0 }, 20)).toBe(true);
    expect(isMassChange({ drifting: 20, total: 100, accepted: 0 }, 20)).toBe(false);
    expect(isMassChange({ drifting: 21, total: 100, accepted: 0 }, 20)).toBe(true);
  });

  it('is judged the same when no more is counted than it takes', () => {
    fc.assert(
      fc.property(drifting, percent, ({ drifting: count, total, accepted }, stopAt) => {
        const counted = Math.min(total, enoughFor(count, accepted, stopAt));
        expect(isMassChange({ drifting: count, total: counted, accepted }, stopAt)).toBe(
          isMassChange({ drifting: count, total, accepted }, stopAt),
        );
      }),
      { numRuns: 2000 },
    );
  });
});
