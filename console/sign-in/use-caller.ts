import { useSyncExternalStore } from 'react';
import type { Caller } from './caller.ts';
import { currentSession, subscribe } from './session.ts';

const NOBODY: Caller = { subject: '', name: undefined, roles: [] };

/** Who is signed in. */
export function useCaller(): Caller {
  return useSyncExternalStore(subscribe, currentSession)?.caller ?? NOBODY;
}
