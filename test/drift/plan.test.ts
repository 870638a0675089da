import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Seen, StepName } from '../../lib/drivers/driver.ts';
import { planFor, sentenceOf } from '../../lib/drift/plan.ts';
import type { Plan } from '../../lib/drift/plan.ts';
import type { KeyInstance, OpenWork, Wanted } from '../../lib/keys/key.ts';
import { instanceOf } from '../examples.ts';

type Present = Extract<Seen, { presence: 'present' }>;
type State = Present['state'];

const ABSENT: Seen = { presence: 'absent' };
const STATES: readonly State[] = ['enabled', 'disabled', 'no_material', 'unusable', 'pending_deletion', 'settling'];
const present = (state: State, given: Partial<Present> = {}): Present => ({
  presence: 'present',
  idInKeystore: 'arn:ours',
  state,
  fingerprint: 'f1',
  name: 'leads_here',
  pendingDeletionUntil: undefined,
  remark: undefined,
  ...given,
});
const DETAILS: OpenWork = {
  cause: 'edit',
  details: true,
  since: new Date(0),
  attempts: 1,
  dueAt: new Date(0),
  lastError: undefined,
  givenUp: false,
};
const NATIVE = { algorithm: 'aes', size: '256', material: 'native', properties: {} } as const;

const stepsOf = (plan: Plan): readonly StepName[] | Plan['outcome'] =>
  plan.outcome === 'steps' ? plan.steps : plan.outcome;
const plan = (wanted: Wanted, seen: Seen, given: Partial<KeyInstance> = {}) =>
  stepsOf(planFor(instanceOf({ wanted, ...given }), seen));

/** Every wanted × every seen: the steps, or the outcome without any. */
const TABLE: Record<Wanted, Record<State | 'absent', readonly StepName[] | Plan['outcome']>> = {
  enabled: {
    absent: ['create', 'import'],
    enabled: 'agrees',
    disabled: ['enable'],
    no_material: ['import'],
    unusable: 'cannot',
    pending_deletion: ['cancel_deletion', 'enable'],
    settling: 'wait',
  },
  disabled: {
    absent: 'agrees',
    enabled: ['disable'],
    disabled: 'agrees',
    no_material: 'agrees',
    unusable: ['disable'],
    pending_deletion: ['cancel_deletion'],
    settling: 'wait',
  },
  gone: {
    absent: 'agrees',
    enabled: ['schedule_deletion'],
    disabled: ['schedule_deletion'],
    no_material: ['schedule_deletion'],
    unusable: ['schedule_deletion'],
    pending_deletion: 'agrees',
    settling: 'wait',
  },
  none: {
    absent: 'agrees',
    enabled: ['disable'],
    disabled: 'agrees',
    no_material: 'agrees',
    unusable: 'agrees',
    pending_deletion: 'agrees',
    settling: 'wait',
  },
};
const CELLS = (Object.keys(TABLE) as Wanted[]).flatMap((wanted) =>
  (['absent', ...STATES] as const).map((seen) => ({ wanted, seen, expected: TABLE[wanted][seen] })),
);

