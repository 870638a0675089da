import type { KmsKey, KeyStoreView } from './key.ts';
import { Ordered } from './ordered.ts';

export interface Alias {
  readonly sequence: number;
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number;
  updatedAt: number;
  targetKeyId: string;
  /** What readers still see until that time, when changes are made to lag. No target: nothing at all yet. */
  stale: { until: number; targetKeyId: string | undefined } | undefined;
}

export const connectionErrorCodes = [
  'CLUSTER_NOT_FOUND',
  'INSUFFICIENT_CLOUDHSM_HSMS',
  'INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET',
  'INTERNAL_ERROR',
  'INVALID_CREDENTIALS',
  'NETWORK_ERRORS',
  'SUBNET_NOT_FOUND',
  'USER_LOCKED_OUT',
  'USER_LOGGED_IN',
  'USER_NOT_FOUND',
] as const;
export type ConnectionErrorCode = (typeof connectionErrorCodes)[number];
export type ConnectionState = 'CONNECTED' | 'CONNECTING' | 'FAILED' | 'DISCONNECTED' | 'DISCONNECTING';

export interface CustomKeyStore {
  readonly sequence: number;
  readonly id: string;
  readonly createdAt: number;
  name: string;
  clusterId: string;
  trustAnchorCertificate: string;
  connectionState: ConnectionState;
  connectionErrorCode: ConnectionErrorCode | undefined;
  /** Set while the cluster is broken: every attempt to connect ends in FAILED with this code. */
  clusterFault: ConnectionErrorCode | undefined;
  connectingUntil: number | undefined;
  /** Kept keys, those pending deletion included. */
  keyCount: number;
}

export interface WrappingKey {
  readonly id: string;
  readonly spec: string;
  readonly createdAt: number;
  readonly privateKey: Buffer;
}

export interface ImportToken {
  /** SHA-256 of the token. */
  readonly id: string;
  readonly keyId: string;
  readonly wrappingKeyId: string;
  readonly algorithm: string;
  readonly expiresAt: number;
  used: boolean;
}

/** One account in one region: nothing in it is seen from another. */
export class World {
  readonly accountId: string;
  readonly region: string;
  readonly name: string;
  readonly keys = new Map<string, KmsKey>();
  readonly keyOrder = new Ordered<KmsKey>();
  readonly aliases = new Map<string, Alias>();
  readonly aliasOrder = new Ordered<Alias>();
  readonly aliasesOfKey = new Map<string, Set<Alias>>();
  readonly customKeyStores = new Map<string, CustomKeyStore>();
  readonly wrappingKeys = new Map<string, WrappingKey>();
  readonly importTokens = new Map<string, ImportToken>();

  constructor(accountId: string, region: string) {
    this.accountId = accountId;
    this.region = region;
    this.name = `${accountId}/${region}`;
  }

  arn(resource: string): string {
    return `arn:${partition(this.region)}:kms:${this.region}:${this.accountId}:${resource}`;
  }

  /** The store of a key in a custom key store, as far as the key's state depends on it. */
  storeOf(key: KmsKey): KeyStoreView | undefined {
    if (key.customKeyStoreId === undefined) return undefined;
    const store = this.customKeyStores.get(key.customKeyStoreId);
    return { clusterId: store?.clusterId ?? '', connected: store?.connectionState === 'CONNECTED' };
  }
}

function partition(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

/** The key that an alias shows to readers at that time; undefined while it is not visible yet. */
export function visibleTarget(alias: Alias, now: number): string | undefined {
  return alias.stale && alias.stale.until > now ? alias.stale.targetKeyId : alias.targetKeyId;
}
