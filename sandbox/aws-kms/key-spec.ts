import { createPrivateKey, createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyUsage = 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC' | 'KEY_AGREEMENT';
export type KeySpec = keyof typeof keySpecs;
export type KeyPairSpec = Exclude<KeySpec, 'SYMMETRIC_DEFAULT' | `HMAC_${string}`>;

/** Allowed lengths of the material in bytes, and that of generated material. */
interface Lengths {
  generated: number;
  least: number;
  most: number;
}
type Algorithms = Partial<Record<KeyUsage, readonly string[]>>;
export type KeyShape =
  | { family: 'symmetric'; bytes: Lengths; algorithms: Algorithms }
  | { family: 'hmac'; bytes: Lengths; algorithms: Algorithms }
  | { family: 'rsa'; bits: number; algorithms: Algorithms }
  | { family: 'ec'; curve: string; algorithms: Algorithms };

const rsaAlgorithms: Algorithms = {
  ENCRYPT_DECRYPT: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
  SIGN_VERIFY: [
    'RSASSA_PKCS1_V1_5_SHA_256',
    'RSASSA_PKCS1_V1_5_SHA_384',
    'RSASSA_PKCS1_V1_5_SHA_512',
    'RSASSA_PSS_SHA_256',
    'RSASSA_PSS_SHA_384',
    'RSASSA_PSS_SHA_512',
  ],
};
const hmac = (size: number, least: number, most: number): KeyShape => ({
  family: 'hmac',
  bytes: { generated: size / 8, least, most },
  algorithms: { GENERATE_VERIFY_MAC: [`HMAC_SHA_${size}`] },
});
const rsa = (bits: number): KeyShape => ({ family: 'rsa', bits, algorithms: rsaAlgorithms });
const nist = (curve: string, hash: number): KeyShape => ({
  family: 'ec',
  curve,
  algorithms: { SIGN_VERIFY: [`ECDSA_SHA_${hash}`], KEY_AGREEMENT: ['ECDH'] },
});

/** Every key spec that this sandbox knows, with what a key of it may be used for. */
export const keySpecs = {
  SYMMETRIC_DEFAULT: {
    family: 'symmetric',
    bytes: { generated: 32, least: 32, most: 32 },
    algorithms: { ENCRYPT_DECRYPT: ['SYMMETRIC_DEFAULT'] },
  } as KeyShape,
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: nist('prime256v1', 256),
  ECC_NIST_P384: nist('secp384r1', 384),
  ECC_NIST_P521: nist('secp521r1', 512),
  ECC_SECG_P256K1: {
    family: 'ec',
    curve: 'secp256k1',
    algorithms: { SIGN_VERIFY: ['ECDSA_SHA_256'] },
  } as KeyShape,
  // Imported HMAC material: RFC 2104 lengths, from the size of the digest to the size of the hash's block.
  HMAC_224: hmac(224, 28, 64),
  HMAC_256: hmac(256, 32, 64),
  HMAC_384: hmac(384, 48, 128),
  HMAC_512: hmac(512, 64, 128),
};

export const keySpecNames = Object.keys(keySpecs) as KeySpec[];
export const keyUsages = ['ENCRYPT_DECRYPT', 'SIGN_VERIFY', 'GENERATE_VERIFY_MAC', 'KEY_AGREEMENT'] as const;

/** The algorithms a key of this spec and usage allows; undefined when the two do not go together. */
export function algorithmsOf(spec: KeySpec, usage: KeyUsage): readonly string[] | undefined {
  return keySpecs[spec].algorithms[usage];
}

const generatePair = promisify(generateKeyPair);

/** New material: raw bytes for symmetric and HMAC keys, PKCS #8 DER for key pairs. Off the main thread where it is slow. */
export async function generateMaterial(spec: KeySpec): Promise<Buffer> {
  const shape = keySpecs[spec];
  switch (shape.family) {
    case 'symmetric':
    case 'hmac':
      return randomBytes(shape.bytes.generated);
    case 'rsa':
      return pkcs8((await generatePair('rsa', { modulusLength: shape.bits })).privateKey);
    case 'ec':
      return pkcs8((await generatePair('ec', { namedCurve: shape.curve })).privateKey);
  }
}

const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' });

/**
 * Imported bytes as they are kept, or undefined when they are no material of that spec. Key pairs are written anew, so that
 * the same key is the same bytes however its exporter encoded it.
 */
export function normalizeMaterial(spec: KeySpec, bytes: Buffer): Buffer | undefined {
  const shape = keySpecs[spec];
  if (shape.family === 'symmetric' || shape.family === 'hmac') {
    return bytes.length >= shape.bytes.least && bytes.length <= shape.bytes.most ? bytes : undefined;
  }
  const key = readPrivateKey(bytes);
  if (!key) return undefined;
  const details = key.asymmetricKeyDetails;
  const fits =
    shape.family === 'rsa'
      ? key.asymmetricKeyType === 'rsa' && details?.modulusLength === shape.bits
      : key.asymmetricKeyType === 'ec' && details?.namedCurve === shape.curve;
  return fits ? pkcs8(key) : undefined;
}

function readPrivateKey(bytes: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  } catch {
    return undefined;
  }
}

const privateKeys = new WeakMap<Buffer, KeyObject>();

/** The private key in that material; parsed once for as long as the material lives. */
export function privateKeyOf(material: Buffer): KeyObject {
  const known = privateKeys.get(material);
  if (known) return known;
  const key = createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });
  privateKeys.set(material, key);
  return key;
}

/** The public half, as DER SubjectPublicKeyInfo. */
export function publicKeyOf(material: Buffer): Buffer {
  return createPublicKey(privateKeyOf(material)).export({ type: 'spki', format: 'der' });
}
