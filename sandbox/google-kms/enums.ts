import { algorithmNumbers } from './algorithms.ts';
import { invalid } from './error.ts';

/** Names and numbers of the API's enums, as `google/cloud/kms/v1/resources.proto` has them. */
const numbers = {
  purpose: { ENCRYPT_DECRYPT: 1, ASYMMETRIC_SIGN: 5, ASYMMETRIC_DECRYPT: 6, RAW_ENCRYPT_DECRYPT: 7, MAC: 9 },
  protectionLevel: { SOFTWARE: 1, HSM: 2, EXTERNAL: 3, EXTERNAL_VPC: 4 },
  versionState: {
    PENDING_GENERATION: 5,
    ENABLED: 1,
    DISABLED: 2,
    DESTROYED: 3,
    DESTROY_SCHEDULED: 4,
    PENDING_IMPORT: 6,
    IMPORT_FAILED: 7,
    GENERATION_FAILED: 8,
  },
  algorithm: algorithmNumbers,
  importMethod: {
    RSA_OAEP_3072_SHA1_AES_256: 1,
    RSA_OAEP_4096_SHA1_AES_256: 2,
    RSA_OAEP_3072_SHA256_AES_256: 3,
    RSA_OAEP_4096_SHA256_AES_256: 4,
    RSA_OAEP_3072_SHA256: 5,
    RSA_OAEP_4096_SHA256: 6,
  },
  jobState: { PENDING_GENERATION: 1, ACTIVE: 2, EXPIRED: 3 },
  publicKeyFormat: { PEM: 1, DER: 2 },
} as const satisfies Record<string, Record<string, number>>;

export type EnumName = keyof typeof numbers;
export type EnumValue<E extends EnumName> = keyof (typeof numbers)[E] & string;

/** How an answer writes an enum's value: its name, or its number for clients that ask for `enum-encoding=int`. */
export type Encode = <E extends EnumName>(name: E, value: EnumValue<E>) => string | number;

export const asNames: Encode = (_name, value) => value;
export const asNumbers: Encode = (name, value) => (numbers[name] as Record<string, number>)[value] ?? 0;

/** Reads a value that a client wrote by name or number; undefined for none, or the unspecified one. */
export function readEnum<E extends EnumName>(name: E, given: unknown, field: string): EnumValue<E> | undefined {
  if (given === undefined || given === null || given === 0) return undefined;
  const values = numbers[name] as Record<string, number>;
  if (typeof given === 'string') {
    if (given.endsWith('_UNSPECIFIED')) return undefined;
    if (Object.hasOwn(values, given)) return given as EnumValue<E>;
    const byNumber = /^\d+$/.test(given) ? Number(given) : undefined;
    if (byNumber !== undefined) return readEnum(name, byNumber, field);
  }
  const found = Object.entries(values).find(([, number]) => number === given);
  if (found === undefined) {
    throw invalid(`Invalid value at '${field}' (type.googleapis.com/google.cloud.kms.v1), ${JSON.stringify(given)}`);
  }
  return found[0] as EnumValue<E>;
}
