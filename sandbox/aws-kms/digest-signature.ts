import {
  constants,
  createECDH,
  createHash,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { addPoints, curves, inverse, modulo, multiplyPoint } from './curve.ts';
import type { Curve } from './curve.ts';

/** How a digest is signed. Node hashes whatever it signs, so signing a digest that the caller computed is done here. */
export interface DigestScheme {
  hash: string;
  /** Length of the digest. */
  bytes: number;
  padding: 'pkcs1' | 'pss' | 'ecdsa';
}

export function signDigest(key: KeyObject, scheme: DigestScheme, digest: Buffer): Buffer {
  switch (scheme.padding) {
    case 'pkcs1':
      return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo(scheme, digest));
    case 'pss':
      return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, pssEncode(scheme, digest, modulusBits(key)));
    case 'ecdsa':
      return ecdsaSign(key, digest);
  }
}

export function verifyDigest(key: KeyObject, scheme: DigestScheme, digest: Buffer, signature: Buffer): boolean {
  try {
    switch (scheme.padding) {
      case 'pkcs1':
        return same(
          publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature),
          digestInfo(scheme, digest),
        );
      case 'pss':
        return pssMatches(
          scheme,
          digest,
          publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature),
          modulusBits(key),
        );
      case 'ecdsa':
        return ecdsaVerify(key, digest, signature);
    }
  } catch {
    return false;
  }
}

const same = (one: Buffer, other: Buffer): boolean => one.length === other.length && timingSafeEqual(one, other);

// DER of AlgorithmIdentifier for SHA-256, 384 and 512, as RFC 8017 section 9.2 lists them.
const digestPrefix: Record<string, string> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
};

const digestInfo = (scheme: DigestScheme, digest: Buffer): Buffer =>
  Buffer.concat([Buffer.from(digestPrefix[scheme.hash] ?? '', 'hex'), digest]);

const modulusBits = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0;

/** EMSA-PSS (RFC 8017 section 9.1) with MGF1 over the same hash and a salt as long as the digest, as AWS KMS uses. */
function pssEncode(scheme: DigestScheme, digest: Buffer, bits: number): Buffer {
  const salt = randomBytes(scheme.bytes);
  const length = Math.ceil((bits - 1) / 8);
  const h = pssHash(scheme, digest, salt);
  const data = Buffer.alloc(length - scheme.bytes - 1);
  data.writeUInt8(1, data.length - salt.length - 1);
  salt.copy(data, data.length - salt.length);
  const masked = xor(data, mgf1(scheme.hash, h, data.length));
  clearTopBits(masked, 8 * length - (bits - 1));
  return Buffer.concat([masked, h, Buffer.from([0xbc])]);
}

function pssMatches(scheme: DigestScheme, digest: Buffer, encoded: Buffer, bits: number): boolean {
  if (encoded.at(-1) !== 0xbc) return false;
  const hashAt = encoded.length - scheme.bytes - 1;
  const h = encoded.subarray(hashAt, -1);
  const data = xor(encoded.subarray(0, hashAt), mgf1(scheme.hash, h, hashAt));
  clearTopBits(data, 8 * encoded.length - (bits - 1));
  const saltAt = data.length - scheme.bytes;
  const padding = data.subarray(0, saltAt - 1);
  if (saltAt < 1 || padding.some((byte) => byte !== 0) || data[saltAt - 1] !== 1) return false;
  return same(pssHash(scheme, digest, data.subarray(saltAt)), h);
}

const pssHash = (scheme: DigestScheme, digest: Buffer, salt: Buffer): Buffer =>
  createHash(scheme.hash)
    .update(Buffer.concat([Buffer.alloc(8), digest, salt]))
    .digest();

function mgf1(hash: string, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0, made = 0; made < length; counter += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const block = createHash(hash).update(seed).update(number).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const xor = (one: Buffer, other: Buffer): Buffer => Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)));

function clearTopBits(bytes: Buffer, count: number): void {
  bytes[0] = (bytes[0] ?? 0) & (0xff >> count);
}

function curveOf(key: KeyObject): Curve {
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (!curve) throw new Error('Unknown curve');
  return curve;
}

const number = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex') || '0'}`);

/** The leftmost bits of the digest, as many as the order of the curve has. */
function digestNumber(digest: Buffer, curve: Curve): bigint {
  const excess = digest.length * 8 - curve.order.toString(2).length;
  return excess > 0 ? number(digest) >> BigInt(excess) : number(digest);
}

function ecdsaSign(key: KeyObject, digest: Buffer): Buffer {
  const curve = curveOf(key);
  const secret = number(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  for (;;) {
    const ecdh = createECDH(curve.name);
    const point = ecdh.generateKeys();
    const k = number(ecdh.getPrivateKey());
    const r = modulo(number(point.subarray(1, 1 + (point.length - 1) / 2)), curve.order);
    const s = modulo(inverse(k, curve.order) * (digestNumber(digest, curve) + r * secret), curve.order);
    if (r !== 0n && s !== 0n) return derSignature(r, s);
  }
}

function ecdsaVerify(key: KeyObject, digest: Buffer, signature: Buffer): boolean {
  const curve = curveOf(key);
  const { r, s } = readDerSignature(signature);
  if (r <= 0n || s <= 0n || r >= curve.order || s >= curve.order) return false;
  const jwk = key.export({ format: 'jwk' });
  const point = {
    x: number(Buffer.from(jwk.x ?? '', 'base64url')),
    y: number(Buffer.from(jwk.y ?? '', 'base64url')),
  };
  const w = inverse(s, curve.order);
  const ofGenerator = multiplyPoint(curve, curve.generator, modulo(digestNumber(digest, curve) * w, curve.order));
  const ofKey = multiplyPoint(curve, point, modulo(r * w, curve.order));
  const sum = addPoints(curve, ofGenerator, ofKey);
  return sum !== undefined && modulo(sum.x, curve.order) === r;
}

function derSignature(r: bigint, s: bigint): Buffer {
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  const length = body.length < 128 ? [body.length] : [0x81, body.length];
  return Buffer.concat([Buffer.from([0x30, ...length]), body]);
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes;
  return Buffer.concat([Buffer.from([2, positive.length]), positive]);
}

function readDerSignature(der: Buffer): { r: bigint; s: bigint } {
  const start = der[1] === 0x81 ? 3 : 2;
  const rLength = der[start + 1] ?? 0;
  const sAt = start + 2 + rLength;
  const sLength = der[sAt + 1] ?? 0;
  if (der[0] !== 0x30 || der[start] !== 2 || der[sAt] !== 2 || sAt + 2 + sLength !== der.length)
    throw new Error('Not DER');
  return { r: number(der.subarray(start + 2, sAt)), s: number(der.subarray(sAt + 2)) };
}
