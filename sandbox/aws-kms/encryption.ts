import { constants, createPublicKey, privateDecrypt, publicEncrypt } from 'node:crypto';
import * as z from 'zod/mini';
import { decryptUnder, encryptUnder, invalidCiphertext, readCiphertext } from './ciphertext.ts';
import { backingMaterial, materialMissing } from './custom-key-stores.ts';
import { KmsError, validationError } from './error.ts';
import { checkState } from './key-state.ts';
import { currentMaterial, isSymmetricEncryption } from './key.ts';
import type { KmsKey } from './key.ts';
import { keySpecs, privateKeyOf } from './key-spec.ts';
import { findKeyOrAlias } from './key-reference.ts';
import { query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { blob, dryRun, encryptionContext, grantTokens, keyReference } from './schema.ts';

const algorithm = z._default(
  z.enum(['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256']),
  'SYMMETRIC_DEFAULT',
);
type Algorithm = z.output<typeof algorithm>;
type Context = Record<string, string> | undefined;

/** Encrypt, Decrypt and ReEncrypt, under symmetric and RSA keys. */
export const encryptionOperations: Operations = {
  Encrypt: query(
    z.object({
      KeyId: keyReference,
      Plaintext: blob(1, 4096),
      EncryptionContext: encryptionContext,
      EncryptionAlgorithm: algorithm,
      GrantTokens: grantTokens,
      DryRun: dryRun,
    }),
    (input, call) => {
      const key = encryptionKey(call, input.KeyId);
      checkAlgorithm(key, input.EncryptionAlgorithm);
      stopDryRun(input.DryRun);
      const ciphertext = encrypt(key, input.EncryptionAlgorithm, input.Plaintext, input.EncryptionContext);
      return {
        CiphertextBlob: ciphertext.toString('base64'),
        KeyId: key.arn,
        EncryptionAlgorithm: input.EncryptionAlgorithm,
      };
    },
  ),

  Decrypt: query(
    z.object({
      CiphertextBlob: blob(1, 6144),
      KeyId: z.optional(keyReference),
      EncryptionContext: encryptionContext,
      EncryptionAlgorithm: algorithm,
      GrantTokens: grantTokens,
      DryRun: dryRun,
    }),
    (input, call) => {
      const opened = decrypt(
        call,
        input.KeyId,
        input.CiphertextBlob,
        input.EncryptionAlgorithm,
        input.EncryptionContext,
      );
      stopDryRun(input.DryRun);
      return {
        KeyId: opened.key.arn,
        Plaintext: opened.plaintext.toString('base64'),
        EncryptionAlgorithm: input.EncryptionAlgorithm,
        ...(opened.materialId && { KeyMaterialId: opened.materialId }),
      };
    },
  ),

  ReEncrypt: query(
    z.object({
      CiphertextBlob: blob(1, 6144),
      SourceKeyId: z.optional(keyReference),
      SourceEncryptionContext: encryptionContext,
      SourceEncryptionAlgorithm: algorithm,
      DestinationKeyId: keyReference,
      DestinationEncryptionContext: encryptionContext,
      DestinationEncryptionAlgorithm: algorithm,
      GrantTokens: grantTokens,
      DryRun: dryRun,
    }),
    (input, call) => {
      const { SourceEncryptionAlgorithm: from, DestinationEncryptionAlgorithm: to } = input;
      const source = decrypt(call, input.SourceKeyId, input.CiphertextBlob, from, input.SourceEncryptionContext);
      const key = encryptionKey(call, input.DestinationKeyId);
      checkAlgorithm(key, to);
      stopDryRun(input.DryRun);
      const destinationMaterial = isSymmetricEncryption(key) ? currentMaterial(key)?.id : undefined;
      return {
        CiphertextBlob: encrypt(key, to, source.plaintext, input.DestinationEncryptionContext).toString('base64'),
        SourceKeyId: source.key.arn,
        KeyId: key.arn,
        SourceEncryptionAlgorithm: from,
        DestinationEncryptionAlgorithm: to,
        ...(source.materialId && { SourceKeyMaterialId: source.materialId }),
        ...(destinationMaterial && { DestinationKeyMaterialId: destinationMaterial }),
      };
    },
  ),
};

/** A key that encrypts, in a state that lets it. */
export function encryptionKey(call: Call, reference: string): KmsKey {
  const key = findKeyOrAlias(call, reference);
  if (key.keyUsage !== 'ENCRYPT_DECRYPT') throw wrongUsage(key, call.operation);
  checkState(call, key);
  return key;
}

export const wrongUsage = (key: KmsKey, operation: string): KmsError =>
  new KmsError(
    'InvalidKeyUsageException',
    `${key.arn} key usage is ${key.keyUsage} which is not valid for ${operation}.`,
  );

/** Throws what a dry run answers when the call itself would have succeeded. */
export function stopDryRun(requested: boolean | undefined): void {
  if (requested)
    throw new KmsError(
      'DryRunOperationException',
      'The request would have succeeded, but the DryRun option is set.',
      412,
    );
}

function checkAlgorithm(key: KmsKey, name: Algorithm): void {
  if ((name === 'SYMMETRIC_DEFAULT') === isSymmetricEncryption(key)) return;
  throw new KmsError('InvalidKeyUsageException', `Algorithm ${name} is incompatible with key spec ${key.keySpec}.`);
}

/** Encrypts under the key's current material. */
export function encryptSymmetric(key: KmsKey, plaintext: Buffer, context: Context): Buffer {
  const bytes = backingMaterial(key);
  const material = currentMaterial(key);
  if (!material) throw materialMissing(key);
  return encryptUnder(key, material, bytes, plaintext, context);
}

function encrypt(key: KmsKey, name: Algorithm, plaintext: Buffer, context: Context): Buffer {
  if (name === 'SYMMETRIC_DEFAULT') return encryptSymmetric(key, plaintext, context);
  refuseContext(context);
  const most = longestPlaintext(key, name);
  if (plaintext.length > most) {
    throw validationError(
      `Algorithm ${name} and key spec ${key.keySpec} cannot encrypt data larger than ${most} bytes.`,
    );
  }
  const publicKey = createPublicKey(privateKeyOf(backingMaterial(key)));
  return publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHash(name) },
    plaintext,
  );
}

