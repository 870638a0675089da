import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { KmsError, invalidState, limitExceeded, unsupported, validationError } from './error.ts';
import { currentMaterial, wireTime } from './key.ts';
import type { KmsKey } from './key.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { pageOfList } from './paging.ts';
import { limit, marker, pattern, text } from './schema.ts';
import type { CustomKeyStore, World } from './world.ts';

const storeId = text(1, 64);
const storeName = text(1, 256);
const clusterId = pattern(19, 24, /^cluster-[2-7a-zA-Z]{11,16}$/);
const password = text(7, 32);

const createInput = z.object({
  CustomKeyStoreName: storeName,
  CustomKeyStoreType: z.optional(z.enum(['AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE'])),
  CloudHsmClusterId: z.optional(clusterId),
  KeyStorePassword: z.optional(password),
  TrustAnchorCertificate: z.optional(text(1, 5000)),
});

const updateInput = z.object({
  CustomKeyStoreId: storeId,
  NewCustomKeyStoreName: z.optional(storeName),
  KeyStorePassword: z.optional(password),
  CloudHsmClusterId: z.optional(clusterId),
});

const wrongState = (message: string): KmsError => new KmsError('CustomKeyStoreInvalidStateException', message);

/** Custom key stores backed by CloudHSM clusters. External key stores are refused. */
export const customKeyStoreOperations: Operations = {
  CreateCustomKeyStore: mutation(createInput, (input, call) => {
    if (input.CustomKeyStoreType === 'EXTERNAL_KEY_STORE')
      throw unsupported('External key stores are not part of this sandbox.');
    if (!input.CloudHsmClusterId || !input.KeyStorePassword || !input.TrustAnchorCertificate) {
      throw validationError(
        'CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are required for an AWS CloudHSM key store.',
      );
    }
    const store = newStore(call, input.CustomKeyStoreName, input.CloudHsmClusterId, input.TrustAnchorCertificate);
    return { CustomKeyStoreId: store.id };
  }),

  DescribeCustomKeyStores: query(
    z.object({
      CustomKeyStoreId: z.optional(storeId),
      CustomKeyStoreName: z.optional(storeName),
      Limit: limit(1000),
      Marker: marker,
    }),
    (input, call) => {
      if (input.CustomKeyStoreId && input.CustomKeyStoreName) {
        throw validationError('You can specify either the CustomKeyStoreId or the CustomKeyStoreName, but not both.');
      }
      return pageOfList(selected(call.world, input).map(shown), 'CustomKeyStores', input, 1000);
    },
  ),

  ConnectCustomKeyStore: mutation(z.object({ CustomKeyStoreId: storeId }), (input, call) => {
    const store = findStore(call.world, input.CustomKeyStoreId);
    if (store.connectionState === 'FAILED' || store.connectionState === 'DISCONNECTING') {
      throw wrongState(
        `${store.id} is in state ${store.connectionState}. Disconnect the custom key store before connecting it.`,
      );
    }
    if (store.connectionState === 'DISCONNECTED') beginConnecting(call, store);
    return {};
  }),

  DisconnectCustomKeyStore: mutation(z.object({ CustomKeyStoreId: storeId }), (input, call) => {
    const store = findStore(call.world, input.CustomKeyStoreId);
    if (store.connectionState === 'DISCONNECTED' || store.connectionState === 'DISCONNECTING') {
      throw wrongState(`${store.id} is in state ${store.connectionState}.`);
    }
    setDisconnected(store);
    call.cloud.saveStore(call.world, store);
    return {};
  }),

  UpdateCustomKeyStore: mutation(updateInput, (input, call) => {
    const { cloud, world } = call;
    const store = findStore(world, input.CustomKeyStoreId);
    const renamesOnly = input.KeyStorePassword === undefined && input.CloudHsmClusterId === undefined;
    const allowed = store.connectionState === 'DISCONNECTED' || (renamesOnly && store.connectionState === 'CONNECTED');
    if (!allowed) throw wrongState(`${store.id} is in state ${store.connectionState}.`);
    if (input.CloudHsmClusterId !== undefined && input.CloudHsmClusterId !== store.clusterId) {
      throw new KmsError(
        'CloudHsmClusterNotRelatedException',
        `${input.CloudHsmClusterId} does not share a backup history with ${store.clusterId}`,
      );
    }
    if (input.NewCustomKeyStoreName !== undefined) {
      checkNameFree(call, input.NewCustomKeyStoreName, store);
      store.name = input.NewCustomKeyStoreName;
    }
    cloud.saveStore(world, store);
    return {};
  }),

  DeleteCustomKeyStore: mutation(z.object({ CustomKeyStoreId: storeId }), (input, call) => {
    const store = findStore(call.world, input.CustomKeyStoreId);
    if (store.keyCount > 0) {
      throw new KmsError(
        'CustomKeyStoreHasCMKsException',
        `${store.id} contains KMS keys. Delete them before you delete the custom key store.`,
      );
    }
    if (store.connectionState !== 'DISCONNECTED') throw wrongState(`${store.id} is in state ${store.connectionState}.`);
    call.cloud.removeStore(call.world, store);
    return {};
  }),
};