describe('the plan', () => {
  it.each(CELLS)('for a key that is wanted $wanted and seen $seen is $expected', ({ wanted, seen, expected }) => {
    expect(plan(wanted, seen === 'absent' ? ABSENT : present(seen))).toEqual(expected);
  });

  it('repairs a name that is gone or leads elsewhere, of the current version only', () => {
    for (const name of ['missing', 'leads_elsewhere'] as const) {
      expect(plan('enabled', present('enabled', { name }))).toEqual(['rename']);
      expect(plan('enabled', present('disabled', { name }))).toEqual(['enable', 'rename']);
      expect(plan('enabled', present('enabled', { name }), { current: false })).toBe('agrees');
      expect(plan('disabled', present('disabled', { name }))).toBe('agrees');
    }
  });

  it('cannot repair other material in the place of a key’s own', () => {
    expect(plan('enabled', present('enabled', { fingerprint: 'f2' }))).toBe('cannot');
    expect(plan('enabled', present('disabled', { fingerprint: 'f2' }))).toBe('cannot');
    expect(plan('disabled', present('enabled', { fingerprint: 'f2' }))).toEqual(['disable']);
  });

  it('has material proved by importing it again where it is not known what was imported', () => {
    const found = { binding: { idInKeystore: 'arn:ours', fingerprint: undefined } };
    expect(plan('enabled', present('enabled', { fingerprint: 'f2' }), found)).toEqual(['import']);
    expect(plan('enabled', present('disabled', { fingerprint: 'f2' }), found)).toEqual(['import', 'enable']);
    expect(plan('enabled', present('enabled', { fingerprint: undefined }), found)).toBe('agrees');
  });

  it('makes a native key once, and never a second one in the place of one that is gone', () => {
    expect(plan('enabled', ABSENT, { spec: NATIVE, binding: undefined })).toEqual(['create']);
    expect(plan('enabled', ABSENT, { spec: NATIVE })).toBe('cannot');
    // Its new version has new material in any case.
    expect(plan('enabled', ABSENT, { spec: NATIVE, rotating: true })).toEqual(['create']);
    expect(plan('enabled', present('no_material'), { spec: NATIVE })).toBe('cannot');
  });

  it('brings changed details to the keystore, after everything else and each once', () => {
    const open = { open: DETAILS };
    expect(plan('enabled', present('enabled'), open)).toEqual(['rename', 'tag']);
    expect(plan('enabled', present('disabled', { name: 'missing' }), open)).toEqual(['enable', 'rename', 'tag']);
    expect(plan('enabled', present('enabled'), { ...open, current: false })).toEqual(['rename', 'tag']);
    expect(plan('disabled', present('disabled'), open)).toEqual(['rename', 'tag']);
    expect(plan('disabled', ABSENT, open)).toBe('agrees');
    expect(plan('gone', present('pending_deletion'), open)).toBe('agrees');
  });

  it('renames a key of ours that cannot be used, so that its former name is free; never one with other material', () => {
    const open = { open: DETAILS, spec: NATIVE };
    expect(plan('enabled', present('unusable'), open)).toEqual(['rename', 'tag']);
    expect(plan('enabled', present('no_material'), open)).toEqual(['rename', 'tag']);
    expect(plan('enabled', present('unusable'), { spec: NATIVE })).toBe('cannot');
    expect(plan('enabled', present('enabled', { fingerprint: 'f2' }), { open: DETAILS })).toBe('cannot');
  });

  it('rotates a key that is still at the version before, enabled first where it is not', () => {
    expect(plan('enabled', present('enabled'), { rotating: true })).toEqual(['rotate']);
    expect(plan('enabled', present('disabled'), { rotating: true })).toEqual(['enable', 'rotate']);
    expect(plan('disabled', present('enabled'), { rotating: true })).toEqual(['disable']);
    expect(plan('gone', present('enabled'), { rotating: true })).toEqual(['schedule_deletion']);
  });

  it('leaves a key that an older version shares to the newer one, and brings back only its own material', () => {
    const older = { outgrown: true, current: false };
    for (const wanted of ['enabled', 'disabled', 'none'] as const) {
      for (const state of ['enabled', 'disabled', 'pending_deletion', 'unusable'] as const) {
        expect(plan(wanted, present(state), older)).toBe('agrees');
      }
    }
    expect(plan('enabled', present('no_material'), older)).toEqual(['import']);
    expect(plan('enabled', ABSENT, older)).toBe('cannot');
    expect(plan('disabled', ABSENT, older)).toBe('agrees');
    expect(plan('gone', present('enabled'), older)).toBe('wait');
    expect(plan('gone', present('pending_deletion'), older)).toBe('agrees');
    expect(plan('gone', ABSENT, older)).toBe('agrees');
  });

  it('is told as a sentence', () => {
    const sentence = (wanted: Wanted, seen: Seen) => sentenceOf(planFor(instanceOf({ wanted }), seen));
    expect(sentence('enabled', present('enabled'))).toBe('');
    expect(sentence('enabled', ABSENT)).toBe('Sync would make the key and import its material');
    expect(sentence('enabled', present('settling'))).toBe('It is looked at again shortly');
    expect(sentence('enabled', present('unusable'))).toMatch(/^Sync cannot repair this: /);
    expect(sentence('gone', present('enabled'))).toBe('Sync would schedule its deletion');
  });
});

