import { notFound, requirePermission } from '../lib/access/permissions.ts';
import type { Action } from '../lib/access/permissions.ts';
import { previewAutoRepair } from '../lib/auto-repair/preview.ts';
import { resumeAutoRepair } from '../lib/auto-repair/run.ts';
import { readVault } from '../lib/records/reading.ts';
import type { Vault } from '../lib/vaults/vault.ts';
import { attempted, audited, deployment } from './deployment.ts';
import { requireVault, serve } from './http.ts';
import type { Call } from './http.ts';

async function openVault(
  call: Call<'GetVaultAutoRepair'> | Call<'ResumeVaultAutoRepair'>,
  action: Action,
): Promise<Vault> {
  const vault = await readVault(deployment().database, call.id);
  if (vault === undefined) throw notFound();
  requirePermission(call.caller, action, vault.id);
  requireVault(call.vaultHeader, vault.id);
  return vault;
}

export const handler = serve(
  {
    GetVaultAutoRepair: async (call) => {
      const vault = await openVault(call, 'read');
      const { policy, maximum_per_sweep: maximumPerSweep, stop_at_percent: stopAtPercent } = call.query;
      const trial = {
        ...(policy === undefined ? {} : { policy }),
        ...(maximumPerSweep === undefined ? {} : { maximumPerSweep }),
        ...(stopAtPercent === undefined ? {} : { stopAtPercent }),
      };
      return { body: await previewAutoRepair(deployment(), vault, trial, call.baseUrl, call.signal) };
    },
    ResumeVaultAutoRepair: (call) =>
      attempted(call, async (attempt, within) => {
        const vault = await openVault(call, 'write_vault');
        await resumeAutoRepair(within, attempt, vault.id);
        return { body: await previewAutoRepair(deployment(), vault, {}, call.baseUrl, call.signal) };
      }),
  },
  audited,
);
