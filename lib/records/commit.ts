import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../fault.ts';
import { decisionOf } from '../history/entry.ts';
import { auditEvent, auditHead, CHAIN_START, chained } from './audit.ts';
import type { AuditEntry, AuditHead } from './audit.ts';
import { backoff, TransactionConflict } from './database.ts';
import type { Change, Database } from './database.ts';
import { STORED } from './entities.ts';
import { ITEM } from './table.ts';

/** How often a transaction is tried against others on the same items before the caller is told `busy`. */
const ATTEMPTS = 40;

/** The chain moved on since its head was read. */
class HeadMoved extends Error {}

/**
 * The one way by which anything that users decide changes: the changes and their audit event in one transaction, so that neither is
 * ever without the other; of a key, also the entry of its history. Throws the `refused` fault of the first change whose condition does not hold; then nothing happened.
 */
export async function commit(
  database: Database,
  changes: readonly Change[],
  entry: AuditEntry,
  attempts = ATTEMPTS,
): Promise<void> {
  let head = await readHead(database, entry.vaultId);
  for (let attempt = 1; ; attempt += 1) {
    const moved = new HeadMoved();
    try {
      await database.transact([...changes, ...auditChanges(head, entry, moved)]);
      return;
    } catch (error) {
      if (error !== moved && !(error instanceof TransactionConflict)) throw error;
      if (attempt === attempts) {
        throw new Fault('busy', 'Too many changes are being made in this vault at once. Try again.', { retryAfter: 1 });
      }
      await wait(backoff(attempt));
      head = await readHead(database, entry.vaultId);
    }
  }
}

function auditChanges(head: AuditHead, entry: AuditEntry, moved: HeadMoved): Change[] {
  const event = chained(head, entry);
  const refused = () => moved;
  const decision = decisionOf(event);
  return [
    {
      op: 'put',
      item: { ...ITEM.auditEvent(event.vaultId, event.sequence), ...auditEvent.encode(event) },
      condition: 'attribute_not_exists(pk)',
      refused,
    },
    {
      op: 'put',
      item: { ...ITEM.auditHead(event.vaultId), ...auditHead.encode({ sequence: event.sequence, hash: event.hash }) },
      refused,
      ...(head.sequence === 0
        ? { condition: 'attribute_not_exists(pk)' }
        : { condition: '#hash = :hash', names: { '#hash': 'hash' }, values: { ':hash': head.hash } }),
    },
    ...(decision === undefined ? [] : [{ op: 'put', item: STORED.historyEntry(decision) } as const]),
  ];
}

async function readHead(database: Database, vaultId: string): Promise<AuditHead> {
  const item = await database.get(ITEM.auditHead(vaultId));
  return item === undefined ? CHAIN_START : auditHead.decode(item);
}
