import type { Deployment } from '../deployment.ts';
import { workChange } from '../history/entry.ts';
import { writeWithHistory } from '../history/write.ts';
import type { KeyInstance } from '../keys/key.ts';
import { fencedInstance, READ } from '../records/entities.ts';
import { readManagedKey } from '../records/reading.ts';
import { UnreadableItem } from '../records/item.ts';
import { INDEX_KEY, INDEXES, OPEN_WORK_SHARDS } from '../records/table.ts';
import type { ItemKey } from '../records/table.ts';
import { convergeAll, reclaimed } from './converge.ts';
import { inParallel } from '../in-parallel.ts';

/** How much one run takes on; the next run, a minute later, goes on. */
const AT_MOST = 200;

/** Every instance whose open work is due: its worker's lease ran out (it crashed, or its deadline came), or a retry was set. */
async function* dueInstances(deployment: Deployment, now: Date): AsyncGenerator<KeyInstance> {
  for (let shard = 0; shard < OPEN_WORK_SHARDS; shard += 1) {
    const query = {
      index: 'due',
      pk: INDEX_KEY.openWork(shard),
      upTo: now.toISOString(),
      limit: AT_MOST / OPEN_WORK_SHARDS,
    } as const;
    for await (const entry of deployment.database.query(query)) {
      const instance = await readOrPark(deployment, { pk: String(entry['pk']), sk: String(entry['sk']) });
      if (instance !== undefined) yield instance;
    }
  }
}

/** One item that cannot be read must not keep the others from being worked on, now and every minute. */
async function readOrPark(deployment: Deployment, key: ItemKey): Promise<KeyInstance | undefined> {
  const item = await deployment.database.get(key);
  if (item === undefined) return undefined;
  try {
    return READ.keyInstance(item);
  } catch (error) {
    if (!(error instanceof UnreadableItem)) throw error;
    deployment.log.error('Open work cannot be read and is parked.', { ...key, error });
    await deployment.database.write({
      op: 'update',
      key,
      expression: 'SET #due = :parked',
      names: { '#due': INDEXES.due.pk },
      values: { ':parked': INDEX_KEY.unreadableWork() },
    });
    return undefined;
  }
}

/**
 * Goes on with work that was left: claims each due instance by raising its fence (so that its former worker, should it still live, can
 * finish nothing) and converges it. Answers how many were taken on. Can run any number of times at once.
 */
export async function resume(deployment: Deployment, signal: AbortSignal): Promise<{ resumed: number }> {
  let resumed = 0;
  await inParallel(
    dueInstances(deployment, deployment.clock()),
    async (instance) => {
      const now = deployment.clock();
      const { open } = instance;
      if (open === undefined || open.dueAt > now) return;
      const again = reclaimed({ ...instance, open }, now);
      // Once: each further attempt says nothing new.
      const entry =
        open.attempts === 1
          ? workChange(again, { ...open, attempts: 2 }, 'resumed', { id: deployment.newId(), at: now })
          : undefined;
      if (!(await writeWithHistory(deployment.database, fencedInstance(again, instance.fence), entry))) return;
      resumed += 1;
      const key = await readManagedKey(deployment.database, instance.keyId);
      await convergeAll(deployment, key, [again], signal);
    },
    8,
  );
  return { resumed };
}
