import { setTimeout as sleep } from 'node:timers/promises';
import { abandoned, isFault } from './faults.ts';

/** Milliseconds between looks. AWS KMS is eventually consistent: mostly settled in a second, rarely in minutes. */
const WAITS = [50, 100, 200, 400, 800] as const;

async function pause(milliseconds: number, signal: AbortSignal, call: string): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    throw abandoned(call, error);
  }
}

/**
 * Runs `call` on a key that we know exists: for about a second and a half, a `not_found` is taken for a new key that has not
 * reached every server of AWS KMS yet. After that it is thrown. `call` must be safe to repeat.
 */
export async function ridingOut<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (const wait of WAITS) {
    try {
      return await call();
    } catch (error) {
      if (!isFault(error, 'not_found')) throw error;
    }
    await pause(wait, signal, 'the wait for a new key');
  }
  return call();
}

/** Looks until `done`, for about a second and a half; answers the last look, done or not. */
export async function lookUntil<T>(
  signal: AbortSignal,
  look: () => Promise<T>,
  done: (seen: T) => boolean,
): Promise<T> {
  let seen = await look();
  for (const wait of WAITS) {
    if (done(seen)) break;
    await pause(wait, signal, 'the wait for a change');
    seen = await look();
  }
  return seen;
}
