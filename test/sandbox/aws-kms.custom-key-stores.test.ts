import {
  ConnectCustomKeyStoreCommand,
  CreateCustomKeyStoreCommand,
  CreateKeyCommand,
  DeleteCustomKeyStoreCommand,
  DescribeCustomKeyStoresCommand,
  DescribeKeyCommand,
  DisconnectCustomKeyStoreCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  RotateKeyOnDemandCommand,
  UpdateCustomKeyStoreCommand,
} from '@aws-sdk/client-kms';
import type { CreateKeyCommandInput } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { given, refusal, useKms } from './kms-client.ts';

const kms = useKms({ connectMs: 60_000, limits: { keysPerCustomKeyStore: 3 } });
const send = () => kms.client();

let clusters = 0;
async function createStore(name: string): Promise<string> {
  clusters += 1;
  const made = await send().send(
    new CreateCustomKeyStoreCommand({
      CustomKeyStoreName: name,
      CloudHsmClusterId: `cluster-${'abcdefgh'.charAt(clusters)}1a23b4cdefg`.replace(/[01]/g, '2'),
      KeyStorePassword: 'kmsPswd-1234',
      TrustAnchorCertificate: '-----BEGIN CERTIFICATE-----',
    }),
  );
  return given(made.CustomKeyStoreId);
}
const describeStore = async (CustomKeyStoreId: string) =>
  given((await send().send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId }))).CustomKeyStores?.[0]);
const seeded = (name: string) => kms.sandbox.operator.seedCustomKeyStore('eu-central-1', '111122223333', name);
const createKey = (CustomKeyStoreId: string, members: CreateKeyCommandInput = {}) =>
  send().send(new CreateKeyCommand({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId, ...members }));
const encrypt = (KeyId: string) => send().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }));

describe('a custom key store', () => {
  it('is made disconnected, connects after a while, and can be disconnected again', async () => {
    const CustomKeyStoreId = await createStore('lifecycle');
    expect(await describeStore(CustomKeyStoreId)).toMatchObject({
      ConnectionState: 'DISCONNECTED',
      CustomKeyStoreType: 'AWS_CLOUDHSM',
    });
    await send().send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    expect((await describeStore(CustomKeyStoreId)).ConnectionState).toBe('CONNECTING');
    kms.clock.advance(60_000);
    expect((await describeStore(CustomKeyStoreId)).ConnectionState).toBe('CONNECTED');
    await send().send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    expect((await describeStore(CustomKeyStoreId)).ConnectionState).toBe('DISCONNECTED');
    const again = send().send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    expect((await refusal(again)).name).toBe('CustomKeyStoreInvalidStateException');
  });

  it('fails to connect while its cluster is broken, and must be disconnected before the next attempt', async () => {
    const CustomKeyStoreId = await createStore('broken');
    kms.sandbox.operator.failCustomKeyStore(CustomKeyStoreId, 'INVALID_CREDENTIALS');
    expect(await describeStore(CustomKeyStoreId)).toMatchObject({
      ConnectionState: 'FAILED',
      ConnectionErrorCode: 'INVALID_CREDENTIALS',
    });
    const connect = () => send().send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    expect((await refusal(connect())).name).toBe('CustomKeyStoreInvalidStateException');
    await send().send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    await connect();
    kms.clock.advance(60_000);
    expect((await describeStore(CustomKeyStoreId)).ConnectionState).toBe('FAILED');
    kms.sandbox.operator.connectCustomKeyStore(CustomKeyStoreId);
    expect((await describeStore(CustomKeyStoreId)).ConnectionErrorCode).toBeUndefined();
  });

  it('can be renamed, and deleted only when disconnected and empty', async () => {
    const CustomKeyStoreId = seeded('to-delete');
    await send().send(new UpdateCustomKeyStoreCommand({ CustomKeyStoreId, NewCustomKeyStoreName: 'renamed' }));
    expect((await describeStore(CustomKeyStoreId)).CustomKeyStoreName).toBe('renamed');
    const { KeyMetadata } = await createKey(CustomKeyStoreId);
    const remove = () => send().send(new DeleteCustomKeyStoreCommand({ CustomKeyStoreId }));
    expect((await refusal(remove())).name).toBe('CustomKeyStoreHasCMKsException');
    kms.sandbox.operator.purge(given(KeyMetadata?.KeyId));
    expect((await refusal(remove())).name).toBe('CustomKeyStoreInvalidStateException');
    await send().send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }));
    await remove();
    const gone = send().send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId }));
    expect((await refusal(gone)).name).toBe('CustomKeyStoreNotFoundException');
  });

  it('needs a name and a cluster of its own', async () => {
    const CustomKeyStoreId = await createStore('unique');
    const { CloudHsmClusterId } = await describeStore(CustomKeyStoreId);
    const create = (CustomKeyStoreName: string, cluster: string | undefined) =>
      send().send(
        new CreateCustomKeyStoreCommand({
          CustomKeyStoreName,
          CloudHsmClusterId: cluster,
          KeyStorePassword: 'kmsPswd-1234',
          TrustAnchorCertificate: 'x',
        }),
      );
    expect((await refusal(create('unique', 'cluster-zzzzzzzzzzz'))).name).toBe('CustomKeyStoreNameInUseException');
    expect((await refusal(create('other', CloudHsmClusterId))).name).toBe('CloudHsmClusterInUseException');
  });

  it('is seeded once by name', () => {
    expect(seeded('seed')).toBe(seeded('seed'));
  });
});

