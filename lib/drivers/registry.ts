import type { KeystoreType } from '../keystores/keystore.ts';
import type { Pace } from '../pace/pace.ts';
import { KeystoreFault } from './driver.ts';
import type { KeystoreDriver } from './driver.ts';
import type { directDescribe } from './aws-kms/direct.ts';
import { requireConnectable } from './kinds.ts';

/** What a driver needs to talk to one keystore. `credentials` under their wire names, plaintext, in memory only. */
export interface Connection {
  readonly keystoreId: string;
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly credentials: Readonly<Record<string, string>>;
  /** The vault's id: what roles in other accounts are assumed with, so that no other vault can use them. */
  readonly externalId?: string | undefined;
  /** `host:port` of a proxy that TLS connections to the keystore are tunnelled through (HTTP CONNECT). */
  readonly tlsProxy?: string | undefined;
  /** Every call waits for its turn. For those who look at or repair many keys; nobody waits for them. */
  readonly pace?: Pace | undefined;
  /** With a pace: the way to look at a key of AWS KMS without the SDK. A bundle has it only where a sweep hands it in. */
  readonly direct?: DirectWay | undefined;
  /** Of a keystore without a record: seals its credentials, for a driver whose work is done by another function. */
  readonly seal?: () => Promise<Uint8Array>;
}

export type DirectWay = () => Promise<{ readonly directDescribe: typeof directDescribe }>;

export interface DriverModule {
  readonly connect: (connection: Connection) => KeystoreDriver;
}

/** One line per keystore type: its driver, and the provider's SDK with it, is loaded when the first keystore of the type is used. */
const DRIVERS: Partial<Record<KeystoreType, () => Promise<DriverModule>>> = {
  aws_kms: () => import('./aws-kms/driver.ts'),
  aws_cloudhsm: () => import('./aws-cloudhsm/driver.ts'),
  azure_key_vault: () => import('./azure-key-vault/driver.ts'),
  google_kms: () => import('./google-kms/driver.ts'),
  ibm_cloud_kms: () => import('./ibm-cloud-kms/driver.ts'),
  // Native code: in a function of its own, which the others ask. Where the library is at hand, so is the driver.
  pkcs11: () => (process.env['PKCS11_LIBRARY'] ? import('./pkcs11/driver.ts') : import('./pkcs11/remote.ts')),
};

/** The driver module of a keystore type. Throws a `KeystoreFault` (`unsupported`) for a type that cannot be connected. */
export async function loadDriver(type: KeystoreType): Promise<DriverModule> {
  requireConnectable(type);
  const load = DRIVERS[type];
  if (load === undefined) throw new KeystoreFault('unsupported', `There is no driver for keystores of type ${type}.`);
  return load();
}
