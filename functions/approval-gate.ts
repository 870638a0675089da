import { isGated, waits } from '../lib/approvals/subject.ts';
import type { GatedOperation } from '../lib/approvals/subject.ts';
import { presentApproval } from '../lib/approvals/view.ts';
import { requestApproval } from '../lib/approvals/write.ts';
import type { Approval } from '../lib/approvals/approval.ts';
import type { Attempt } from '../lib/attempt.ts';
import type { RecordDeployment } from '../lib/deployment.ts';
import type { RawItem } from '../lib/records/database.ts';
import { readVault } from '../lib/records/reading.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import type { Approved } from './attempts.ts';
import type { Answer, Call } from './http.ts';
import { ITEM_OF, rehearse } from './rehearsal.ts';

const RESOURCE_OF: Record<GatedOperation, Approval['resourceType']> = {
  DestroyManagedKey: 'managed_key',
  UpdateManagedKeyFromTemplate: 'managed_key',
  UpdateManagedKey: 'managed_key',
  DeleteKeystore: 'keystore',
  UpdateVault: 'vault',
};

/**
 * The 202 of a request that takes a second person in its vault: it is judged as if it were carried out, and kept. Undefined where none is
 * needed, or where one has just approved it.
 */
export async function waitingForApproval<Within extends RecordDeployment, Id extends OperationId>(
  deployment: Within,
  call: Call<Id> & Approved,
  attempt: Attempt,
  decide: (attempt: Attempt, within: Within) => Promise<Answer<Id>>,
): Promise<Answer<Id> | undefined> {
  const { operation }: { readonly operation: OperationId } = call;
  const id: string | undefined = call.id;
  if (call.approval !== undefined || !isGated(operation) || id === undefined) return undefined;
  const { database, clock } = deployment;
  const item = await database.get(ITEM_OF[RESOURCE_OF[operation]](id));
  const vaultId = operation === 'UpdateVault' ? id : item?.['vault_id'];
  const vault = typeof vaultId === 'string' ? await readVault(database, vaultId) : undefined;
  if (item === undefined || vault === undefined || vault.approvalRequiredFor.length === 0) return undefined;
  const rehearsal = await rehearse(deployment, (within) => decide({ ...attempt, alongside: () => [] }, within));
  if ('answer' in rehearsal || !waits(operation, rehearsal.puts, vault)) return undefined;
  const approval = await requestApproval(deployment, attempt, {
    vaultId: vault.id,
    operation,
    resourceType: RESOURCE_OF[operation],
    resourceId: id,
    resourceRevision: Number(item['revision']),
    parameters: JSON.stringify({ query: call.query, body: call.body }),
    summary: `${operation} on ${nameOf(item) ?? id}, asked for by ${attempt.subject}.`,
  });
  const body = presentApproval(approval, clock(), call.baseUrl);
  return { status: 202, body: JSON.stringify(body), contentType: JSON_UTF8, location: body.href };
}

function nameOf(item: RawItem): string | undefined {
  return [item['label'], item['name']].find((name) => typeof name === 'string');
}

const JSON_UTF8 = 'application/json; charset=utf-8';
