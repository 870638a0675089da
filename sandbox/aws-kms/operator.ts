import * as z from 'zod/mini';
import type { Cloud } from './cloud.ts';
import { beginConnecting, findStore, newStore, setDisconnected } from './custom-key-stores.ts';
import { dispatch } from './dispatch.ts';
import { KmsError, notFound } from './error.ts';
import { loseMaterial } from './import.ts';
import { currentMaterial, keyState, newMaterial, rotates } from './key.ts';
import type { KeyState, KmsKey } from './key.ts';
import { generateMaterial } from './key-spec.ts';
import type { Call, Principal } from './operation.ts';
import { rotate } from './rotation.ts';
import type { ConnectionErrorCode, ConnectionState, CustomKeyStore, World } from './world.ts';

/** A key by id, ARN or alias. Where an id or alias exists in several regions or accounts, say which. */
export type KeyTarget = string | { key: string; region?: string | undefined; accountId?: string | undefined };

export interface KeyListing {
  keyId: string;
  arn: string;
  accountId: string;
  region: string;
  state: KeyState;
  keySpec: string;
  keyUsage: string;
  origin: string;
  aliases: string[];
  tags: Record<string, string>;
  currentKeyMaterialId?: string | undefined;
  deletionDate?: string | undefined;
  customKeyStoreId?: string | undefined;
  /** False when cryptography fails for want of material, whatever the state says. */
  hasMaterial: boolean;
}

export interface KeyStoreListing {
  customKeyStoreId: string;
  name: string;
  accountId: string;
  region: string;
  clusterId: string;
  connectionState: ConnectionState;
  connectionErrorCode?: ConnectionErrorCode | undefined;
  keyCount: number;
}

/**
 * Somebody at the cloud's own console, or at the cluster's: changes that no caller of the API asked for. What the console
 * would do through the API goes through the API's operations, with their errors and events, but is not counted as a call.
 */
export interface Operator {
  keys(filter?: { region?: string | undefined; accountId?: string | undefined }): KeyListing[];
  customKeyStores(): KeyStoreListing[];
  /** Deletes the key in the CloudHSM cluster. KMS goes on saying Enabled; cryptography fails. */
  deleteBackingKey(target: KeyTarget): void;
  loseMaterial(target: KeyTarget, keyMaterialId?: string): void;
  /** Puts other bytes in the key's place. Returns the id of the new material. */
  replaceMaterial(target: KeyTarget): Promise<string>;
  disable(target: KeyTarget): Promise<void>;
  enable(target: KeyTarget): Promise<void>;
  scheduleDeletion(target: KeyTarget, days?: number): Promise<void>;
  cancelDeletion(target: KeyTarget): Promise<void>;
  /** Deletes the key now, without any waiting period. */
  purge(target: KeyTarget): void;
  moveAlias(aliasName: string, to: KeyTarget): Promise<void>;
  deleteAlias(aliasName: string, of: KeyTarget): Promise<void>;
  tag(target: KeyTarget, tags: Record<string, string>): Promise<void>;
  untag(target: KeyTarget, tagKeys: readonly string[]): Promise<void>;
  /** Lets the key be in one of the states that pass by themselves, for that long. */
  hold(target: KeyTarget, state: 'Creating' | 'Updating', ms: number): void;
  disconnectCustomKeyStore(customKeyStoreId: string): void;
  /** Breaks the cluster: the store fails with this code, now and whenever it is connected, until `connectCustomKeyStore`. */
  failCustomKeyStore(customKeyStoreId: string, code: ConnectionErrorCode): void;
  /** Repairs the cluster and connects the store at once. */
  connectCustomKeyStore(customKeyStoreId: string): void;
  /** Makes a connected store with a cluster of its own. Returns its id; the same name again gives the same store. */
  seedCustomKeyStore(region: string, accountId: string, name: string): string;
  /** Makes an AES key with material of its own behind each alias: a fleet, without the calls that would make it. */
  seedKeys(region: string, accountId: string, aliasNames: readonly string[]): Promise<readonly SeededKey[]>;
}

export interface SeededKey {
  readonly arn: string;
  readonly currentKeyMaterialId: string;
}

const SEEDED = z.object({
  KeyMetadata: z.object({ KeyId: z.string(), Arn: z.string(), CurrentKeyMaterialId: z.string() }),
});

