import { auditAction, severityOf } from '../attempt.ts';
import { NO_VAULT } from './audit.ts';
import type { AuditEntry, Severity } from './audit.ts';
import { commit } from './commit.ts';
import type { Database } from './database.ts';
import { ITEM } from './table.ts';
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

const ITEM_OF: Record<Exclude<ResourceType, 'none'>, (id: string) => ItemKey> = {
  vault: ITEM.vault,
  template: ITEM.template,
  keystore: ITEM.keystore,
  managed_key: ITEM.key,
};

/** Writes a refused or failed attempt into the trail of the vault it was aimed at; of none when that is not known. */
export async function recordRefusal(database: Database, attempt: RefusedAttempt): Promise<void> {
  await commit(database, [], {
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
  });
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
