import type { Logger } from '@aws-lambda-powertools/logger';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { KeystoreDriver } from './drivers/driver.ts';
import type { KeySpec } from './drivers/driver.ts';
import type { WrappedMaterial } from './keys/key.ts';
import type { Keystore } from './keystores/keystore.ts';
import type { DirectWay } from './drivers/registry.ts';
import type { Pace } from './pace/pace.ts';
import type { Database } from './records/database.ts';

/** What code that only reads and writes records may touch. Functions that need no more load no driver and no custody. */
export interface RecordDeployment {
  readonly config: Config;
  readonly database: Database;
  readonly clock: Clock;
  /** A new random id (UUID v4). */
  readonly newId: () => string;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
}

/** Everything outside that the code which decides and acts may touch; made once per process, handed in everywhere. */
export interface Deployment extends RecordDeployment {
  readonly custody: Custody;
  /** The driver of a keystore, connected with its credentials; its calls keep to the pace, if any. Throws a `KeystoreFault` when that cannot be. */
  readonly driverFor: (keystore: Keystore, pace?: Pace, direct?: DirectWay) => Promise<KeystoreDriver>;
}

/** Where key material and credentials are safe: nothing leaves it but ciphertext, except lent for the length of one call. */
export interface Custody {
  /** Makes new material for a key version; only its ciphertext comes back. */
  generate(spec: KeySpec, of: { readonly keyId: string; readonly version: number }): Promise<WrappedMaterial>;
  /** Lends the plaintext to `use` and zeroes it afterwards. Fails when the ciphertext was made for another key or version. */
  lend<T>(
    wrapped: WrappedMaterial,
    of: { readonly keyId: string; readonly version: number },
    use: (material: Uint8Array) => Promise<T>,
  ): Promise<T>;
  /** Credentials of a keystore, to ciphertext bound to that keystore and back. */
  seal(credentials: Readonly<Record<string, string>>, keystoreId: string): Promise<Uint8Array>;
  open(sealed: Uint8Array, keystoreId: string): Promise<Readonly<Record<string, string>>>;
}
