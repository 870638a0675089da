import type { Observed } from '../drift/observed.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { readKeystore, readVaultCounters } from '../records/reading.ts';
import { INDEX_KEY } from '../records/table.ts';
import type { Vault } from '../vaults/vault.ts';
import { enoughFor, isMassChange } from './policy.ts';

/** What is out of sync in a vault, in the order of key ids, after a place in that order. */
export async function* driftIn(
  database: Database,
  vaultId: string,
  after?: string,
): AsyncGenerator<{ readonly observed: Observed; readonly place: string }> {
  const prefix = 'out_of_sync#';
  const query = {
    index: 'flagged',
    pk: INDEX_KEY.flaggedInVault(vaultId),
    from: after ?? prefix,
    upTo: `${prefix}~`,
  } as const;
  for await (const item of database.query(query)) {
    const place = String(item['flag_sk']);
    if (place !== after) yield { observed: READ.observed(item), place };
  }
}

/**
 * Why so much has drifted in a vault, or in one of its keystores, that it is a human's decision; undefined when it has not. Reads no more of
 * what drifts, and counts no more of what there is, than the answer takes.
 */
export async function massChangeIn(
  database: Database,
  vault: Pick<Vault, 'id' | 'autoRepair'>,
  accepted: number,
): Promise<string | undefined> {
  const { stopAtPercent } = vault.autoRepair;
  const { keys: total } = await readVaultCounters(database, vault.id);
  const inKeystores = new Map<string, number>();
  let drifting = 0;
  let last: string | undefined;
  for await (const { observed } of driftIn(database, vault.id)) {
    if (observed.keyId !== last) drifting += 1;
    last = observed.keyId;
    if (isMassChange({ drifting, total, accepted }, stopAtPercent)) {
      return `${drifting} or more of the vault's ${total} keys have drifted at once, which is more than ${stopAtPercent} %.`;
    }
    inKeystores.set(observed.keystoreId, (inKeystores.get(observed.keystoreId) ?? 0) + 1);
  }
  for (const [keystoreId, count] of inKeystores) {
    const there = await countUpTo(database, keystoreId, enoughFor(count, accepted, stopAtPercent));
    if (!isMassChange({ drifting: count, total: there, accepted }, stopAtPercent)) continue;
    const name = (await readKeystore(database, keystoreId))?.name ?? keystoreId;
    return `${count} of the ${there} keys in the keystore “${name}” have drifted at once, which is more than ${stopAtPercent} %.`;
  }
  return undefined;
}

async function countUpTo(database: Database, keystoreId: string, enough: number): Promise<number> {
  let count = 0;
  if (enough === 0) return count;
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) } as const;
  for await (const item of database.query(query)) {
    if (!String(item['sk']).startsWith('INSTANCE#')) continue;
    count += 1;
    if (count >= enough) break;
  }
  return count;
}
