import { randomBytes, randomUUID } from 'node:crypto';
import * as z from 'zod/mini';
import { KmsError, limitExceeded, unsupported, validationError } from './error.ts';
import { checkState } from './key-state.ts';
import { algorithmMembers, keyMetadata, newMaterial } from './key.ts';
import type { KeyOrigin, KmsKey } from './key.ts';
import { algorithmsOf, generateMaterial, keySpecNames, keyUsages, publicKeyOf } from './key-spec.ts';
import type { KeySpec, KeyUsage } from './key-spec.ts';
import { findKey, findKeyOrAlias } from './key-reference.ts';
import { mutation, query } from './operation.ts';
import type { Call, Operations } from './operation.ts';
import { pageOf } from './paging.ts';
import { grantTokens, keyReference, limit, marker, tagList, text } from './schema.ts';
import { backingMaterial, storeForNewKey } from './custom-key-stores.ts';
import { tagsFrom } from './tags.ts';

const origins = ['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM'] as const;
const keySpec = z.enum(keySpecNames as [KeySpec, ...KeySpec[]]);

const createKeyInput = z.object({
  BypassPolicyLockoutSafetyCheck: z.optional(z.boolean()),
  CustomerMasterKeySpec: z.optional(keySpec),
  CustomKeyStoreId: z.optional(text(1, 64)),
  Description: z.optional(text(0, 8192)),
  KeySpec: z.optional(keySpec),
  KeyUsage: z.optional(z.enum(keyUsages)),
  MultiRegion: z.optional(z.boolean()),
  Origin: z.optional(z.enum(origins)),
  Policy: z.optional(text(1, 131_072)),
  Tags: z.optional(tagList),
});
type CreateKeyInput = z.output<typeof createKeyInput>;

interface Shape {
  keySpec: KeySpec;
  keyUsage: KeyUsage;
  origin: KeyOrigin;
}

async function createKey(input: CreateKeyInput, call: Call): Promise<Record<string, unknown>> {
  const shape = shapeOf(input);
  const tags = tagsFrom(call, input.Tags ?? []);
  const policy = input.Policy === undefined ? defaultPolicy(call) : validPolicy(input.Policy);
  admit(input, shape, call);
  const bytes = shape.origin === 'EXTERNAL' ? undefined : await generateMaterial(shape.keySpec);
  // Generating takes time in which the store may be disconnected, or the last free place be taken.
  admit(input, shape, call);

  const { cloud, world } = call;
  const keyId = input.MultiRegion ? `mrk-${randomBytes(16).toString('hex')}` : randomUUID();
  const key: KmsKey = {
    sequence: cloud.nextSequence(),
    keyId,
    arn: world.arn(`key/${keyId}`),
    accountId: world.accountId,
    region: world.region,
    createdAt: call.now,
    ...shape,
    multiRegion: input.MultiRegion ?? false,
    customKeyStoreId: input.CustomKeyStoreId,
    description: input.Description ?? '',
    enabled: true,
    deletionAt: undefined,
    materials: bytes ? [newMaterial(keyId, bytes, 'CURRENT')] : [],
    policy,
    tags,
    staleTags: undefined,
    rotation: undefined,
    onDemandRotations: 0,
    passing: undefined,
  };
  const lag = cloud.lag(world);
  if (lag > 0) key.staleTags = { until: call.now + lag, tags: {} };
  cloud.addKey(world, key);
  call.touched.add(key.arn);
  return { KeyMetadata: keyMetadata(key, call.now, world.storeOf(key)) };
}

function shapeOf(input: CreateKeyInput): Shape {
  if (input.KeySpec && input.CustomerMasterKeySpec) {
    throw validationError(
      'You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.',
    );
  }
  const spec = input.KeySpec ?? input.CustomerMasterKeySpec ?? 'SYMMETRIC_DEFAULT';
  if (!input.KeyUsage && spec !== 'SYMMETRIC_DEFAULT') {
    throw validationError('You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.');
  }
  const usage = input.KeyUsage ?? 'ENCRYPT_DECRYPT';
  if (!algorithmsOf(spec, usage)) throw validationError(`KeyUsage ${usage} is not compatible with KeySpec ${spec}`);
  return { keySpec: spec, keyUsage: usage, origin: input.Origin ?? 'AWS_KMS' };
}

function admit(input: CreateKeyInput, shape: Shape, call: Call): void {
  const { world, cloud } = call;
  if (world.keys.size >= cloud.limits.keys) {
    throw limitExceeded(
      'The request was rejected because you have reached the maximum number of KMS keys for this account and Region.',
    );
  }
  if (input.CustomKeyStoreId === undefined) {
    if (shape.origin !== 'AWS_CLOUDHSM') return;
    throw validationError('The CustomKeyStoreId parameter is required when the Origin is AWS_CLOUDHSM.');
  }
  if (shape.origin !== 'AWS_CLOUDHSM') {
    throw validationError('The Origin of a KMS key in an AWS CloudHSM key store must be AWS_CLOUDHSM.');
  }
  if (input.MultiRegion) throw unsupported('You cannot create a multi-Region key in a custom key store.');
  if (shape.keySpec !== 'SYMMETRIC_DEFAULT') {
    throw unsupported(`KeySpec ${shape.keySpec} is not supported for custom key stores`);
  }
  storeForNewKey(call, input.CustomKeyStoreId);
}

