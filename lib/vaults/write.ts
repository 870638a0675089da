import { success } from '../attempt.ts';
import type { ApprovalSubject } from '../approvals/approval.ts';
import type { Attempt } from '../attempt.ts';
import { STANDARD_AUTO_REPAIR } from '../auto-repair/policy.ts';
import type { AutoRepair } from '../auto-repair/policy.ts';
import type { RecordDeployment } from '../deployment.ts';
import { Fault } from '../fault.ts';
import { removalOf, subscriptionsOf } from '../notices/write.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, replacement, STORED } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import type { Vault } from './vault.ts';

export interface VaultProperties {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly recoveryKeyLabel?: string | undefined;
  readonly approvalRequiredFor?: readonly ApprovalSubject[] | undefined;
  readonly autoRepair?: { readonly [Part in keyof AutoRepair]?: AutoRepair[Part] | undefined } | undefined;
}

/** Makes an empty vault. Throws `name_taken`: vault names are unique in the deployment. */
export async function createVault(
  deployment: RecordDeployment,
  attempt: Attempt,
  given: VaultProperties & { readonly name: string },
): Promise<Vault> {
  const now = deployment.clock();
  const vault: Vault = {
    id: deployment.newId(),
    revision: 1,
    name: given.name,
    description: given.description ?? '',
    recoveryKeyLabel: given.recoveryKeyLabel,
    approvalRequiredFor: given.approvalRequiredFor ?? [],
    autoRepair: autoRepairOf(STANDARD_AUTO_REPAIR, given.autoRepair),
    createdAt: now,
    updatedAt: now,
    createdBy: attempt.subject,
    updatedBy: attempt.subject,
  };
  const changes: Change[] = [
    ...attempt.alongside(vault.id),
    creation(STORED.vault(vault)),
    creation({ ...ITEM.vaultCounters(vault.id), keys: 0, templates: 0, keystores: 0, keystores_generation: 0 }),
    creation({ ...ITEM.audited(vault.id), name: vault.name }),
    nameLock(vault),
  ];
  const entry = { vaultId: vault.id, type: 'vault', id: vault.id, at: now, status: 201, after: shown(vault) } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  return vault;
}

/** Changes what is given and leaves the rest. Throws `name_taken`, or `precondition_failed` when it changed meanwhile. */
export async function editVault(
  deployment: RecordDeployment,
  attempt: Attempt,
  before: Vault,
  given: VaultProperties,
): Promise<Vault> {
  const now = deployment.clock();
  const vault: Vault = {
    ...before,
    revision: before.revision + 1,
    name: given.name ?? before.name,
    description: given.description ?? before.description,
    recoveryKeyLabel: given.recoveryKeyLabel ?? before.recoveryKeyLabel,
    approvalRequiredFor: given.approvalRequiredFor ?? before.approvalRequiredFor,
    autoRepair: autoRepairOf(before.autoRepair, given.autoRepair),
    updatedAt: now,
    updatedBy: attempt.subject,
  };
  const changes: Change[] = [
    ...attempt.alongside(vault.id),
    replacement(STORED.vault(vault), before.revision, changedMeanwhile),
    ...(vault.name === before.name
      ? []
      : [nameLock(vault), { op: 'delete', key: ITEM.name('VAULT', '-', before.name) } as const]),
  ];
  const entry = {
    vaultId: vault.id,
    type: 'vault',
    id: vault.id,
    at: now,
    status: 200,
    before: shown(before),
    after: shown(vault),
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  return vault;
}

/** Deletes an empty vault and who was to be told of it; its audit trail stays. Throws `in_use` while it has keys, templates or keystores. */
export async function deleteVault(deployment: RecordDeployment, attempt: Attempt, vault: Vault): Promise<void> {
  const now = deployment.clock();
  const changes: Change[] = [
    ...attempt.alongside(vault.id),
    {
      op: 'delete',
      key: ITEM.vault(vault.id),
      condition: '#revision = :revision',
      names: { '#revision': 'revision' },
      values: { ':revision': vault.revision },
      refused: changedMeanwhile,
    },
    {
      op: 'delete',
      key: ITEM.vaultCounters(vault.id),
      condition: '#keys = :none AND #templates = :none AND #keystores = :none',
      names: { '#keys': 'keys', '#templates': 'templates', '#keystores': 'keystores' },
      values: { ':none': 0 },
      refused: () => new Fault('in_use', 'The vault still has keys, key templates or keystores. Remove them first.'),
    },
    { op: 'delete', key: ITEM.name('VAULT', '-', vault.name) },
    { op: 'delete', key: ITEM.autoRepair(vault.id) },
    ...(await subscriptionsOf(deployment.database, vault.id)).flatMap(({ id }) => removalOf(id)),
  ];
  const entry = { vaultId: vault.id, type: 'vault', id: vault.id, at: now, status: 204, before: shown(vault) } as const;
  await commit(deployment.database, changes, success(attempt, entry));
}

function autoRepairOf(before: AutoRepair, given: VaultProperties['autoRepair']): AutoRepair {
  return {
    policy: given?.policy ?? before.policy,
    maximumPerSweep: given?.maximumPerSweep ?? before.maximumPerSweep,
    stopAtPercent: given?.stopAtPercent ?? before.stopAtPercent,
  };
}

function nameLock(vault: Pick<Vault, 'id' | 'name'>): Change {
  return creation(
    { ...ITEM.name('VAULT', '-', vault.name), id: vault.id },
    () =>
      new Fault('name_taken', {
        message: `There is already a vault named “${vault.name}”.`,
        target: { type: 'field', name: 'name' },
      }),
  );
}

function shown(vault: Vault): Record<string, unknown> {
  return {
    name: vault.name,
    description: vault.description,
    recovery_key_label: vault.recoveryKeyLabel,
    approval_required_for: vault.approvalRequiredFor,
    auto_repair: vault.autoRepair,
  };
}
