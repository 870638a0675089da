import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  privateDecrypt,
  privateEncrypt,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { signDigest } from '../aws-kms/digest-signature.ts';
import { privateKeyOf, publicKeyOf, shapeOf } from './algorithms.ts';
import type { Shape } from './algorithms.ts';
import type { Answer, Call } from './call.ts';
import { bytesOf, cryptoKeyOf, objectOf, versionOf } from './call.ts';
import { crc32c, crc32cText } from './crc32c.ts';
import { readEnum } from './enums.ts';
import { GoogleError, invalid } from './error.ts';
import { usableMaterial } from './versions.ts';
import type { CryptoKey, Version } from './world.ts';
import { versionName } from './world.ts';

interface Target {
  readonly key: CryptoKey;
  readonly version: Version;
  readonly material: Buffer;
  readonly shape: Shape;
}

function target(call: Call, { key, version }: { key: CryptoKey; version: Version }): Target {
  return { key, version, material: usableMaterial(key, version), shape: shapeOf(version.algorithm) };
}

const wrongPurpose = (key: CryptoKey, operation: string): GoogleError =>
  invalid(`${operation} cannot be called on ${key.name}, which has the purpose ${key.purpose}.`);

/** Checks data by the checksum that the caller sent with it; answers whether one was sent. */
function verified(call: Call, field: string, data: Buffer): boolean {
  const sent = call.body[`${field}Crc32c`];
  if (sent === undefined || sent === null) return false;
  const value = Number(typeof sent === 'object' ? (sent as { value?: unknown }).value : sent);
  if (value !== crc32c(data))
    throw invalid(`The checksum in field ${field}_crc32c did not match the data in field ${field}.`);
  return true;
}

const said = (name: string, value: boolean): Answer => (value ? { [name]: true } : {});

function about(call: Call, { key, version }: Target): Answer {
  return { name: versionName(key, version), protectionLevel: call.encode('protectionLevel', version.protectionLevel) };
}

/** By the primary version, or the version named. Google's own form of ciphertext is not known; this one names its version. */
export function encrypt(call: Call): Answer {
  const used = call.name.includes('/cryptoKeyVersions/')
    ? target(call, versionOf(call, call.name))
    : target(call, primaryOf(call, cryptoKeyOf(call, call.name)));
  if (used.shape.family !== 'symmetric') throw wrongPurpose(used.key, 'Encrypt');
  const plaintext = bytesOf(call.body, 'plaintext') ?? Buffer.alloc(0);
  const aad = bytesOf(call.body, 'additionalAuthenticatedData') ?? Buffer.alloc(0);
  const plaintextChecked = verified(call, 'plaintext', plaintext);
  const aadChecked = verified(call, 'additionalAuthenticatedData', aad);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', used.material, iv).setAAD(aad);
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(0x0a2400, 0);
  head.writeUInt32BE(used.version.number, 4);
  const ciphertext = Buffer.concat([head, iv, cipher.getAuthTag(), body]);
  return {
    ...about(call, used),
    ciphertext: ciphertext.toString('base64'),
    ciphertextCrc32c: crc32cText(ciphertext),
    ...said('verifiedPlaintextCrc32c', plaintextChecked),
    ...said('verifiedAdditionalAuthenticatedDataCrc32c', aadChecked),
  };
}

function primaryOf(_call: Call, key: CryptoKey): { key: CryptoKey; version: Version } {
  if (key.purpose !== 'ENCRYPT_DECRYPT') throw wrongPurpose(key, 'Encrypt');
  const version = key.primary === undefined ? undefined : key.versions.get(key.primary);
  if (version === undefined)
    throw new GoogleError('FAILED_PRECONDITION', `${key.name} does not have a primary version.`);
  return { key, version };
}

const undecipherable = (): GoogleError =>
  invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.");

export function decrypt(call: Call): Answer {
  const key = cryptoKeyOf(call, call.name);
  if (key.purpose !== 'ENCRYPT_DECRYPT') throw wrongPurpose(key, 'Decrypt');
  const ciphertext = bytesOf(call.body, 'ciphertext') ?? Buffer.alloc(0);
  verified(call, 'ciphertext', ciphertext);
  const aad = bytesOf(call.body, 'additionalAuthenticatedData') ?? Buffer.alloc(0);
  verified(call, 'additionalAuthenticatedData', aad);
  if (ciphertext.length < 36 || ciphertext.readUInt32BE(0) !== 0x0a2400) throw undecipherable();
  const version = key.versions.get(ciphertext.readUInt32BE(4));
  if (version === undefined) throw undecipherable();
  const used = target(call, { key, version });
  let plaintext: Buffer;
  try {
    const decipher = createDecipheriv('aes-256-gcm', used.material, ciphertext.subarray(8, 20));
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(20, 36));
    plaintext = Buffer.concat([decipher.update(ciphertext.subarray(36)), decipher.final()]);
  } catch {
    throw undecipherable();
  }
  return {
    plaintext: plaintext.toString('base64'),
    plaintextCrc32c: crc32cText(plaintext),
    ...said('usedPrimary', key.primary === version.number),
    protectionLevel: call.encode('protectionLevel', version.protectionLevel),
  };
}

