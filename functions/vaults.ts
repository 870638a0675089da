import { listableVaults, requirePermission } from '../lib/access/permissions.ts';
import { autoRepairFrom } from '../lib/auto-repair/view.ts';
import { readVault, readVaultCounters } from '../lib/records/reading.ts';
import { listVaults } from '../lib/vaults/list.ts';
import type { Vault } from '../lib/vaults/vault.ts';
import { presentVault } from '../lib/vaults/view.ts';
import { createVault, deleteVault, editVault } from '../lib/vaults/write.ts';
import type { VaultProperties } from '../lib/vaults/write.ts';
import type { Action } from '../lib/access/permissions.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import type { WireVault } from '../lib/wire/vaults.ts';
import { attempted, audited, records } from './records.ts';
import { etagOf, requireMatch, requireVault, serve } from './http.ts';
import type { Call, Routes } from './http.ts';
import { notFound } from '../lib/access/permissions.ts';

type VaultCall = Pick<Call<OperationId>, 'caller' | 'vaultHeader' | 'baseUrl'> & { readonly id: string };

async function openVault(call: VaultCall, action: Action): Promise<Vault> {
  const vault = await readVault(records().database, call.id);
  if (vault === undefined) throw notFound();
  requirePermission(call.caller, action, vault.id);
  requireVault(call.vaultHeader, vault.id);
  return vault;
}

async function answer(vault: Vault, call: Pick<VaultCall, 'baseUrl'>, status = 200) {
  const body: WireVault = presentVault(vault, await readVaultCounters(records().database, vault.id), call.baseUrl);
  const location = status === 201 ? body.href : undefined;
  return { status, body, etag: etagOf(vault.id, vault.revision), location };
}

function propertiesFrom(body: Call<'UpdateVault'>['body']): VaultProperties {
  return {
    name: body.name,
    description: body.description,
    recoveryKeyLabel: body.recovery_key_label,
    approvalRequiredFor: body.approval_required_for,
    autoRepair: autoRepairFrom(body.auto_repair),
  };
}

export const routes: Routes = {
  ListVaults: async (call) => ({
    body: await listVaults(records().database, listableVaults(call.caller), call),
  }),
  CreateVault: (call) =>
    attempted(
      call,
      async (attempt, within) => {
        requirePermission(call.caller, 'write_vault', undefined);
        const given = propertiesFrom(call.body);
        return answer(await createVault(within, attempt, { ...given, name: call.body.name }), call, 201);
      },
      async (id) => answer(await openVault({ ...call, id }, 'read'), call, 201),
    ),
  GetVault: async (call) => answer(await openVault(call, 'read'), call),
  UpdateVault: (call) =>
    attempted(call, async (attempt, within) => {
      const vault = await openVault(call, 'write_vault');
      requireMatch(call.ifMatch, etagOf(vault.id, vault.revision));
      const given = propertiesFrom(call.body);
      return answer(await editVault(within, attempt, vault, given), call);
    }),
  DeleteVault: (call) =>
    attempted(call, async (attempt, within) => {
      const vault = await openVault(call, 'write_vault');
      requireMatch(call.ifMatch, etagOf(vault.id, vault.revision));
      await deleteVault(within, attempt, vault);
      return {};
    }),
};

export const handler = serve(routes, audited);
