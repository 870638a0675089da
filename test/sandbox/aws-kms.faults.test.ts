import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  GetParametersForImportCommand,
  KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
} from '@aws-sdk/client-kms';
import { afterEach, describe, expect, it } from 'vitest';
import { account, given, otherAccount, refusal, useKms } from './kms-client.ts';

const kms = useKms();
const client = (...which: Parameters<typeof kms.client>) => kms.client(...which);

afterEach(() => {
  kms.sandbox.faults.clear();
  kms.sandbox.quota.enabled = false;
});

const countKeys = async (region?: string) => given((await client(region).send(new ListKeysCommand({}))).Keys).length;
const createKey = (region?: string) => client(region).send(new CreateKeyCommand({}));

async function impatient<T>(use: (hasty: KMSClient) => Promise<T>): Promise<T> {
  const hasty = new KMSClient({
    endpoint: kms.sandbox.endpoint,
    region: 'eu-central-1',
    credentials: account,
    maxAttempts: 1,
    requestHandler: { requestTimeout: 150, throwOnRequestTimeout: true },
  });
  try {
    return await use(hasty);
  } finally {
    hasty.destroy();
  }
}

describe('a fault', () => {
  it.each([
    ['throttle', 'ThrottlingException', 400],
    ['denied', 'AccessDeniedException', 400],
    ['internal', 'KMSInternalException', 500],
    ['dependency_timeout', 'DependencyTimeoutException', 500],
  ] as const)(
    '%s answers %s with status %d, as many times as it says, and nothing happens',
    async (kind, name, status) => {
      const before = await countKeys();
      kms.sandbox.faults.add({ kind, operation: 'CreateKey', times: 1 });
      const error: unknown = await createKey().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name, $metadata: { httpStatusCode: status } });
      expect(await countKeys()).toBe(before);
      await createKey();
      expect(kms.sandbox.faults.list()).toEqual([]);
    },
  );

  it('is retried away by the SDK when it strikes once', async () => {
    kms.sandbox.faults.add({ kind: 'throttle', times: 1 });
    const patient = new KMSClient({ endpoint: kms.sandbox.endpoint, region: 'eu-central-1', credentials: account });
    await expect(patient.send(new ListKeysCommand({}))).resolves.toBeDefined();
    patient.destroy();
  });

  it('reset_before cuts the connection and nothing happened; reset_after cuts it and the key exists', async () => {
    const before = await countKeys();
    kms.sandbox.faults.add({ kind: 'reset_before', operation: 'CreateKey', times: 1 });
    await refusal(createKey());
    expect(await countKeys()).toBe(before);
    kms.sandbox.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    await refusal(createKey());
    expect(await countKeys()).toBe(before + 1);
  });

  it('timeout_before never answers and nothing happened; timeout_after never answers and the key exists', async () => {
    const before = await countKeys();
    kms.sandbox.faults.add({ kind: 'timeout_before', operation: 'CreateKey', times: 1 });
    await impatient((hasty) => refusal(hasty.send(new CreateKeyCommand({}))));
    expect(await countKeys()).toBe(before);
    kms.sandbox.faults.add({ kind: 'timeout_after', operation: 'CreateKey', times: 1 });
    await impatient((hasty) => refusal(hasty.send(new CreateKeyCommand({}))));
    expect(await countKeys()).toBe(before + 1);
  });

  it('makes a whole region unreachable and leaves the others alone', async () => {
    const id = kms.sandbox.faults.add({ kind: 'unreachable', region: 'us-east-1' });
    await refusal(createKey('us-east-1'));
    await expect(createKey('us-west-2')).resolves.toBeDefined();
    expect(kms.sandbox.faults.remove(id)).toBe(true);
    await expect(createKey('us-east-1')).resolves.toBeDefined();
  });

  it('strikes one key only, by whatever it is named', async () => {
    const KeyId = given((await createKey()).KeyMetadata?.KeyId);
    const other = given((await createKey()).KeyMetadata?.KeyId);
    await client().send(new CreateAliasCommand({ AliasName: 'alias/struck', TargetKeyId: KeyId }));
    kms.sandbox.faults.add({ kind: 'denied', keyId: KeyId });
    const arn = `arn:aws:kms:eu-central-1:111122223333:key/${KeyId}`;
    for (const reference of [KeyId, arn, 'alias/struck']) {
      const answer = client().send(new DescribeKeyCommand({ KeyId: reference }));
      expect((await refusal(answer)).name).toBe('AccessDeniedException');
    }
    await expect(client().send(new DescribeKeyCommand({ KeyId: other }))).resolves.toBeDefined();
  });

  it('strikes one account only', async () => {
    kms.sandbox.faults.add({ kind: 'denied', accountId: otherAccount.accountId });
    await expect(countKeys()).resolves.toBeTypeOf('number');
    const answer = client('eu-central-1', otherAccount).send(new ListKeysCommand({}));
    expect((await refusal(answer)).name).toBe('AccessDeniedException');
  });

  it('delays', async () => {
    kms.sandbox.faults.add({ kind: 'latency', latencyMs: 120, times: 1 });
    const start = performance.now();
    await countKeys();
    expect(performance.now() - start).toBeGreaterThan(110);
  });

  it('hides new aliases and tags from readers for a while', async () => {
    kms.sandbox.faults.add({ kind: 'lag', lagMs: 60_000 });
    const made = await client().send(new CreateKeyCommand({ Tags: [{ TagKey: 'a', TagValue: 'b' }] }));
    const KeyId = given(made.KeyMetadata?.KeyId);
    await client().send(new CreateAliasCommand({ AliasName: 'alias/late', TargetKeyId: KeyId }));
    const seen = async () => ({
      tags: (await client().send(new ListResourceTagsCommand({ KeyId }))).Tags?.length,
      aliases: (await client().send(new ListAliasesCommand({ KeyId }))).Aliases?.length,
    });
    expect(await seen()).toEqual({ tags: 0, aliases: 0 });
    const early = client().send(new DescribeKeyCommand({ KeyId: 'alias/late' }));
    expect((await refusal(early)).name).toBe('NotFoundException');
    const twice = client().send(new CreateAliasCommand({ AliasName: 'alias/late', TargetKeyId: KeyId }));
    expect((await refusal(twice)).name).toBe('AlreadyExistsException');
    kms.clock.advance(60_000);
    expect(await seen()).toEqual({ tags: 1, aliases: 1 });
  });
});

