import { Due } from './due.ts';
import type { SandboxClock } from '../clock.ts';
import type { EventBridgeEvent } from './events.ts';
import { deletionEvent, expirationEvent } from './events.ts';
import { noJournal, openJournal } from './journal.ts';
import type { Journal, JournalRecord } from './journal.ts';
import type { KmsKey } from './key.ts';
import { fileSealing } from './sealing.ts';
import { aliasRecord, storage, storeRecord, tokenRecord } from './stored.ts';
import type { Storage } from './stored.ts';
import { World } from './world.ts';
import type { Alias, CustomKeyStore, ImportToken, WrappingKey } from './world.ts';

export interface Limits {
  keys: number;
  aliasesPerKey: number;
  tagsPerKey: number;
  customKeyStores: number;
  keysPerCustomKeyStore: number;
}

/** AWS's default quotas of resources; a hsm1.medium cluster's for keys in a custom key store. */
export const defaultLimits: Limits = {
  keys: 100_000,
  aliasesPerKey: 50,
  tagsPerKey: 50,
  customKeyStores: 10,
  keysPerCustomKeyStore: 3300,
};

export interface CloudOptions {
  clock: SandboxClock;
  stateFile: string | undefined;
  limits: Limits;
  emit: (event: EventBridgeEvent) => void;
  /** How long a changed alias or tag stays hidden from readers. */
  lag: (world: World) => number;
  /** How long connecting a custom key store takes. */
  connectMs: number;
}

const day = 86_400_000;

/**
 * Everything that exists, in memory and in the journal. Whoever changes an entity saves it in the same turn of the event
 * loop: what a caller was told is then always on disk.
 */
export class Cloud {
  readonly clock: SandboxClock;
  readonly limits: Limits;
  readonly emit: (event: EventBridgeEvent) => void;
  readonly lag: (world: World) => number;
  readonly connectMs: number;
  readonly due = new Due();
  /** Wrapping keys being made, so that callers who come together share one. */
  readonly wrappingKeysUnderWay = new Map<string, Promise<WrappingKey>>();
  /** Rotation is its own topic; it sets this so that time can rotate keys too. */
  onRotationDue: (world: World, key: KmsKey, now: number) => void = () => undefined;
  readonly #worlds = new Map<string, World>();
  readonly #journal: Journal;
  readonly #storage: Storage | undefined;
  #sequence = 0;

  constructor(options: CloudOptions) {
    this.clock = options.clock;
    this.limits = options.limits;
    this.emit = options.emit;
    this.lag = options.lag;
    this.connectMs = options.connectMs;
    this.#storage = options.stateFile === undefined ? undefined : storage(fileSealing(`${options.stateFile}.key`));
    this.#journal = options.stateFile === undefined ? noJournal : openJournal(options.stateFile);
    this.#restore(this.#journal.restored);
  }

  now(): number {
    return this.clock.now().getTime();
  }

  /** Lets everything happen that became due by now. */
  tick(): number {
    const now = this.now();
    this.due.runUntil(now);
    return now;
  }

  close(): void {
    this.#journal.close();
  }

  nextSequence(): number {
    return ++this.#sequence;
  }

  worlds(): Iterable<World> {
    return this.#worlds.values();
  }

  world(accountId: string, region: string): World {
    const name = `${accountId}/${region}`;
    const known = this.#worlds.get(name);
    if (known) return known;
    const world = new World(accountId, region);
    this.#worlds.set(name, world);
    return world;
  }

  addKey(world: World, key: KmsKey): void {
    this.#insertKey(world, key);
    const store = key.customKeyStoreId === undefined ? undefined : world.customKeyStores.get(key.customKeyStoreId);
    if (store) store.keyCount += 1;
    this.saveKey(world, key);
  }

