import pMap from 'p-map';
import type { Database } from '../records/database.ts';
import { readSweep } from './state.ts';
import type { SweepState } from './state.ts';

/** Seconds since a sweep ended, or, while it goes on, since it began. */
export function ageOf({ startedAt, finishedAt }: Pick<SweepState, 'startedAt' | 'finishedAt'>, now: Date): number {
  return Math.max(0, Math.round((now.getTime() - (finishedAt ?? startedAt).getTime()) / 1000));
}

/** The age of the oldest sweep among these scopes; 0 when none of them was ever swept, which the next sweep changes. */
export async function oldestSweep(database: Database, scopes: readonly string[], now: Date): Promise<number> {
  const states = await pMap(scopes, (scope) => readSweep(database, scope), { concurrency: 16 });
  return Math.max(0, ...states.map((state) => (state === undefined ? 0 : ageOf(state, now))));
}
