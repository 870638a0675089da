import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  GetParametersForImportCommand,
  ListAliasesCommand,
  ListResourceTagsCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms';
import type { KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { given, refusal, useKms } from './kms-client.ts';

const kms = useKms();

type Outcome = 'ok' | 'DisabledException' | 'KMSInvalidStateException' | 'UnsupportedOperationException';
const states = ['Enabled', 'Disabled', 'PendingImport', 'PendingDeletion', 'Unavailable'] as const;
type State = (typeof states)[number];

const disabled = 'DisabledException';
const invalid = 'KMSInvalidStateException';
const unsupported = 'UnsupportedOperationException';

type Send = (client: KMSClient, KeyId: string) => Promise<unknown>;
const calls: Record<string, Send> = {
  CancelKeyDeletion: (client, KeyId) => client.send(new CancelKeyDeletionCommand({ KeyId })),
  CreateAlias: (client, KeyId) =>
    client.send(new CreateAliasCommand({ AliasName: `alias/${crypto.randomUUID()}`, TargetKeyId: KeyId })),
  DescribeKey: (client, KeyId) => client.send(new DescribeKeyCommand({ KeyId })),
  DisableKey: (client, KeyId) => client.send(new DisableKeyCommand({ KeyId })),
  DisableKeyRotation: (client, KeyId) => client.send(new DisableKeyRotationCommand({ KeyId })),
  EnableKey: (client, KeyId) => client.send(new EnableKeyCommand({ KeyId })),
  EnableKeyRotation: (client, KeyId) => client.send(new EnableKeyRotationCommand({ KeyId })),
  Encrypt: (client, KeyId) => client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })),
  GenerateDataKey: (client, KeyId) => client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })),
  GetKeyPolicy: (client, KeyId) => client.send(new GetKeyPolicyCommand({ KeyId })),
  GetKeyRotationStatus: (client, KeyId) => client.send(new GetKeyRotationStatusCommand({ KeyId })),
  GetParametersForImport: (client, KeyId) =>
    client.send(
      new GetParametersForImportCommand({
        KeyId,
        WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
        WrappingKeySpec: 'RSA_2048',
      }),
    ),
  ListAliases: (client, KeyId) => client.send(new ListAliasesCommand({ KeyId })),
  ListResourceTags: (client, KeyId) => client.send(new ListResourceTagsCommand({ KeyId })),
  RotateKeyOnDemand: (client, KeyId) => client.send(new RotateKeyOnDemandCommand({ KeyId })),
  ScheduleKeyDeletion: (client, KeyId) => client.send(new ScheduleKeyDeletionCommand({ KeyId })),
  TagResource: (client, KeyId) =>
    client.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] })),
  UntagResource: (client, KeyId) => client.send(new UntagResourceCommand({ KeyId, TagKeys: ['a'] })),
  UpdateKeyDescription: (client, KeyId) => client.send(new UpdateKeyDescriptionCommand({ KeyId, Description: 'd' })),
};

// "Key states of AWS KMS keys": Enabled, Disabled, PendingImport, PendingDeletion, Unavailable.
const table: Record<string, readonly [Outcome, Outcome, Outcome, Outcome, Outcome]> = {
  CancelKeyDeletion: [invalid, invalid, invalid, 'ok', invalid],
  CreateAlias: ['ok', 'ok', 'ok', invalid, 'ok'],
  DescribeKey: ['ok', 'ok', 'ok', 'ok', 'ok'],
  DisableKey: ['ok', 'ok', invalid, invalid, 'ok'],
  DisableKeyRotation: ['ok', disabled, unsupported, invalid, unsupported],
  EnableKey: ['ok', 'ok', invalid, invalid, 'ok'],
  EnableKeyRotation: ['ok', disabled, unsupported, invalid, unsupported],
  Encrypt: ['ok', disabled, invalid, invalid, invalid],
  GenerateDataKey: ['ok', disabled, invalid, invalid, invalid],
  GetKeyPolicy: ['ok', 'ok', 'ok', 'ok', 'ok'],
  GetKeyRotationStatus: ['ok', 'ok', 'ok', 'ok', unsupported],
  GetParametersForImport: [unsupported, unsupported, 'ok', unsupported, unsupported],
  ListAliases: ['ok', 'ok', 'ok', 'ok', 'ok'],
  ListResourceTags: ['ok', 'ok', 'ok', 'ok', 'ok'],
  RotateKeyOnDemand: ['ok', disabled, invalid, invalid, unsupported],
  ScheduleKeyDeletion: ['ok', 'ok', 'ok', invalid, 'ok'],
  TagResource: ['ok', 'ok', 'ok', invalid, 'ok'],
  UntagResource: ['ok', 'ok', 'ok', invalid, 'ok'],
  UpdateKeyDescription: ['ok', 'ok', 'ok', invalid, 'ok'],
};