  /** After any change of a key, with other records that must not be lost without it. */
  saveKey(world: World, key: KmsKey, ...together: JournalRecord[]): void {
    if (this.#storage) this.#journal.append([this.#storage.key(world, key), ...together]);
  }

  /** Takes the key away for good, with its aliases. */
  purgeKey(world: World, key: KmsKey, now: number): void {
    const aliases = [...(world.aliasesOfKey.get(key.keyId) ?? [])];
    for (const alias of aliases) this.#forgetAlias(world, alias);
    world.aliasesOfKey.delete(key.keyId);
    world.keys.delete(key.keyId);
    world.keyOrder.remove(key);
    const store = key.customKeyStoreId === undefined ? undefined : world.customKeyStores.get(key.customKeyStoreId);
    if (store) store.keyCount -= 1;
    this.#journal.append([
      { kind: 'key', world: world.name, id: key.keyId },
      ...aliases.map(({ name }): JournalRecord => ({ kind: 'alias', world: world.name, id: name })),
    ]);
    this.emit(deletionEvent(key, now));
  }

  /** Watches what time does to this key. Call again whenever one of its deadlines changed. */
  scheduleKey(world: World, key: KmsKey): void {
    this.#scheduleDeletion(world, key);
    this.#scheduleExpirations(world, key);
    const rotation = key.rotation;
    if (!rotation) return;
    this.due.at(rotation.nextAt, () => {
      if (key.rotation === rotation && world.keys.has(key.keyId)) this.onRotationDue(world, key, rotation.nextAt);
    });
  }

  addAlias(world: World, alias: Alias): void {
    this.#insertAlias(world, alias);
    this.saveAlias(world, alias);
  }

  saveAlias(world: World, alias: Alias): void {
    this.#journal.append([aliasRecord(world, alias)]);
  }

  retargetAlias(world: World, alias: Alias, targetKeyId: string): void {
    world.aliasesOfKey.get(alias.targetKeyId)?.delete(alias);
    alias.targetKeyId = targetKeyId;
    aliasSet(world, targetKeyId).add(alias);
    this.saveAlias(world, alias);
  }

  removeAlias(world: World, alias: Alias): void {
    this.#forgetAlias(world, alias);
    world.aliasesOfKey.get(alias.targetKeyId)?.delete(alias);
    this.#journal.append([{ kind: 'alias', world: world.name, id: alias.name }]);
  }

  saveStore(world: World, store: CustomKeyStore): void {
    world.customKeyStores.set(store.id, store);
    this.#journal.append([storeRecord(world, store)]);
  }

  removeStore(world: World, store: CustomKeyStore): void {
    world.customKeyStores.delete(store.id);
    this.#journal.append([{ kind: 'custom_key_store', world: world.name, id: store.id }]);
  }

  addWrappingKey(world: World, key: WrappingKey): void {
    this.#insertWrappingKey(world, key);
    if (this.#storage) this.#journal.append([this.#storage.wrappingKey(world, key)]);
  }

  addImportToken(world: World, token: ImportToken): void {
    this.#insertImportToken(world, token);
    this.#journal.append([tokenRecord(world, token)]);
  }

  #insertKey(world: World, key: KmsKey): void {
    world.keys.set(key.keyId, key);
    world.keyOrder.add(key);
    this.scheduleKey(world, key);
  }

  #insertAlias(world: World, alias: Alias): void {
    world.aliases.set(alias.name, alias);
    world.aliasOrder.add(alias);
    aliasSet(world, alias.targetKeyId).add(alias);
  }

  #forgetAlias(world: World, alias: Alias): void {
    world.aliases.delete(alias.name);
    world.aliasOrder.remove(alias);
  }

  #insertWrappingKey(world: World, key: WrappingKey): void {
    world.wrappingKeys.set(key.id, key);
    this.due.at(key.createdAt + 3 * day, () => {
      world.wrappingKeys.delete(key.id);
      this.#journal.append([{ kind: 'wrapping_key', world: world.name, id: key.id }]);
    });
  }

  #insertImportToken(world: World, token: ImportToken): void {
    world.importTokens.set(token.id, token);
    // Kept for a while after it expired, so that a late caller learns that it expired and not that it never was.
    this.due.at(token.expiresAt + 7 * day, () => {
      world.importTokens.delete(token.id);
      this.#journal.append([{ kind: 'import_token', world: world.name, id: token.id }]);
    });
  }

  #scheduleDeletion(world: World, key: KmsKey): void {
    const at = key.deletionAt;
    if (at === undefined) return;
    this.due.at(at, () => {
      if (key.deletionAt === at && world.keys.get(key.keyId) === key) this.purgeKey(world, key, at);
    });
  }

  #scheduleExpirations(world: World, key: KmsKey): void {
    for (const material of key.materials) {
      const at = material.expiresAt;
      if (at === undefined || !material.bytes) continue;
      this.due.at(at, () => {
        if (material.expiresAt !== at || !material.bytes || !world.keys.has(key.keyId)) return;
        material.bytes = undefined;
        material.expiresAt = undefined;
        this.saveKey(world, key);
        this.emit(expirationEvent(key, material.id, at));
      });
    }
  }

  #restore(records: readonly JournalRecord[]): void {
    const bySequence = records.toSorted((one, other) => sequenceOf(one) - sequenceOf(other));
    for (const record of bySequence) {
      this.#sequence = Math.max(this.#sequence, sequenceOf(record));
      const [accountId = '', region = ''] = record.world.split('/');
      this.#restoreInto(this.world(accountId, region), record);
    }
    for (const world of this.#worlds.values()) this.#settle(world);
  }

  #restoreInto(world: World, record: JournalRecord): void {
    switch (record.kind) {
      case 'key':
        if (this.#storage) this.#insertKey(world, this.#storage.restoreKey(record));
        return;
      case 'alias':
        this.#insertAlias(world, record.value as Alias);
        return;
      case 'custom_key_store':
        world.customKeyStores.set(record.id, { ...(record.value as CustomKeyStore), keyCount: 0 });
        return;
      case 'import_token':
        this.#insertImportToken(world, record.value as ImportToken);
        return;
      case 'wrapping_key':
        if (this.#storage) this.#insertWrappingKey(world, this.#storage.restoreWrappingKey(record));
        return;
    }
  }

  #settle(world: World): void {
    // A crash can come between a key's end and its aliases'.
    for (const alias of world.aliasOrder.all().filter(({ targetKeyId }) => !world.keys.has(targetKeyId))) {
      this.removeAlias(world, alias);
    }
    for (const key of world.keys.values()) {
      const store = key.customKeyStoreId === undefined ? undefined : world.customKeyStores.get(key.customKeyStoreId);
      if (store) store.keyCount += 1;
    }
    for (const store of world.customKeyStores.values()) this.scheduleConnection(world, store);
  }

  /** Lets a connecting store finish: connected, or failed when its cluster is broken. */
  scheduleConnection(world: World, store: CustomKeyStore): void {
    const at = store.connectingUntil;
    if (at === undefined) return;
    this.due.at(at, () => {
      if (store.connectingUntil !== at || store.connectionState !== 'CONNECTING') return;
      store.connectingUntil = undefined;
      store.connectionState = store.clusterFault ? 'FAILED' : 'CONNECTED';
      store.connectionErrorCode = store.clusterFault;
      this.saveStore(world, store);
    });
  }
}

function aliasSet(world: World, keyId: string): Set<Alias> {
  const known = world.aliasesOfKey.get(keyId);
  if (known) return known;
  const fresh = new Set<Alias>();
  world.aliasesOfKey.set(keyId, fresh);
  return fresh;
}

function sequenceOf(record: JournalRecord): number {
  const value = record.value as { sequence?: number } | undefined;
  return value?.sequence ?? 0;
}
