import type { RawItem } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import type { Vault } from '../vaults/vault.ts';
import type { ApprovalSubject } from './approval.ts';

/** Operations that can take a second person; all others never wait. */
export const GATED_OPERATIONS = [
  'DestroyManagedKey',
  'DeleteKeystore',
  'UpdateManagedKeyFromTemplate',
  'UpdateManagedKey',
  'UpdateVault',
] as const;
export type GatedOperation = (typeof GATED_OPERATIONS)[number];

export function isGated(operation: string): operation is GatedOperation {
  return (GATED_OPERATIONS as readonly string[]).includes(operation);
}

/**
 * Whether a vault has this operation wait, judged by what it would write (`puts`, from its rehearsal). Loosening the rule itself waits too,
 * or the rule would bind nobody who may edit the vault.
 */
export function waits(operation: GatedOperation, puts: readonly RawItem[], vault: Vault): boolean {
  const requires = (subject: ApprovalSubject) => vault.approvalRequiredFor.includes(subject);
  switch (operation) {
    case 'DestroyManagedKey':
      return requires('destroy_key');
    case 'DeleteKeystore':
      return requires('disconnect_keystore');
    case 'UpdateManagedKeyFromTemplate':
    case 'UpdateManagedKey':
      return requires('realign_removing_keystores') && puts.some(takesKeystoreOut);
    case 'UpdateVault': {
      const item = puts.find(({ sk }) => sk === 'VAULT');
      if (item === undefined) return false;
      const after = READ.vault(item);
      return vault.approvalRequiredFor.some((subject) => !after.approvalRequiredFor.includes(subject));
    }
  }
}

function takesKeystoreOut(item: RawItem): boolean {
  if (!String(item['sk']).startsWith('INSTANCE#')) return false;
  const instance = READ.keyInstance(item);
  return instance.removedByUser && instance.open?.cause === 'realign';
}
