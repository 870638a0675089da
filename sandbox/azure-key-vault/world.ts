/** What a JWK shows of a key, in base64url as Azure writes it. */
export interface PublicMembers {
  readonly kty: KeyType;
  readonly crv?: CurveName;
  readonly n?: string;
  readonly e?: string;
  readonly x?: string;
  readonly y?: string;
}

export const keyTypes = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM'] as const;
export type KeyType = (typeof keyTypes)[number];
export const curveNames = ['P-256', 'P-384', 'P-521', 'P-256K'] as const;
export type CurveName = (typeof curveNames)[number];

/** One version. Its material never changes; everything else that may be set on it does. */
export interface KeyVersion {
  /** 32 hexadecimal digits. */
  readonly version: string;
  readonly publicMembers: PublicMembers;
  /** PKCS #8 DER. */
  readonly material: Buffer;
  /** Milliseconds, as everywhere here; on the wire Azure writes seconds. */
  readonly createdAt: number;
  updatedAt: number;
  operations: readonly string[];
  enabled: boolean;
  notBefore: number | undefined;
  expires: number | undefined;
  tags: Readonly<Record<string, string>>;
}

export interface Deletion {
  readonly at: number;
  readonly purgeAt: number;
  /** Until then Azure is at work on it, and it is seen neither among the keys nor among the deleted ones. */
  readonly settledAt: number;
}

/** A key: its versions, oldest first. At least one. */
export interface VaultKey {
  /** As it was written at its making; Azure ignores case. */
  readonly name: string;
  readonly versions: KeyVersion[];
  deletion: Deletion | undefined;
  /** While it comes back from a deletion. */
  recoveringUntil: number | undefined;
}

export interface VaultOptions {
  /** 3 to 24 letters, digits and hyphens. */
  name: string;
  tenantId: string;
  /** Default: premium, with an HSM. */
  sku?: 'standard' | 'premium';
  /** The end of the vault's host name; of the public cloud when left out. */
  suffix?: string;
  /** 7 to 90, default 90. */
  recoverableDays?: number;
  /** Whether nobody can purge before a deleted key's time is over. */
  purgeProtection?: boolean;
}

/** One vault: nothing in it is seen from another. */
export class Vault {
  readonly name: string;
  readonly host: string;
  readonly suffix: string;
  readonly tenantId: string;
  readonly sku: 'standard' | 'premium';
  readonly recoverableDays: number;
  readonly purgeProtection: boolean;
  /** By name in lower case. */
  readonly keys = new Map<string, VaultKey>();

  constructor(options: VaultOptions) {
    this.name = options.name;
    this.suffix = options.suffix ?? 'vault.azure.net';
    this.host = `${options.name.toLowerCase()}.${this.suffix}`;
    this.tenantId = options.tenantId;
    this.sku = options.sku ?? 'premium';
    this.recoverableDays = options.recoverableDays ?? 90;
    this.purgeProtection = options.purgeProtection ?? false;
  }

  url(path: string): string {
    return `https://${this.host}${path}`;
  }

  key(name: string): VaultKey | undefined {
    return this.keys.get(name.toLowerCase());
  }
}

/** The newest version: where a key's name leads. */
export function newestOf(key: VaultKey): KeyVersion {
  const newest = key.versions.at(-1);
  if (newest === undefined) throw new Error(`The key ${key.name} has no version`);
  return newest;
}
