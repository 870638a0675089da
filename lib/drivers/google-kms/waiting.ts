import { setTimeout as sleep } from 'node:timers/promises';
import { abandoned } from './faults.ts';

/** Milliseconds between looks at something that Google is at work on; ten seconds in all. Key pairs in an HSM take seconds. */
const WAITS = [50, 100, 200, 400, 800, 1_500, 2_000, 2_500, 2_500] as const;

/** Looks until `done`; answers the last look, done or not. `first` is a look that has been had already. */
export async function lookUntil<T>(
  first: T,
  look: () => Promise<T>,
  done: (seen: T) => boolean,
  signal: AbortSignal,
): Promise<T> {
  let seen = first;
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