export function asymmetricDecrypt(call: Call): Answer {
  const used = target(call, versionOf(call, call.name));
  if (used.shape.family !== 'rsa_decrypt') throw wrongPurpose(used.key, 'AsymmetricDecrypt');
  const ciphertext = bytesOf(call.body, 'ciphertext') ?? Buffer.alloc(0);
  const checked = verified(call, 'ciphertext', ciphertext);
  let plaintext: Buffer;
  try {
    plaintext = privateDecrypt(
      { key: privateKeyOf(used.material), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: used.shape.hash },
      ciphertext,
    );
  } catch {
    throw invalid('Decryption failed: the ciphertext is invalid.');
  }
  return {
    plaintext: plaintext.toString('base64'),
    plaintextCrc32c: crc32cText(plaintext),
    ...said('verifiedCiphertextCrc32c', checked),
    protectionLevel: call.encode('protectionLevel', used.version.protectionLevel),
  };
}

export function asymmetricSign(call: Call): Answer {
  const used = target(call, versionOf(call, call.name));
  const data = bytesOf(call.body, 'data');
  const signature = signatureOf(used, call, data);
  return {
    ...about(call, used),
    signature: signature.toString('base64'),
    signatureCrc32c: crc32cText(signature),
    ...said('verifiedDataCrc32c', data !== undefined && verified(call, 'data', data)),
    ...said('verifiedDigestCrc32c', call.body['digestCrc32c'] !== undefined),
  };
}

function signatureOf({ key, material, shape }: Target, call: Call, data: Buffer | undefined): Buffer {
  const privateKey = privateKeyOf(material);
  switch (shape.family) {
    case 'rsa_raw':
      if (data === undefined) throw invalid('Raw signing takes data, not a digest.');
      return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, data);
    case 'rsa_sign':
    case 'ec_sign': {
      const digest = data === undefined ? digestIn(call, shape.hash) : createHash(shape.hash).update(data).digest();
      const padding = shape.family === 'ec_sign' ? 'ecdsa' : shape.padding;
      return signDigest(privateKey, { hash: shape.hash, bytes: digest.length, padding }, digest);
    }
    case 'symmetric':
    case 'hmac':
    case 'rsa_decrypt':
      throw wrongPurpose(key, 'AsymmetricSign');
  }
}

function digestIn(call: Call, hash: string): Buffer {
  const digest = bytesOf(objectOf(call.body['digest'], 'digest'), hash);
  if (digest === undefined) throw invalid(`The digest must be ${hash.toUpperCase()}, as the key's algorithm says.`);
  verified(call, 'digest', digest);
  if (digest.length !== createHash(hash).digest().length) throw invalid('The digest has the wrong length.');
  return digest;
}

export function macSign(call: Call): Answer {
  const used = target(call, versionOf(call, call.name));
  const data = bytesOf(call.body, 'data') ?? Buffer.alloc(0);
  const mac = macOf(used, data);
  return {
    ...about(call, used),
    mac: mac.toString('base64'),
    macCrc32c: crc32cText(mac),
    ...said('verifiedDataCrc32c', verified(call, 'data', data)),
  };
}

export function macVerify(call: Call): Answer {
  const used = target(call, versionOf(call, call.name));
  const data = bytesOf(call.body, 'data') ?? Buffer.alloc(0);
  const given = bytesOf(call.body, 'mac') ?? Buffer.alloc(0);
  const mac = macOf(used, data);
  const success = given.length === mac.length && timingSafeEqual(given, mac);
  return {
    ...about(call, used),
    ...said('success', success),
    ...said('verifiedSuccessIntegrity', success),
    ...said('verifiedDataCrc32c', verified(call, 'data', data)),
    ...said('verifiedMacCrc32c', verified(call, 'mac', given)),
  };
}

function macOf({ key, material, shape }: Target, data: Buffer): Buffer {
  if (shape.family !== 'hmac') throw wrongPurpose(key, 'MacSign');
  return createHmac(shape.hash, material).update(data).digest();
}

export function getPublicKey(call: Call): Answer {
  const used = target(call, versionOf(call, call.name));
  if (used.shape.family === 'symmetric' || used.shape.family === 'hmac') throw wrongPurpose(used.key, 'GetPublicKey');
  const format = readEnum('publicKeyFormat', call.query.get('publicKeyFormat') ?? undefined, 'public_key_format');
  const key = publicKeyOf(used.material);
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  const data = format === 'DER' ? key.export({ type: 'spki', format: 'der' }) : Buffer.from(pem);
  const shown =
    format === undefined
      ? { pem, pemCrc32c: crc32cText(Buffer.from(pem)) }
      : {
          publicKeyFormat: call.encode('publicKeyFormat', format),
          publicKey: { data: data.toString('base64'), crc32cChecksum: crc32cText(data) },
        };
  return { ...shown, ...about(call, used), algorithm: call.encode('algorithm', used.version.algorithm) };
}
