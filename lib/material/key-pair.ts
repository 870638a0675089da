import type { KeyObject } from 'node:crypto';
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

/** The key pairs that Shearline makes, as AWS KMS calls them. */
export type KeyPairSpec =
  'RSA_2048' | 'RSA_3072' | 'RSA_4096' | 'ECC_NIST_P256' | 'ECC_NIST_P384' | 'ECC_NIST_P521' | 'ECC_SECG_P256K1';

const makeKeyPair = promisify(generateKeyPair);

function make(spec: KeyPairSpec): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  switch (spec) {
    case 'RSA_2048':
      return makeKeyPair('rsa', { modulusLength: 2048 });
    case 'RSA_3072':
      return makeKeyPair('rsa', { modulusLength: 3072 });
    case 'RSA_4096':
      return makeKeyPair('rsa', { modulusLength: 4096 });
    case 'ECC_NIST_P256':
      return makeKeyPair('ec', { namedCurve: 'P-256' });
    case 'ECC_NIST_P384':
      return makeKeyPair('ec', { namedCurve: 'P-384' });
    case 'ECC_NIST_P521':
      return makeKeyPair('ec', { namedCurve: 'P-521' });
    case 'ECC_SECG_P256K1':
      return makeKeyPair('ec', { namedCurve: 'secp256k1' });
  }
}

/** A new key pair from this process: PKCS #8 DER, which the caller must zero, and SubjectPublicKeyInfo DER. */
export async function generateKeyPairLocally(
  spec: KeyPairSpec,
): Promise<{ privateKey: Uint8Array; publicKey: Uint8Array }> {
  const { privateKey, publicKey } = await make(spec);
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
  };
}
