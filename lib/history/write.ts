import { setTimeout as wait } from 'node:timers/promises';
import { backoff, TransactionConflict } from '../records/database.ts';
import type { Change, Database } from '../records/database.ts';
import { STORED } from '../records/entities.ts';
import type { HistoryEntry } from './entry.ts';

/** How often a write is tried against other transactions on the same item, as `Database.write` does. */
const ATTEMPTS = 12;

class ConditionFailed extends Error {}

/**
 * One write with the entry of the key's history that tells of it: both or neither. Without an entry it is a plain write. Answers false
 * when the condition of the change, or of what goes `along`, did not hold.
 */
export async function writeWithHistory(
  database: Database,
  change: Change,
  entry: HistoryEntry | undefined,
  along: readonly Change[] = [],
): Promise<boolean> {
  if (entry === undefined && along.length === 0) return database.write(change);
  const failed = new ConditionFailed();
  const changes: Change[] = [
    ...[change, ...along].map((each) => ({ ...each, refused: () => failed })),
    ...(entry === undefined ? [] : [{ op: 'put', item: STORED.historyEntry(entry) } as const]),
  ];
  for (let attempt = 1; ; attempt += 1) {
    try {
      await database.transact(changes);
      return true;
    } catch (error) {
      if (error === failed) return false;
      if (!(error instanceof TransactionConflict) || attempt === ATTEMPTS) throw error;
      await wait(backoff(attempt));
    }
  }
}
