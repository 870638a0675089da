import { Fault } from '../fault.ts';
import type { Caller } from './caller.ts';

export const ROLES = [
  'reader',
  'key_custodian_deployer',
  'key_custodian_creator',
  'vault_administrator',
  'manager',
] as const;
export type Role = (typeof ROLES)[number];

const DEPLOYER = 'key_custodian_deployer';
const CREATOR = 'key_custodian_creator';
const ADMINISTRATOR = 'vault_administrator';

/** Who may do what: the whole table. `does` completes “… is needed to …”. */
export const PERMISSIONS = {
  read: { does: 'read this', roles: ROLES },
  list: { does: 'list', roles: [DEPLOYER, CREATOR, ADMINISTRATOR, 'manager'] },
  create_key: { does: 'create or rotate keys', roles: [CREATOR] },
  change_key_state: { does: 'activate or deactivate keys', roles: [DEPLOYER] },
  align_key: { does: 'assign, realign or sync keys', roles: [DEPLOYER, CREATOR] },
  edit_key: { does: 'edit keys', roles: [DEPLOYER, CREATOR] },
  destroy_pre_active_key: { does: 'destroy pre-active keys', roles: [DEPLOYER, CREATOR] },
  destroy_deactivated_key: { does: 'destroy deactivated keys and remove destroyed ones', roles: [ADMINISTRATOR] },
  write_keystore: { does: 'connect, change or disconnect keystores', roles: [ADMINISTRATOR] },
  write_template: { does: 'write templates', roles: [CREATOR, ADMINISTRATOR] },
  delete_template: { does: 'delete templates', roles: [ADMINISTRATOR] },
  read_audit: { does: 'read the audit trail', roles: [ADMINISTRATOR, 'manager'] },
  diagnose: { does: 'examine the deployment', roles: [ADMINISTRATOR, 'manager'] },
  write_subscription: { does: 'write notification subscriptions', roles: [ADMINISTRATOR] },
  write_vault: { does: 'write or delete vaults', roles: [ADMINISTRATOR] },
} as const satisfies Record<string, { does: string; roles: readonly Role[] }>;

export type Action = keyof typeof PERMISSIONS;

/** Vaults by id, or all there are and will be. */
export type Vaults = 'all' | ReadonlySet<string>;

/**
 * Whether the caller's roles allow the action in the vault. Without a vault (creating one), only roles for all vaults count.
 */
export function may(caller: Caller, action: Action, vaultId: string | undefined): boolean {
  const allowed: readonly Role[] = PERMISSIONS[action].roles;
  return caller.roles.some(
    (grant) => allowed.includes(grant.role) && (grant.vaultId === undefined || grant.vaultId === vaultId),
  );
}

/** The vaults in which the caller may do the action. */
export function vaultsFor(caller: Caller, action: Action): Vaults {
  const allowed: readonly Role[] = PERMISSIONS[action].roles;
  const ids = new Set<string>();
  for (const grant of caller.roles) {
    if (!allowed.includes(grant.role)) continue;
    if (grant.vaultId === undefined) return 'all';
    ids.add(grant.vaultId);
  }
  return ids;
}

/** The vaults that the caller may see. Everything in other vaults does not exist for them: 404. */
export function visibleVaults(caller: Caller): Vaults {
  return vaultsFor(caller, 'read');
}

/** The vaults whose content a list may show. Throws `forbidden` when there is none: a reader may read, not list. */
export function listableVaults(caller: Caller): Vaults {
  const vaults = vaultsFor(caller, 'list');
  if (vaults !== 'all' && vaults.size === 0) throw forbidden('list');
  return vaults;
}

/**
 * Throws unless the caller may do the action in the vault: `not_found` when they may not even see it, `forbidden` (naming the roles
 * that would do) when they may.
 */
export function requirePermission(caller: Caller, action: Action, vaultId: string | undefined): void {
  if (may(caller, action, vaultId)) return;
  if (vaultId !== undefined && !may(caller, 'read', vaultId)) throw notFound();
  throw forbidden(action);
}

/** The one answer to whatever does not exist or may not be seen: the two must not be told apart. */
export function notFound(): Fault {
  return new Fault('not_found', 'There is no such resource, or you may not see it.');
}

function forbidden(action: Action): Fault {
  const { does, roles } = PERMISSIONS[action];
  return new Fault('forbidden', `The role ${roles.join(' or ')} is needed to ${does}.`);
}
