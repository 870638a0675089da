import { Database } from './database.ts';
import type { Change } from './database.ts';

/** A transaction that would have succeeded; thrown in its place, because nothing after it may happen either. */
export class Rehearsed extends Error {
  override readonly name = 'Rehearsed';
  readonly changes: readonly Change[];

  constructor(changes: readonly Change[]) {
    super('This transaction was rehearsed; nothing was written.');
    this.changes = changes;
  }
}

/**
 * The same records, for `dry_run`: reads read, what is only found out is not written, and the first transaction that decides something, which
 * is one with an audit event, ends the run. DynamoDB itself judges it, every condition of it, with one check added that never holds: so nothing
 * is written, whatever the others say. Throws the fault of the first change whose condition does not hold, or `Rehearsed`.
 */
export class RehearsalDatabase extends Database {
  constructor(database: Database) {
    super(Database.clientOf(database), database.table);
  }

  override async transact(changes: readonly Change[]): Promise<void> {
    // A flag that a look has changed is written with its history: no decision of the caller's.
    if (!changes.some((change) => change.op === 'put' && change.item.sk.startsWith('EVENT#'))) return;
    const never: Change = {
      op: 'check',
      key: { pk: 'REHEARSAL', sk: 'REHEARSAL' },
      condition: 'attribute_exists(pk)',
      refused: () => new Rehearsed(changes),
    };
    await super.transact([...changes, never]);
  }

  override async write(): Promise<boolean> {
    return Promise.resolve(true);
  }
}
