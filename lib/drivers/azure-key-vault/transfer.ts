import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls, AzureKey } from './calls.ts';
import { lookUntil } from './consistency.ts';
import { KEK_NAME } from './kind.ts';

/** Bits of the key exchange key that we make. */
const KEK_BITS = 3072;

/** The key that HSM keys are wrapped under on their way into a vault's HSM. */
export interface ExchangeKey {
  readonly id: string;
  readonly publicKey: KeyObject;
}

/**
 * The vault's key exchange key: an RSA-HSM key that can be used for `import` and nothing else. It is made when it is missing, and called
 * back when it is deleted. One that somebody else made under this name serves as well, if it is such a key.
 */
export async function exchangeKey(calls: AzureCalls, signal: AbortSignal): Promise<ExchangeKey> {
  const found = (await calls.newest(KEK_NAME, signal)) ?? (await remade(calls, signal));
  if (found.keyType !== 'RSA-HSM' || !found.operations.includes('import') || found.publicKey === undefined) {
    throw new KeystoreFault(
      'conflict',
      `The key ${KEK_NAME} in this vault is not an RSA-HSM key with the operation import, so nothing can be imported under it; delete and purge it.`,
    );
  }
  if (!found.enabled) {
    throw new KeystoreFault(
      'conflict',
      `The key ${KEK_NAME} in this vault is disabled; enable it, so that keys can be imported.`,
    );
  }
  return { id: found.id, publicKey: found.publicKey };
}

async function remade(calls: AzureCalls, signal: AbortSignal): Promise<AzureKey> {
  const deleted = await calls.deleted(KEK_NAME, signal);
  if (deleted === undefined) {
    return calls.createKey(KEK_NAME, { keyType: 'RSA-HSM', bits: KEK_BITS, operations: ['import'], tags: {} }, signal);
  }
  await calls.recover(KEK_NAME, signal);
  const found = await lookUntil(
    signal,
    () => calls.newest(KEK_NAME, signal),
    (seen) => seen !== undefined,
  );
  if (found !== undefined) return found;
  throw new KeystoreFault('unavailable', `The key ${KEK_NAME} is being recovered and is not back yet.`);
}

/** The initial value of AES key wrap with padding, RFC 5649 section 3. */
const KEY_WRAP_IV = Buffer.from('A65959A6', 'hex');

/**
 * The key transfer blob of the "Bring your own key specification": the material (PKCS #8 DER) under CKM_RSA_AES_KEY_WRAP, that is an
 * ephemeral AES key under RSA-OAEP with SHA-1, as the specification has it, followed by the material under that AES key. Leaves no copy of
 * the material, and none of the ephemeral key, behind.
 */
export function transferBlob(material: Uint8Array, kek: ExchangeKey): Uint8Array {
  const ephemeral = randomBytes(32);
  try {
    const wrappedKey = publicEncrypt(
      { key: kek.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      ephemeral,
    );
    const cipher = createCipheriv('id-aes256-wrap-pad', ephemeral, KEY_WRAP_IV);
    const ciphertext = Buffer.concat([wrappedKey, cipher.update(material), cipher.final()]);
    return Buffer.from(
      JSON.stringify({
        schema_version: '1.0.0',
        header: { kid: kek.id, alg: 'dir', enc: 'CKM_RSA_AES_KEY_WRAP' },
        ciphertext: ciphertext.toString('base64url'),
        generator: 'Shearline',
      }),
    );
  } finally {
    ephemeral.fill(0);
  }
}
