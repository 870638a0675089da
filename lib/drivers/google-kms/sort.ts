import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleKeySort } from './kind.ts';
import { googleKeySort } from './kind.ts';

/** The sort of key that this is in Google Cloud KMS. Throws `unsupported` when there is none. */
export function sortOf(key: KeyInKeystore): GoogleKeySort {
  const sort = googleKeySort(key.spec);
  if ('why' in sort) throw new KeystoreFault('unsupported', sort.why);
  return sort;
}

/** CryptoKeyPurpose and ProtectionLevel are ours in capitals. */
export const purposeOf = ({ rule }: GoogleKeySort): string => rule.purpose.toUpperCase();
export const protectionOf = ({ protection }: GoogleKeySort): string => protection.toUpperCase();

/** Whether such a key has a public key to ask for. */
export function isKeyPair({ rule }: GoogleKeySort): boolean {
  return rule.purpose === 'asymmetric_decrypt' || rule.purpose === 'asymmetric_sign';
}

/** Whether Google keeps a primary version of such keys, by which it encrypts; of others callers name the version. */
export function hasPrimary({ rule }: GoogleKeySort): boolean {
  return rule.purpose === 'encrypt_decrypt';
}
