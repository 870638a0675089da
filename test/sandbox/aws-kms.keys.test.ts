import {
  CreateAliasCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  ListAliasesCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  PutKeyPolicyCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
  UpdateKeyDescriptionCommand,
  paginateListAliases,
  paginateListKeys,
} from '@aws-sdk/client-kms';
import type { CreateKeyCommandInput, KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { day, given, otherAccount, refusal, useKms } from './kms-client.ts';

const kms = useKms({ limits: { aliasesPerKey: 2, tagsPerKey: 3 } });

async function newKey(members: CreateKeyCommandInput = {}, client: KMSClient = kms.client()): Promise<string> {
  const made = await client.send(new CreateKeyCommand(members));
  return given(made.KeyMetadata?.KeyId);
}
const alias = (AliasName: string, TargetKeyId: string, client = kms.client()) =>
  client.send(new CreateAliasCommand({ AliasName, TargetKeyId }));

describe('CreateKey', () => {
  it('shows the algorithms of every kind of key', async () => {
    const cases: [CreateKeyCommandInput, Record<string, unknown>][] = [
      [{}, { EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'], KeyUsage: 'ENCRYPT_DECRYPT', KeyManager: 'CUSTOMER' }],
      [{ KeySpec: 'HMAC_384', KeyUsage: 'GENERATE_VERIFY_MAC' }, { MacAlgorithms: ['HMAC_SHA_384'] }],
      [{ KeySpec: 'ECC_NIST_P521', KeyUsage: 'SIGN_VERIFY' }, { SigningAlgorithms: ['ECDSA_SHA_512'] }],
      [
        { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' },
        { EncryptionAlgorithms: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'], CustomerMasterKeySpec: 'RSA_2048' },
      ],
      [{ MultiRegion: true }, { MultiRegion: true, MultiRegionConfiguration: { MultiRegionKeyType: 'PRIMARY' } }],
    ];
    for (const [input, shown] of cases) {
      const { KeyMetadata } = await kms.client().send(new CreateKeyCommand(input));
      expect(KeyMetadata).toMatchObject({ KeyState: 'Enabled', Origin: 'AWS_KMS', ...shown });
    }
  });

  it('dates keys by the clock of the sandbox', async () => {
    const { KeyMetadata } = await kms.client().send(new CreateKeyCommand({}));
    expect(Math.abs(given(KeyMetadata?.CreationDate).getTime() - kms.clock.now().getTime())).toBeLessThan(5000);
  });

  it('refuses a key spec without its usage, and a usage that does not fit', async () => {
    const spec = await refusal(kms.client().send(new CreateKeyCommand({ KeySpec: 'HMAC_256' })));
    expect(spec).toEqual({
      name: 'ValidationException',
      message: 'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
    });
    const usage = kms.client().send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'ENCRYPT_DECRYPT' }));
    expect((await refusal(usage)).name).toBe('ValidationException');
  });

  it('keeps description and policy, which can be changed', async () => {
    const KeyId = await newKey({ Description: 'first' });
    await kms.client().send(new UpdateKeyDescriptionCommand({ KeyId, Description: 'second' }));
    const { KeyMetadata } = await kms.client().send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata?.Description).toBe('second');
    const before = await kms.client().send(new GetKeyPolicyCommand({ KeyId }));
    expect(before.Policy).toContain('arn:aws:iam::111122223333:root');
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [] });
    await kms.client().send(new PutKeyPolicyCommand({ KeyId, Policy }));
    expect((await kms.client().send(new GetKeyPolicyCommand({ KeyId }))).Policy).toBe(Policy);
    const broken = kms.client().send(new PutKeyPolicyCommand({ KeyId, Policy: '{' }));
    expect((await refusal(broken)).name).toBe('MalformedPolicyDocumentException');
  });
});

