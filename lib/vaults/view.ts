import type { WireVault } from '../wire/vaults.ts';
import { presentAutoRepair } from '../auto-repair/view.ts';
import type { Vault, VaultCounters } from './vault.ts';

/** A vault as the contract shows it. `baseUrl` without a trailing slash. */
export function presentVault(vault: Vault, counters: VaultCounters, baseUrl: string): WireVault {
  return {
    id: vault.id,
    name: vault.name,
    description: vault.description,
    created_at: vault.createdAt.toISOString(),
    updated_at: vault.updatedAt.toISOString(),
    created_by: vault.createdBy,
    updated_by: vault.updatedBy,
    recovery_key_label: vault.recoveryKeyLabel ?? '',
    approval_required_for: [...vault.approvalRequiredFor],
    auto_repair: presentAutoRepair(vault.autoRepair),
    href: `${baseUrl}/api/v4/vaults/${vault.id}`,
    keys_count: counters.keys,
    key_templates_count: counters.templates,
    keystores_count: counters.keystores,
  };
}
