import { KeystoreFault } from './driver.ts';
import type { KeystoreKind } from './driver.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import { awsCloudHsmKind } from './aws-cloudhsm/kind.ts';
import { awsKmsKind } from './aws-kms/kind.ts';
import { azureKeyVaultKind } from './azure-key-vault/kind.ts';
import { googleKmsKind } from './google-kms/kind.ts';
import { pkcs11Kind } from './pkcs11/kind.ts';
import { ibmCloudKmsKind } from './ibm-cloud-kms/kind.ts';

/**
 * The rules of each keystore type, without any driver or SDK: functions that only read and write records load nothing more. One line per
 * type, and one in `registry.ts`. A type without rules cannot be connected; `why` is told to the caller as 422.
 */
export const KINDS: Record<KeystoreType, KeystoreKind | { readonly why: string }> = {
  aws_kms: awsKmsKind,
  aws_cloudhsm: awsCloudHsmKind,
  azure_key_vault: azureKeyVaultKind,
  google_kms: googleKmsKind,
  ibm_cloud_kms: ibmCloudKmsKind,
  pkcs11: pkcs11Kind,
  cca: { why: 'A CCA keystore is reached through an agent on IBM Z, which Shearline does not have.' },
};

/** The rules of a keystore type; undefined for one that cannot be connected. */
export function kindOfType(type: KeystoreType): KeystoreKind | undefined {
  const kind = KINDS[type];
  return 'why' in kind ? undefined : kind;
}

/** Throws `unsupported`, with the reason, for a type that cannot be connected. */
export function requireConnectable(type: KeystoreType): void {
  const kind = KINDS[type];
  if ('why' in kind) throw new KeystoreFault('unsupported', kind.why);
}
