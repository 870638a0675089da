import type { KeystoreStatus, Observed, ObservedError, SyncFlag, SyncFlagDetail } from '../drift/observed.ts';
import { WORK_CAUSES } from '../keys/key.ts';
import type { KeyInstance, OpenWork, WorkCause } from '../keys/key.ts';
import type { AuditEvent } from '../records/audit.ts';

/** How long an entry is kept. The audit trail keeps users' decisions for good. */
export const KEPT_DAYS = 400;

/**
 * What made somebody look: the sweep, an event of the cloud, a user's verify, or work that a decision or a repair left to be done in the
 * keystore.
 */
export const CHANGE_CAUSES = ['scan', 'event', 'verify', ...WORK_CAUSES] as const;
export type ChangeCause = (typeof CHANGE_CAUSES)[number];

/**
 * `waiting`: could not be finished and will be tried again; `resumed`: taken up again for the first time; `given_up`: no hope, or refused;
 * `redriven`: somebody had it tried anew; `finished`: done, after it had waited.
 */
export const WORK_STATES = ['waiting', 'resumed', 'given_up', 'redriven', 'finished'] as const;
export type WorkState = (typeof WORK_STATES)[number];

export interface Finding {
  readonly status: KeystoreStatus;
  readonly flag: SyncFlag;
  readonly detail: SyncFlagDetail;
}

interface Entry {
  readonly id: string;
  readonly keyId: string;
  readonly vaultId: string;
  /** When it was written. */
  readonly at: Date;
}

/** A key's flag, detail or status in a keystore became another. */
export interface FlagChange extends Entry {
  readonly kind: 'flag';
  readonly version: number;
  readonly keystoreId: string;
  readonly label: string;
  /** Undefined when it was never judged before. */
  readonly from: Finding | undefined;
  readonly to: Finding;
  readonly reason: string;
  readonly cause: ChangeCause;
  readonly error: ObservedError | undefined;
}

/** Work in a keystore did not go as it should, or went on. */
export interface WorkChange extends Entry {
  readonly kind: 'work';
  readonly version: number;
  readonly keystoreId: string;
  readonly state: WorkState;
  readonly cause: WorkCause;
  readonly attempts: number;
  readonly lastError: string | undefined;
}

/** Somebody decided about the key; the audit trail has the whole of it. */
export interface Decision extends Entry {
  readonly kind: 'decision';
  readonly operation: string;
  readonly subject: string;
  /** Nothing was done yet: a second person has to approve. */
  readonly waitsForApproval: boolean;
  readonly correlationId: string;
}

export type HistoryEntry = FlagChange | WorkChange | Decision;

/** Undefined when a finding says about flag, detail and status what the one before said. */
export function flagChange(
  before: Observed | undefined,
  after: Observed,
  of: { readonly id: string; readonly at: Date; readonly cause: ChangeCause; readonly label: string },
): FlagChange | undefined {
  const from = before === undefined ? undefined : findingOf(before);
  const to = findingOf(after);
  if (from?.status === to.status && from.flag === to.flag && from.detail === to.detail) return undefined;
  const { keyId, vaultId, version, keystoreId, reason, error } = after;
  return { kind: 'flag', ...of, keyId, vaultId, version, keystoreId, from, to, reason, error };
}

function findingOf({ status, keystoreSyncFlag, keystoreSyncFlagDetail }: Observed): Finding {
  return { status, flag: keystoreSyncFlag, detail: keystoreSyncFlagDetail };
}

export function workChange(
  instance: Pick<KeyInstance, 'keyId' | 'vaultId' | 'version' | 'keystoreId'>,
  open: Pick<OpenWork, 'cause' | 'attempts' | 'lastError'>,
  state: WorkState,
  of: { readonly id: string; readonly at: Date },
): WorkChange {
  const { keyId, vaultId, version, keystoreId } = instance;
  const { cause, attempts, lastError } = open;
  return { kind: 'work', ...of, keyId, vaultId, version, keystoreId, state, cause, attempts, lastError };
}

/** What an audit event says about a key; undefined for one about anything else, and for one that came to nothing. */
export function decisionOf(event: AuditEvent): Decision | undefined {
  const { resourceType, resourceId, outcome, vaultId, at, operation, subject, correlationId } = event;
  if (resourceType !== 'managed_key' || resourceId === undefined || outcome !== 'success') return undefined;
  return {
    kind: 'decision',
    id: `${vaultId}.${event.sequence}`,
    keyId: resourceId,
    vaultId,
    at,
    operation,
    subject,
    waitsForApproval: event.status === 202,
    correlationId,
  };
}
