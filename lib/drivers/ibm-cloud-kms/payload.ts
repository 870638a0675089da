import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';
import type { KeyInKeystore, StepContext } from '../driver.ts';
import type { IbmCalls, ImportToken, Payload } from './calls.ts';
import { hasCode } from './faults.ts';
import type { IbmVariant } from './kind.ts';
import { checkOf } from './names.ts';

/** Answers that a payload gets when the instance's one import token is not any more the one that it was wrapped for. */
const OTHER_TOKEN = ['IMPORT_TOKEN_EXPIRED_ERR', 'INCORRECT_NONCE_ERR', 'BAD_BODY_ERR'] as const;

/** Material on its way, with what tells it from other material afterwards. */
export interface Brought {
  readonly payload: Payload;
  readonly check: string;
}

/**
 * Hands `use` the key version's material as the service takes it. All of an instance share one import token, which anybody may replace at
 * any time: once more with the new one, then. All those answers say that nothing was done.
 */
export async function bringing<T>(
  key: KeyInKeystore,
  context: StepContext,
  calls: IbmCalls,
  variant: IbmVariant,
  use: (brought: Brought | undefined) => Promise<T>,
): Promise<T> {
  if (key.spec.material !== 'imported') return use(undefined);
  const attempt = async () => {
    const token = await calls.importToken(context.signal);
    const brought = await context.withMaterial((material) =>
      Promise.resolve({ payload: payloadOf(material, token, variant), check: checkOf(material, key) }),
    );
    return use(brought);
  };
  try {
    return await attempt();
  } catch (error) {
    if (!hasCode(error, ...OTHER_TOKEN)) throw error;
    return attempt();
  }
}

/**
 * The material under the public key of the import token, with the token's nonce under the material: so the service knows that it unwrapped
 * what was meant. Key Protect takes the nonce under AES-GCM, Hyper Protect Crypto Services under AES-CBC with padding. Without a token it
 * is base64 under TLS alone. Leaves no copy of the material behind but, in that case, what is sent.
 */
export function payloadOf(material: Uint8Array, token: ImportToken | undefined, variant: IbmVariant): Payload {
  if (token === undefined)
    return { payload: Buffer.from(material.buffer, material.byteOffset, material.length).toString('base64') };
  const wrapped = publicEncrypt(
    { key: token.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    material,
  );
  const { encrypted, iv } = variant === 'hpcs' ? byCbc(material, token.nonce) : byGcm(material, token.nonce);
  return {
    payload: wrapped.toString('base64'),
    encryptedNonce: encrypted.toString('base64'),
    iv: iv.toString('base64'),
    encryptionAlgorithm: 'RSAES_OAEP_SHA_256',
  };
}

interface EncryptedNonce {
  readonly encrypted: Buffer;
  readonly iv: Buffer;
}

function byGcm(material: Uint8Array, nonce: Uint8Array): EncryptedNonce {
  const iv = randomBytes(12);
  const cipher = createCipheriv(`aes-${material.length * 8}-gcm` as 'aes-256-gcm', material, iv);
  return { encrypted: Buffer.concat([cipher.update(nonce), cipher.final(), cipher.getAuthTag()]), iv };
}

function byCbc(material: Uint8Array, nonce: Uint8Array): EncryptedNonce {
  const iv = randomBytes(16);
  const cipher = createCipheriv(`aes-${material.length * 8}-cbc`, material, iv);
  return { encrypted: Buffer.concat([cipher.update(nonce), cipher.final()]), iv };
}
