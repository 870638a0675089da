import type { WireApproval } from '../wire/approvals.ts';
import { stateOf } from './approval.ts';
import type { Approval } from './approval.ts';

const PATHS: Record<Approval['resourceType'], string> = {
  managed_key: 'managed_keys',
  keystore: 'keystores',
  vault: 'vaults',
};

/** A request that waits, as callers see it. `baseUrl` without a trailing slash. */
export function presentApproval(approval: Approval, now: Date, baseUrl: string): WireApproval {
  return {
    id: approval.id,
    vault: { id: approval.vaultId, href: `${baseUrl}/api/v4/vaults/${approval.vaultId}` },
    operation: approval.operation,
    resource: {
      id: approval.resourceId,
      type: approval.resourceType,
      href: `${baseUrl}/api/v4/${PATHS[approval.resourceType]}/${approval.resourceId}`,
    },
    summary: approval.summary,
    state: stateOf(approval, now),
    requested_by: approval.requestedBy,
    requested_at: approval.requestedAt.toISOString(),
    expires_at: approval.expiresAt.toISOString(),
    ...(approval.decidedBy === undefined ? {} : { decided_by: approval.decidedBy }),
    ...(approval.decidedAt === undefined ? {} : { decided_at: approval.decidedAt.toISOString() }),
    href: `${baseUrl}/api/v4/approvals/${approval.id}`,
  };
}