export function operator(cloud: Cloud): Operator {
  const call = (world: World, operation: string): Call => ({
    cloud,
    world,
    operation,
    now: cloud.tick(),
    principal: principal(world),
    requestId: 'operator',
    touched: new Set(),
  });
  const through = async (world: World, operation: string, input: Record<string, unknown>): Promise<void> => {
    await dispatch(cloud, { world, operation, input, principal: principal(world) });
  };
  const onKey = async (target: KeyTarget, operation: string, members: Record<string, unknown> = {}): Promise<void> => {
    const { world, key } = locate(cloud, target);
    await through(world, operation, { KeyId: key.keyId, ...members });
  };

  return {
    keys(filter = {}) {
      const now = cloud.tick();
      return [...cloud.worlds()]
        .filter((world) => filter.region === undefined || world.region === filter.region)
        .filter((world) => filter.accountId === undefined || world.accountId === filter.accountId)
        .flatMap((world) => world.keyOrder.all().map((key) => listing(world, key, now)));
    },

    customKeyStores: () =>
      [...cloud.worlds()].flatMap((world) =>
        [...world.customKeyStores.values()].map((store) => storeListing(world, store)),
      ),

    deleteBackingKey(target) {
      const { world, key } = locate(cloud, target);
      if (key.origin !== 'AWS_CLOUDHSM') {
        throw new KmsError(
          'UnsupportedOperationException',
          `${key.arn} has no backing key: its origin is ${key.origin}`,
        );
      }
      for (const material of key.materials) material.bytes = undefined;
      cloud.saveKey(world, key);
    },

    loseMaterial(target, keyMaterialId) {
      const { world, key } = locate(cloud, target);
      if (key.origin !== 'EXTERNAL') {
        throw new KmsError(
          'UnsupportedOperationException',
          `${key.arn} has no imported key material: its origin is ${key.origin}`,
        );
      }
      loseMaterial(key, keyMaterialId);
      cloud.saveKey(world, key);
    },

    async replaceMaterial(target) {
      const { world, key } = locate(cloud, target);
      const next = newMaterial(key.keyId, await generateMaterial(key.keySpec), 'PENDING_ROTATION');
      if (!rotates(key)) key.materials = [];
      rotate(cloud, world, key, 'ON_DEMAND', next, cloud.tick());
      return next.id;
    },

    disable: (target) => onKey(target, 'DisableKey'),
    enable: (target) => onKey(target, 'EnableKey'),
    scheduleDeletion: (target, days = 7) => onKey(target, 'ScheduleKeyDeletion', { PendingWindowInDays: days }),
    cancelDeletion: (target) => onKey(target, 'CancelKeyDeletion'),

    purge(target) {
      const { world, key } = locate(cloud, target);
      cloud.purgeKey(world, key, cloud.now());
    },

    async moveAlias(aliasName, to) {
      const { world, key } = locate(cloud, to);
      await through(world, 'UpdateAlias', { AliasName: aliasName, TargetKeyId: key.keyId });
    },

    async deleteAlias(aliasName, of) {
      await through(locate(cloud, of).world, 'DeleteAlias', { AliasName: aliasName });
    },

    tag: (target, tags) => {
      const list = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
      return onKey(target, 'TagResource', { Tags: list });
    },
    untag: (target, tagKeys) => onKey(target, 'UntagResource', { TagKeys: tagKeys }),

    hold(target, state, ms) {
      const { world, key } = locate(cloud, target);
      key.passing = { state, until: cloud.now() + ms };
      cloud.saveKey(world, key);
    },

    disconnectCustomKeyStore(id) {
      const { world, store } = locateStore(cloud, id);
      setDisconnected(store);
      cloud.saveStore(world, store);
    },

    failCustomKeyStore(id, code) {
      const { world, store } = locateStore(cloud, id);
      setDisconnected(store);
      store.connectionState = 'FAILED';
      store.connectionErrorCode = code;
      store.clusterFault = code;
      cloud.saveStore(world, store);
    },

    connectCustomKeyStore(id) {
      const { world, store } = locateStore(cloud, id);
      connectNow(cloud, world, store);
    },

    async seedKeys(region, accountId, aliasNames) {
      const world = cloud.world(accountId, region);
      const seeded: SeededKey[] = [];
      for (const aliasName of aliasNames) {
        const { KeyMetadata: made } = SEEDED.parse(
          await dispatch(cloud, { world, operation: 'CreateKey', input: {}, principal: principal(world) }),
        );
        await through(world, 'CreateAlias', { AliasName: aliasName, TargetKeyId: made.KeyId });
        seeded.push({ arn: made.Arn, currentKeyMaterialId: made.CurrentKeyMaterialId });
      }
      return seeded;
    },

    seedCustomKeyStore(region, accountId, name) {
      const world = cloud.world(accountId, region);
      const known = [...world.customKeyStores.values()].find((store) => store.name === name);
      const seeding = call(world, 'CreateCustomKeyStore');
      const store = known ?? newStore(seeding, name, freshClusterId(), 'sandbox trust anchor');
      if (!known) beginConnecting(seeding, store);
      connectNow(cloud, world, store);
      return store.id;
    },
  };
}

