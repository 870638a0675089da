import * as z from 'zod/mini';
import { later } from '../later.ts';
import { APPROVAL_STATES } from '../approvals/approval.ts';
import { dateTime, id } from './fields.ts';
import type { Wire } from './fields.ts';
import { anyOf, page, paging } from './lists.ts';
import { vaultReference } from './vaults.ts';

// Beyond UKO.

export const approvalQuery = later(() =>
  z.strictObject({
    'vault.id': anyOf(id()),
    state: anyOf(z.enum(APPROVAL_STATES)),
    ...paging(['requested_at', 'expires_at', 'state', 'operation']),
  }),
);

export const approval = later(() =>
  z.strictObject({
    id: z.string(),
    vault: vaultReference(),
    operation: z.string().check(z.describe('The operation of this API that waits.')),
    resource: z.strictObject({ id: z.string(), type: z.string(), href: z.string() }),
    summary: z.string(),
    state: z.enum(APPROVAL_STATES),
    requested_by: z.string(),
    requested_at: dateTime(),
    expires_at: dateTime(),
    decided_by: z.optional(z.string()),
    decided_at: z.optional(dateTime()),
    href: z.string(),
  }),
);
export type WireApproval = Wire<typeof approval>;

export const approvalList = later(() => z.strictObject({ ...page(), approvals: z.array(approval()) }));
export type WireApprovalList = Wire<typeof approvalList>;

/** Whatever the approved operation itself answers. */
export const approvedAnswer = later(() => z.unknown());
