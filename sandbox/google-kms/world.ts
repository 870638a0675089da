import type { Algorithm } from './algorithms.ts';
import type { EnumValue } from './enums.ts';

export type VersionState = EnumValue<'versionState'>;
export type Purpose = EnumValue<'purpose'>;
export type ProtectionLevel = 'SOFTWARE' | 'HSM';

export interface KeyRing {
  readonly name: string;
  readonly createdAt: number;
}

/** A CryptoKeyVersion. Times in milliseconds. */
export interface Version {
  readonly number: number;
  state: VersionState;
  readonly algorithm: Algorithm;
  readonly protectionLevel: ProtectionLevel;
  readonly createdAt: number;
  generatedAt: number | undefined;
  /** When a pending generation or import ends. */
  readyAt: number | undefined;
  destroyAt: number | undefined;
  destroyedAt: number | undefined;
  importJob: string | undefined;
  importedAt: number | undefined;
  /** What a pending import will end with. */
  failure: string | undefined;
  material: Buffer | undefined;
  /** Stays when the material is destroyed: only the same comes back. */
  materialDigest: string | undefined;
}

export interface CryptoKey {
  readonly name: string;
  readonly purpose: Purpose;
  labels: Record<string, string>;
  algorithm: Algorithm;
  readonly protectionLevel: ProtectionLevel;
  readonly importOnly: boolean;
  readonly destroyScheduledSeconds: number;
  readonly createdAt: number;
  primary: number | undefined;
  rotationPeriodSeconds: number | undefined;
  nextRotationAt: number | undefined;
  nextNumber: number;
  readonly versions: Map<number, Version>;
}

export interface ImportJob {
  readonly name: string;
  readonly method: EnumValue<'importMethod'>;
  readonly protectionLevel: ProtectionLevel;
  readonly createdAt: number;
  readonly activeAt: number;
  expiresAt: number;
  /** PKCS #8 DER; undefined while it is being made. */
  privateKey: Buffer | undefined;
}

export const versionName = (key: CryptoKey, version: Pick<Version, 'number'>): string =>
  `${key.name}/cryptoKeyVersions/${version.number}`;

/** States that a version leaves by itself. */
export const isPending = ({ state }: Version): boolean => state === 'PENDING_GENERATION' || state === 'PENDING_IMPORT';
