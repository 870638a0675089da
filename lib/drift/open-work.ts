import type { Deployment } from '../deployment.ts';
import { workChange } from '../history/entry.ts';
import { writeWithHistory } from '../history/write.ts';
import type { KeyInstance, OpenWork } from '../keys/key.ts';
import { fencedInstance, READ } from '../records/entities.ts';
import { UnreadableItem } from '../records/item.ts';
import { INDEX_KEY, OPEN_WORK_SHARDS } from '../records/table.ts';
import { inParallel } from '../in-parallel.ts';

/** An instance with work that is not finished. */
export type Working = KeyInstance & { readonly open: OpenWork };

/** How the journal stands: what `resume` measures every minute. */
export interface OpenWorkSummary {
  readonly open: number;
  /** Seconds since the oldest open work was decided; 0 when there is none. */
  readonly oldestSeconds: number;
  readonly givenUp: number;
  readonly unreadable: number;
}

/** Work that waits for a retry or for whoever holds its lease, the most overdue first. */
export async function* waitingWork(deployment: Pick<Deployment, 'database'>): AsyncGenerator<Working> {
  for (let shard = 0; shard < OPEN_WORK_SHARDS; shard += 1) yield* workIn(deployment, INDEX_KEY.openWork(shard));
}

/** Work that was tried for as long as there was hope. */
export async function* givenUpWork(deployment: Pick<Deployment, 'database'>): AsyncGenerator<Working> {
  yield* workIn(deployment, INDEX_KEY.givenUpWork());
}

async function* workIn({ database }: Pick<Deployment, 'database'>, pk: string): AsyncGenerator<Working> {
  for await (const entry of database.query({ index: 'due', pk })) {
    const item = await database.get({ pk: String(entry['pk']), sk: String(entry['sk']) });
    if (item === undefined) continue;
    const instance = READ.keyInstance(item);
    // The index lags behind: what was finished meanwhile is not shown.
    if (instance.open !== undefined) yield { ...instance, open: instance.open };
  }
}

/** Counts without reading the instances: the index alone tells. */
export async function summarise(deployment: Pick<Deployment, 'database' | 'clock'>): Promise<OpenWorkSummary> {
  const { database } = deployment;
  let open = 0;
  let oldest = Number.POSITIVE_INFINITY;
  for await (const { open: work } of waitingWork(deployment)) {
    open += 1;
    oldest = Math.min(oldest, work.since.getTime());
  }
  const count = async (pk: string) => (await database.queryAll({ index: 'due', pk })).length;
  return {
    open,
    oldestSeconds: open === 0 ? 0 : Math.max(0, Math.round((deployment.clock().getTime() - oldest) / 1000)),
    givenUp: await count(INDEX_KEY.givenUpWork()),
    unreadable: await count(INDEX_KEY.unreadableWork()),
  };
}

/** Work that was parked because no version could read it, and that this version can. */
async function* readableAgain({ database }: Pick<Deployment, 'database'>): AsyncGenerator<Working> {
  for await (const entry of database.query({ index: 'due', pk: INDEX_KEY.unreadableWork() })) {
    const item = await database.get({ pk: String(entry['pk']), sk: String(entry['sk']) });
    if (item === undefined) continue;
    try {
      const instance = READ.keyInstance(item);
      if (instance.open !== undefined) yield { ...instance, open: instance.open };
    } catch (error) {
      if (!(error instanceof UnreadableItem)) throw error;
    }
  }
}

async function* stuckWork(deployment: Pick<Deployment, 'database'>): AsyncGenerator<Working> {
  yield* givenUpWork(deployment);
  yield* readableAgain(deployment);
}

/**
 * Has given-up work tried again, from the first attempt on, at the next `resume`, and work that was parked as unreadable if it can be read
 * now; only in this vault when one is named. Answers how much it was. Can be repeated.
 */
export async function redrive(
  deployment: Pick<Deployment, 'database' | 'clock' | 'newId'>,
  vaultId: string | undefined,
): Promise<number> {
  const again = await inParallel(
    stuckWork(deployment),
    async (instance) => {
      if (vaultId !== undefined && instance.vaultId !== vaultId) return false;
      const open: OpenWork = { ...instance.open, attempts: 0, givenUp: false, dueAt: deployment.clock() };
      const next = { ...instance, open, fence: instance.fence + 1 };
      const entry = workChange(next, open, 'redriven', { id: deployment.newId(), at: open.dueAt });
      return writeWithHistory(deployment.database, fencedInstance(next, instance.fence), entry);
    },
    8,
  );
  return again.filter(Boolean).length;
}
