import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../lib/drivers/aws-cloudhsm/driver.ts';
import { awsCloudHsmKind } from '../../lib/drivers/aws-cloudhsm/kind.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKeystore } from './aws-sandbox.ts';
import { ACCOUNT, openAwsKeystore, REGION } from './aws-sandbox.ts';
import { driverContract, faultOf, newKey, patience, present, run } from './contract.ts';

const SPEC: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };

const settings = (sandbox: AwsKmsSandbox) => ({
  aws_custom_key_store_id: sandbox.operator.seedCustomKeyStore(REGION, ACCOUNT.accountId, 'payments'),
});

driverContract('aws_cloudhsm', {
  kind: awsCloudHsmKind,
  open: async () => {
    const keystore = await openAwsKeystore({ connect }, settings);
    return {
      ...keystore,
      loseMaterial: undefined,
      changeMaterial: undefined,
      async makeForeign(name) {
        const store = String(keystore.connection().settings['aws_custom_key_store_id']);
        const made = await keystore.kms.send(new CreateKeyCommand({ CustomKeyStoreId: store, Origin: 'AWS_CLOUDHSM' }));
        const { KeyId } = made.KeyMetadata ?? {};
        await keystore.kms.send(new CreateAliasCommand({ AliasName: `alias/${name}`, TargetKeyId: KeyId }));
      },
    };
  },
  spec: SPEC,
  imports: [],
  unsupported: {
    import: 'a custom key store makes its keys itself',
    rotate: 'keys in a custom key store do not rotate; a new version is a new key',
  },
});

