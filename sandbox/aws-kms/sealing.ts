import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Encrypts key material for the disk. `context` binds a sealed text to its record: elsewhere it does not open. */
export interface Sealing {
  seal(bytes: Buffer, context: string): string;
  open(sealed: string, context: string): Buffer;
}

const ivLength = 12;
const tagLength = 16;

/** AES-256-GCM under a random key kept in that file, which only its owner may read. Made when it does not exist. */
export function fileSealing(keyFile: string): Sealing {
  const key = readOrMakeKey(keyFile);
  return {
    seal(bytes, context) {
      const iv = randomBytes(ivLength);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(bytes), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivLength));
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(ivLength, ivLength + tagLength));
      return Buffer.concat([decipher.update(bytes.subarray(ivLength + tagLength)), decipher.final()]);
    },
  };
}

function readOrMakeKey(file: string): Buffer {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600, flag: 'wx' });
  chmodSync(file, 0o600);
  const key = readFileSync(file);
  if (key.length !== 32) throw new Error(`${file} does not hold a 32 byte key`);
  return key;
}
