import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { paceOf } from '../pace/pace.ts';
import type { Pace } from '../pace/pace.ts';
import { LOOK_QUOTA } from '../pace/quotas.ts';
import { scopeOf } from '../pace/scope.ts';
import { READ } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import { sweepKeystore } from './keystore.ts';
import type { Run } from './keystore.ts';
import type { SweepMessage } from './message.ts';
import { readSweep, storeSweep } from './state.ts';
import type { SweepState, SweptSoFar } from './state.ts';
import { together } from './tally.ts';

const KEYSTORES_AT_ONCE = 8;

/** How a run ended: `answered` when a sweep that began after the message was sent had done all that it asks for. */
export interface SweptScope {
  readonly outcome: 'done' | 'more' | 'answered';
  readonly state: SweepState;
}

/**
 * Sweeps the keystores of a scope, or goes on where the last run had to stop, until the end or until the time is up; keeps where it is. The
 * record, not the message, knows how far a sweep is: a message that comes twice, late or after a crash does no harm. Throws, when the others
 * are done, if a keystore could not be swept for a fault of ours.
 */
export async function sweepScope(deployment: Deployment, message: SweepMessage, run: Run): Promise<SweptScope> {
  const { database, clock } = deployment;
  const last = await readSweep(database, message.scope);
  const isUnderWay = last !== undefined && last.finishedAt === undefined;
  if (last !== undefined && !isUnderWay && message.at <= last.startedAt) return { outcome: 'answered', state: last };

  const keystores = await keystoresOf(deployment, message);
  const pace = paceOf(message.scope.replace(/#\d+$/, ''), deployment.config.pace);
  const swept = new Map<string, SweptSoFar>(isUnderWay ? Object.entries(last.keystores) : []);
  const startedAt = isUnderWay ? last.startedAt : clock();
  const faults: unknown[] = [];
  await pMap(
    keystores,
    async (keystore) => {
      const before = swept.get(keystore.id);
      if (before !== undefined && before.next === undefined) return;
      try {
        const { scan, next } = await sweepKeystore(deployment, keystore, pace, run, before?.next);
        swept.set(keystore.id, { scan: together(before?.scan, scan), next });
      } catch (error) {
        deployment.log.error('A keystore could not be swept.', { keystoreId: keystore.id, error: error as Error });
        faults.push(error);
      }
    },
    { concurrency: KEYSTORES_AT_ONCE },
  );

  const isDone = keystores.every(({ id }) => swept.has(id) && swept.get(id)?.next === undefined);
  const now = clock();
  const state: SweepState = {
    scope: message.scope,
    startedAt,
    updatedAt: now,
    finishedAt: isDone ? now : undefined,
    etaSeconds: isDone ? undefined : await secondsLeft(deployment, keystores, swept, pace),
    keystores: Object.fromEntries(keystores.flatMap(({ id }) => entryOf(id, swept.get(id)))),
  };
  await storeSweep(database, state);
  if (faults.length > 0) throw new AggregateError(faults, `${faults.length} keystores could not be swept.`);
  // A sweep that was under way when the message was sent may have looked too early: the next run is a sweep of its own.
  return { outcome: isDone && startedAt >= message.at ? 'done' : 'more', state };
}

function entryOf(id: string, swept: SweptSoFar | undefined): [string, SweptSoFar][] {
  return swept === undefined ? [] : [[id, swept]];
}

/** Those that still are, and are still of this scope. */
async function keystoresOf({ database }: Deployment, { keystoreIds, scope }: SweepMessage): Promise<Keystore[]> {
  const items = await database.batchGet(keystoreIds.map(ITEM.keystore));
  const name = scope.replace(/#\d+$/, '');
  return items.map(READ.keystore).filter((keystore) => scopeOf(keystore) === name);
}

/** By the keys that the records count, less those that were dealt with, at the rate of now. */
async function secondsLeft(
  { database }: Deployment,
  keystores: readonly Keystore[],
  swept: ReadonlyMap<string, SweptSoFar>,
  pace: Pace,
): Promise<number> {
  const left = keystores.filter(({ id }) => swept.get(id)?.next !== undefined || !swept.has(id));
  const seconds = await pMap(
    left,
    async ({ id, type }) => {
      const { keys } = READ.counters(await database.get(ITEM.keystoreCounters(id)));
      const quota = LOOK_QUOTA[type];
      const rest = Math.max(0, keys - (swept.get(id)?.scan.keys ?? 0));
      return quota === undefined ? 0 : rest / pace.rate(quota);
    },
    { concurrency: 8 },
  );
  return Math.ceil(seconds.reduce((sum, each) => sum + each, 0));
}
