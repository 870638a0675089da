import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { findStore } from './custom-key-stores.ts';
import { encryptSymmetric, encryptionKey, stopDryRun } from './encryption.ts';
import { KmsError, validationError } from './error.ts';
import { currentMaterial, isSymmetricEncryption } from './key.ts';
import type { KmsKey } from './key.ts';
import { generateMaterial, publicKeyOf } from './key-spec.ts';
import type { KeyPairSpec } from './key-spec.ts';
import { query } from './operation.ts';
import type { Answer, Call, Operations } from './operation.ts';
import { dryRun, encryptionContext, grantTokens, integer, keyReference, text } from './schema.ts';

const dataKeyInput = z.object({
  KeyId: keyReference,
  EncryptionContext: encryptionContext,
  NumberOfBytes: z.optional(integer(1, 1024)),
  KeySpec: z.optional(z.enum(['AES_256', 'AES_128'])),
  GrantTokens: grantTokens,
  DryRun: dryRun,
});
type DataKeyInput = z.output<typeof dataKeyInput>;

const pairSpecs = [
  'RSA_2048',
  'RSA_3072',
  'RSA_4096',
  'ECC_NIST_P256',
  'ECC_NIST_P384',
  'ECC_NIST_P521',
  'ECC_SECG_P256K1',
] as const satisfies readonly KeyPairSpec[];
const dataKeyPairInput = z.object({
  KeyId: keyReference,
  KeyPairSpec: z.enum(pairSpecs),
  EncryptionContext: encryptionContext,
  GrantTokens: grantTokens,
  DryRun: dryRun,
});
type DataKeyPairInput = z.output<typeof dataKeyPairInput>;

/** Keys made for use outside, handed out with a copy encrypted under a KMS key. */
export const dataKeyOperations: Operations = {
  GenerateDataKey: query(dataKeyInput, (input, call) => {
    const { plaintext, answer } = dataKey(input, call);
    return { ...answer, Plaintext: plaintext.toString('base64') };
  }),

  GenerateDataKeyWithoutPlaintext: query(dataKeyInput, (input, call) => dataKey(input, call).answer),

  GenerateDataKeyPair: query(dataKeyPairInput, async (input, call) => {
    const { privateKey, answer } = await dataKeyPair(input, call);
    return { ...answer, PrivateKeyPlaintext: privateKey.toString('base64') };
  }),

  GenerateDataKeyPairWithoutPlaintext: query(
    dataKeyPairInput,
    async (input, call) => (await dataKeyPair(input, call)).answer,
  ),

  GenerateRandom: query(
    z.object({ NumberOfBytes: z.optional(integer(1, 1024)), CustomKeyStoreId: z.optional(text(1, 64)) }),
    (input, call) => {
      if (input.NumberOfBytes === undefined) throw validationError('NumberOfBytes is required.');
      checkStoreConnected(call, input.CustomKeyStoreId);
      return { Plaintext: randomBytes(input.NumberOfBytes).toString('base64') };
    },
  ),
};

function dataKey(input: DataKeyInput, call: Call): { plaintext: Buffer; answer: Answer } {
  if ((input.KeySpec === undefined) === (input.NumberOfBytes === undefined)) {
    throw validationError('Please specify either number of bytes or key spec.');
  }
  const key = symmetricKey(call, input.KeyId);
  stopDryRun(input.DryRun);
  const plaintext = randomBytes(input.NumberOfBytes ?? (input.KeySpec === 'AES_128' ? 16 : 32));
  const answer = {
    CiphertextBlob: encryptSymmetric(key, plaintext, input.EncryptionContext).toString('base64'),
    KeyId: key.arn,
    ...materialMember(key),
  };
  return { plaintext, answer };
}

async function dataKeyPair(input: DataKeyPairInput, call: Call): Promise<{ privateKey: Buffer; answer: Answer }> {
  symmetricKey(call, input.KeyId);
  stopDryRun(input.DryRun);
  const privateKey = await generateMaterial(input.KeyPairSpec);
  // The key may have been disabled while the pair was made.
  const key = symmetricKey(call, input.KeyId);
  const answer = {
    PrivateKeyCiphertextBlob: encryptSymmetric(key, privateKey, input.EncryptionContext).toString('base64'),
    PublicKey: publicKeyOf(privateKey).toString('base64'),
    KeyId: key.arn,
    KeyPairSpec: input.KeyPairSpec,
    ...materialMember(key),
  };
  return { privateKey, answer };
}

const materialMember = (key: KmsKey): Record<string, unknown> => ({ KeyMaterialId: currentMaterial(key)?.id });

function symmetricKey(call: Call, reference: string): KmsKey {
  const key = encryptionKey(call, reference);
  if (isSymmetricEncryption(key)) return key;
  throw new KmsError(
    'InvalidKeyUsageException',
    `${key.arn} key spec is ${key.keySpec} which is not valid for ${call.operation}.`,
  );
}

function checkStoreConnected(call: Call, id: string | undefined): void {
  if (id === undefined) return;
  const { connectionState } = findStore(call.world, id);
  if (connectionState === 'CONNECTED') return;
  throw new KmsError('CustomKeyStoreInvalidStateException', `${id} is in state ${connectionState}.`);
}
