import {
  constants,
  createDecipheriv,
  createHash,
  createPublicKey,
  generateKeyPair,
  privateDecrypt,
  randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import * as z from 'zod/mini';
import { KmsError, invalidState, unsupported, validationError } from './error.ts';
import { checkState } from './key-state.ts';
import { isSymmetricEncryption, currentMaterial, materialId, newMaterial, wireTime } from './key.ts';
import type { KeyMaterial, KmsKey } from './key.ts';
import { keySpecs, normalizeMaterial, privateKeyOf } from './key-spec.ts';
import { findKey } from './key-reference.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { blob, keyReference, pattern } from './schema.ts';
import { tokenRecord } from './stored.ts';
import type { ImportToken, WrappingKey } from './world.ts';

const day = 86_400_000;
const wrappingAlgorithms = [
  'RSAES_PKCS1_V1_5',
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
] as const;
type WrappingAlgorithm = (typeof wrappingAlgorithms)[number];
const wrappingKeyBits = { RSA_2048: 2048, RSA_3072: 3072, RSA_4096: 4096 } as const;
type WrappingKeySpec = keyof typeof wrappingKeyBits;

const hex64 = pattern(64, 64, /^[a-f0-9]+$/);

const importInput = z.object({
  KeyId: keyReference,
  ImportToken: blob(1, 6144),
  EncryptedKeyMaterial: blob(1, 6144),
  ValidTo: z.optional(z.number()),
  ExpirationModel: z.optional(z.enum(['KEY_MATERIAL_EXPIRES', 'KEY_MATERIAL_DOES_NOT_EXPIRE'])),
  ImportType: z.optional(z.enum(['NEW_KEY_MATERIAL', 'EXISTING_KEY_MATERIAL'])),
  KeyMaterialDescription: z.optional(pattern(0, 256, /^[a-zA-Z0-9:/_\s.-]*$/)),
  KeyMaterialId: z.optional(hex64),
});
type ImportInput = z.output<typeof importInput>;

/** Key material brought in from outside, wrapped under a key that only this sandbox can unwrap with. */
export const importOperations: Operations = {
  GetParametersForImport: query(
    z.object({
      KeyId: keyReference,
      WrappingAlgorithm: z.enum(wrappingAlgorithms),
      WrappingKeySpec: z.enum(Object.keys(wrappingKeyBits) as [WrappingKeySpec, ...WrappingKeySpec[]]),
    }),
    async (input, call) => {
      const key = importable(call, input.KeyId);
      checkState(call, key);
      checkWrapping(key, input.WrappingAlgorithm, input.WrappingKeySpec);
      const wrapping = await wrappingKey(call, input.WrappingKeySpec);
      const token = randomBytes(256);
      const expiresAt = call.now + day;
      call.cloud.addImportToken(call.world, {
        id: tokenId(token),
        keyId: key.keyId,
        wrappingKeyId: wrapping.id,
        algorithm: input.WrappingAlgorithm,
        expiresAt,
        used: false,
      });
      const publicKey = createPublicKey(privateKeyOf(wrapping.privateKey)).export({ type: 'spki', format: 'der' });
      return {
        KeyId: key.arn,
        ImportToken: token.toString('base64'),
        PublicKey: publicKey.toString('base64'),
        ParametersValidTo: wireTime(expiresAt),
      };
    },
  ),

  ImportKeyMaterial: mutation(importInput, (input, call) => {
    const key = importable(call, input.KeyId);
    checkState(call, key);
    const expiresAt = expiry(input, call.now);
    checkSymmetricOnlyMembers(key, input);
    const token = usableToken(call, key, input.ImportToken);
    const bytes = normalizeMaterial(key.keySpec, unwrap(call, token, input.EncryptedKeyMaterial));
    if (!bytes) {
      throw new KmsError(
        'IncorrectKeyMaterialException',
        `The key material is not valid for a KMS key with key spec ${key.keySpec}.`,
      );
    }
    const wasComplete = key.materials.some((material) => material.state === 'CURRENT' && material.bytes);
    const material = place(key, bytes, input);
    material.bytes = bytes;
    material.expiresAt = expiresAt;
    if (input.KeyMaterialDescription !== undefined) material.description = input.KeyMaterialDescription;
    // A key that waited for material comes up enabled; one that had it stays as its owner left it.
    if (!wasComplete) key.enabled = true;
    token.used = true;
    call.cloud.saveKey(call.world, key, tokenRecord(call.world, token));
    call.cloud.scheduleKey(call.world, key);
    return { KeyId: key.arn, ...(isSymmetricEncryption(key) && { KeyMaterialId: material.id }) };
  }),

  DeleteImportedKeyMaterial: mutation(
    z.object({ KeyId: keyReference, KeyMaterialId: z.optional(hex64) }),
    (input, call) => {
      const key = importable(call, input.KeyId);
      const material = loseMaterial(key, input.KeyMaterialId);
      call.cloud.saveKey(call.world, key);
      return {
        KeyId: key.arn,
        ...(material && isSymmetricEncryption(key) && { KeyMaterialId: material.id }),
      };
    },
  ),
};

/** Drops one material's bytes. Material that still waits for its rotation leaves no trace, other material its id. */
export function loseMaterial(key: KmsKey, id: string | undefined): KeyMaterial | undefined {
  const material = id === undefined ? currentMaterial(key) : key.materials.find((candidate) => candidate.id === id);
  if (!material) {
    if (id === undefined) return undefined;
    throw new KmsError('NotFoundException', `Key material ${id} is not associated with ${key.arn}`);
  }
  material.bytes = undefined;
  material.expiresAt = undefined;
  if (material.state === 'PENDING_ROTATION') key.materials = key.materials.filter((other) => other !== material);
  return material;
}

function importable(call: Call, reference: string): KmsKey {
  const key = findKey(call, reference);
  if (key.origin !== 'EXTERNAL')
    throw unsupported(`${key.arn} origin is ${key.origin} which is not valid for this operation.`);
  return key;
}

/** The combinations that AWS documents as supported. */
function checkWrapping(key: KmsKey, algorithm: WrappingAlgorithm, spec: WrappingKeySpec): void {
  const { family } = keySpecs[key.keySpec];
  const wrapsAes = algorithm.startsWith('RSA_AES_KEY_WRAP');
  const refusedHere =
    algorithm === 'RSAES_PKCS1_V1_5' ||
    (family === 'rsa' && !wrapsAes) ||
    ((family === 'symmetric' || family === 'hmac') && wrapsAes) ||
    (key.keySpec === 'ECC_NIST_P521' && !wrapsAes && spec === 'RSA_2048');
  if (refusedHere) {
    throw unsupported(
      `Wrapping algorithm ${algorithm} with wrapping key spec ${spec} is not supported for key spec ${key.keySpec}.`,
    );
  }
}

const generatePair = promisify(generateKeyPair);

/** One wrapping key per account, region and spec serves a day: making a RSA_4096 key for every import takes seconds. */
async function wrappingKey(call: Call, spec: WrappingKeySpec): Promise<WrappingKey> {
  const { cloud, world, now } = call;
  const fresh = [...world.wrappingKeys.values()].find((key) => key.spec === spec && key.createdAt > now - day);
  if (fresh) return fresh;
  const name = `${spec} ${world.name}`;
  const making = cloud.wrappingKeysUnderWay.get(name) ?? makeWrappingKey(call, spec);
  cloud.wrappingKeysUnderWay.set(name, making);
  try {
    return await making;
  } finally {
    cloud.wrappingKeysUnderWay.delete(name);
  }
}

async function makeWrappingKey({ cloud, world, now }: Call, spec: WrappingKeySpec): Promise<WrappingKey> {
  const { privateKey } = await generatePair('rsa', { modulusLength: wrappingKeyBits[spec] });
  const made: WrappingKey = {
    id: randomBytes(16).toString('hex'),
    spec,
    createdAt: now,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
  };
  cloud.addWrappingKey(world, made);
  return made;
}

const tokenId = (token: Buffer): string => createHash('sha256').update(token).digest('hex');

function usableToken(call: Call, key: KmsKey, bytes: Buffer): ImportToken {
  const token = call.world.importTokens.get(tokenId(bytes));
  if (!token || token.keyId !== key.keyId || token.used) {
    throw new KmsError(
      'InvalidImportTokenException',
      'The import token is invalid, was used before, or belongs to a different KMS key.',
    );
  }
  if (token.expiresAt <= call.now) throw new KmsError('ExpiredImportTokenException', 'The import token is expired.');
  return token;
}

function unwrap(call: Call, token: ImportToken, encrypted: Buffer): Buffer {
  const wrapping = call.world.wrappingKeys.get(token.wrappingKeyId);
  const invalid = new KmsError('InvalidCiphertextException', 'The encrypted key material could not be decrypted.');
  if (!wrapping) throw invalid;
  const key = privateKeyOf(wrapping.privateKey);
  const hash = token.algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256';
  try {
    return token.algorithm.startsWith('RSA_AES') ? unwrapTwice(key, hash, encrypted) : unwrapOaep(key, hash, encrypted);
  } catch {
    throw invalid;
  }
}

const unwrapOaep = (key: KeyObject, oaepHash: string, encrypted: Buffer): Buffer =>
  privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, encrypted);

