import type { KmsCalls } from '../aws-kms/calls.ts';
import { isFault } from '../aws-kms/faults.ts';
import type { Present } from '../aws-kms/observe.ts';
import { KeystoreFault } from '../driver.ts';
import { describeConnection, isConnected } from './key-store.ts';

/** AWS's words when the cluster cannot be reached; it says nothing of the key. Source: AWS KMS developer guide, "fix-keystore". */
const NO_COMMUNICATION = /cannot communicate/i;

/**
 * Finds keys whose backing key was deleted inside the cluster: of those AWS KMS goes on saying Enabled, and only cryptography
 * fails, with the KMSInvalidStateException that it also uses for a key store that is not connected, a cluster it cannot reach
 * and a key that was disabled meanwhile. Only after all of these are ruled out is the key called unusable; otherwise it could
 * not be told, and that is thrown. Source: AWS KMS developer guide, "KMS keys in a CloudHSM key store".
 */
export function probeWith(
  calls: KmsCalls,
  customKeyStoreId: string,
): (seen: Present, signal: AbortSignal) => Promise<Present> {
  return async (seen, signal) => {
    try {
      await calls.probe(seen.idInKeystore, signal);
      return seen;
    } catch (error) {
      if (!isFault(error, 'conflict')) throw error;
      const store = await calls.customKeyStore(customKeyStoreId, signal);
      if (!isConnected(store)) {
        throw new KeystoreFault('unavailable', describeConnection(store), { cause: error });
      }
      if (NO_COMMUNICATION.test(error.message)) {
        throw new KeystoreFault('unavailable', error.message, { cause: error });
      }
      const { state } = await calls.describeKey(seen.idInKeystore, signal);
      if (state !== 'Enabled') {
        throw new KeystoreFault(
          'unavailable',
          `${seen.idInKeystore} changed while it was looked at; it is ${state} now.`,
          {
            cause: error,
          },
        );
      }
      const remark =
        'AWS KMS says that it is enabled, but cannot encrypt with it although the key store is connected: its backing key is missing ' +
        `from the CloudHSM cluster. Restoring a backup of the cluster can bring it back. (${error.message})`;
      return { ...seen, state: 'unusable', remark };
    }
  };
}
