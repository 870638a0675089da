import { constants, createPublicKey, sign, verify } from 'node:crypto';
import type { SignKeyObjectInput } from 'node:crypto';
import * as z from 'zod/mini';
import { backingMaterial } from './custom-key-stores.ts';
import { stopDryRun, wrongUsage } from './encryption.ts';
import { KmsError, validationError } from './error.ts';
import { checkState } from './key-state.ts';
import type { KmsKey } from './key.ts';
import { algorithmsOf, privateKeyOf } from './key-spec.ts';
import { findKeyOrAlias } from './key-reference.ts';
import { query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { signDigest, verifyDigest } from './digest-signature.ts';
import type { DigestScheme } from './digest-signature.ts';
import { blob, dryRun, grantTokens, keyReference } from './schema.ts';

const signingAlgorithms = [
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'ECDSA_SHA_256',
  'ECDSA_SHA_384',
  'ECDSA_SHA_512',
] as const;
type SigningAlgorithm = (typeof signingAlgorithms)[number];

const signed = {
  KeyId: keyReference,
  Message: blob(1, 4096),
  MessageType: z._default(z.enum(['RAW', 'DIGEST']), 'RAW'),
  SigningAlgorithm: z.enum(signingAlgorithms),
  GrantTokens: grantTokens,
  DryRun: dryRun,
};
const signInput = z.object(signed);
const verifyInput = z.object({ ...signed, Signature: blob(1, 6144) });
type Signed = z.output<typeof signInput>;

/** Signatures by RSA and elliptic curve keys. */
export const signingOperations: Operations = {
  Sign: query(signInput, (input, call) => {
    const key = signingKey(call, input);
    stopDryRun(input.DryRun);
    return {
      KeyId: key.arn,
      Signature: signatureOf(key, input).toString('base64'),
      SigningAlgorithm: input.SigningAlgorithm,
    };
  }),

  Verify: query(verifyInput, (input, call) => {
    const key = signingKey(call, input);
    stopDryRun(input.DryRun);
    if (!isGenuine(key, input, input.Signature)) throw new KmsError('KMSInvalidSignatureException', '');
    return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: input.SigningAlgorithm };
  }),
};

function signingKey(call: Call, input: Signed): KmsKey {
  const key = findKeyOrAlias(call, input.KeyId);
  if (key.keyUsage !== 'SIGN_VERIFY') throw wrongUsage(key, call.operation);
  if (!algorithmsOf(key.keySpec, key.keyUsage)?.includes(input.SigningAlgorithm)) {
    throw new KmsError(
      'InvalidKeyUsageException',
      `Algorithm ${input.SigningAlgorithm} is incompatible with key spec ${key.keySpec}.`,
    );
  }
  checkState(call, key);
  const { bytes } = schemeOf(input.SigningAlgorithm);
  if (input.MessageType === 'DIGEST' && input.Message.length !== bytes) {
    throw validationError(`Digest is invalid length for algorithm ${input.SigningAlgorithm}.`);
  }
  return key;
}

function schemeOf(algorithm: SigningAlgorithm): DigestScheme {
  const bits = Number(algorithm.slice(-3));
  const padding = algorithm.startsWith('ECDSA') ? 'ecdsa' : algorithm.startsWith('RSASSA_PSS') ? 'pss' : 'pkcs1';
  return { hash: `sha${bits}`, bytes: bits / 8, padding };
}

function signatureOf(key: KmsKey, input: Signed): Buffer {
  const scheme = schemeOf(input.SigningAlgorithm);
  const privateKey = privateKeyOf(backingMaterial(key));
  if (input.MessageType === 'DIGEST') return signDigest(privateKey, scheme, input.Message);
  return sign(scheme.hash, input.Message, { key: privateKey, ...paddingOptions(scheme) });
}

function isGenuine(key: KmsKey, input: Signed, signature: Buffer): boolean {
  const scheme = schemeOf(input.SigningAlgorithm);
  const publicKey = createPublicKey(privateKeyOf(backingMaterial(key)));
  if (input.MessageType === 'DIGEST') return verifyDigest(publicKey, scheme, input.Message, signature);
  return verify(scheme.hash, input.Message, { key: publicKey, ...paddingOptions(scheme) }, signature);
}

function paddingOptions(scheme: DigestScheme): Omit<SignKeyObjectInput, 'key'> {
  switch (scheme.padding) {
    case 'ecdsa':
      return {};
    case 'pkcs1':
      return { padding: constants.RSA_PKCS1_PADDING };
    case 'pss':
      return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  }
}
