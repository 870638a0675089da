import timers from 'node:timers/promises';
import { syncBuiltinESMExports } from 'node:module';

/** Waits up to this long are pauses between two attempts; longer ones are limits, and stay what they are. */
const LONGEST_PAUSE_MS = 1_000;
const TIMES_AS_FAST = 100;

/**
 * Makes the pauses between two attempts at the same thing a hundred times as short in this process: the SDKs' and our own. A run that lets
 * thousands of calls fail would else do little but wait. Limits on how long a call may take are left alone. Answers how to end it.
 */
export function withoutPauses(): () => void {
  const setTimeoutBefore = globalThis.setTimeout;
  const waitBefore = timers.setTimeout;
  const shorter = (ms: number | undefined) =>
    ms === undefined || ms >= LONGEST_PAUSE_MS ? ms : Math.floor(ms / TIMES_AS_FAST);
  globalThis.setTimeout = Object.assign(
    (callback: () => void, ms?: number, ...more: []) => setTimeoutBefore(callback, shorter(ms), ...more),
    setTimeoutBefore,
  );
  timers.setTimeout = (ms, ...more) => waitBefore(shorter(ms), ...more);
  syncBuiltinESMExports();
  return () => {
    globalThis.setTimeout = setTimeoutBefore;
    timers.setTimeout = waitBefore;
    syncBuiltinESMExports();
  };
}
