import { constants, createDecipheriv, privateDecrypt } from 'node:crypto';
import * as z from 'zod/mini';
import { badParameter, forbidden } from './error.ts';
import { privateKeyOf } from './material.ts';
import type { Vault } from './world.ts';

/** "Bring your own key specification": what `key_hsm` holds, base64url encoded. */
const transferBlob = z.object({
  schema_version: z.literal('1.0.0'),
  header: z.object({ kid: z.string(), alg: z.literal('dir'), enc: z.literal('CKM_RSA_AES_KEY_WRAP') }),
  ciphertext: z.string(),
});

/** The initial value of AES key wrap with padding, RFC 5649 section 3. */
const keyWrapIv = Buffer.from('A65959A6', 'hex');

/** The material (PKCS #8 DER) in a key transfer blob: unwrapped with the key exchange key that its header names. */
export function unwrapTransfer(vault: Vault, blob: string): Buffer {
  const { header, ciphertext } = read(blob);
  const kek = exchangeKey(vault, header.kid);
  const bytes = Buffer.from(ciphertext, 'base64url');
  const length = (kek.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  try {
    const aes = privateDecrypt(
      { key: kek, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      bytes.subarray(0, length),
    );
    const decipher = createDecipheriv('id-aes256-wrap-pad', aes, keyWrapIv);
    const material = Buffer.concat([decipher.update(bytes.subarray(length)), decipher.final()]);
    privateKeyOf(material);
    return material;
  } catch {
    throw badParameter('The key transfer blob could not be unwrapped: its ciphertext is not what its header says.');
  }
}

function read(blob: string): z.output<typeof transferBlob> {
  try {
    return transferBlob.parse(JSON.parse(Buffer.from(blob, 'base64url').toString('utf8')));
  } catch {
    throw badParameter('key_hsm is not a key transfer blob.');
  }
}

function exchangeKey(vault: Vault, kid: string) {
  const [, collection, name = '', version] = URL.canParse(kid) ? new URL(kid).pathname.split('/') : [];
  const key = collection === 'keys' && new URL(kid).host === vault.host ? vault.key(name) : undefined;
  const found = key?.deletion === undefined ? key?.versions.find((each) => each.version === version) : undefined;
  if (found === undefined) throw badParameter(`The key exchange key ${kid} was not found in this vault.`);
  if (found.publicMembers.kty !== 'RSA-HSM' || found.operations.length !== 1 || found.operations[0] !== 'import') {
    throw badParameter(`The key ${kid} is no key exchange key: it must be RSA-HSM, with the operation import alone.`);
  }
  if (!found.enabled) throw forbidden('KeyDisabled', 'Operation import is not allowed on a disabled key.');
  return privateKeyOf(found.material);
}
