import { auditEvent, auditHead, CHAIN_START, linkFault, NO_VAULT } from './audit.ts';
import type { AuditEvent, AuditHead } from './audit.ts';
import type { Database } from './database.ts';
import { ITEM } from './table.ts';

/** What a walk along one vault's chain found. */
export interface TrailReport {
  readonly vaultId: string;
  readonly events: number;
  /** Where the chain first does not hold, and how; undefined when every event is there, in its place and unaltered. */
  readonly broken: string | undefined;
  readonly head: string;
}

/** A vault's events after a sequence number, oldest first, as they come; memory does not grow with the trail. */
export async function* trail(database: Database, vaultId: string, after = 0): AsyncGenerator<AuditEvent> {
  const from = ITEM.auditEvent(vaultId, after + 1);
  for await (const item of database.query({ pk: from.pk, from: from.sk, upTo: 'EVENT#~' }))
    yield auditEvent.decode(item);
}

/**
 * Walks a vault's chain from its start to its head. Events that are committed while it walks are beyond the head that was read first, and are
 * not judged. An event that cannot be read is a break like any other.
 */
export async function verifyTrail(database: Database, vaultId: string): Promise<TrailReport> {
  const headItem = await database.get(ITEM.auditHead(vaultId));
  const head: AuditHead = headItem === undefined ? CHAIN_START : auditHead.decode(headItem);
  let last = CHAIN_START;
  const report = (broken: string | undefined): TrailReport => ({
    vaultId,
    events: last.sequence,
    broken,
    head: head.hash,
  });
  try {
    for await (const event of trail(database, vaultId)) {
      if (last.sequence === head.sequence && event.sequence > head.sequence) break;
      const fault = linkFault(last, event);
      if (fault !== undefined) return report(fault);
      last = event;
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'UnreadableItem') throw error;
    return report(`event ${last.sequence + 1} cannot be read`);
  }
  if (last.sequence !== head.sequence) return report(`events after ${last.sequence} are missing`);
  return report(last.hash === head.hash ? undefined : 'the head of the chain was altered');
}

/** Every chain there is: of each vault, of those that were deleted too, and of attempts that belong to none. */
export async function verifyTrails(database: Database): Promise<TrailReport[]> {
  const reports: TrailReport[] = [await verifyTrail(database, NO_VAULT)];
  for await (const item of database.query({ pk: ITEM.audited('').pk })) {
    reports.push(await verifyTrail(database, String(item['sk'])));
  }
  return reports;
}
