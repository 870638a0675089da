import { Fault } from '../fault.ts';
import type { KeyState, ManagedKey, Wanted } from './key.ts';

export type Command = 'activate' | 'deactivate' | 'destroy' | 'rotate' | 'sync' | 'realign' | 'remove';

/** From which states a command may be given, and where it leads; `same` leaves the state. Contract: Key states and commands. */
export const LIFECYCLE: Record<
  Command,
  { readonly from: readonly KeyState[]; readonly to: KeyState | 'same' | 'removed' }
> = {
  activate: { from: ['pre_activation', 'deactivated'], to: 'active' },
  deactivate: { from: ['active'], to: 'deactivated' },
  destroy: { from: ['pre_activation', 'deactivated'], to: 'destroyed' },
  rotate: { from: ['active'], to: 'active' },
  sync: {
    from: ['pre_activation', 'active', 'deactivated', 'compromised', 'destroyed', 'destroyed_compromised'],
    to: 'same',
  },
  realign: { from: ['active', 'deactivated', 'pre_activation'], to: 'same' },
  remove: { from: ['destroyed', 'destroyed_compromised'], to: 'removed' },
};

const HOUR = 3_600_000;

/**
 * The state that a command leads to. Throws `state_conflict` naming the state when the command cannot be given in it, or when a
 * deactivated key is to be destroyed before its cool-down has passed.
 */
export function stateAfter(
  command: 'activate' | 'deactivate' | 'destroy',
  key: Pick<ManagedKey, 'state' | 'deactivatedAt'>,
  rules: { readonly now: Date; readonly destroyCoolDownHours: number },
): KeyState {
  requireState(command, key.state);
  if (command === 'destroy' && key.state === 'deactivated') {
    const from = (key.deactivatedAt?.getTime() ?? rules.now.getTime()) + rules.destroyCoolDownHours * HOUR;
    if (rules.now.getTime() < from) {
      throw new Fault(
        'state_conflict',
        `The key is deactivated, but not for long enough: it can be destroyed from ${new Date(from).toISOString()} on ` +
          `(${rules.destroyCoolDownHours} h after its deactivation).`,
      );
    }
  }
  const { to } = LIFECYCLE[command];
  return to as KeyState;
}

/** Throws `state_conflict`, naming the state and the states from which the command can be given. */
export function requireState(command: Command, state: KeyState): void {
  const { from } = LIFECYCLE[command];
  if (from.includes(state)) return;
  throw new Fault(
    'state_conflict',
    `The key is ${state}; ${VERBS[command]} is possible only when it is ${from.join(' or ')}.`,
  );
}

const VERBS: Record<Command, string> = {
  activate: 'to activate it',
  deactivate: 'to deactivate it',
  destroy: 'to destroy it',
  rotate: 'to rotate it',
  sync: 'to sync it',
  realign: 'to realign it with its template',
  remove: 'to remove it from its vault',
};

/** What must be so in one keystore, given the key's state and whether a user took the key out of this keystore. */
export function wantedIn(state: KeyState, removedByUser: boolean): Wanted {
  switch (state) {
    case 'destroyed':
    case 'destroyed_compromised':
      // A copy in a keystore that the key was taken out of is the key's material all the same.
      return 'gone';
    case 'pre_activation':
      return removedByUser ? 'disabled' : 'none';
    case 'active':
      return removedByUser ? 'disabled' : 'enabled';
    case 'deactivated':
    case 'compromised':
      return 'disabled';
  }
}
