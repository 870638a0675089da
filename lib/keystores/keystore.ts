/** Those of the contract, and two beyond it: `aws_cloudhsm` and `pkcs11`. */
export const KEYSTORE_TYPES = [
  'aws_kms',
  'aws_cloudhsm',
  'azure_key_vault',
  'google_kms',
  'ibm_cloud_kms',
  'pkcs11',
  'cca',
] as const;
export type KeystoreType = (typeof KEYSTORE_TYPES)[number];

/** What users decide about a keystore. Credentials are kept apart, as ciphertext only. */
export interface Keystore {
  readonly id: string;
  readonly revision: number;
  readonly vaultId: string;
  readonly type: KeystoreType;
  readonly name: string;
  readonly description: string;
  readonly groups: readonly string[];
  readonly tlsProxy: string | undefined;
  /** The type's own settings under their wire names (`aws_region`, …), secrets excepted. Regions are in AWS's own spelling. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Wire names of the secret settings that have a value (`aws_secret_access_key`). */
  readonly secretNames: readonly string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly createdBy: string;
  readonly updatedBy: string;
}

/** The contract's health of a keystore, as last found. */
export const HEALTH_STATUSES = ['ok', 'not_responding', 'configuration_error', 'pending_check'] as const;
export type HealthStatus = (typeof HEALTH_STATUSES)[number];

export interface KeystoreHealth {
  readonly keystoreId: string;
  readonly status: HealthStatus;
  readonly message: string;
  /** When it last answered; undefined when it never did. */
  readonly lastHeartbeat: Date | undefined;
  /** How often it was swept: what tells which keys are due for a look of their own where listings do not show all. */
  readonly sweeps: number;
}
