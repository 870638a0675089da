import * as z from 'zod/mini';
import { listableVaults, notFound, requirePermission } from '../lib/access/permissions.ts';
import { requireApprovable, stateOf } from '../lib/approvals/approval.ts';
import type { Approval } from '../lib/approvals/approval.ts';
import { listApprovals } from '../lib/approvals/list.ts';
import { isGated } from '../lib/approvals/subject.ts';
import type { GatedOperation } from '../lib/approvals/subject.ts';
import { presentApproval } from '../lib/approvals/view.ts';
import { readApproval, rejectRequest } from '../lib/approvals/write.ts';
import { Fault } from '../lib/fault.ts';
import { OPERATIONS } from '../lib/wire/operations.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { etagOf, serve } from './http.ts';
import type { Answer, Call, Routes } from './http.ts';
import { routes as keyActions } from './key-actions.ts';
import { routes as keystores } from './keystores.ts';
import { routes as managedKeys } from './managed-keys.ts';
import { routes as realign } from './realign.ts';
import { routes as vaults } from './vaults.ts';

/** The very routes that the requests came by: what was approved runs as it would have run, with the approver's own rights. */
const ROUTES: Routes = { ...keyActions, ...keystores, ...managedKeys, ...realign, ...vaults };

const PARAMETERS = z.object({ query: z.record(z.string(), z.unknown()), body: z.optional(z.unknown()) });

type ApprovalCall = Call<'GetApproval' | 'ApproveRequest' | 'RejectRequest'>;

async function openApproval(call: ApprovalCall): Promise<Approval> {
  const approval = await readApproval(deployment().database, call.id);
  if (approval === undefined) throw notFound();
  requirePermission(call.caller, 'read', approval.vaultId);
  return approval;
}

async function carryOut(call: ApprovalCall, approval: Approval): Promise<Answer<OperationId>> {
  const { operation } = approval;
  if (!isGated(operation)) throw new Error(`${operation} does not wait for approval.`);
  const { query, body } = PARAMETERS.parse(JSON.parse(approval.parameters));
  const approved = {
    ...call,
    operation,
    id: approval.resourceId,
    query,
    body: OPERATIONS[operation].body().parse(body),
    // Decided about as it was: whoever changed it since has to ask again.
    ifMatch: [etagOf(approval.resourceId, approval.resourceRevision)],
    idempotencyKey: undefined,
    vaultHeader: undefined,
    dryRun: false,
    approval,
  };
  // The route of this operation takes the call of this operation; an index cannot say so.
  const route = ROUTES[operation] as ((of: typeof approved) => Promise<Answer<OperationId>>) | undefined;
  if (route === undefined) throw new Error(`${operation} has no route here.`);
  const answer = await route(approved);
  return { ...answer, status: answer.status ?? OPERATIONS[operation].success };
}

const NEEDS: Record<GatedOperation, Parameters<typeof requirePermission>[1]> = {
  DestroyManagedKey: 'destroy_deactivated_key',
  UpdateManagedKeyFromTemplate: 'align_key',
  UpdateManagedKey: 'edit_key',
  DeleteKeystore: 'write_keystore',
  UpdateVault: 'write_vault',
};

export const routes: Routes = {
  ListApprovals: async (call) => ({
    body: await listApprovals(deployment().database, deployment().clock, listableVaults(call.caller), call),
  }),
  GetApproval: async (call) => ({
    body: presentApproval(await openApproval(call), deployment().clock(), call.baseUrl),
  }),
  ApproveRequest: async (call) => {
    const approval = await openApproval(call);
    requireApprovable(approval, call.caller.subject, deployment().clock());
    return carryOut(call, approval);
  },
  RejectRequest: (call) =>
    attempted(call, async (attempt, within) => {
      const approval = await openApproval(call);
      if (approval.requestedBy !== call.caller.subject && isGated(approval.operation)) {
        requirePermission(call.caller, NEEDS[approval.operation], approval.vaultId);
      }
      const now = deployment().clock();
      const state = stateOf(approval, now);
      if (state !== 'pending') throw new Fault('state_conflict', `The request is ${state} already.`);
      return { body: presentApproval(await rejectRequest(within, attempt, approval), now, call.baseUrl) };
    }),
};

export const handler = serve(routes, audited);
