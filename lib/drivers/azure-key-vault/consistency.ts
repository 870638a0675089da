import { setTimeout as sleep } from 'node:timers/promises';
import { abandoned } from './faults.ts';

/** Milliseconds between looks: a deletion or recovery mostly settles in a second or two. */
const WAITS = [100, 200, 400, 800, 1600] as const;

/** Looks until `done`, for about three seconds; answers the last look, done or not. */
export async function lookUntil<T>(
  signal: AbortSignal,
  look: () => Promise<T>,
  done: (seen: T) => boolean,
): Promise<T> {
  let seen = await look();
  for (const wait of WAITS) {
    if (done(seen)) break;
    try {
      await sleep(wait, undefined, { signal });
    } catch (error) {
      throw abandoned('the wait for a change', error);
    }
    seen = await look();
  }
  return seen;
}
