import type { KeyMaterial, KmsKey } from './key.ts';
import type { JournalRecord } from './journal.ts';
import type { Sealing } from './sealing.ts';
import type { Alias, CustomKeyStore, ImportToken, WrappingKey, World } from './world.ts';

type StoredMaterial = Omit<KeyMaterial, 'bytes'> & { sealed: string | undefined };
type StoredKey = Omit<KmsKey, 'materials'> & { materials: StoredMaterial[] };
type StoredWrappingKey = Omit<WrappingKey, 'privateKey'> & { sealed: string };

/** Entities to and from the journal: whatever is secret is sealed on the way out. */
export interface Storage {
  key(world: World, key: KmsKey): JournalRecord;
  wrappingKey(world: World, key: WrappingKey): JournalRecord;
  restoreKey(record: JournalRecord): KmsKey;
  restoreWrappingKey(record: JournalRecord): WrappingKey;
}

export function storage(sealing: Sealing): Storage {
  // Sealing anew at every change of a key would be the slowest part of the change.
  const sealedBytes = new WeakMap<Buffer, string>();
  const seal = (bytes: Buffer, context: string): string => {
    const known = sealedBytes.get(bytes);
    if (known) return known;
    const sealed = sealing.seal(bytes, context);
    sealedBytes.set(bytes, sealed);
    return sealed;
  };

  return {
    key(world, key) {
      const materials = key.materials.map(({ bytes, ...rest }): StoredMaterial => {
        return { ...rest, sealed: bytes && seal(bytes, materialContext(world.name, key.keyId, rest.id)) };
      });
      return { kind: 'key', world: world.name, id: key.keyId, value: { ...key, materials } satisfies StoredKey };
    },
    wrappingKey(world, { privateKey, ...rest }) {
      const sealed = seal(privateKey, `${world.name}/wrapping/${rest.id}`);
      const value: StoredWrappingKey = { ...rest, sealed };
      return { kind: 'wrapping_key', world: world.name, id: rest.id, value };
    },
    restoreKey({ world, value }) {
      const stored = value as StoredKey;
      const materials = stored.materials.map(({ sealed, ...rest }): KeyMaterial => {
        const context = materialContext(world, stored.keyId, rest.id);
        return { ...rest, bytes: sealed === undefined ? undefined : sealing.open(sealed, context) };
      });
      return { ...stored, materials };
    },
    restoreWrappingKey({ world, value }) {
      const { sealed, ...rest } = value as StoredWrappingKey;
      return { ...rest, privateKey: sealing.open(sealed, `${world}/wrapping/${rest.id}`) };
    },
  };
}

const materialContext = (world: string, keyId: string, id: string): string => `${world}/${keyId}/${id}`;

export const aliasRecord = (world: World, alias: Alias): JournalRecord => ({
  kind: 'alias',
  world: world.name,
  id: alias.name,
  value: alias,
});
export const storeRecord = (world: World, store: CustomKeyStore): JournalRecord => ({
  kind: 'custom_key_store',
  world: world.name,
  id: store.id,
  value: store,
});
export const tokenRecord = (world: World, token: ImportToken): JournalRecord => ({
  kind: 'import_token',
  world: world.name,
  id: token.id,
  value: token,
});