/** A keystore refuses a step: its state does not allow it, or the bytes are not those it must have. */
class Refused extends Error {}

/** A keystore with one key in it, in as few rules as the clouds share. */
class ModelKeystore {
  seen: Seen;
  /** Whose bytes are in it; null when it has none. */
  #material: 'ours' | 'theirs' | null;
  readonly #imported: boolean;

  constructor(seen: Seen, material: 'ours' | 'theirs' | null, imported: boolean) {
    this.seen = seen;
    this.#material = material;
    this.#imported = imported;
  }

  take(step: StepName): void {
    if (step === 'create') {
      if (this.seen.presence === 'present') return;
      this.#material = this.#imported ? null : 'ours';
      this.seen = present(this.#imported ? 'no_material' : 'enabled', { fingerprint: this.#fingerprint() });
      return;
    }
    const { seen } = this;
    if (seen.presence === 'absent') {
      if (step === 'schedule_deletion') return;
      throw new Refused(`${step}: there is no key`);
    }
    this.seen = { ...seen, ...this.#after(step, seen) };
  }

  #after(step: Exclude<StepName, 'create'>, seen: Present): Partial<Present> {
    const pending = seen.state === 'pending_deletion';
    switch (step) {
      case 'import':
        if (pending) throw new Refused('import: about to be deleted');
        if (this.#material === 'theirs') throw new Refused('import: other material than before');
        this.#material = 'ours';
        return { state: seen.state === 'no_material' ? 'enabled' : seen.state, fingerprint: 'f1' };
      case 'enable':
        if (pending || seen.state === 'no_material') throw new Refused(`enable: ${seen.state}`);
        return { state: seen.state === 'disabled' ? 'enabled' : seen.state };
      case 'disable':
        return pending || seen.state === 'no_material' ? {} : { state: 'disabled' };
      case 'cancel_deletion':
        if (!pending) return {};
        return { state: this.#material === null ? 'no_material' : 'disabled', pendingDeletionUntil: undefined };
      case 'schedule_deletion':
        return { state: 'pending_deletion' };
      case 'rename':
        return { name: seen.name === 'not_applicable' ? seen.name : 'leads_here' };
      case 'tag':
      case 'rotate':
        return {};
    }
  }

  #fingerprint(): string | undefined {
    return this.#material === null ? undefined : this.#material === 'ours' ? 'f1' : 'f2';
  }
}

interface Situation {
  readonly wanted: Wanted;
  readonly native: boolean;
  readonly binding: 'none' | 'unproved' | 'proved';
  readonly current: boolean;
  readonly details: boolean;
  readonly state: State | 'absent';
  readonly name: 'leads_here' | 'missing' | 'leads_elsewhere';
  readonly theirs: boolean;
  readonly showsFingerprints: boolean;
}

const situations = fc.record<Situation>({
  wanted: fc.constantFrom('enabled', 'disabled', 'gone', 'none'),
  native: fc.boolean(),
  binding: fc.constantFrom('none', 'unproved', 'proved'),
  current: fc.boolean(),
  details: fc.boolean(),
  state: fc.constantFrom('absent', ...STATES),
  name: fc.constantFrom('leads_here', 'missing', 'leads_elsewhere'),
  theirs: fc.boolean(),
  showsFingerprints: fc.boolean(),
});

/** Plans, carries out and looks again, as the engine does, until a plan has no more steps. */
function playedThrough(situation: Situation): {
  readonly end: Plan['outcome'] | 'refused';
  readonly taken: readonly StepName[];
  readonly keystore: ModelKeystore;
  readonly instance: KeyInstance;
} {
  const material = situation.state === 'no_material' ? null : situation.theirs ? 'theirs' : 'ours';
  const fingerprint = material === null ? undefined : material === 'ours' ? 'f1' : 'f2';
  const keystore = new ModelKeystore(
    situation.state === 'absent'
      ? ABSENT
      : present(situation.state, {
          fingerprint: situation.showsFingerprints ? fingerprint : undefined,
          name: situation.current ? situation.name : 'not_applicable',
        }),
    material,
    !situation.native,
  );
  let instance = instanceOf({
    wanted: situation.wanted,
    current: situation.current,
    open: { ...DETAILS, details: situation.details },
    ...(situation.native ? { spec: NATIVE } : {}),
    binding:
      situation.binding === 'none'
        ? undefined
        : { idInKeystore: 'arn:ours', fingerprint: situation.binding === 'proved' ? 'f1' : undefined },
  });
  const taken: StepName[] = [];
  for (let round = 0; round < 5; round += 1) {
    const planned = planFor(instance, keystore.seen);
    if (planned.outcome !== 'steps') return { end: planned.outcome, taken, keystore, instance };
    for (const step of planned.steps) {
      taken.push(step);
      try {
        keystore.take(step);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        return { end: 'refused', taken, keystore, instance };
      }
      const proved = step === 'import' || instance.binding?.fingerprint === 'f1' ? 'f1' : undefined;
      instance = { ...instance, binding: { idInKeystore: 'arn:ours', fingerprint: proved } };
      if (step === 'cancel_deletion') break;
      if (step === 'tag') instance = { ...instance, open: { ...DETAILS, details: false } };
    }
  }
  throw new Error(`It goes on and on: ${taken.join(', ')}`);
}

describe('carrying out the plan', () => {
  const runs = { numRuns: 2_000 };

  it('ends: in agreement, in waiting, in saying why it cannot be; or in a refusal of foreign bytes', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { end, taken } = playedThrough(situation);
        expect(['agrees', 'wait', 'cannot', 'refused']).toContain(end);
        if (end === 'wait') expect(situation.state).toBe('settling');
        if (end === 'refused') expect([situation.theirs, taken.at(-1)]).toEqual([true, 'import']);
      }),
      runs,
    );
  });

  it('schedules a deletion only of a key that is destroyed', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { taken } = playedThrough(situation);
        if (situation.wanted !== 'gone') expect(taken).not.toContain('schedule_deletion');
      }),
      runs,
    );
  });

  it('makes a key only where one is wanted and none is, and never a second one', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const made = playedThrough(situation).taken.filter((step) => step === 'create').length;
        expect(made).toBeLessThanOrEqual(1);
        if (made > 0) expect([situation.wanted, situation.state]).toEqual(['enabled', 'absent']);
      }),
      runs,
    );
  });

  it('leaves the keystore as it is wanted, where it agrees', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { end, keystore } = playedThrough(situation);
        if (end !== 'agrees') return;
        const { seen } = keystore;
        const state = seen.presence === 'absent' ? 'absent' : seen.state;
        switch (situation.wanted) {
          case 'enabled':
            expect(state).toBe('enabled');
            if (situation.current) expect(seen).toHaveProperty('name', 'leads_here');
            break;
          case 'disabled':
            expect(['absent', 'disabled', 'no_material']).toContain(state);
            break;
          case 'gone':
            expect(['absent', 'pending_deletion']).toContain(state);
            break;
          case 'none':
            expect(state).not.toBe('enabled');
        }
      }),
      runs,
    );
  });

  it('never enables a key whose material it knows to be foreign', () => {
    fc.assert(
      fc.property(situations, (situation) => {
        const { taken } = playedThrough(situation);
        const foreign = situation.theirs && situation.showsFingerprints && situation.binding === 'proved';
        if (foreign && situation.state !== 'absent' && situation.state !== 'pending_deletion') {
          expect(taken).not.toContain('enable');
        }
      }),
      runs,
    );
  });
});
