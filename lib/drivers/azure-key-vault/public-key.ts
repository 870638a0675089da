import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

/** The public members of a key as Azure answers them. */
export interface PublicMembers {
  readonly kty?: string | undefined;
  readonly crv?: string | undefined;
  readonly n?: Uint8Array | undefined;
  readonly e?: Uint8Array | undefined;
  readonly x?: Uint8Array | undefined;
  readonly y?: Uint8Array | undefined;
}

/** Node's names of curves in a JWK where they are not Azure's. */
const NODE_CURVES: Readonly<Record<string, string>> = { 'P-256K': 'secp256k1' };

/**
 * The fingerprint of a key in Azure: the SHA-256 of its public key (SubjectPublicKeyInfo DER, hex), the same as that of a key pair in
 * other types of keystore. Undefined for a key that has no public members.
 */
export function fingerprintOf(key: PublicMembers): string | undefined {
  const spki = publicKeyOf(key)?.export({ type: 'spki', format: 'der' });
  return spki === undefined ? undefined : createHash('sha256').update(spki).digest('hex');
}

/** The public key itself; undefined for a key that has none. */
export function publicKeyOf(key: PublicMembers): KeyObject | undefined {
  const { n, e, x, y, crv } = key;
  if (n !== undefined && e !== undefined) {
    return createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: base64url(n), e: base64url(e) } });
  }
  if (x !== undefined && y !== undefined && crv !== undefined) {
    const curve = NODE_CURVES[crv] ?? crv;
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: curve, x: base64url(x), y: base64url(y) } });
  }
  return undefined;
}

/** The fingerprint that a key of this material (PKCS #8 DER) has. */
export function fingerprintOfMaterial(material: Uint8Array): string {
  const spki = createPublicKey(privateKeyOf(material)).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex');
}

/** The private key of this material (PKCS #8 DER); makes no copy of its own. */
export function privateKeyOf(material: Uint8Array): KeyObject {
  const bytes = Buffer.from(material.buffer, material.byteOffset, material.byteLength);
  return createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
