import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';

/**
 * Fingerprints in Google Cloud KMS. A key pair has the SHA-256 of its public key (SubjectPublicKeyInfo DER, hex). Symmetric and MAC keys
 * have none. A CryptoKeyVersion takes one material in its life, and back only the same one; so once it is bound, its name stands for it,
 * and an observation does not fetch the public key again.
 */
export async function publicFingerprint(version: string, calls: GoogleCalls, signal: AbortSignal): Promise<string> {
  return fingerprintOf(await publicKeyOf(version, calls, signal));
}

/** The public key of an enabled version. */
export async function publicKeyOf(version: string, calls: GoogleCalls, signal: AbortSignal): Promise<KeyObject> {
  const pem = await calls.publicKey(version, signal);
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new KeystoreFault('broken', `Google Cloud KMS answered with a public key of ${version} that is none.`, {
      cause: error,
    });
  }
}

export function fingerprintOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Whether the public key belongs to this private key (PKCS #8 DER). */
export function belongsTo(publicKey: KeyObject, material: Uint8Array): boolean {
  const der = Buffer.from(material.buffer, material.byteOffset, material.byteLength);
  return createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).equals(publicKey);
}
