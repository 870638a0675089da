import type { JsonWebKey } from 'node:crypto';
import { createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey, verify } from 'node:crypto';
import type { KeyInKeystore, KeySpec } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Handle } from './cryptoki.ts';
import { CKA, CKM } from './cryptoki.ts';
import type { Pkcs11Use } from './kind.ts';
import type { KeyObjects } from './objects.ts';
import { ruleOf, USE_ATTRIBUTES } from './objects.ts';
import type { Session } from './session.ts';

/*
 * Fingerprints of keys in an HSM. A secret key's is a check value that the HSM computes with the key: the first 8 bytes of its block
 * cipher, or MAC, of CHECKED. The standard's own CKA_CHECK_VALUE would be 24 bits of the encryption of zeros; SoftHSM 2 leaves it empty
 * for keys that were unwrapped, and each library has its own for HMAC keys. Zeros are not encrypted here either: the full block is what
 * AES-GCM authenticates with. A key pair's is the SHA-256 of its public key (SubjectPublicKeyInfo DER, hex).
 */
const CHECKED = Buffer.from('shearline:check.', 'ascii');
const CHECK_LENGTH = 8;

const MACS: Readonly<Record<string, number>> = {
  '224': CKM.SHA224_HMAC,
  '256': CKM.SHA256_HMAC,
  '384': CKM.SHA384_HMAC,
  '512': CKM.SHA512_HMAC,
};

/** Curves by the contract's sizes: the name in JSON Web Keys, the object identifier in DER, and the bytes of a coordinate. */
export const CURVES: Readonly<Record<string, { crv: string; oid: Buffer; bytes: number }>> = {
  '256': { crv: 'P-256', oid: Buffer.from('06082a8648ce3d030107', 'hex'), bytes: 32 },
  '384': { crv: 'P-384', oid: Buffer.from('06052b81040022', 'hex'), bytes: 48 },
  '521': { crv: 'P-521', oid: Buffer.from('06052b81040023', 'hex'), bytes: 66 },
  '256K': { crv: 'secp256k1', oid: Buffer.from('06052b8104000a', 'hex'), bytes: 32 },
};

const unpaired = 'the private key is not that of the public key';

/**
 * The fingerprint as far as the key lets it be seen: of a disabled key only where it need not be used for it. A key counts as enabled
 * when all uses of the secret or private key are on; `off` names those that are not.
 */
export function visibleFingerprint(
  session: Session,
  key: KeyInKeystore,
  objects: KeyObjects & { readonly secret: Handle },
): { readonly fingerprint: string | undefined; readonly enabled: boolean; readonly off: readonly Pkcs11Use[] } {
  const rule = ruleOf(key);
  const off = rule.uses.filter((use) => !session.isSet(objects.secret, USE_ATTRIBUTES[use]));
  const enabled = off.length === 0;
  const fingerprint = enabled || rule.keyType === 'CKK_RSA' ? fingerprintOf(session, key, objects) : undefined;
  return { fingerprint, enabled, off };
}

/**
 * The fingerprint of a key that is enabled, found by using it, so that it also shows that the key can be used. Undefined when the HSM
 * has no mechanism to find it with. Throws what keeps the key from being used.
 */
function fingerprintOf(
  session: Session,
  key: KeyInKeystore,
  objects: KeyObjects & { readonly secret: Handle },
): string | undefined {
  const { secret } = objects;
  switch (ruleOf(key).keyType) {
    case 'CKK_AES':
      if (!session.mechanisms.has(CKM.AES_ECB)) return undefined;
      return shown(session.encrypt(CKM.AES_ECB, secret, CHECKED));
    case 'CKK_GENERIC_SECRET': {
      const mechanism = MACS[key.spec.size];
      if (mechanism === undefined || !session.mechanisms.has(mechanism)) return undefined;
      return shown(session.sign(mechanism, secret, CHECKED));
    }
    case 'CKK_RSA':
      // The private key carries the modulus itself.
      return digest(rsaJwk(session, secret));
    case 'CKK_EC': {
      const jwk = ecJwk(session, key.spec, objects);
      if (jwk === undefined) return undefined;
      return session.mechanisms.has(CKM.ECDSA) && !isPaired(session, secret, jwk) ? unpaired : digest(jwk);
    }
  }
}

/** The fingerprint that the HSM will show once it has this material. */
export function fingerprintOfMaterial(spec: KeySpec, material: Uint8Array): string {
  switch (spec.algorithm) {
    case 'aes': {
      const cipher = createCipheriv(`aes-${material.length * 8}-ecb`, material, null);
      return shown(cipher.update(CHECKED));
    }
    case 'hmac':
      return shown(createHmac(`sha${spec.size}`, material).update(CHECKED).digest());
    case 'rsa':
    case 'ec': {
      const privateKey = createPrivateKey({
        key: Buffer.from(material.buffer, material.byteOffset, material.length),
        format: 'der',
        type: 'pkcs8',
      });
      return digestOf(createPublicKey(privateKey));
    }
    case 'des':
    case 'dilithium':
      throw new KeystoreFault('unsupported', `A PKCS #11 keystore cannot hold ${spec.algorithm} keys.`);
  }
}

function shown(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, CHECK_LENGTH)).toString('hex');
}

function digest(jwk: JsonWebKey | undefined): string | undefined {
  return jwk === undefined ? undefined : digestOf(createPublicKey({ key: jwk, format: 'jwk' }));
}

function digestOf(publicKey: ReturnType<typeof createPublicKey>): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function rsaJwk(session: Session, secret: Buffer): JsonWebKey | undefined {
  const modulus = session.read(secret, CKA.MODULUS);
  const exponent = session.read(secret, CKA.PUBLIC_EXPONENT);
  if (modulus === undefined || exponent === undefined) return undefined;
  return { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') };
}

function ecJwk(session: Session, spec: KeySpec, { publicKeys }: KeyObjects): JsonWebKey | undefined {
  const curve = CURVES[spec.size];
  const [object] = publicKeys;
  if (curve === undefined || object === undefined) return undefined;
  // Within a DER OCTET STRING as the standard says, or without as some libraries have it.
  const point = session.read(object, CKA.EC_POINT)?.subarray(-(1 + 2 * curve.bytes));
  if (point?.length !== 1 + 2 * curve.bytes) return undefined;
  const coordinate = (at: number) => point.subarray(at, at + curve.bytes).toString('base64url');
  return { kty: 'EC', crv: curve.crv, x: coordinate(1), y: coordinate(1 + curve.bytes) };
}

/** An EC private key does not tell its public key: what it signs does. */
function isPaired(session: Session, secret: Handle, jwk: JsonWebKey): boolean {
  const signature = session.sign(CKM.ECDSA, secret, createHash('sha256').update(CHECKED).digest());
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return verify('sha256', CHECKED, { key, dsaEncoding: 'ieee-p1363' }, signature);
}
