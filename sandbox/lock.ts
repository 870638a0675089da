import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The name of the lock file in a data folder. */
export const LOCK_FILE = 'lock';

/**
 * Takes a data folder (made when missing) for this process alone; undefined when another process has it. The operating system
 * gives the lock back when this process ends, however that happens, so that none is ever stale: Node has no `flock`, but SQLite does.
 */
export function lockFolder(folder: string): { release: () => void } | undefined {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(folder, LOCK_FILE));
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return {
    release: () => {
      database.close();
    },
  };
}

const SQLITE_BUSY = 5;
