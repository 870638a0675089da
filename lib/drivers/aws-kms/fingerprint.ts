import { createHash } from 'node:crypto';
import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { ridingOut } from './consistency.ts';
import type { AwsKeyRule } from './kind.ts';
import { awsKeyRule } from './kind.ts';

/**
 * Fingerprints in AWS KMS. A symmetric encryption key has its current material's id: AWS derives it from the key's id and the
 * bytes, so it tells one material from another within one key. A key pair has the SHA-256 of its public key
 * (SubjectPublicKeyInfo DER, hex). HMAC keys, and keys in custom key stores, have none.
 *
 * The ARN of a key pair or HMAC key takes one material in its life, the first one imported, and `import` proves that this was
 * ours. So once a fingerprint is recorded, the ARN stands for it and an observation does not fetch the public key again.
 */
export function ruleOf(key: KeyInKeystore): AwsKeyRule {
  const found = awsKeyRule(key.spec);
  if (found === undefined) {
    throw new KeystoreFault('unsupported', `AWS KMS cannot hold a key of ${key.spec.algorithm} ${key.spec.size}.`);
  }
  return found;
}

/** Whether such a key has a public key to ask for. */
export function isKeyPair(key: KeyInKeystore): boolean {
  return key.spec.algorithm === 'rsa' || key.spec.algorithm === 'ec';
}

/** The fingerprint of a key that has its material, asking for the public key if there must be one. The key must be enabled. */
export async function fingerprintOf(
  key: KeyInKeystore,
  found: KmsKey,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (found.materialId !== undefined) return found.materialId;
  if (!isKeyPair(key) || found.state !== 'Enabled') return undefined;
  const publicKey = await ridingOut(signal, () => calls.publicKeyOf(found.arn, signal));
  return createHash('sha256').update(publicKey).digest('hex');
}
