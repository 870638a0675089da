import { randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { auditAction, severityOf } from '../attempt.ts';
import { NO_VAULT } from './audit.ts';
import type { AuditEntry, Severity } from './audit.ts';
import { commit } from './commit.ts';
import type { Change, Database } from './database.ts';
import { instant, itemCodec, maybe } from './item.ts';
import { ITEM, LATE_ATTEMPTS } from './table.ts';
import type { ItemKey } from './table.ts';

type ResourceType = AuditEntry['resourceType'];

/** An attempt that changed nothing. */
export interface RefusedAttempt {
  readonly operation: string;
  readonly resourceType: ResourceType;
  readonly resourceId: string | undefined;
  readonly subject: string | undefined;
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlationId: string;
  readonly at: Date;
  readonly status: number;
  readonly reason: string;
}

const lateAttempt = itemCodec<RefusedAttempt>('late attempt', () =>
  z.object({
    operation: z.string(),
    resourceType: z.enum(['vault', 'template', 'keystore', 'managed_key', 'none']),
    resourceId: maybe(z.string()),
    subject: maybe(z.string()),
    sourceIp: maybe(z.string()),
    userAgent: maybe(z.string()),
    correlationId: z.string(),
    at: instant,
    status: z.int(),
    reason: z.string(),
  }),
);

const ITEM_OF: Record<Exclude<ResourceType, 'none'>, (id: string) => ItemKey> = {
  vault: ITEM.vault,
  template: ITEM.template,
  keystore: ITEM.keystore,
  managed_key: ITEM.key,
};

/** As often as there is time for between the end of a request and that of its function. */
const ATTEMPTS = 5;

/**
 * Writes a refused or failed attempt into the trail of the vault it was aimed at; of none when that is not known. Where that does not succeed
 * now (many write into one vault, or DynamoDB does not answer), the attempt is put aside, which needs nothing but one write, and
 * `chainLateAttempts` brings it into its trail. Throws when not even that succeeds.
 */
export async function recordRefusal(database: Database, attempt: RefusedAttempt): Promise<void> {
  try {
    await chain(database, attempt, [], ATTEMPTS);
  } catch (error) {
    const aside = await putAside(database, attempt).catch((also: unknown) => also);
    if (aside !== undefined) throw new AggregateError([error, aside], 'The attempt is in no trail and not put aside.');
  }
}

async function putAside(database: Database, attempt: RefusedAttempt): Promise<void> {
  const key = ITEM.lateAttempt(attempt.at.toISOString(), randomUUID());
  await database.write({ op: 'put', item: { ...key, ...lateAttempt.encode(attempt) } });
}

/**
 * Brings attempts that were put aside into their trails, each once, the oldest first; `limit` at most. Answers how many that were and how
 * many are left in view. Can run any number of times at once.
 */
export async function chainLateAttempts(database: Database, limit = 200): Promise<{ told: number; left: number }> {
  let told = 0;
  let left = 0;
  for await (const item of database.query({ pk: LATE_ATTEMPTS, limit })) {
    const key = { pk: String(item['pk']), sk: String(item['sk']) };
    const gone = new TakenByAnother();
    const removal = { op: 'delete', key, condition: 'attribute_exists(pk)', refused: () => gone } as const;
    try {
      await chain(database, lateAttempt.decode(item), [removal], ATTEMPTS);
      told += 1;
    } catch (error) {
      if (error !== gone) left += 1;
    }
  }
  return { told, left };
}

class TakenByAnother extends Error {}

async function chain(
  database: Database,
  attempt: RefusedAttempt,
  alongside: readonly Change[],
  attempts: number,
): Promise<void> {
  await commit(database, alongside, await entryOf(database, attempt), attempts);
}

async function entryOf(database: Database, attempt: RefusedAttempt): Promise<AuditEntry> {
  return {
    vaultId: await vaultOf(database, attempt),
    at: attempt.at,
    action: auditAction(attempt.resourceType, attempt.operation.startsWith('Delete') ? 'delete' : 'write'),
    operation: attempt.operation,
    subject: attempt.subject ?? 'unauthenticated',
    resourceType: attempt.resourceType,
    resourceId: attempt.resourceId,
    sourceIp: attempt.sourceIp,
    userAgent: attempt.userAgent,
    correlationId: attempt.correlationId,
    outcome: attempt.status < 500 ? 'refused' : 'failed',
    status: attempt.status,
    severity: severityOfRefusal(attempt),
    reason: attempt.reason,
    before: undefined,
    after: undefined,
  };
}

/** Contract, Audit: 401, 403 and 5xx critical, 400 and 409 warning. */
function severityOfRefusal(attempt: RefusedAttempt): Severity {
  if (attempt.status === 401 || attempt.status === 403 || attempt.status >= 500) return 'critical';
  if (attempt.status === 400 || attempt.status === 409) return 'warning';
  return severityOf(attempt.resourceType, attempt.operation);
}

async function vaultOf(database: Database, attempt: RefusedAttempt): Promise<string> {
  if (attempt.resourceType === 'none' || attempt.resourceId === undefined) return NO_VAULT;
  const item = await database.get(ITEM_OF[attempt.resourceType](attempt.resourceId));
  const vaultId = attempt.resourceType === 'vault' ? item?.['id'] : item?.['vault_id'];
  return typeof vaultId === 'string' ? vaultId : NO_VAULT;
}
