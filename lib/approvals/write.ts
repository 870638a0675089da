import type { Attempt } from '../attempt.ts';
import { success } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { Fault } from '../fault.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, READ, replacement, STORED } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import type { Approval } from './approval.ts';

/** How long a request waits for a second person. */
const WAITS_MS = 72 * 3_600_000;

export interface NewApproval {
  readonly vaultId: string;
  readonly operation: string;
  readonly resourceType: Approval['resourceType'];
  readonly resourceId: string;
  readonly resourceRevision: number;
  readonly parameters: string;
  readonly summary: string;
}

/** Keeps a request until a second person decides. Nothing of it is done. */
export async function requestApproval(
  deployment: Pick<Deployment, 'database' | 'clock' | 'newId'>,
  attempt: Attempt,
  given: NewApproval,
): Promise<Approval> {
  const now = deployment.clock();
  const approval: Approval = {
    ...given,
    id: deployment.newId(),
    revision: 1,
    state: 'pending',
    requestedBy: attempt.subject,
    requestedAt: now,
    expiresAt: new Date(now.getTime() + WAITS_MS),
    decidedBy: undefined,
    decidedAt: undefined,
  };
  const entry = {
    vaultId: given.vaultId,
    type: given.resourceType,
    id: given.resourceId,
    at: now,
    status: 202,
    after: { approval: approval.id, waits_for: 'approval', summary: given.summary },
  } as const;
  await commit(
    deployment.database,
    [...attempt.alongside(given.resourceId), creation(STORED.approval(approval))],
    success(attempt, entry),
  );
  return approval;
}

export async function readApproval(database: Deployment['database'], id: string): Promise<Approval | undefined> {
  const item = await database.get(ITEM.approval(id));
  return item === undefined ? undefined : READ.approval(item);
}

/** The approval's own change, for the transaction of what was approved: it is carried out once. */
export function approvedBy(approval: Approval, subject: string, now: Date): Change {
  return decided(approval, 'approved', subject, now);
}

/** Ends a request without carrying it out. */
export async function rejectRequest(
  deployment: Pick<Deployment, 'database' | 'clock'>,
  attempt: Attempt,
  approval: Approval,
): Promise<Approval> {
  const now = deployment.clock();
  const entry = {
    vaultId: approval.vaultId,
    type: approval.resourceType,
    id: approval.resourceId,
    at: now,
    status: 200,
    after: { approval: approval.id, state: 'rejected', operation: approval.operation },
  } as const;
  await commit(deployment.database, [decided(approval, 'rejected', attempt.subject, now)], success(attempt, entry));
  return {
    ...approval,
    state: 'rejected',
    decidedBy: attempt.subject,
    decidedAt: now,
    revision: approval.revision + 1,
  };
}

function decided(approval: Approval, state: 'approved' | 'rejected', subject: string, now: Date): Change {
  const next: Approval = { ...approval, revision: approval.revision + 1, state, decidedBy: subject, decidedAt: now };
  return replacement(
    STORED.approval(next),
    approval.revision,
    () => new Fault('state_conflict', 'Somebody else has just decided about this request.'),
  );
}