describe('request quotas', () => {
  it('throttle each operation at its own rate once they are enabled', async () => {
    const made = await client().send(new CreateKeyCommand({ Origin: 'EXTERNAL' }));
    const parameters = () =>
      client().send(
        new GetParametersForImportCommand({
          KeyId: given(made.KeyMetadata?.KeyId),
          WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
          WrappingKeySpec: 'RSA_2048',
        }),
      );
    await parameters();
    kms.sandbox.quota.enabled = true;
    await parameters();
    expect(await refusal(parameters())).toEqual({ name: 'ThrottlingException', message: 'Rate exceeded' });
    await expect(countKeys()).resolves.toBeTypeOf('number');
  });
});

describe('call counts', () => {
  it('tell region, operation and outcome, and start over', async () => {
    const { calls, faults } = kms.sandbox;
    calls.reset();
    await countKeys('ca-central-1');
    await countKeys('ca-central-1');
    await refusal(client('ca-central-1').send(new DescribeKeyCommand({ KeyId: 'alias/none' })));
    faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    await refusal(createKey('ca-central-1'));
    expect(calls.list()).toEqual([
      { region: 'ca-central-1', operation: 'ListKeys', outcome: 'ok', count: 2 },
      { region: 'ca-central-1', operation: 'DescribeKey', outcome: 'NotFoundException', count: 1 },
      { region: 'ca-central-1', operation: 'CreateKey', outcome: 'reset_after', count: 1 },
    ]);
    expect(calls.count({ operation: 'ListKeys' })).toBe(2);
    calls.reset();
    expect(calls.count()).toBe(0);
  });
});
