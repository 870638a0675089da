import {
  constants,
  createDecipheriv,
  createPrivateKey,
  generateKeyPair,
  privateDecrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import * as z from 'zod/mini';
import type { Cloud, ImportToken, Instance } from './cloud.ts';
import { badBody, KmsError } from './error.ts';

/** Root keys may be of these lengths, in bytes. */
const LENGTHS: readonly number[] = [16, 24, 32];

export const MATERIAL = {
  payload: z.optional(z.string()),
  encryptedNonce: z.optional(z.string()),
  iv: z.optional(z.string()),
  encryptionAlgorithm: z.optional(z.string()),
};

interface Given {
  readonly payload?: string | undefined;
  readonly encryptedNonce?: string | undefined;
  readonly iv?: string | undefined;
  readonly encryptionAlgorithm?: string | undefined;
}

/** The material that a body brings along, unwrapped when it is wrapped; undefined when it brings none. Throws as IBM does. */
export function materialFrom(cloud: Cloud, instance: Instance, body: Given, what: string): Buffer | undefined {
  if (body.payload === undefined || body.payload === '') return undefined;
  const payload = base64(body.payload, what);
  const bytes = body.encryptedNonce === undefined ? payload : unwrapped(cloud, instance, payload, body, what);
  if (!LENGTHS.includes(bytes.length)) throw badBody(what, 'the key must be 128, 192 or 256 bits in length');
  return bytes;
}

function base64(text: string, what: string): Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw badBody(what, 'illegal base64 data');
  }
  return Buffer.from(text, 'base64');
}

function unwrapped(cloud: Cloud, instance: Instance, payload: Buffer, body: Given, what: string): Buffer {
  const token = validToken(cloud, instance, what);
  const hash = body.encryptionAlgorithm ?? 'RSAES_OAEP_SHA_256';
  const known = instance.variant === 'hpcs' ? ['RSAES_OAEP_SHA_256', 'RSAES_OAEP_SHA_1'] : ['RSAES_OAEP_SHA_256'];
  if (!known.includes(hash)) throw badBody(what, `unknown encryptionAlgorithm ${hash}`);
  let bytes: Buffer;
  try {
    bytes = privateDecrypt(
      {
        key: createPrivateKey({ key: token.privateKey, format: 'der', type: 'pkcs8' }),
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: hash === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256',
      },
      payload,
    );
  } catch {
    throw badBody(what, 'the payload was not encrypted with the public key of the import token');
  }
  const nonce = decryptedNonce(instance, bytes, base64(body.encryptedNonce ?? '', what), base64(body.iv ?? '', what));
  if (nonce === undefined) {
    throw new KmsError(400, what, {
      code: 'INCORRECT_NONCE_IV_ERR',
      message:
        'The provided encrypted nonce was not encrypted with the key material given OR the provided IV does not match the encrypted nonce',
    });
  }
  if (!nonce.equals(token.nonce)) {
    throw new KmsError(400, what, {
      code: 'INCORRECT_NONCE_ERR',
      message:
        'The encrypted nonce given does not match existing record. Please ensure the correct nonce was given in the request',
    });
  }
  return bytes;
}

/** Key Protect decrypts nonces by AES-GCM; Hyper Protect Crypto Services by AES-CBC with padding. */
function decryptedNonce(instance: Instance, key: Buffer, encrypted: Buffer, iv: Buffer): Buffer | undefined {
  try {
    if (instance.variant === 'hpcs') {
      const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
      return Buffer.concat([decipher.update(encrypted), decipher.final()]);
    }
    const decipher = createDecipheriv(`aes-${key.length * 8}-gcm` as 'aes-256-gcm', key, iv).setAuthTag(
      encrypted.subarray(-16),
    );
    return Buffer.concat([decipher.update(encrypted.subarray(0, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** The instance's import token while it is good. Throws 409 when it is not. */
export function validToken(cloud: Cloud, instance: Instance, what: string): ImportToken {
  const token = instance.importToken;
  if (token !== undefined && token.expiresAt > cloud.now()) return token;
  throw new KmsError(409, what, { code: 'IMPORT_TOKEN_EXPIRED_ERR', message: 'The import token has expired' });
}

let wrappingKey: Promise<Buffer> | undefined;

/** One for the whole process: an RSA key of 4096 bits takes a while to make, and here nothing is guarded by its being new. */
function madeWrappingKey(): Promise<Buffer> {
  return (wrappingKey ??= new Promise((resolve, reject) => {
    const encoding = { type: 'pkcs8', format: 'der' } as const;
    const publicKeyEncoding = { type: 'spki', format: 'der' } as const;
    generateKeyPair(
      'rsa',
      { modulusLength: 4096, privateKeyEncoding: encoding, publicKeyEncoding },
      (error, _, made) => {
        if (error === null) resolve(made);
        else reject(error);
      },
    );
  }));
}

/** A new import token; the instance has no other from then on. */
export async function newImportToken(
  cloud: Cloud,
  instance: Instance,
  options: { readonly expiration: number; readonly maxAllowedRetrievals: number },
): Promise<ImportToken> {
  const privateKey = await madeWrappingKey();
  const now = cloud.now();
  const token: ImportToken = {
    id: randomUUID(),
    createdAt: now,
    expiresAt: now + options.expiration * 1000,
    maxAllowedRetrievals: options.maxAllowedRetrievals,
    remainingRetrievals: options.maxAllowedRetrievals,
    nonce: randomBytes(12),
    privateKey,
  };
  cloud.setImportToken(instance, token);
  return token;
}
