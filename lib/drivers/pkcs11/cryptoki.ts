import { createRequire } from 'node:module';
import { KeystoreFault } from '../driver.ts';

/** A slot, session or object. */
export type Handle = Buffer;

export interface Attribute {
  readonly type: number;
  readonly value: Buffer | string | number | boolean;
}

export interface Mechanism {
  readonly mechanism: number;
  readonly parameter?: {
    readonly type: number;
    readonly hashAlg: number;
    readonly mgf: number;
    readonly source: number;
  };
}

/** The calls of the PKCS #11 standard that the driver makes, in the shape that pkcs11js gives them. */
export interface Cryptoki {
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_GetMechanismList(slot: Handle): number[];
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseAllSessions(slot: Handle): void;
  C_Login(session: Handle, userType: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: Attribute[]): void;
  C_FindObjects(session: Handle, maximum: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, template: { readonly type: number }[]): { value: Buffer }[];
  C_SetAttributeValue(session: Handle, object: Handle, template: Attribute[]): void;
  C_CreateObject(session: Handle, template: Attribute[]): Handle;
  C_DestroyObject(session: Handle, object: Handle): void;
  C_GenerateKeyAsync(session: Handle, mechanism: Mechanism, template: Attribute[]): Promise<Handle>;
  C_GenerateKeyPairAsync(
    session: Handle,
    mechanism: Mechanism,
    publicTemplate: Attribute[],
    privateTemplate: Attribute[],
  ): Promise<{ publicKey: Handle; privateKey: Handle }>;
  C_UnwrapKey(session: Handle, mechanism: Mechanism, under: Handle, wrapped: Uint8Array, template: Attribute[]): Handle;
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Encrypt(session: Handle, input: Buffer, output: Buffer): Buffer;
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Sign(session: Handle, input: Buffer, output: Buffer): Buffer;
}

/** The standard's numbers, by their own names. Here and not from pkcs11js, so that nothing but `openLibrary` needs it. */
export const CKA = {
  CLASS: 0x000,
  TOKEN: 0x001,
  PRIVATE: 0x002,
  LABEL: 0x003,
  KEY_TYPE: 0x100,
  ID: 0x102,
  SENSITIVE: 0x103,
  ENCRYPT: 0x104,
  DECRYPT: 0x105,
  WRAP: 0x106,
  UNWRAP: 0x107,
  SIGN: 0x108,
  VERIFY: 0x10a,
  DERIVE: 0x10c,
  MODULUS: 0x120,
  MODULUS_BITS: 0x121,
  PUBLIC_EXPONENT: 0x122,
  VALUE_LEN: 0x161,
  EXTRACTABLE: 0x162,
  EC_PARAMS: 0x180,
  EC_POINT: 0x181,
} as const;

export const CKO = { PUBLIC_KEY: 2, PRIVATE_KEY: 3, SECRET_KEY: 4 } as const;

export const CKK = { CKK_RSA: 0x00, CKK_EC: 0x03, CKK_GENERIC_SECRET: 0x10, CKK_AES: 0x1f } as const;

export const CKM = {
  RSA_PKCS_KEY_PAIR_GEN: 0x0000,
  RSA_PKCS_OAEP: 0x0009,
  SHA_1: 0x0220,
  SHA256: 0x0250,
  SHA256_HMAC: 0x0251,
  SHA224_HMAC: 0x0256,
  SHA384_HMAC: 0x0261,
  SHA512_HMAC: 0x0271,
  GENERIC_SECRET_KEY_GEN: 0x0350,
  EC_KEY_PAIR_GEN: 0x1040,
  ECDSA: 0x1041,
  AES_KEY_GEN: 0x1080,
  AES_ECB: 0x1081,
  /** What SoftHSM 2 and others call RFC 5649. */
  AES_KEY_WRAP_PAD: 0x210a,
  /** RFC 5649 as PKCS #11 v3 calls it. */
  AES_KEY_WRAP_KWP: 0x210b,
  /** RFC 5649 as AWS CloudHSM calls it. */
  CLOUDHSM_AES_KEY_WRAP_ZERO_PAD: 0x8000216f,
} as const;

export const CKG = { MGF1_SHA1: 1, MGF1_SHA256: 2 } as const;
export const CKZ_DATA_SPECIFIED = 1;
export const CKU_USER = 1;
export const CKF = { RW_SESSION: 2, SERIAL_SESSION: 4, OS_LOCKING_OK: 2 } as const;
/** How pkcs11js is told the type of a mechanism's parameter. */
export const CK_PARAMS_RSA_OAEP = 4;

interface Pkcs11Js {
  readonly PKCS11: new () => Cryptoki & { load(path: string): void; C_Initialize(options: { flags: number }): void };
}

/** A process initialises a library once. */
const opened = new Map<string, Cryptoki>();

/**
 * The HSM's library at this path, initialised. The only place where native code is loaded: pkcs11js, an optional dependency, and through
 * it the library. Throws `unsupported` when either cannot be.
 */
export function openLibrary(path: string): Cryptoki {
  const found = opened.get(path);
  if (found !== undefined) return found;
  try {
    // Not by an import: a bundler would follow it to a file that only this function's image has.
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as Pkcs11Js;
    const library = new PKCS11();
    library.load(path);
    try {
      library.C_Initialize({ flags: CKF.OS_LOCKING_OK });
    } catch (error) {
      // By another thread of this process: to serve all functions from one is how they are run locally.
      if (!(error instanceof Error) || error.message !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error;
    }
    opened.set(path, library);
    return library;
  } catch (cause) {
    const what = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? 'The module pkcs11js' : path;
    throw new KeystoreFault('unsupported', `${what} cannot be loaded; PKCS11_LIBRARY must name the HSM's library.`, {
      cause,
    });
  }
}