describe('finding a key', () => {
  it('works by id, ARN, alias name and alias ARN', async () => {
    const KeyId = await newKey();
    await alias('alias/found', KeyId);
    const arn = 'arn:aws:kms:eu-central-1:111122223333:';
    for (const reference of [KeyId, `${arn}key/${KeyId}`, 'alias/found', `${arn}alias/found`]) {
      const { KeyMetadata } = await kms.client().send(new DescribeKeyCommand({ KeyId: reference }));
      expect(KeyMetadata?.KeyId).toBe(KeyId);
    }
  });

  it.each([
    [
      'a1b2c3d4-0000-4000-8000-000000000000',
      "Key 'arn:aws:kms:eu-central-1:111122223333:key/a1b2c3d4-0000-4000-8000-000000000000' does not exist",
    ],
    ['no-uuid', "Invalid keyId 'no-uuid'"],
    ['alias/nobody', 'Alias arn:aws:kms:eu-central-1:111122223333:alias/nobody is not found.'],
    ['arn:aws:kms:us-east-1:111122223333:key/a1b2c3d4-0000-4000-8000-000000000000', 'Invalid arn us-east-1'],
  ])('answers %s with NotFoundException', async (KeyId, message) => {
    const answer = await refusal(kms.client().send(new DescribeKeyCommand({ KeyId })));
    expect(answer).toEqual({ name: 'NotFoundException', message });
  });

  it('sees neither another region nor another account', async () => {
    const KeyId = await newKey();
    for (const client of [kms.client('us-east-1'), kms.client('eu-central-1', otherAccount)]) {
      expect((await refusal(client.send(new DescribeKeyCommand({ KeyId })))).name).toBe('NotFoundException');
    }
    const arn = `arn:aws:kms:eu-central-1:111122223333:key/${KeyId}`;
    const foreign = kms.client('eu-central-1', otherAccount).send(new DescribeKeyCommand({ KeyId: arn }));
    expect((await refusal(foreign)).name).toBe('AccessDeniedException');
  });
});

describe('listing', () => {
  it('pages through keys in the order they were made, while others are made and deleted', async () => {
    const client = kms.client('ap-southeast-2');
    const made: string[] = [];
    for (let count = 0; count < 7; count += 1) made.push(await newKey({}, client));
    const first = await client.send(new ListKeysCommand({ Limit: 3 }));
    expect(first).toMatchObject({ Truncated: true });
    kms.sandbox.operator.purge(given(made[2]));
    const late = await newKey({}, client);
    const rest = await client.send(new ListKeysCommand({ Limit: 100, Marker: first.NextMarker }));
    const seen = [...given(first.Keys), ...given(rest.Keys)].map(({ KeyId }) => KeyId);
    expect(seen).toEqual([...made, late]);
    expect(rest).toMatchObject({ Truncated: false });
    expect(rest.NextMarker).toBeUndefined();
  });

  it("is what the SDK's paginators expect", async () => {
    const client = kms.client('eu-west-3');
    const made = new Set<string | undefined>();
    for (let count = 0; count < 5; count += 1) {
      const KeyId = await newKey({}, client);
      made.add(KeyId);
      await alias(`alias/page-${count}`, KeyId, client);
    }
    const keys: (string | undefined)[] = [];
    for await (const page of paginateListKeys({ client, pageSize: 2 }, {}))
      keys.push(...given(page.Keys).map((key) => key.KeyId));
    expect(new Set(keys)).toEqual(made);
    const aliases: (string | undefined)[] = [];
    for await (const page of paginateListAliases({ client, pageSize: 2 }, {})) {
      aliases.push(...given(page.Aliases).map(({ AliasName }) => AliasName));
    }
    expect(aliases).toEqual([0, 1, 2, 3, 4].map((count) => `alias/page-${count}`));
  });

  it('refuses a marker that it never gave, and a limit out of bounds', async () => {
    const marker = kms.client().send(new ListKeysCommand({ Marker: 'invented' }));
    expect((await refusal(marker)).name).toBe('InvalidMarkerException');
    const limit = await refusal(kms.client().send(new ListKeysCommand({ Limit: 1001 })));
    expect(limit).toEqual({
      name: 'ValidationException',
      message:
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000",
    });
  });
});

