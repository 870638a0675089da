import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { KmsError } from './error.ts';
import type { KeyMaterial, KmsKey } from './key.ts';

const version = 1;
const ivLength = 12;
const tagLength = 16;
const materialIdLength = 32;

/** A symmetric ciphertext: it names its key and its material, and is bound to both and to the encryption context. */
export interface Ciphertext {
  keyArn: string;
  materialId: string;
  header: Buffer;
  iv: Buffer;
  tag: Buffer;
  body: Buffer;
}

export const invalidCiphertext = (): KmsError => new KmsError('InvalidCiphertextException', '');

export function encryptUnder(
  key: KmsKey,
  material: KeyMaterial,
  bytes: Buffer,
  plaintext: Buffer,
  context: Record<string, string> | undefined,
): Buffer {
  const arn = Buffer.from(key.arn);
  const head = Buffer.alloc(3);
  head.writeUInt8(version);
  head.writeUInt16BE(arn.length, 1);
  const header = Buffer.concat([head, arn, Buffer.from(material.id, 'hex')]);
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', bytes, iv).setAAD(associatedData(header, context));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, iv, cipher.getAuthTag(), body]);
}

/** Reads the frame only; whether it is genuine shows when it is decrypted. */
export function readCiphertext(blob: Buffer): Ciphertext {
  if (blob.length < 3 || blob.readUInt8() !== version) throw invalidCiphertext();
  const idAt = 3 + blob.readUInt16BE(1);
  const ivAt = idAt + materialIdLength;
  const tagAt = ivAt + ivLength;
  const bodyAt = tagAt + tagLength;
  if (blob.length < bodyAt) throw invalidCiphertext();
  return {
    keyArn: blob.toString('utf8', 3, idAt),
    materialId: blob.toString('hex', idAt, ivAt),
    header: blob.subarray(0, ivAt),
    iv: blob.subarray(ivAt, tagAt),
    tag: blob.subarray(tagAt, bodyAt),
    body: blob.subarray(bodyAt),
  };
}

export function decryptUnder(
  bytes: Buffer,
  ciphertext: Ciphertext,
  context: Record<string, string> | undefined,
): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', bytes, ciphertext.iv);
  decipher.setAAD(associatedData(ciphertext.header, context)).setAuthTag(ciphertext.tag);
  try {
    return Buffer.concat([decipher.update(ciphertext.body), decipher.final()]);
  } catch {
    throw invalidCiphertext();
  }
}

/** The order in which a caller writes the context does not matter. */
function associatedData(header: Buffer, context: Record<string, string> = {}): Buffer {
  const sorted = Object.entries(context).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Buffer.concat([header, Buffer.from(JSON.stringify(sorted))]);
}