function defaultPolicy(call: Call): string {
  const partition = call.world.arn('').split(':')[1] ?? 'aws';
  return JSON.stringify(
    {
      Version: '2012-10-17',
      Id: 'key-default-1',
      Statement: [
        {
          Sid: 'Enable IAM User Permissions',
          Effect: 'Allow',
          Principal: { AWS: `arn:${partition}:iam::${call.world.accountId}:root` },
          Action: 'kms:*',
          Resource: '*',
        },
      ],
    },
    null,
    2,
  );
}

function validPolicy(policy: string): string {
  try {
    const parsed: unknown = JSON.parse(policy);
    if (typeof parsed === 'object' && parsed !== null && 'Statement' in parsed) return policy;
  } catch {
    // Falls through to the same refusal as a policy without statements.
  }
  throw new KmsError('MalformedPolicyDocumentException', 'Policy contains invalid syntax');
}

/** Keys as such: made, described, listed, switched on and off. */
export const keyOperations: Operations = {
  CreateKey: mutation(createKeyInput, createKey),

  DescribeKey: query(z.object({ KeyId: keyReference, GrantTokens: grantTokens }), ({ KeyId }, call) => {
    const key = findKeyOrAlias(call, KeyId);
    return { KeyMetadata: keyMetadata(key, call.now, call.world.storeOf(key)) };
  }),

  ListKeys: query(z.object({ Limit: limit(1000), Marker: marker }), (input, { world }) =>
    pageOf(world.keyOrder, 'Keys', input, 100, (key) => ({ KeyId: key.keyId, KeyArn: key.arn })),
  ),

  UpdateKeyDescription: mutation(z.object({ KeyId: keyReference, Description: text(0, 8192) }), (input, call) => {
    const key = findKey(call, input.KeyId);
    checkState(call, key);
    key.description = input.Description;
    call.cloud.saveKey(call.world, key);
    return undefined;
  }),

  EnableKey: mutation(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    setEnabled(call, KeyId, true);
    return undefined;
  }),

  DisableKey: mutation(z.object({ KeyId: keyReference }), ({ KeyId }, call) => {
    setEnabled(call, KeyId, false);
    return undefined;
  }),

  GetKeyPolicy: query(z.object({ KeyId: keyReference, PolicyName: z.optional(text(1, 128)) }), (input, call) => {
    checkPolicyName(input.PolicyName);
    return { Policy: findKey(call, input.KeyId).policy, PolicyName: 'default' };
  }),

  PutKeyPolicy: mutation(
    z.object({
      KeyId: keyReference,
      PolicyName: z.optional(text(1, 128)),
      Policy: text(1, 131_072),
      BypassPolicyLockoutSafetyCheck: z.optional(z.boolean()),
    }),
    (input, call) => {
      checkPolicyName(input.PolicyName);
      const key = findKey(call, input.KeyId);
      key.policy = validPolicy(input.Policy);
      call.cloud.saveKey(call.world, key);
      return undefined;
    },
  ),

  ListKeyPolicies: query(z.object({ KeyId: keyReference, Limit: limit(1000), Marker: marker }), ({ KeyId }, call) => {
    findKey(call, KeyId);
    return { PolicyNames: ['default'], Truncated: false };
  }),

  ListGrants: query(z.object({ KeyId: keyReference, Limit: limit(100), Marker: marker }), ({ KeyId }, call) => {
    findKey(call, KeyId);
    return { Grants: [], Truncated: false };
  }),

  GetPublicKey: query(z.object({ KeyId: keyReference, GrantTokens: grantTokens }), ({ KeyId }, call) => {
    const key = findKeyOrAlias(call, KeyId);
    if (key.keyUsage === 'GENERATE_VERIFY_MAC' || key.keySpec === 'SYMMETRIC_DEFAULT') {
      throw unsupported(`${key.arn} key spec is ${key.keySpec} which is not valid for GetPublicKey.`);
    }
    checkState(call, key);
    return {
      KeyId: key.arn,
      PublicKey: publicKeyOf(backingMaterial(key)).toString('base64'),
      CustomerMasterKeySpec: key.keySpec,
      KeySpec: key.keySpec,
      KeyUsage: key.keyUsage,
      ...algorithmMembers(key),
    };
  }),
};

function setEnabled(call: Call, reference: string, enabled: boolean): void {
  const key = findKey(call, reference);
  checkState(call, key);
  key.enabled = enabled;
  call.cloud.saveKey(call.world, key);
}

function checkPolicyName(name: string | undefined): void {
  if (name !== undefined && name !== 'default') throw new KmsError('NotFoundException', `No such policy exists`);
}