/** Makes a disconnected store, with the checks that AWS makes. */
export function newStore(call: Call, name: string, cluster: string, certificate: string): CustomKeyStore {
  const { cloud, world } = call;
  checkNameFree(call, name);
  if (allStores(call).some((store) => store.clusterId === cluster)) {
    throw new KmsError('CloudHsmClusterInUseException', `${cluster} is already associated with a custom key store`);
  }
  if (allStores(call).length >= cloud.limits.customKeyStores) {
    throw limitExceeded(`An account cannot have more than ${cloud.limits.customKeyStores} custom key stores.`);
  }
  const store: CustomKeyStore = {
    sequence: cloud.nextSequence(),
    id: `cks-${randomBytes(9).toString('hex').slice(0, 17)}`,
    createdAt: call.now,
    name,
    clusterId: cluster,
    trustAnchorCertificate: certificate,
    connectionState: 'DISCONNECTED',
    connectionErrorCode: undefined,
    clusterFault: undefined,
    connectingUntil: undefined,
    keyCount: 0,
  };
  cloud.saveStore(world, store);
  return store;
}

// Names, clusters and the quota of custom key stores are per account, across its regions.
function allStores(call: Call): CustomKeyStore[] {
  return [...call.cloud.worlds()]
    .filter((world) => world.accountId === call.world.accountId)
    .flatMap((world) => [...world.customKeyStores.values()]);
}

function checkNameFree(call: Call, name: string, except?: CustomKeyStore): void {
  if (!allStores(call).some((store) => store.name === name && store !== except)) return;
  throw new KmsError(
    'CustomKeyStoreNameInUseException',
    `A custom key store named ${name} already exists in this account`,
  );
}

export function findStore(world: World, id: string): CustomKeyStore {
  const store = world.customKeyStores.get(id);
  if (!store) throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${id} is not found`);
  return store;
}

/** Connected at once when connecting takes no time, later through the clock otherwise. */
export function beginConnecting(call: Call, store: CustomKeyStore): void {
  store.connectionState = 'CONNECTING';
  store.connectionErrorCode = undefined;
  store.connectingUntil = call.now + call.cloud.connectMs;
  call.cloud.saveStore(call.world, store);
  call.cloud.scheduleConnection(call.world, store);
  call.cloud.due.runUntil(call.now);
}

export function setDisconnected(store: CustomKeyStore): void {
  store.connectionState = 'DISCONNECTED';
  store.connectionErrorCode = undefined;
  store.connectingUntil = undefined;
}

/** The store a new key goes into: connected, and with room. */
export function storeForNewKey(call: Call, id: string): CustomKeyStore {
  const store = findStore(call.world, id);
  if (store.connectionState !== 'CONNECTED') {
    throw wrongState(
      `${store.id} is in state ${store.connectionState}. It must be CONNECTED to create a KMS key in it.`,
    );
  }
  if (store.keyCount >= call.cloud.limits.keysPerCustomKeyStore) {
    throw limitExceeded(`The AWS CloudHSM cluster of ${store.id} has no room for another key.`);
  }
  return store;
}

/**
 * The bytes to compute with. When the backing key was deleted in the cluster, KMS shows nothing of it: the key stays
 * Enabled, and only this fails.
 */
export function backingMaterial(key: KmsKey): Buffer {
  const bytes = currentMaterial(key)?.bytes;
  if (bytes) return bytes;
  throw materialMissing(key);
}

export function materialMissing(key: KmsKey): KmsError {
  return key.origin === 'AWS_CLOUDHSM'
    ? invalidState(
        `${key.arn}: the key material for this KMS key was not found in the associated AWS CloudHSM cluster.`,
      )
    : invalidState(`${key.arn} is pending import.`);
}

function selected(
  world: World,
  input: { CustomKeyStoreId?: string | undefined; CustomKeyStoreName?: string | undefined },
): CustomKeyStore[] {
  if (input.CustomKeyStoreId) return [findStore(world, input.CustomKeyStoreId)];
  const stores = [...world.customKeyStores.values()].toSorted((one, other) => one.sequence - other.sequence);
  if (!input.CustomKeyStoreName) return stores;
  const named = stores.filter((store) => store.name === input.CustomKeyStoreName);
  if (named.length > 0) return named;
  throw new KmsError('CustomKeyStoreNotFoundException', `Custom key store ${input.CustomKeyStoreName} is not found`);
}

const shown = (store: CustomKeyStore): Record<string, unknown> => ({
  CustomKeyStoreId: store.id,
  CustomKeyStoreName: store.name,
  CloudHsmClusterId: store.clusterId,
  TrustAnchorCertificate: store.trustAnchorCertificate,
  ConnectionState: store.connectionState,
  ...(store.connectionErrorCode && { ConnectionErrorCode: store.connectionErrorCode }),
  CreationDate: wireTime(store.createdAt),
  CustomKeyStoreType: 'AWS_CLOUDHSM',
});
