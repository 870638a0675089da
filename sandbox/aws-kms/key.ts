import { createHmac } from 'node:crypto';
import { algorithmsOf, keySpecs } from './key-spec.ts';
import type { KeySpec, KeyUsage } from './key-spec.ts';

export type KeyOrigin = 'AWS_KMS' | 'EXTERNAL' | 'AWS_CLOUDHSM';
export type KeyState =
  'Creating' | 'Enabled' | 'Disabled' | 'PendingImport' | 'PendingDeletion' | 'Unavailable' | 'Updating';
export type MaterialState = 'CURRENT' | 'NON_CURRENT' | 'PENDING_ROTATION';

export interface KeyMaterial {
  readonly id: string;
  /** Absent when imported material was deleted or expired, or when the backing key in a cluster is gone. */
  bytes: Buffer | undefined;
  state: MaterialState;
  description: string | undefined;
  expiresAt: number | undefined;
  rotatedAt: number | undefined;
  rotationType: 'AUTOMATIC' | 'ON_DEMAND' | undefined;
}

export interface KmsKey {
  readonly sequence: number;
  readonly keyId: string;
  readonly arn: string;
  readonly accountId: string;
  readonly region: string;
  readonly createdAt: number;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsage;
  readonly origin: KeyOrigin;
  readonly multiRegion: boolean;
  readonly customKeyStoreId: string | undefined;
  description: string;
  enabled: boolean;
  deletionAt: number | undefined;
  materials: KeyMaterial[];
  policy: string;
  tags: Record<string, string>;
  /** What readers still see of the tags until that time, when changes are made to lag. */
  staleTags: { until: number; tags: Record<string, string> } | undefined;
  rotation: { periodDays: number; nextAt: number } | undefined;
  /** Kept through pending deletion and disabled times, spent by RotateKeyOnDemand only. */
  onDemandRotations: number;
  /** A passing state that an operator put the key in. */
  passing: { state: 'Creating' | 'Updating'; until: number } | undefined;
}

/** What the key's custom key store adds to its state. */
export interface KeyStoreView {
  clusterId: string;
  connected: boolean;
}

/** AWS derives the id of a material from the key id and the bytes: re-importing the same bytes gives the same id. */
export function materialId(keyId: string, bytes: Buffer): string {
  return createHmac('sha256', `material/${keyId}`).update(bytes).digest('hex');
}

export function newMaterial(keyId: string, bytes: Buffer, state: MaterialState): KeyMaterial {
  return {
    id: materialId(keyId, bytes),
    bytes,
    state,
    description: undefined,
    expiresAt: undefined,
    rotatedAt: undefined,
    rotationType: undefined,
  };
}

export const currentMaterial = (key: KmsKey): KeyMaterial | undefined =>
  key.materials.find((material) => material.state === 'CURRENT');

/** Material that belongs to the key for good; what waits for a rotation can still be taken back. */
export const permanentMaterials = (key: KmsKey): KeyMaterial[] =>
  key.materials.filter((material) => material.state !== 'PENDING_ROTATION');

/** Only symmetric encryption keys with material in KMS itself have several materials. */
export const rotates = (key: KmsKey): boolean => key.keySpec === 'SYMMETRIC_DEFAULT' && key.origin !== 'AWS_CLOUDHSM';

const lacksMaterial = (key: KmsKey): boolean =>
  currentMaterial(key) === undefined || permanentMaterials(key).some((material) => !material.bytes);

/** The key's state, from what it is and what its custom key store is right now. */
export function keyState(key: KmsKey, now: number, store: KeyStoreView | undefined): KeyState {
  if (key.deletionAt !== undefined) return 'PendingDeletion';
  if (key.passing && key.passing.until > now) return key.passing.state;
  if (store && !store.connected) return 'Unavailable';
  if (key.origin === 'EXTERNAL' && lacksMaterial(key)) return 'PendingImport';
  return key.enabled ? 'Enabled' : 'Disabled';
}

/** Times on the wire are seconds since 1970, with a fraction. */
export const wireTime = (ms: number): number => ms / 1000;

/** KeyMetadata, as DescribeKey and CreateKey answer it. */
export function keyMetadata(key: KmsKey, now: number, store: KeyStoreView | undefined): Record<string, unknown> {
  const state = keyState(key, now, store);
  return {
    AWSAccountId: key.accountId,
    Arn: key.arn,
    CreationDate: wireTime(key.createdAt),
    CustomerMasterKeySpec: key.keySpec,
    Description: key.description,
    Enabled: state === 'Enabled',
    KeyId: key.keyId,
    KeyManager: 'CUSTOMER',
    KeySpec: key.keySpec,
    KeyState: state,
    KeyUsage: key.keyUsage,
    MultiRegion: key.multiRegion,
    Origin: key.origin,
    ...algorithmMembers(key),
    ...importMembers(key),
    ...(rotates(key) && { CurrentKeyMaterialId: currentMaterial(key)?.id }),
    ...(key.deletionAt !== undefined && { DeletionDate: wireTime(key.deletionAt) }),
    ...(store && { CustomKeyStoreId: key.customKeyStoreId, CloudHsmClusterId: store.clusterId }),
    ...(key.multiRegion && { MultiRegionConfiguration: primaryOnly(key) }),
  };
}

const algorithmMember: Record<KeyUsage, string> = {
  ENCRYPT_DECRYPT: 'EncryptionAlgorithms',
  SIGN_VERIFY: 'SigningAlgorithms',
  GENERATE_VERIFY_MAC: 'MacAlgorithms',
  KEY_AGREEMENT: 'KeyAgreementAlgorithms',
};

/** The one algorithms list that a key of this usage shows, under its member name. */
export function algorithmMembers(key: Pick<KmsKey, 'keySpec' | 'keyUsage'>): Record<string, unknown> {
  return { [algorithmMember[key.keyUsage]]: algorithmsOf(key.keySpec, key.keyUsage) };
}

function importMembers(key: KmsKey): Record<string, unknown> {
  const imported = permanentMaterials(key).filter((material) => material.bytes);
  if (key.origin !== 'EXTERNAL' || imported.length === 0) return {};
  const expiries = imported.flatMap((material) => material.expiresAt ?? []);
  return expiries.length > 0
    ? { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: wireTime(Math.min(...expiries)) }
    : { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' };
}

function primaryOnly(key: KmsKey): Record<string, unknown> {
  return {
    MultiRegionKeyType: 'PRIMARY',
    PrimaryKey: { Arn: key.arn, Region: key.region },
    ReplicaKeys: [],
  };
}

export const isSymmetricEncryption = (key: KmsKey): boolean => keySpecs[key.keySpec].family === 'symmetric';