describe('aws_cloudhsm', () => {
  let keystore: AwsKeystore;
  let sandbox: AwsKmsSandbox;
  let driver: KeystoreDriver;
  let storeId: string;

  beforeAll(async () => {
    keystore = await openAwsKeystore({ connect }, settings);
    ({ sandbox } = keystore);
    driver = keystore.connect();
    storeId = settings(sandbox).aws_custom_key_store_id;
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
    sandbox.operator.connectCustomKeyStore(storeId);
  });

  async function made(): Promise<KeyInKeystore & { readonly arn: string }> {
    const key = await run(driver, 'create', newKey(SPEC, keystore.now()));
    return { ...key, arn: key.binding?.idInKeystore ?? '' };
  }

  function lookWithSlowProbe(key: KeyInKeystore) {
    sandbox.calls.reset();
    sandbox.faults.add({ kind: 'latency', operation: 'Encrypt', latencyMs: 500 });
    return faultOf(driver.observe(key, patience()));
  }

  /** The state was looked at; the probe is still to be answered. */
  async function lookedAt() {
    await vi.waitUntil(() => sandbox.calls.count({ operation: 'DescribeKey' }) > 0, { interval: 5 });
  }

  it('makes its keys in the custom key store, without a fingerprint', async () => {
    const { arn, binding } = await made();
    const listed = sandbox.operator.keys().find((key) => key.arn === arn);
    expect(listed).toMatchObject({ origin: 'AWS_CLOUDHSM', customKeyStoreId: storeId });
    expect(binding?.fingerprint).toBeUndefined();
  });

  it('finds a key whose backing key was deleted in the cluster, although AWS KMS says that it is enabled', async () => {
    const key = await made();
    sandbox.operator.deleteBackingKey(key.arn);
    const seen = present(await driver.observe(key, patience()));
    expect(seen).toMatchObject({ state: 'unusable', idInKeystore: key.arn, name: 'leads_here' });
    expect(seen.remark).toContain('backing key');
  });

  it('does without the probe when aws_probe is false', async () => {
    const key = await made();
    sandbox.operator.deleteBackingKey(key.arn);
    const unprobed = connect(keystore.connection({ aws_probe: false }));
    sandbox.calls.reset();
    expect(present(await unprobed.observe(key, patience())).state).toBe('enabled');
    expect(sandbox.calls.count({ operation: 'Encrypt' })).toBe(0);
  });

  it('probes enabled keys only', async () => {
    const key = await made();
    await run(driver, 'disable', key);
    sandbox.operator.deleteBackingKey(key.arn);
    expect(present(await driver.observe(key, patience())).state).toBe('disabled');
  });

  it.each([
    ['denied', 'denied'],
    ['throttle', 'throttled'],
    ['internal', 'broken'],
    ['dependency_timeout', 'unreachable'],
  ] as const)('could not tell when the probe is answered by %s', async (kind, expected) => {
    const key = await made();
    sandbox.faults.add({ kind, operation: 'Encrypt' });
    expect(await faultOf(driver.observe(key, patience()))).toMatchObject({ kind: expected, retryable: true });
  });

  it('takes keys of a disconnected store for unavailable, never for absent or unusable', async () => {
    const key = await made();
    sandbox.operator.disconnectCustomKeyStore(storeId);
    const fault = await faultOf(driver.observe(key, patience()));
    expect(fault).toMatchObject({ kind: 'unavailable', retryable: true });
    expect(fault.message).toContain(`${storeId} is DISCONNECTED`);
  });

  it('says why the store cannot be connected', async () => {
    const key = await made();
    sandbox.operator.failCustomKeyStore(storeId, 'INSUFFICIENT_CLOUDHSM_HSMS');
    const fault = await faultOf(driver.observe(key, patience()));
    expect(fault.message).toContain('INSUFFICIENT_CLOUDHSM_HSMS');
    expect(fault.message).toContain('add one');
  });

  it('does not call a key unusable when the store is disconnected between the look and the probe', async () => {
    const key = await made();
    const looking = lookWithSlowProbe(key);
    await lookedAt();
    sandbox.operator.disconnectCustomKeyStore(storeId);
    expect(await looking).toMatchObject({ kind: 'unavailable' });
  });

  it('does not call a key unusable when it is disabled between the look and the probe', async () => {
    const key = await made();
    const looking = lookWithSlowProbe(key);
    await lookedAt();
    await sandbox.operator.disable(key.arn);
    expect(await looking).toMatchObject({ kind: 'unavailable' });
  });

  it('creates nothing while the store is disconnected', async () => {
    const key = newKey(SPEC, keystore.now());
    sandbox.operator.disconnectCustomKeyStore(storeId);
    expect(await faultOf(run(driver, 'create', key))).toMatchObject({ kind: 'unavailable' });
    expect(await keystore.countOf(key.keyId)).toBe(0);
  });

  it('still schedules and cancels deletions while the store is disconnected', async () => {
    const key = await made();
    sandbox.operator.disconnectCustomKeyStore(storeId);
    await run(driver, 'schedule_deletion', key);
    expect(present(await driver.observe(key, patience())).state).toBe('pending_deletion');
    await run(driver, 'cancel_deletion', key);
  });

  describe('health', () => {
    it('names the custom key store and its state', async () => {
      expect(await driver.health(patience())).toEqual({
        status: 'ok',
        message: `The custom key store ${storeId} is CONNECTED.`,
      });
    });

    it('is not_responding while the store is disconnected', async () => {
      sandbox.operator.disconnectCustomKeyStore(storeId);
      const health = await driver.health(patience());
      expect(health.status).toBe('not_responding');
      expect(health.message).toContain('DISCONNECTED');
    });

    it('is a configuration error when there is no such store', async () => {
      const elsewhere = connect(keystore.connection({ aws_custom_key_store_id: 'cks-00000000000000000' }));
      expect((await elsewhere.health(patience())).status).toBe('configuration_error');
    });
  });

  it('cannot be connected without aws_custom_key_store_id', () => {
    expect(() => connect({ keystoreId: 'k', settings: { aws_region: REGION }, credentials: {} })).toThrow(
      'aws_custom_key_store_id',
    );
  });
});
