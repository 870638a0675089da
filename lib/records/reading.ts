import type { Observed } from '../drift/observed.ts';
import { instanceId } from '../keys/key.ts';
import type { KeyInstance, KeyVersion, ManagedKey, WrappedMaterial } from '../keys/key.ts';
import type { Keystore, KeystoreHealth } from '../keystores/keystore.ts';
import type { Template } from '../templates/template.ts';
import type { Vault, VaultCounters } from '../vaults/vault.ts';
import type { Database, RawItem } from './database.ts';
import { READ } from './entities.ts';
import { INDEX_KEY, ITEM } from './table.ts';

/** A key with all that belongs to it: one Query. */
export interface KeyPartition {
  /** Undefined once the key was removed from its vault, while keystores still have to confirm. */
  readonly key: ManagedKey | undefined;
  readonly versions: readonly KeyVersion[];
  readonly instances: readonly KeyInstance[];
  /** By `instanceId`. */
  readonly observed: ReadonlyMap<string, Observed>;
}

/** Reads a key's whole partition, strongly consistent. */
export async function readKey(database: Database, id: string): Promise<KeyPartition> {
  return keyPartition(await database.queryAll({ pk: ITEM.key(id).pk }));
}

function keyPartition(items: readonly RawItem[]): KeyPartition {
  let key: ManagedKey | undefined;
  const versions: KeyVersion[] = [];
  const instances: KeyInstance[] = [];
  const observed = new Map<string, Observed>();
  for (const item of items) {
    const sk = String(item['sk']);
    if (sk === 'KEY') key = READ.managedKey(item);
    else if (sk.startsWith('VERSION#')) versions.push(READ.keyVersion(item));
    else if (sk.startsWith('INSTANCE#')) instances.push(READ.keyInstance(item));
    else if (sk.startsWith('OBSERVED#')) {
      const seen = READ.observed(item);
      observed.set(instanceId(seen), seen);
    }
  }
  return { key, versions, instances, observed };
}

export async function readInstance(
  database: Database,
  of: Pick<KeyInstance, 'keyId' | 'version' | 'keystoreId'>,
): Promise<KeyInstance | undefined> {
  const item = await database.get(ITEM.instance(of.keyId, of.version, of.keystoreId));
  return item === undefined ? undefined : READ.keyInstance(item);
}

export async function readObserved(
  database: Database,
  of: Pick<KeyInstance, 'keyId' | 'version' | 'keystoreId'>,
): Promise<Observed | undefined> {
  const item = await database.get(ITEM.observed(of.keyId, of.version, of.keystoreId));
  return item === undefined ? undefined : READ.observed(item);
}

export async function readMaterial(
  database: Database,
  keyId: string,
  version: number,
): Promise<WrappedMaterial | undefined> {
  const item = await database.get(ITEM.material(keyId, version));
  return item === undefined ? undefined : READ.material(item);
}

export async function readManagedKey(database: Database, id: string): Promise<ManagedKey | undefined> {
  const item = await database.get(ITEM.key(id));
  return item === undefined ? undefined : READ.managedKey(item);
}

export async function readVault(database: Database, id: string): Promise<Vault | undefined> {
  const item = await database.get(ITEM.vault(id));
  return item === undefined ? undefined : READ.vault(item);
}

export async function readVaultCounters(database: Database, id: string): Promise<VaultCounters> {
  return READ.counters(await database.get(ITEM.vaultCounters(id)));
}

export async function readTemplate(database: Database, id: string): Promise<Template | undefined> {
  const item = await database.get(ITEM.template(id));
  return item === undefined ? undefined : READ.template(item);
}

export async function readTemplateKeysCount(database: Database, id: string): Promise<number> {
  return READ.counters(await database.get(ITEM.templateCounters(id))).keys;
}

export async function readKeystore(database: Database, id: string): Promise<Keystore | undefined> {
  const item = await database.get(ITEM.keystore(id));
  return item === undefined ? undefined : READ.keystore(item);
}

export async function readKeystoreHealth(database: Database, id: string): Promise<KeystoreHealth | undefined> {
  const item = await database.get(ITEM.keystoreHealth(id));
  return item === undefined ? undefined : READ.keystoreHealth(item);
}

export async function allVaults(database: Database): Promise<Vault[]> {
  return readAll(database, INDEX_KEY.vaults(), ITEM.vault, READ.vault);
}

export async function templatesOfVault(database: Database, vaultId: string): Promise<Template[]> {
  return readAll(database, INDEX_KEY.templatesOfVault(vaultId), ITEM.template, READ.template);
}

export async function keystoresOfVault(database: Database, vaultId: string): Promise<Keystore[]> {
  return readAll(database, INDEX_KEY.keystoresOfVault(vaultId), ITEM.keystore, READ.keystore);
}

/** The index knows which there are, the table how they are: what the index lags behind is at most a name, never a decision. */
async function readAll<T>(
  database: Database,
  indexPk: string,
  keyOf: (id: string) => { pk: string; sk: string },
  read: (item: RawItem) => T,
): Promise<T[]> {
  const ids = (await database.queryAll({ index: 'by_vault', pk: indexPk })).map((item) => String(item['id']));
  return (await database.batchGet(ids.map(keyOf))).map(read);
}
