import { createPrivateKey, createPublicKey, generateKeyPair, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

type Purpose = 'ENCRYPT_DECRYPT' | 'ASYMMETRIC_SIGN' | 'ASYMMETRIC_DECRYPT' | 'MAC';

/** What a key of an algorithm is made of and how it works. */
export type Shape = { readonly purpose: Purpose; readonly hsmOnly?: boolean } & (
  | { readonly family: 'symmetric'; readonly bytes: number }
  | { readonly family: 'hmac'; readonly bytes: number; readonly hash: string }
  | { readonly family: 'rsa_decrypt'; readonly bits: number; readonly hash: string }
  | { readonly family: 'rsa_sign'; readonly bits: number; readonly padding: 'pss' | 'pkcs1'; readonly hash: string }
  | { readonly family: 'rsa_raw'; readonly bits: number }
  | { readonly family: 'ec_sign'; readonly curve: string; readonly hash: string }
);

const decrypt = (bits: number, hash: string): Shape => ({
  purpose: 'ASYMMETRIC_DECRYPT',
  family: 'rsa_decrypt',
  bits,
  hash,
});
const sign = (padding: 'pss' | 'pkcs1', bits: number, hash: string): Shape => ({
  purpose: 'ASYMMETRIC_SIGN',
  family: 'rsa_sign',
  bits,
  padding,
  hash,
});
const raw = (bits: number): Shape => ({ purpose: 'ASYMMETRIC_SIGN', family: 'rsa_raw', bits });
const ec = (curve: string, hash: string): Shape => ({ purpose: 'ASYMMETRIC_SIGN', family: 'ec_sign', curve, hash });
const mac = (hash: string, bytes: number): Shape => ({ purpose: 'MAC', family: 'hmac', hash, bytes });

/** CryptoKeyVersionAlgorithm: number and shape. Written from Google's proto file, not from what the driver believes. */
const table = {
  GOOGLE_SYMMETRIC_ENCRYPTION: [1, { purpose: 'ENCRYPT_DECRYPT', family: 'symmetric', bytes: 32 }],
  RSA_SIGN_PSS_2048_SHA256: [2, sign('pss', 2048, 'sha256')],
  RSA_SIGN_PSS_3072_SHA256: [3, sign('pss', 3072, 'sha256')],
  RSA_SIGN_PSS_4096_SHA256: [4, sign('pss', 4096, 'sha256')],
  RSA_SIGN_PSS_4096_SHA512: [15, sign('pss', 4096, 'sha512')],
  RSA_SIGN_PKCS1_2048_SHA256: [5, sign('pkcs1', 2048, 'sha256')],
  RSA_SIGN_PKCS1_3072_SHA256: [6, sign('pkcs1', 3072, 'sha256')],
  RSA_SIGN_PKCS1_4096_SHA256: [7, sign('pkcs1', 4096, 'sha256')],
  RSA_SIGN_PKCS1_4096_SHA512: [16, sign('pkcs1', 4096, 'sha512')],
  RSA_SIGN_RAW_PKCS1_2048: [28, raw(2048)],
  RSA_SIGN_RAW_PKCS1_3072: [29, raw(3072)],
  RSA_SIGN_RAW_PKCS1_4096: [30, raw(4096)],
  RSA_DECRYPT_OAEP_2048_SHA256: [8, decrypt(2048, 'sha256')],
  RSA_DECRYPT_OAEP_3072_SHA256: [9, decrypt(3072, 'sha256')],
  RSA_DECRYPT_OAEP_4096_SHA256: [10, decrypt(4096, 'sha256')],
  RSA_DECRYPT_OAEP_4096_SHA512: [17, decrypt(4096, 'sha512')],
  RSA_DECRYPT_OAEP_2048_SHA1: [37, decrypt(2048, 'sha1')],
  RSA_DECRYPT_OAEP_3072_SHA1: [38, decrypt(3072, 'sha1')],
  RSA_DECRYPT_OAEP_4096_SHA1: [39, decrypt(4096, 'sha1')],
  EC_SIGN_P256_SHA256: [12, ec('prime256v1', 'sha256')],
  EC_SIGN_P384_SHA384: [13, ec('secp384r1', 'sha384')],
  EC_SIGN_SECP256K1_SHA256: [31, { ...ec('secp256k1', 'sha256'), hsmOnly: true }],
  HMAC_SHA256: [32, mac('sha256', 32)],
  HMAC_SHA1: [33, mac('sha1', 20)],
  HMAC_SHA384: [34, mac('sha384', 48)],
  HMAC_SHA512: [35, mac('sha512', 64)],
  HMAC_SHA224: [36, mac('sha224', 28)],
} as const satisfies Record<string, readonly [number, Shape]>;

export type Algorithm = keyof typeof table;

export const algorithmNumbers = Object.fromEntries(
  Object.entries(table).map(([name, [number]]) => [name, number]),
) as Record<Algorithm, number>;

export const shapeOf = (algorithm: Algorithm): Shape => table[algorithm][1];

const generatePair = promisify(generateKeyPair);
const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' });

/** New material: raw bytes, or PKCS #8 DER. Off the main thread where it is slow. */
export async function generateMaterial(algorithm: Algorithm): Promise<Buffer> {
  const shape = shapeOf(algorithm);
  switch (shape.family) {
    case 'symmetric':
    case 'hmac':
      return randomBytes(shape.bytes);
    case 'rsa_decrypt':
    case 'rsa_sign':
    case 'rsa_raw':
      return pkcs8((await generatePair('rsa', { modulusLength: shape.bits })).privateKey);
    case 'ec_sign':
      return pkcs8((await generatePair('ec', { namedCurve: shape.curve })).privateKey);
  }
}

/** Why imported bytes are no material of this algorithm; undefined when they are. */
export function refusesMaterial(algorithm: Algorithm, bytes: Buffer): string | undefined {
  const shape = shapeOf(algorithm);
  if (shape.family === 'symmetric' || shape.family === 'hmac') {
    return bytes.length === shape.bytes
      ? undefined
      : `The key material must be ${shape.bytes} bytes long, and is ${bytes.length}`;
  }
  let key: KeyObject;
  try {
    key = privateKeyOf(bytes);
  } catch {
    return 'The key material is not a PKCS #8 private key in DER';
  }
  const details = key.asymmetricKeyDetails;
  const fits =
    shape.family === 'ec_sign'
      ? key.asymmetricKeyType === 'ec' && details?.namedCurve === shape.curve
      : key.asymmetricKeyType === 'rsa' && details?.modulusLength === shape.bits;
  return fits ? undefined : `The key material is not that of a ${algorithm} key`;
}

export const privateKeyOf = (material: Buffer): KeyObject =>
  createPrivateKey({ key: material, format: 'der', type: 'pkcs8' });

export const publicKeyOf = (material: Buffer): KeyObject => createPublicKey(privateKeyOf(material));
