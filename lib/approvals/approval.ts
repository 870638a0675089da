import { Fault } from '../fault.ts';

/** What a vault may require a second person for. */
export const APPROVAL_SUBJECTS = ['destroy_key', 'disconnect_keystore', 'realign_removing_keystores'] as const;
export type ApprovalSubject = (typeof APPROVAL_SUBJECTS)[number];

export const APPROVAL_STATES = ['pending', 'approved', 'rejected', 'expired'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** A request that waits for a second person. */
export interface Approval {
  readonly id: string;
  readonly revision: number;
  readonly vaultId: string;
  /** The contract's operation that waits. */
  readonly operation: string;
  readonly resourceType: 'managed_key' | 'keystore' | 'vault';
  readonly resourceId: string;
  /** The revision of the resource that was decided about: changed since then, the request is void. */
  readonly resourceRevision: number;
  /** The operation's parameters, as JSON text. No secret is in the operations that can wait. */
  readonly parameters: string;
  /** What would happen, as a sentence for who is to approve it. */
  readonly summary: string;
  readonly state: Exclude<ApprovalState, 'expired'>;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly expiresAt: Date;
  readonly decidedBy: string | undefined;
  readonly decidedAt: Date | undefined;
}

/** The state as of now: what nobody decided in time has expired. */
export function stateOf(approval: Pick<Approval, 'state' | 'expiresAt'>, now: Date): ApprovalState {
  return approval.state === 'pending' && approval.expiresAt <= now ? 'expired' : approval.state;
}

/** Throws unless this subject may approve it now: it waits still, and somebody else has asked for it. */
export function requireApprovable(approval: Approval, subject: string, now: Date): void {
  const state = stateOf(approval, now);
  if (state !== 'pending') throw new Fault('state_conflict', `The request is ${state} and cannot be approved.`);
  if (approval.requestedBy === subject) {
    throw new Fault('forbidden', 'Who asked for it cannot approve it: it takes a second person.');
  }
}