const oaepHash = (name: Algorithm): string => (name === 'RSAES_OAEP_SHA_1' ? 'sha1' : 'sha256');

function longestPlaintext(key: KmsKey, name: Algorithm): number {
  const shape = keySpecs[key.keySpec];
  const modulus = shape.family === 'rsa' ? shape.bits / 8 : 0;
  return modulus - 2 * (name === 'RSAES_OAEP_SHA_1' ? 20 : 32) - 2;
}

function refuseContext(context: Context): void {
  if (context && Object.keys(context).length > 0) {
    throw validationError('EncryptionContext is supported only for symmetric encryption KMS keys.');
  }
}

interface Opened {
  key: KmsKey;
  plaintext: Buffer;
  materialId: string | undefined;
}

function decrypt(
  call: Call,
  reference: string | undefined,
  ciphertext: Buffer,
  name: Algorithm,
  context: Context,
): Opened {
  if (name === 'SYMMETRIC_DEFAULT') return decryptSymmetric(call, reference, ciphertext, context);
  if (reference === undefined)
    throw validationError('KeyId is required when the EncryptionAlgorithm is not SYMMETRIC_DEFAULT.');
  const key = encryptionKey(call, reference);
  checkAlgorithm(key, name);
  refuseContext(context);
  const options = {
    key: privateKeyOf(backingMaterial(key)),
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: oaepHash(name),
  };
  try {
    return { key, plaintext: privateDecrypt(options, ciphertext), materialId: undefined };
  } catch {
    throw invalidCiphertext();
  }
}

function decryptSymmetric(call: Call, reference: string | undefined, ciphertext: Buffer, context: Context): Opened {
  const frame = readCiphertext(ciphertext);
  if (reference !== undefined && findKeyOrAlias(call, reference).arn !== frame.keyArn) {
    throw new KmsError(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    );
  }
  const key = keyOfCiphertext(call, frame.keyArn);
  if (key.keyUsage !== 'ENCRYPT_DECRYPT') throw wrongUsage(key, call.operation);
  checkState(call, key);
  const material = key.materials.find((candidate) => candidate.id === frame.materialId);
  if (!material) throw invalidCiphertext();
  if (!material.bytes) throw materialMissing(key);
  return { key, plaintext: decryptUnder(material.bytes, frame, context), materialId: material.id };
}

function keyOfCiphertext(call: Call, arn: string): KmsKey {
  const key = call.world.keys.get(arn.slice(arn.lastIndexOf('/') + 1));
  if (key?.arn === arn) {
    call.touched.add(arn);
    return key;
  }
  throw new KmsError(
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  );
}
