import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { GetParametersForImportCommand, ImportKeyMaterialCommand } from '@aws-sdk/client-kms';
import type {
  AlgorithmSpec,
  ImportKeyMaterialCommandInput,
  ImportKeyMaterialCommandOutput,
  KMSClient,
  WrappingKeySpec,
} from '@aws-sdk/client-kms';
import { given } from './kms-client.ts';

/** Wraps material as an owner of key material would, independently of how the sandbox unwraps. */
export function wrap(algorithm: AlgorithmSpec, publicKeyDer: Uint8Array, material: Buffer): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKeyDer), format: 'der', type: 'spki' });
  const oaepHash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256';
  const oaep = (bytes: Buffer) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, bytes);
  if (!algorithm.startsWith('RSA_AES')) return oaep(material);
  const aesKey = randomBytes(32);
  const cipher = createCipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('A65959A6', 'hex'));
  return Buffer.concat([oaep(aesKey), cipher.update(material), cipher.final()]);
}

export interface ImportChoice {
  algorithm?: AlgorithmSpec;
  wrappingKeySpec?: WrappingKeySpec;
  members?: Partial<ImportKeyMaterialCommandInput>;
}

export async function importMaterial(
  client: KMSClient,
  KeyId: string,
  material: Buffer,
  { algorithm = 'RSAES_OAEP_SHA_256', wrappingKeySpec = 'RSA_2048', members = {} }: ImportChoice = {},
): Promise<ImportKeyMaterialCommandOutput> {
  const parameters = await client.send(
    new GetParametersForImportCommand({ KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: wrappingKeySpec }),
  );
  return client.send(
    new ImportKeyMaterialCommand({
      KeyId,
      ImportToken: given(parameters.ImportToken),
      EncryptedKeyMaterial: wrap(algorithm, given(parameters.PublicKey), material),
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      ...members,
    }),
  );
}
