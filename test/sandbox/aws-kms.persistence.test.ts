import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { randomBytes } from 'node:crypto';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetParametersForImportCommand,
  ImportKeyMaterialCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import type { KMSClient } from '@aws-sdk/client-kms';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { account, day, given, kmsClient, refusal } from './kms-client.ts';
import { importMaterial, wrap } from './wrapping.ts';

let folder = '';
let stateFile = '';
const clock = sandboxClock();
const open: { sandbox: AwsKmsSandbox; client: KMSClient }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'aws-kms-sandbox-'));
  stateFile = join(folder, 'state.jsonl');
});
afterEach(async () => {
  await stop();
  rmSync(folder, { recursive: true });
});

async function start(): Promise<{ sandbox: AwsKmsSandbox; client: KMSClient }> {
  const sandbox = await startAwsKmsSandbox({ clock, accounts: [account], stateFile });
  const started = { sandbox, client: kmsClient(sandbox.endpoint) };
  open.push(started);
  return started;
}
async function stop(): Promise<void> {
  for (const { sandbox, client } of open.splice(0)) {
    client.destroy();
    await sandbox.close();
  }
}
async function restart(): Promise<{ sandbox: AwsKmsSandbox; client: KMSClient }> {
  await stop();
  return start();
}

const stateOf = async (client: KMSClient, KeyId: string) =>
  (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState;

describe('after a restart', () => {
  it('keys, aliases, tags, ciphertexts and custom key stores are as they were', async () => {
    const { sandbox, client } = await start();
    const Tags = [{ TagKey: 'a', TagValue: 'b' }];
    const KeyId = given((await client.send(new CreateKeyCommand({ Tags }))).KeyMetadata?.KeyId);
    await client.send(new CreateAliasCommand({ AliasName: 'alias/kept', TargetKeyId: KeyId }));
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('kept') }));
    const CustomKeyStoreId = sandbox.operator.seedCustomKeyStore('eu-central-1', account.accountId, 'hsm');
    const inStore = await client.send(new CreateKeyCommand({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId }));
    const before = await client.send(new DescribeKeyCommand({ KeyId: 'alias/kept' }));

    const again = await restart();
    const after = await again.client.send(new DescribeKeyCommand({ KeyId: 'alias/kept' }));
    expect(after.KeyMetadata).toEqual(before.KeyMetadata);
    expect((await again.client.send(new ListResourceTagsCommand({ KeyId }))).Tags).toEqual(Tags);
    const opened = await again.client.send(new DecryptCommand({ CiphertextBlob }));
    expect(Buffer.from(given(opened.Plaintext)).toString()).toBe('kept');
    expect(await stateOf(again.client, given(inStore.KeyMetadata?.KeyId))).toBe('Enabled');
    expect(again.sandbox.operator.customKeyStores()).toMatchObject([{ name: 'hsm', keyCount: 1 }]);
  });

  it('deadlines still come', async () => {
    const { client } = await start();
    const KeyId = given((await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId);
    await client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    const again = await restart();
    expect(await stateOf(again.client, KeyId)).toBe('PendingDeletion');
    clock.advance(7 * day);
    expect((await refusal(stateOf(again.client, KeyId))).name).toBe('NotFoundException');
    const third = await restart();
    expect((await refusal(stateOf(third.client, KeyId))).name).toBe('NotFoundException');
  });

  it('an import that was begun can be finished', async () => {
    const { client } = await start();
    const KeyId = given((await client.send(new CreateKeyCommand({ Origin: 'EXTERNAL' }))).KeyMetadata?.KeyId);
    const parameters = await client.send(
      new GetParametersForImportCommand({
        KeyId,
        WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
        WrappingKeySpec: 'RSA_2048',
      }),
    );
    const again = await restart();
    await again.client.send(
      new ImportKeyMaterialCommand({
        KeyId,
        ImportToken: parameters.ImportToken,
        EncryptedKeyMaterial: wrap('RSAES_OAEP_SHA_256', given(parameters.PublicKey), randomBytes(32)),
        ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      }),
    );
    expect(await stateOf(again.client, KeyId)).toBe('Enabled');
  });
});

describe('the files', () => {
  it('hold no plaintext key material, and only their owner may read them', async () => {
    const { client } = await start();
    const KeyId = given((await client.send(new CreateKeyCommand({ Origin: 'EXTERNAL' }))).KeyMetadata?.KeyId);
    const material = randomBytes(32);
    await importMaterial(client, KeyId, material);
    await restart();
    for (const name of readdirSync(folder)) {
      const content = readFileSync(join(folder, name));
      for (const spelling of [material, material.toString('base64'), material.toString('hex')]) {
        expect(content.includes(spelling)).toBe(false);
      }
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    }
  });

  it('lose a torn last line and nothing else', async () => {
    const { client } = await start();
    const KeyId = given((await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId);
    await stop();
    appendFileSync(stateFile, '{"kind":"key","world":"1111');
    const again = await start();
    expect(await stateOf(again.client, KeyId)).toBe('Enabled');
    const another = given((await again.client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId);
    const third = await restart();
    expect(await stateOf(third.client, another)).toBe('Enabled');
  });

  it('are refused when they are damaged elsewhere', async () => {
    const { client } = await start();
    await client.send(new CreateKeyCommand({}));
    await stop();
    appendFileSync(stateFile, 'not json\n{"kind":"key","world":"w","id":"x"}\n');
    await expect(start()).rejects.toThrow(/line 3 is damaged/);
  });
});

const program = `
import { sandboxClock } from ${JSON.stringify(new URL('../../sandbox/clock.ts', import.meta.url).href)};
import { startAwsKmsSandbox } from ${JSON.stringify(new URL('../../sandbox/aws-kms/server.ts', import.meta.url).href)};
const [stateFile, accounts] = process.argv.slice(1);
const sandbox = await startAwsKmsSandbox({ clock: sandboxClock(), accounts: JSON.parse(accounts), stateFile });
console.log(sandbox.endpoint);
`;

describe('a sandbox that is killed', () => {
  it('has lost nothing that a caller was told', async () => {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '-e', program, stateFile, JSON.stringify([account])],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [endpoint] = (await once(createInterface(child.stdout), 'line')) as [string];
    const client = kmsClient(endpoint);
    const told: string[] = [];
    const caller = async () => {
      for (;;) told.push(given((await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId));
    };
    const callers = [caller(), caller(), caller()].map((running) => running.catch(() => undefined));
    while (told.length < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGKILL');
    await Promise.all([once(child, 'exit'), ...callers]);
    client.destroy();

    const again = await start();
    const { Keys } = await again.client.send(new ListKeysCommand({ Limit: 1000 }));
    const kept = new Set(given(Keys).map(({ KeyId }) => KeyId));
    expect(told.filter((KeyId) => !kept.has(KeyId))).toEqual([]);
  });
});
