import type { Vaults } from '../access/permissions.ts';
import type { Clock } from '../clock.ts';
import { isAnyOf, pageFrom, vaultIds } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { INDEX_KEY, ITEM } from '../records/table.ts';
import type { WireApprovalList } from '../wire/approvals.ts';
import type { QueryOf } from '../wire/operations.ts';
import { stateOf } from './approval.ts';
import { presentApproval } from './view.ts';

/** A page of the requests in the vaults that the caller may list, the newest first. */
export async function listApprovals(
  database: Database,
  clock: Clock,
  listable: Vaults,
  call: ListCall<QueryOf<'ListApprovals'>>,
): Promise<WireApprovalList> {
  const now = clock();
  const ids = await vaultIds(database, listable, call.query['vault.id']);
  const keys = (
    await Promise.all(ids.map((id) => database.queryAll({ index: 'by_vault', pk: INDEX_KEY.approvalsOfVault(id) })))
  )
    .flat()
    .map((item) => ITEM.approval(String(item['id'])));
  const approvals = (await database.batchGet(keys))
    .map(READ.approval)
    .filter((approval) => isAnyOf(call.query.state, stateOf(approval, now)));
  const { page, items } = pageFrom(
    approvals,
    call,
    {
      requested_at: ({ requestedAt }) => requestedAt,
      expires_at: ({ expiresAt }) => expiresAt,
      state: (approval) => stateOf(approval, now),
      operation: ({ operation }) => operation,
    },
    ({ id }) => id,
    ['-requested_at'],
  );
  return { ...page, approvals: items.map((approval) => presentApproval(approval, now, call.baseUrl)) };
}