function connectNow(cloud: Cloud, world: World, store: CustomKeyStore): void {
  store.connectionState = 'CONNECTED';
  store.connectionErrorCode = undefined;
  store.clusterFault = undefined;
  store.connectingUntil = undefined;
  cloud.saveStore(world, store);
}

function freshClusterId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  const random = crypto.getRandomValues(new Uint8Array(11));
  return `cluster-${[...random].map((byte) => letters[byte % letters.length]).join('')}`;
}

const principal = (world: World): Principal => ({
  accountId: world.accountId,
  accessKeyId: 'OPERATOR',
  userName: 'operator',
  arn: `arn:aws:iam::${world.accountId}:user/operator`,
  userAgent: 'sandbox-operator',
});

interface Located {
  world: World;
  key: KmsKey;
}

function locate(cloud: Cloud, target: KeyTarget): Located {
  cloud.tick();
  const { key: named, region, accountId } = typeof target === 'string' ? { key: target } : { ...target };
  const [, , , arnRegion, arnAccount, resource] = named.startsWith('arn:') ? named.split(':') : [];
  const name = (resource ?? named).replace(/^key\//, '');
  const found = [...cloud.worlds()]
    .filter((world) => [undefined, world.region].includes(arnRegion ?? region))
    .filter((world) => [undefined, world.accountId].includes(arnAccount ?? accountId))
    .flatMap((world): Located[] => {
      const key = world.keys.get(name) ?? world.keys.get(world.aliases.get(name)?.targetKeyId ?? '');
      return key ? [{ world, key }] : [];
    });
  const [first, ...more] = found;
  if (!first) throw notFound(`No key is named ${named}`);
  if (more.length > 0) {
    throw new KmsError(
      'ValidationException',
      `${named} names ${found.length} keys: give the region and the account too`,
    );
  }
  return first;
}

function locateStore(cloud: Cloud, id: string): { world: World; store: CustomKeyStore } {
  cloud.tick();
  const world = [...cloud.worlds()].find((candidate) => candidate.customKeyStores.has(id));
  if (!world) throw new KmsError('CustomKeyStoreNotFoundException', `No custom key store has the id ${id}`);
  return { world, store: findStore(world, id) };
}

function listing(world: World, key: KmsKey, now: number): KeyListing {
  const current = currentMaterial(key);
  return {
    keyId: key.keyId,
    arn: key.arn,
    accountId: key.accountId,
    region: key.region,
    state: keyState(key, now, world.storeOf(key)),
    keySpec: key.keySpec,
    keyUsage: key.keyUsage,
    origin: key.origin,
    aliases: [...(world.aliasesOfKey.get(key.keyId) ?? [])].map(({ name }) => name),
    tags: key.tags,
    currentKeyMaterialId: current?.id,
    deletionDate: key.deletionAt === undefined ? undefined : new Date(key.deletionAt).toISOString(),
    customKeyStoreId: key.customKeyStoreId,
    hasMaterial: current?.bytes !== undefined,
  };
}

const storeListing = (world: World, store: CustomKeyStore): KeyStoreListing => ({
  customKeyStoreId: store.id,
  name: store.name,
  accountId: world.accountId,
  region: world.region,
  clusterId: store.clusterId,
  connectionState: store.connectionState,
  connectionErrorCode: store.connectionErrorCode,
  keyCount: store.keyCount,
});