describe('a key in a custom key store', () => {
  it('shows its store and cluster, and no material', async () => {
    const CustomKeyStoreId = seeded('shown');
    const { KeyMetadata } = await createKey(CustomKeyStoreId);
    const { CloudHsmClusterId } = await describeStore(CustomKeyStoreId);
    expect(KeyMetadata).toMatchObject({
      Origin: 'AWS_CLOUDHSM',
      CustomKeyStoreId,
      CloudHsmClusterId,
      KeyState: 'Enabled',
    });
    expect(KeyMetadata?.CurrentKeyMaterialId).toBeUndefined();
  });

  it('is symmetric, of one region, and never rotates', async () => {
    const CustomKeyStoreId = seeded('refusals');
    const asymmetric = createKey(CustomKeyStoreId, { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' });
    expect((await refusal(asymmetric)).name).toBe('UnsupportedOperationException');
    expect((await refusal(createKey(CustomKeyStoreId, { MultiRegion: true }))).name).toBe(
      'UnsupportedOperationException',
    );
    expect((await refusal(createKey(CustomKeyStoreId, { Origin: 'EXTERNAL' }))).name).toBe('ValidationException');
    const KeyId = given((await createKey(CustomKeyStoreId)).KeyMetadata?.KeyId);
    const rotation = send().send(new RotateKeyOnDemandCommand({ KeyId }));
    expect((await refusal(rotation)).name).toBe('UnsupportedOperationException');
  });

  it('cannot be made or used while the store is not connected', async () => {
    const CustomKeyStoreId = seeded('disconnected');
    const KeyId = given((await createKey(CustomKeyStoreId)).KeyMetadata?.KeyId);
    kms.sandbox.operator.disconnectCustomKeyStore(CustomKeyStoreId);
    expect((await refusal(createKey(CustomKeyStoreId))).name).toBe('CustomKeyStoreInvalidStateException');
    expect((await refusal(encrypt(KeyId))).name).toBe('KMSInvalidStateException');
    kms.sandbox.operator.connectCustomKeyStore(CustomKeyStoreId);
    await expect(encrypt(KeyId)).resolves.toBeDefined();
  });

  it('still says Enabled when its backing key is deleted in the cluster: only cryptography fails', async () => {
    const KeyId = given((await createKey(seeded('orphan'))).KeyMetadata?.KeyId);
    kms.sandbox.operator.deleteBackingKey(KeyId);
    const { KeyMetadata } = await send().send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata?.KeyState).toBe('Enabled');
    expect((await refusal(encrypt(KeyId))).name).toBe('KMSInvalidStateException');
    const dataKey = send().send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }));
    expect((await refusal(dataKey)).name).toBe('KMSInvalidStateException');
  });

  it('finds no room in a full cluster', async () => {
    const CustomKeyStoreId = seeded('full');
    for (let count = 0; count < 3; count += 1) await createKey(CustomKeyStoreId);
    expect((await refusal(createKey(CustomKeyStoreId))).name).toBe('LimitExceededException');
  });
});
