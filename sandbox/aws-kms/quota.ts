import { performance } from 'node:perf_hooks';

/** AWS's default request quotas, per account, region and operation, in calls a second. */
const perSecond: Readonly<Record<string, number>> = {
  DescribeKey: 2000,
  ListResourceTags: 2000,
  GetPublicKey: 2000,
  GetKeyRotationStatus: 1000,
  GetKeyPolicy: 1000,
  ListKeys: 500,
  ListAliases: 500,
  ListKeyRotations: 100,
  ListGrants: 100,
  ScheduleKeyDeletion: 15,
  ImportKeyMaterial: 15,
  DeleteImportedKeyMaterial: 15,
  EnableKeyRotation: 15,
  PutKeyPolicy: 15,
  TagResource: 10,
  CreateKey: 5,
  EnableKey: 5,
  DisableKey: 5,
  CancelKeyDeletion: 5,
  CreateAlias: 5,
  UpdateAlias: 5,
  UntagResource: 5,
  RotateKeyOnDemand: 5,
  DescribeCustomKeyStores: 5,
  GetParametersForImport: 1,
};
const otherwise = 5;
const cryptographic = new Set([
  'Encrypt',
  'Decrypt',
  'ReEncrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
  'GenerateMac',
  'VerifyMac',
  'GenerateRandom',
  'Sign',
  'Verify',
]);
const cryptographicPerSecond = 10_000;
const customKeyStorePerSecond = 1800;

interface Bucket {
  tokens: number;
  filledAt: number;
}

export interface Quota {
  enabled: boolean;
  /** Takes one call from its bucket; false when the bucket is empty. `storeId` is that of a key in a custom key store. */
  admit(world: string, operation: string, storeId: string | undefined): boolean;
}

/** Token buckets that hold one second's worth. They fill in real time: a rate is about real load, not about calendar time. */
export function quota(): Quota {
  const buckets = new Map<string, Bucket>();

  function take(name: string, rate: number): boolean {
    const now = performance.now();
    const bucket = buckets.get(name) ?? { tokens: rate, filledAt: now };
    bucket.tokens = Math.min(rate, bucket.tokens + ((now - bucket.filledAt) / 1000) * rate);
    bucket.filledAt = now;
    buckets.set(name, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  return {
    enabled: false,
    admit(world, operation, storeId) {
      if (!this.enabled) return true;
      if (!cryptographic.has(operation)) return take(`${world} ${operation}`, perSecond[operation] ?? otherwise);
      if (storeId !== undefined) return take(`${world} ${storeId}`, customKeyStorePerSecond);
      return take(`${world} cryptographic`, cryptographicPerSecond);
    },
  };
}
