import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';

/** The initial value of AES key wrap with padding, RFC 5649 section 3. */
const KEY_WRAP_IV = Buffer.from('A65959A6', 'hex');

/**
 * Wraps material for an import job by RSA_OAEP_…_SHA256_AES_256 (CKM_RSA_AES_KEY_WRAP): an ephemeral AES key under the job's public key
 * (PEM), followed by the material under that AES key. Leaves no copy of the material, and none of the ephemeral key, behind.
 */
export function wrap(material: Uint8Array, publicKeyPem: string): Uint8Array {
  const ephemeral = randomBytes(32);
  try {
    const oaep = { key: publicKeyPem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
    const cipher = createCipheriv('id-aes256-wrap-pad', ephemeral, KEY_WRAP_IV);
    return Buffer.concat([publicEncrypt(oaep, ephemeral), cipher.update(material), cipher.final()]);
  } finally {
    ephemeral.fill(0);
  }
}
