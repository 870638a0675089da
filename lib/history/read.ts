import type { Database, RawItem } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { CHANGE_SHARDS, INDEX_KEY, ITEM } from '../records/table.ts';
import type { FlagChange, HistoryEntry } from './entry.ts';

/** Sorts after every entry's place. */
const END = '~';

/** An entry's place in the order of a history: where the next page goes on. */
export function placeOf({ at, id }: HistoryEntry): string {
  return `${at.toISOString()}#${id}`;
}

/** A key's history, the newest entry first, from before `after` on. Costs what is read of it: 16 KB a unit, some 40 entries. */
export async function* historyOf(
  database: Database,
  keyId: string,
  options: { readonly after: string | undefined; readonly pageSize: number },
): AsyncGenerator<HistoryEntry> {
  const { pk } = ITEM.history(keyId, '', '');
  const query = { pk, upTo: options.after ?? END, descending: true, pageSize: options.pageSize, consistent: false };
  for await (const item of database.query(query)) {
    const entry = READ.historyEntry(item);
    if (placeOf(entry) !== options.after) yield entry;
  }
}

/** Which changes of flags to read, and in which order. */
export interface ChangesQuery {
  readonly vaultIds: readonly string[];
  readonly since: Date;
  /** The place of the last one that was read before. */
  readonly after: string | undefined;
  readonly descending: boolean;
  readonly pageSize: number;
}

/**
 * The changes of flags in these vaults, by time. Each vault has them in a few partitions of the index, which are read side by side, a page
 * at a time. The index follows the table by fractions of a second.
 */
export async function* changesIn(database: Database, wanted: ChangesQuery): AsyncGenerator<FlagChange> {
  const { vaultIds, since, after, descending, pageSize } = wanted;
  const start = since.toISOString();
  const lines = vaultIds.flatMap((vaultId) =>
    Array.from({ length: CHANGE_SHARDS }, (_, shard) =>
      changesAlong(
        database.query({
          index: 'flagged',
          pk: INDEX_KEY.changesInVault(vaultId, shard),
          from: descending || after === undefined ? start : after,
          upTo: descending && after !== undefined ? after : END,
          descending,
          pageSize,
        }),
        after,
      ),
    ),
  );
  yield* inOrder(lines, (a, b) => (placeOf(a) < placeOf(b) !== descending ? -1 : 1));
}

async function* changesAlong(items: AsyncGenerator<RawItem>, after: string | undefined): AsyncGenerator<FlagChange> {
  for await (const item of items) {
    const entry = READ.historyEntry(item);
    if (entry.kind === 'flag' && placeOf(entry) !== after) yield entry;
  }
}

/** Several sequences that are in order, as one. */
async function* inOrder<T>(lines: readonly AsyncGenerator<T>[], compare: (a: T, b: T) => number): AsyncGenerator<T> {
  try {
    const heads = (
      await Promise.all(
        lines.map(async (line) => {
          const head = await line.next();
          return head.done === true ? undefined : { line, value: head.value };
        }),
      )
    ).filter((head) => head !== undefined);
    while (heads.length > 0) {
      const first = heads.reduce((least, head) => (compare(head.value, least.value) < 0 ? head : least));
      yield first.value;
      const next = await first.line.next();
      if (next.done === true) heads.splice(heads.indexOf(first), 1);
      else first.value = next.value;
    }
  } finally {
    await Promise.all(lines.map((line) => line.return(undefined)));
  }
}
