import type { AuditEntry, Severity } from './records/audit.ts';
import type { Change } from './records/database.ts';

/** Who asks for what, and from where: what every change is written down with. */
export interface Attempt {
  /** The contract's operation (`DeactivateManagedKey`). */
  readonly operation: string;
  readonly subject: string;
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlationId: string;
  /** The request that `subject` approved, when somebody else asked for this. */
  readonly approval?: { readonly id: string; readonly requestedBy: string } | undefined;
  /**
   * Written in the same transaction as whatever the attempt changes (the idempotency row), and first in it: of all that may refuse the
   * transaction, that this very request was made before says most.
   */
  readonly alongside: (resourceId: string) => readonly Change[];
}

/** What Shearline does by itself, under a name of its own. */
export function ownAttempt(operation: string, subject: string, correlationId: string): Attempt {
  return {
    operation,
    subject,
    sourceIp: undefined,
    userAgent: undefined,
    correlationId,
    alongside: () => [],
  };
}

type ResourceType = AuditEntry['resourceType'];
type Verb = 'write' | 'delete';

const AREAS: Record<Exclude<ResourceType, 'none'>, string> = {
  vault: 'vaults',
  template: 'key-templates',
  keystore: 'target-keystores',
  managed_key: 'managed-keys',
};

/** `managed-keys.write`, `target-keystores.delete`, … */
export function auditAction(type: ResourceType, verb: Verb): string {
  return type === 'none' ? `requests.${verb}` : `${AREAS[type]}.${verb}`;
}

/** Contract, Audit: deletes and destroys critical, key writes warning, the rest normal. */
export function severityOf(type: ResourceType, operation: string): Severity {
  if (operation.startsWith('Delete') || operation.startsWith('Destroy')) return 'critical';
  return type === 'managed_key' ? 'warning' : 'normal';
}

/** The audit entry of an attempt that succeeds, to be committed with its changes. */
export function success(
  attempt: Attempt,
  of: {
    readonly vaultId: string;
    readonly type: Exclude<ResourceType, 'none'>;
    readonly id: string;
    readonly at: Date;
    readonly status: number;
    readonly before?: Readonly<Record<string, unknown>> | undefined;
    readonly after?: Readonly<Record<string, unknown>> | undefined;
  },
): AuditEntry {
  return {
    vaultId: of.vaultId,
    at: of.at,
    action: auditAction(of.type, attempt.operation.startsWith('Delete') ? 'delete' : 'write'),
    operation: attempt.operation,
    subject: attempt.subject,
    resourceType: of.type,
    resourceId: of.id,
    sourceIp: attempt.sourceIp,
    userAgent: attempt.userAgent,
    correlationId: attempt.correlationId,
    outcome: 'success',
    status: of.status,
    severity: severityOf(of.type, attempt.operation),
    reason: undefined,
    before: of.before,
    after: attempt.approval === undefined ? of.after : { ...of.after, approval: attempt.approval },
  };
}
