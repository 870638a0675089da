import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Fault } from '../fault.ts';

/**
 * An envelope: bytes of any length under a data key that only the custody key opens.
 *
 * | bytes | what |
 * |---|---|
 * | 1 | version, 1 |
 * | 2, then so many | length of the custody key's id, the id in UTF-8 |
 * | 2, then so many | length of the encrypted data key, the encrypted data key |
 * | 12 | nonce |
 * | rest but 16 | ciphertext, AES-256-GCM |
 * | 16 | tag |
 *
 * Everything before the nonce, and whom the envelope is for, is authenticated. Lengths are big-endian.
 */
export interface Envelope {
  readonly custodyKeyId: string;
  readonly encryptedDataKey: Uint8Array;
  /** Everything before the nonce, as it stands. */
  readonly header: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

const VERSION = 1;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

function withLength(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function authenticated(header: Uint8Array, recipient: string): Buffer {
  return Buffer.concat([header, Buffer.from(recipient, 'utf8')]);
}

/** Seals `plaintext` for `recipient` under a data key that is used for this once. Keeps neither. */
export function sealEnvelope(
  plaintext: Uint8Array,
  recipient: string,
  dataKey: { readonly custodyKeyId: string; readonly plaintext: Uint8Array; readonly encrypted: Uint8Array },
): Uint8Array {
  const header = Buffer.concat([
    Buffer.of(VERSION),
    withLength(Buffer.from(dataKey.custodyKeyId, 'utf8')),
    withLength(dataKey.encrypted),
  ]);
  const nonce = randomBytes(NONCE_LENGTH);
  const cipher = createCipheriv('aes-256-gcm', dataKey.plaintext, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(authenticated(header, recipient));
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Reads the parts. Throws `internal` for anything that is no envelope of this version. */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (buffer.readUInt8(0) !== VERSION) throw new RangeError('unknown version');
    const idEnd = 3 + buffer.readUInt16BE(1);
    const headerEnd = idEnd + 2 + buffer.readUInt16BE(idEnd);
    const ciphertextAt = headerEnd + NONCE_LENGTH;
    const tagAt = buffer.length - TAG_LENGTH;
    if (tagAt < ciphertextAt) throw new RangeError('too short');
    return {
      custodyKeyId: buffer.toString('utf8', 3, idEnd),
      encryptedDataKey: buffer.subarray(idEnd + 2, headerEnd),
      header: buffer.subarray(0, headerEnd),
      nonce: buffer.subarray(headerEnd, ciphertextAt),
      ciphertext: buffer.subarray(ciphertextAt, tagAt),
      tag: buffer.subarray(tagAt),
    };
  } catch (cause) {
    throw new Fault('internal', 'What is kept for this record is not in a form that this version of Shearline reads.', {
      cause,
    });
  }
}

/** The plaintext, which the caller must zero. Throws `internal` when it was sealed for somebody else, or was altered. */
export function openEnvelope(envelope: Envelope, dataKey: Uint8Array, recipient: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', dataKey, envelope.nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(authenticated(envelope.header, recipient));
  decipher.setAuthTag(envelope.tag);
  const plaintext = decipher.update(envelope.ciphertext);
  try {
    return Buffer.concat([plaintext, decipher.final()]);
  } catch (cause) {
    throw new Fault('internal', 'What is kept for this record was not encrypted for it, or was altered.', { cause });
  } finally {
    plaintext.fill(0);
  }
}
