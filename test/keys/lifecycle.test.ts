import { describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import { KEY_STATES } from '../../lib/keys/key.ts';
import type { KeyState, Wanted } from '../../lib/keys/key.ts';
import { LIFECYCLE, requireState, stateAfter, wantedIn } from '../../lib/keys/lifecycle.ts';
import type { Command } from '../../lib/keys/lifecycle.ts';

/** The contract's table of states and commands, written down a second time: where each command leads; absent where it is illegal. */
const LEADS: Record<Command, Partial<Record<KeyState, KeyState | 'same' | 'removed'>>> = {
  activate: { pre_activation: 'active', deactivated: 'active' },
  deactivate: { active: 'deactivated' },
  destroy: { pre_activation: 'destroyed', deactivated: 'destroyed' },
  rotate: { active: 'active' },
  sync: {
    pre_activation: 'same',
    active: 'same',
    deactivated: 'same',
    compromised: 'same',
    destroyed: 'same',
    destroyed_compromised: 'same',
  },
  realign: { active: 'same', deactivated: 'same', pre_activation: 'same' },
  remove: { destroyed: 'removed', destroyed_compromised: 'removed' },
};
const COMMANDS = Object.keys(LEADS) as Command[];
const MOVES = COMMANDS.flatMap((command) => KEY_STATES.map((state) => ({ command, state })));
const NOW = new Date('2026-03-01T12:00:00Z');
const RULES = { now: NOW, destroyCoolDownHours: 4 };
const HOUR = 3_600_000;

function faultOf(work: () => unknown): Fault | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  return undefined;
}

describe('every command in every state', () => {
  it.each(MOVES)('$command of a key that is $state', ({ command, state }) => {
    const leadsTo = LEADS[command][state];
    const fault = faultOf(() => {
      requireState(command, state);
    });
    if (leadsTo === undefined) {
      expect(fault?.status).toBe(409);
      expect(fault?.code).toBe('state_conflict');
      expect(fault?.message).toContain(state);
    } else {
      expect(fault).toBeUndefined();
      expect(LIFECYCLE[command].to).toBe(leadsTo);
    }
  });

  it.each(MOVES.filter(({ command }) => ['activate', 'deactivate', 'destroy'].includes(command)))(
    '$command leads from $state only where the table says',
    ({ command, state }) => {
      const of = { state, deactivatedAt: new Date(NOW.getTime() - 5 * HOUR) };
      const leadsTo = LEADS[command][state];
      const move = () => stateAfter(command as 'activate' | 'deactivate' | 'destroy', of, RULES);
      if (leadsTo === undefined) expect(faultOf(move)?.code).toBe('state_conflict');
      else expect(move()).toBe(leadsTo);
    },
  );

  it('names the states in which it would be possible', () => {
    expect(faultOf(() => stateAfter('destroy', { state: 'active', deactivatedAt: undefined }, RULES))?.message).toBe(
      'The key is active; to destroy it is possible only when it is pre_activation or deactivated.',
    );
  });
});

describe('the cool-down of a deactivated key', () => {
  const destroy = (hoursAgo: number, destroyCoolDownHours = 4) =>
    stateAfter(
      'destroy',
      { state: 'deactivated', deactivatedAt: new Date(NOW.getTime() - hoursAgo * HOUR) },
      { now: NOW, destroyCoolDownHours },
    );

  it('refuses to destroy it until the very moment that it is over', () => {
    expect(faultOf(() => destroy(4 - 1 / HOUR))?.status).toBe(409);
    expect(destroy(4)).toBe('destroyed');
  });

  it('says from when on it can be destroyed', () => {
    expect(faultOf(() => destroy(1))?.message).toContain('2026-03-01T15:00:00.000Z');
  });

  it('of 0 hours lets it be destroyed at once', () => {
    expect(destroy(0, 0)).toBe('destroyed');
  });

  it('is none for a key that was never active', () => {
    const rules = { now: NOW, destroyCoolDownHours: 8760 };
    expect(stateAfter('destroy', { state: 'pre_activation', deactivatedAt: undefined }, rules)).toBe('destroyed');
  });

  it('counts from now where it is not known when the key was deactivated', () => {
    const unknown = { state: 'deactivated', deactivatedAt: undefined } as const;
    expect(faultOf(() => stateAfter('destroy', unknown, RULES))?.code).toBe('state_conflict');
  });
});

describe('what is wanted in a keystore', () => {
  it.each<[KeyState, Wanted, Wanted]>([
    ['pre_activation', 'none', 'disabled'],
    ['active', 'enabled', 'disabled'],
    ['deactivated', 'disabled', 'disabled'],
    ['compromised', 'disabled', 'disabled'],
    ['destroyed', 'gone', 'gone'],
    ['destroyed_compromised', 'gone', 'gone'],
  ])('of a key that is %s: %s; where a user took it out: %s', (state, assigned, removed) => {
    expect(wantedIn(state, false)).toBe(assigned);
    expect(wantedIn(state, true)).toBe(removed);
  });
});