describe('aliases', () => {
  it('move from key to key, and are listed with the key they point to', async () => {
    const [from, to] = [await newKey(), await newKey()];
    await alias('alias/moving', from);
    await kms.client().send(new UpdateAliasCommand({ AliasName: 'alias/moving', TargetKeyId: to }));
    const listed = async (KeyId: string) =>
      (await kms.client().send(new ListAliasesCommand({ KeyId }))).Aliases?.map(({ AliasName }) => AliasName);
    expect(await listed(from)).toEqual([]);
    expect(await listed(to)).toEqual(['alias/moving']);
    await kms.client().send(new DeleteAliasCommand({ AliasName: 'alias/moving' }));
    expect(await listed(to)).toEqual([]);
  });

  it('are unique, must be well formed, and are limited in number', async () => {
    const KeyId = await newKey();
    await alias('alias/taken', KeyId);
    expect((await refusal(alias('alias/taken', KeyId))).name).toBe('AlreadyExistsException');
    expect((await refusal(alias('taken', KeyId))).name).toBe('ValidationException');
    expect((await refusal(alias('alias/aws/s3', KeyId))).name).toBe('NotAuthorizedException');
    await alias('alias/second', KeyId);
    expect((await refusal(alias('alias/third', KeyId))).name).toBe('LimitExceededException');
  });

  it('do not move to a key of another type', async () => {
    await alias('alias/typed', await newKey());
    const hmac = await newKey({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const answer = kms.client().send(new UpdateAliasCommand({ AliasName: 'alias/typed', TargetKeyId: hmac }));
    expect((await refusal(answer)).name).toBe('ValidationException');
  });
});

describe('tags', () => {
  const tagsOf = async (KeyId: string) => (await kms.client().send(new ListResourceTagsCommand({ KeyId }))).Tags;

  it('are set at creation, added, replaced and removed', async () => {
    const KeyId = await newKey({ Tags: [{ TagKey: 'owner', TagValue: 'one' }] });
    const Tags = [
      { TagKey: 'owner', TagValue: 'two' },
      { TagKey: 'stage', TagValue: '' },
    ];
    await kms.client().send(new TagResourceCommand({ KeyId, Tags }));
    expect(await tagsOf(KeyId)).toEqual(Tags);
    await kms.client().send(new UntagResourceCommand({ KeyId, TagKeys: ['owner', 'unknown'] }));
    expect(await tagsOf(KeyId)).toEqual([{ TagKey: 'stage', TagValue: '' }]);
  });

  it('are refused when they repeat, are reserved or too many', async () => {
    const KeyId = await newKey();
    const tag = (...names: string[]) =>
      refusal(
        kms.client().send(new TagResourceCommand({ KeyId, Tags: names.map((TagKey) => ({ TagKey, TagValue: 'v' })) })),
      );
    expect((await tag('a', 'a')).name).toBe('TagException');
    expect((await tag('aws:owner')).name).toBe('TagException');
    expect((await tag('a', 'b', 'c', 'd')).name).toBe('LimitExceededException');
  });
});

describe('deletion', () => {
  it('happens when the clock passes its date, with the aliases, and not before', async () => {
    const KeyId = await newKey();
    await alias('alias/doomed', KeyId);
    const events: string[] = [];
    const stop = kms.sandbox.on('event', (event) => events.push(event['detail-type']));
    const scheduled = await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    expect(scheduled).toMatchObject({ KeyState: 'PendingDeletion', PendingWindowInDays: 7 });
    const { KeyMetadata } = await kms.client().send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata?.DeletionDate).toEqual(scheduled.DeletionDate);
    kms.clock.advance(7 * day - 60_000);
    await expect(kms.client().send(new DescribeKeyCommand({ KeyId: 'alias/doomed' }))).resolves.toBeDefined();
    kms.clock.advance(60_000);
    expect((await refusal(kms.client().send(new DescribeKeyCommand({ KeyId })))).name).toBe('NotFoundException');
    expect((await refusal(kms.client().send(new DescribeKeyCommand({ KeyId: 'alias/doomed' })))).name).toBe(
      'NotFoundException',
    );
    expect(events).toEqual(['AWS API Call via CloudTrail', 'KMS CMK Deletion']);
    stop();
  });

  it.each([6, 31])('refuses a waiting period of %d days', async (PendingWindowInDays) => {
    const answer = kms.client().send(new ScheduleKeyDeletionCommand({ KeyId: await newKey(), PendingWindowInDays }));
    expect((await refusal(answer)).name).toBe('ValidationException');
  });
});