async function newKey(members: Record<string, unknown> = {}): Promise<string> {
  const made = await kms.client().send(new CreateKeyCommand(members));
  return given(made.KeyMetadata?.KeyId);
}

const makers: Record<State, () => Promise<string>> = {
  Enabled: () => newKey(),
  async Disabled() {
    const KeyId = await newKey();
    await kms.client().send(new DisableKeyCommand({ KeyId }));
    return KeyId;
  },
  PendingImport: () => newKey({ Origin: 'EXTERNAL' }),
  async PendingDeletion() {
    const KeyId = await newKey();
    await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    return KeyId;
  },
  async Unavailable() {
    const { operator } = kms.sandbox;
    const CustomKeyStoreId = operator.seedCustomKeyStore('eu-central-1', '111122223333', 'states');
    const KeyId = await newKey({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId });
    operator.disconnectCustomKeyStore(CustomKeyStoreId);
    return KeyId;
  },
};

describe.each(states.map((state, column) => ({ state, column })))('a key that is $state', ({ state, column }) => {
  it('says so', async () => {
    const KeyId = await makers[state]();
    const { KeyMetadata } = await kms.client().send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata).toMatchObject({ KeyState: state, Enabled: state === 'Enabled' });
  });

  it.each(Object.keys(table).map((operation) => ({ operation, outcome: table[operation]?.[column] ?? 'ok' })))(
    'answers $operation with $outcome',
    async ({ operation, outcome }) => {
      const KeyId = await makers[state]();
      const send = given(calls[operation]);
      const answer = send(kms.client(), KeyId);
      if (outcome === 'ok') await expect(answer).resolves.toBeDefined();
      else expect((await refusal(answer)).name).toBe(outcome);
    },
  );
});

describe('state changes', () => {
  const stateOf = async (KeyId: string) =>
    (await kms.client().send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState;

  it('names the key and its state in the refusal', async () => {
    const KeyId = await makers.Disabled();
    const { message } = await refusal(kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })));
    expect(message).toBe(`arn:aws:kms:eu-central-1:111122223333:key/${KeyId} is disabled.`);
  });

  it('brings a key back from pending deletion as disabled', async () => {
    const KeyId = await makers.PendingDeletion();
    await kms.client().send(new CancelKeyDeletionCommand({ KeyId }));
    expect(await stateOf(KeyId)).toBe('Disabled');
    await kms.client().send(new EnableKeyCommand({ KeyId }));
    expect(await stateOf(KeyId)).toBe('Enabled');
  });

  it('lets a disable of an unavailable key take effect when its store is connected again', async () => {
    const KeyId = await makers.Unavailable();
    await kms.client().send(new DisableKeyCommand({ KeyId }));
    expect(await stateOf(KeyId)).toBe('Unavailable');
    const store = kms.sandbox.operator.seedCustomKeyStore('eu-central-1', '111122223333', 'states');
    kms.sandbox.operator.connectCustomKeyStore(store);
    expect(await stateOf(KeyId)).toBe('Disabled');
  });

  it('keeps a key pending deletion while its store is disconnected', async () => {
    const KeyId = await makers.Unavailable();
    await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId }));
    expect(await stateOf(KeyId)).toBe('PendingDeletion');
  });

  it('lets an operator hold a key in Creating, which passes with time', async () => {
    const KeyId = await makers.Enabled();
    kms.sandbox.operator.hold(KeyId, 'Creating', 60_000);
    expect(await stateOf(KeyId)).toBe('Creating');
    const answer = kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }));
    expect((await refusal(answer)).name).toBe(invalid);
    kms.clock.advance(60_000);
    expect(await stateOf(KeyId)).toBe('Enabled');
  });
});
