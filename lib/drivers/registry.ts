import type { KeystoreType } from '../keystores/keystore.ts';
import type { KeystoreDriver, KeystoreKind } from './driver.ts';
import { awsCloudHsmKind } from './aws-cloudhsm/kind.ts';
import { awsKmsKind } from './aws-kms/kind.ts';

/** What a driver needs to talk to one keystore. `credentials` under their wire names, plaintext, in memory only. */
export interface Connection {
  readonly keystoreId: string;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly credentials: Readonly<Record<string, string>>;
}

export interface DriverModule {
  readonly connect: (connection: Connection) => KeystoreDriver;
}

/** A keystore type: its rules at hand, its driver (and the provider's SDK) loaded only when it is used. */
export interface RegisteredKeystoreType {
  readonly kind: KeystoreKind;
  readonly load: () => Promise<DriverModule>;
}

/** One line per keystore type; a type without a line cannot be connected (`why` is told to the caller as 422). */
export const DRIVERS: Record<KeystoreType, RegisteredKeystoreType | { readonly why: string }> = {
  aws_kms: { kind: awsKmsKind, load: () => import('./aws-kms/driver.ts') },
  aws_cloudhsm: { kind: awsCloudHsmKind, load: () => import('./aws-cloudhsm/driver.ts') },
  azure_key_vault: { why: 'Azure Key Vault keystores are not supported by this version of Shearline.' },
  google_kms: { why: 'Google Cloud KMS keystores are not supported by this version of Shearline.' },
  ibm_cloud_kms: { why: 'IBM Cloud KMS keystores are not supported by this version of Shearline.' },
  pkcs11: { why: 'PKCS #11 keystores are not supported by this version of Shearline.' },
  cca: { why: 'A CCA keystore is reached through an agent on IBM Z, which Shearline does not have.' },
};