/** An AES key under RSA-OAEP, then the material under that key by AES Key Wrap with Padding (RFC 5649). */
function unwrapTwice(key: KeyObject, hash: string, encrypted: Buffer): Buffer {
  const modulusBytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  const aesKey = unwrapOaep(key, hash, encrypted.subarray(0, modulusBytes));
  const decipher = createDecipheriv(`id-aes${aesKey.length * 8}-wrap-pad`, aesKey, Buffer.from('A65959A6', 'hex'));
  return Buffer.concat([decipher.update(encrypted.subarray(modulusBytes)), decipher.final()]);
}

function expiry(input: ImportInput, now: number): number | undefined {
  const model = input.ExpirationModel ?? 'KEY_MATERIAL_EXPIRES';
  if (model === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (input.ValidTo === undefined) return undefined;
    throw validationError('A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE');
  }
  if (input.ValidTo === undefined)
    throw validationError('A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES');
  const at = input.ValidTo * 1000;
  if (at <= now) throw validationError('The validTo date must be in the future.');
  if (at > now + 365 * day) throw validationError('The validTo date must be within 365 days.');
  return at;
}

function checkSymmetricOnlyMembers(key: KmsKey, input: ImportInput): void {
  const given = input.ImportType ?? input.KeyMaterialDescription ?? input.KeyMaterialId;
  if (given !== undefined && !isSymmetricEncryption(key)) {
    throw unsupported(
      'ImportType, KeyMaterialDescription and KeyMaterialId are supported only for symmetric encryption KMS keys.',
    );
  }
  if (input.ImportType === 'NEW_KEY_MATERIAL' && input.KeyMaterialId !== undefined) {
    throw validationError('You cannot specify KeyMaterialId when ImportType is NEW_KEY_MATERIAL.');
  }
}

const incorrect = (message: string): KmsError => new KmsError('IncorrectKeyMaterialException', message);

/** Where the bytes belong: the key's first material, material for its next rotation, or material it already knows. */
function place(key: KmsKey, bytes: Buffer, input: ImportInput): KeyMaterial {
  const id = materialId(key.keyId, bytes);
  const known = key.materials.find((material) => material.id === id);
  const type = input.ImportType ?? (key.materials.length === 0 ? 'NEW_KEY_MATERIAL' : 'EXISTING_KEY_MATERIAL');
  if (type === 'EXISTING_KEY_MATERIAL') {
    if (!known || (input.KeyMaterialId !== undefined && input.KeyMaterialId !== id)) {
      throw incorrect('The key material is not the key material that was previously imported into this KMS key.');
    }
    return known;
  }
  if (known)
    throw incorrect('New key material was expected, but this key material is already associated with the KMS key.');
  if (key.materials.some((material) => material.state === 'PENDING_ROTATION')) {
    throw invalidState(`${key.arn} already has key material that is pending rotation.`);
  }
  const material = newMaterial(key.keyId, bytes, key.materials.length === 0 ? 'CURRENT' : 'PENDING_ROTATION');
  key.materials.push(material);
  return material;
}
