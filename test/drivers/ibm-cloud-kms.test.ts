import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { connect } from '../../lib/drivers/ibm-cloud-kms/driver.ts';
import { IBM_KEY_RULES, ibmCloudKmsKind } from '../../lib/drivers/ibm-cloud-kms/kind.ts';
import { aliasOf } from '../../lib/drivers/ibm-cloud-kms/names.ts';
import type { IbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';
import { driverContract, faultOf, newKey, patience, present, run } from './contract.ts';
import type { Subject } from './contract.ts';
import { INSTANCES, openIbmKeystore, READER_API_KEY, unhurried } from './ibm-sandbox.ts';
import type { IbmKeystore } from './ibm-sandbox.ts';

const NATIVE: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
const IMPORTED: KeySpec = { ...NATIVE, material: 'imported' };

const IBM_IMPORTS = IBM_KEY_RULES.map(({ size }) => ({
  spec: { ...IMPORTED, size },
  makeMaterial: () => randomBytes(Number(size) / 8),
}));

const subject: Omit<Subject, 'open' | 'spec'> = {
  kind: ibmCloudKmsKind,
  imports: IBM_IMPORTS,
  unsupported: {},
  noEmptyKeys: 'IBM makes a key and its material in one call',
  label: (id) => `contract ${id.replaceAll('-', '')}`,
  similarLabels: (label) => [
    label,
    label.toUpperCase(),
    `${label} `,
    ` ${label}`,
    `${label}0`,
    label.replace(' ', '  '),
  ],
};

driverContract('ibm_cloud_kms: Key Protect, native', {
  ...subject,
  open: () => openIbmKeystore(),
  spec: NATIVE,
  imports: IBM_IMPORTS.slice(1, 2),
});
driverContract('ibm_cloud_kms: Key Protect, imported, in a key ring', {
  ...subject,
  open: () => openIbmKeystore('key_protect', { ibm_key_ring: 'payments' }),
  spec: IMPORTED,
});
driverContract('ibm_cloud_kms: HPCS, imported', { ...subject, open: () => openIbmKeystore('hpcs'), spec: IMPORTED });

const BUCKET = 'crn:v1:bluemix:public:cloud-object-storage:global:a/acc:5f1cd4a8-1111:bucket:invoices';

describe('ibm_cloud_kms', () => {
  let keystore: IbmKeystore;
  let sandbox: IbmCloudKmsSandbox;
  let driver: KeystoreDriver;

  beforeAll(async () => {
    keystore = await openIbmKeystore();
    ({ sandbox } = keystore);
    driver = keystore.connect();
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
    sandbox.operator.holdAliases(0);
  });

  const crnOf = (key: KeyInKeystore) => key.binding?.idInKeystore ?? '';
  const look = (key: KeyInKeystore) => driver.observe(key, patience());
  const fresh = (changes: Partial<KeyInKeystore> = {}, spec = NATIVE) => {
    const key = newKey(spec, keystore.now(), changes);
    return { ...key, label: changes.label ?? `own ${key.keyId.replaceAll('-', '')}` };
  };
  const native = (changes: Partial<KeyInKeystore> = {}) => run(driver, 'create', fresh(changes));
  const imported = (changes: Partial<KeyInKeystore> = {}, material: Uint8Array = randomBytes(32), on = driver) =>
    run(on, 'create', fresh(changes, IMPORTED), material);

  describe('access tokens', () => {
    it('are asked for once and used until shortly before they expire', async () => {
      const own = connect(keystore.connection());
      await Promise.all([1, 2, 3].map(() => own.health(patience())));
      await own.health(patience());
      expect(sandbox.calls.count({ operation: 'GetToken' })).toBe(1);
    });

    it('are replaced when the service does not take them any more', async () => {
      const key = await native();
      sandbox.operator.revokeTokens();
      expect(present(await look(key)).state).toBe('enabled');
      keystore.clock.advance(3_700_000);
      expect(present(await look(key)).state).toBe('enabled');
    });

    it('are not asked for anew by a caller who may not do this', async () => {
      const reader = connect(keystore.connection({}, { ibm_api_key: READER_API_KEY }));
      sandbox.calls.reset();
      expect(await faultOf(run(reader, 'create', fresh()))).toMatchObject({ kind: 'denied', retryable: true });
      expect(sandbox.calls.count({ operation: 'CreateKey' })).toBe(1);
    });

    it('are not shared with a caller who has left', async () => {
      const own = connect(keystore.connection());
      sandbox.faults.add({ kind: 'latency', operation: 'GetToken', latencyMs: 200 });
      const [left, stayed] = await Promise.allSettled([own.health(AbortSignal.timeout(50)), own.health(patience())]);
      expect(left).toMatchObject({ status: 'rejected', reason: { kind: 'unreachable' } });
      expect(stayed).toMatchObject({ status: 'fulfilled', value: { status: 'ok' } });
    });

    it('cannot be had with a wrong API key, which is told nobody', async () => {
      const wrong = connect(keystore.connection({}, { ibm_api_key: 'wrong-and-secret' }));
      const health = await wrong.health(patience());
      expect(health.status).toBe('configuration_error');
      expect(health.message).toContain('BXNIM0415E');
      expect(health.message).not.toContain('wrong-and-secret');
    });

    it.each(['throttle', 'internal', 'reset_before'] as const)(
      'that cannot be had now (%s) make nothing absent',
      async (kind) => {
        const own = connect(keystore.connection());
        sandbox.faults.add({ kind, operation: 'GetToken' });
        expect((await faultOf(own.observe(fresh(), patience()))).retryable).toBe(true);
        expect((await own.health(patience())).status).toBe('not_responding');
      },
    );
  });

  describe('names', () => {
    it('are an alias that says whose it is, and the label as IBM’s own name', async () => {
      const key = await native({ label: 'Card data 2' });
      expect(keystore.listing(crnOf(key))).toMatchObject({ name: 'Card data 2', aliases: ['shearline-Card_data_2'] });
    });

    it('of other people stay where they are when a key is renamed', async () => {
      const key = await native();
      sandbox.operator.addAlias(crnOf(key), 'their-own_name');
      const renamed = { ...key, label: `${key.label} b` };
      await run(driver, 'rename', renamed);
      await run(driver, 'rename', { ...renamed, label: `${key.label} c` });
      expect(keystore.listing(crnOf(key))?.aliases).toEqual(['their-own_name', aliasOf(`${key.label} c`)]);
    });

    it('are repaired when somebody deleted or moved them', async () => {
      const [key, other] = [await native(), await native()];
      sandbox.operator.removeAlias(crnOf(key), aliasOf(key.label));
      expect(present(await look(key))).toMatchObject({ name: 'missing' });
      await run(driver, 'rename', key);
      expect(present(await look(key)).name).toBe('leads_here');
      sandbox.operator.moveAlias(aliasOf(key.label), crnOf(other));
      const seen = present(await look(key));
      expect(seen.name).toBe('leads_elsewhere');
      expect(seen.remark).toContain(crnOf(other));
    });

    it('that IBM is still releasing are waited for', async () => {
      sandbox.operator.holdAliases(300_000);
      const key = await native();
      await run(driver, 'schedule_deletion', key);
      keystore.letDeletionsEnd();
      const successor = fresh({ label: key.label });
      expect(await faultOf(run(driver, 'create', successor))).toMatchObject({ kind: 'unavailable', retryable: true });
      keystore.clock.advance(300_000);
      expect(present(await look(await run(driver, 'create', successor))).name).toBe('leads_here');
    });

    it('go from a destroyed key of ours to its successor, while that can still be restored', async () => {
      const key = await native();
      await run(driver, 'schedule_deletion', key);
      const successor = await run(driver, 'create', fresh({ label: key.label }));
      expect(present(await look(successor)).name).toBe('leads_here');
      expect(present(await look(key))).toMatchObject({ state: 'pending_deletion' });
    });
  });

  describe('a lost create', () => {
    it('is found without its name, before the key is called absent', async () => {
      const key = fresh();
      const made = await run(driver, 'create', key);
      sandbox.operator.removeAlias(crnOf(made), aliasOf(key.label));
      expect(await look(key)).toEqual({ presence: 'absent' });
      expect(present(await look({ ...key, createSent: true }))).toMatchObject({ name: 'missing', state: 'enabled' });
      expect((await run(driver, 'create', key)).binding).toEqual(made.binding);
      expect(keystore.listing(crnOf(made))?.aliases).toEqual([aliasOf(key.label)]);
    });

    it('says where its name leads meanwhile', async () => {
      const key = fresh();
      const made = await run(driver, 'create', key);
      sandbox.operator.removeAlias(crnOf(made), aliasOf(key.label));
      const other = await run(driver, 'create', fresh({ label: key.label }));
      const seen = present(await look({ ...key, createSent: true }));
      expect(seen).toMatchObject({ name: 'leads_elsewhere', idInKeystore: crnOf(made) });
      expect(seen.remark).toContain(crnOf(other));
    });

    it('is not searched for on the first attempt', async () => {
      const step = driver.steps.create;
      const context = { signal: patience(), firstAttempt: true, withMaterial: () => Promise.reject(new Error('none')) };
      await step?.(fresh(), context);
      expect(sandbox.calls.count({ operation: 'GetKeys' })).toBe(0);
    });

    it('is called back when somebody deleted what it made', async () => {
      const key = fresh();
      const made = await run(driver, 'create', key);
      sandbox.operator.delete(crnOf(made));
      expect((await run(driver, 'create', key)).binding).toEqual(made.binding);
      expect(present(await look(made)).state).toBe('enabled');
    });

    it('of other material than this version’s is found out', async () => {
      const key = fresh({}, IMPORTED);
      await run(driver, 'create', key, randomBytes(32));
      const found = await run(driver, 'create', key, randomBytes(32));
      expect(await faultOf(run(driver, 'import', found, randomBytes(32)))).toMatchObject({ kind: 'conflict' });
    });
  });

  describe('material', () => {
    it('is brought under one import token, good for many keys', async () => {
      await imported();
      await imported();
      expect(sandbox.calls.count({ operation: 'PostImportToken' })).toBeLessThanOrEqual(1);
      expect(sandbox.calls.count({ operation: 'GetImportToken', outcome: 'ok' })).toBe(2);
    });

    it('is wrapped anew when somebody else replaced the token meanwhile', async () => {
      sandbox.faults.add({ kind: 'latency', operation: 'CreateKey', latencyMs: 300, times: 1 });
      const creating = imported();
      while (sandbox.calls.count({ operation: 'GetImportToken' }) === 0)
        await new Promise((done) => setTimeout(done, 5));
      await keystore.call('POST', '/import_token', { expiration: 300, maxAllowedRetrievals: 5 });
      expect(present(await look(await creating)).state).toBe('enabled');
      expect(sandbox.calls.count({ operation: 'CreateKey', outcome: 'INCORRECT_NONCE_ERR' })).toBe(1);
    });

    it('takes a new token when the old one expired or was used up', async () => {
      await imported();
      keystore.clock.advance(3_700_000);
      await imported();
      await keystore.call('POST', '/import_token', { expiration: 300, maxAllowedRetrievals: 1 });
      await imported();
      await imported();
      expect(sandbox.calls.count({ operation: 'PostImportToken' })).toBe(3);
    });

    it('goes as it is where the instance has no import tokens', async () => {
      const plain = unhurried(connect(keystore.connection({ ibm_instance_id: INSTANCES.plain })), keystore.clock);
      const material = randomBytes(32);
      const key = await imported({}, material, plain);
      expect(keystore.listing(crnOf(key))).toMatchObject({ instanceId: INSTANCES.plain, imported: true });
      expect((await run(plain, 'import', key, material)).binding).toEqual(key.binding);
    });

    it('is the same in every instance, but what one wrapped another does not unwrap', async () => {
      const hpcs = keystore.connection({ ibm_variant: 'hpcs', ibm_instance_id: INSTANCES.hpcs });
      const material = randomBytes(32);
      const [here, there] = [
        await imported({}, material),
        await imported({}, material, unhurried(connect(hpcs), keystore.clock)),
      ];
      await keystore.provesMaterial?.(crnOf(here), IMPORTED, material);
      const path = (key: KeyInKeystore, action: string) =>
        `/keys/${crnOf(key).split(':').at(-1) ?? ''}/actions/${action}`;
      const { body } = await keystore.call('POST', path(there, 'wrap'), { plaintext: 'AAAA' }, INSTANCES.hpcs);
      const { ciphertext } = body as { readonly ciphertext: string };
      expect((await keystore.call('POST', path(here, 'unwrap'), { ciphertext })).status).toBe(422);
      expect((await keystore.call('POST', path(there, 'unwrap'), { ciphertext }, INSTANCES.hpcs)).status).toBe(200);
    });

    it('leaves no trace but a check in the description', async () => {
      const material = randomBytes(32);
      const key = await imported({ description: 'x'.repeat(200) }, material);
      const description = keystore.listing(crnOf(key))?.description ?? '';
      expect(description.length).toBeLessThanOrEqual(240);
      for (const form of ['base64', 'hex', 'base64url'] as const) {
        expect(description).not.toContain(material.toString(form).slice(0, 8));
      }
    });
  });

  describe('rotate', () => {
    it('keeps the CRN and the name; older versions are still there', async () => {
      const first = await imported();
      const material = randomBytes(32);
      const second = await run(driver, 'rotate', { ...first, version: 2 }, material);
      expect(crnOf(second)).toBe(crnOf(first));
      expect(second.binding?.fingerprint).not.toBe(first.binding?.fingerprint);
      expect(present(await look(second))).toMatchObject({
        fingerprint: second.binding?.fingerprint,
        name: 'leads_here',
      });
      expect(present(await look({ ...first, current: false })).fingerprint).toBe(first.binding?.fingerprint);
      await keystore.provesMaterial?.(crnOf(second), IMPORTED, material);
      expect((await run(driver, 'import', second, material)).binding).toEqual(second.binding);
    });

    it('of a native key takes no material', async () => {
      const first = await native();
      const second = await run(driver, 'rotate', { ...first, version: 2 });
      expect(second.binding?.fingerprint).not.toBe(first.binding?.fingerprint);
      expect((await run(driver, 'rotate', { ...first, version: 2 })).binding).toEqual(second.binding);
      expect(keystore.listing(crnOf(first))?.versions).toBe(2);
    });

    it('that lost its answer is not done again', async () => {
      const first = await imported();
      sandbox.faults.add({ kind: 'reset_after', operation: 'RotateKey', times: 1 });
      const next = { ...first, version: 2, intendedAt: keystore.now() };
      expect(await faultOf(run(driver, 'rotate', next, randomBytes(32)))).toMatchObject({ kind: 'unreachable' });
      await run(driver, 'rotate', next, randomBytes(32));
      expect(keystore.listing(crnOf(first))?.versions).toBe(2);
    });

    it('does not take for ours what somebody else rotated before', async () => {
      const first = await imported();
      sandbox.operator.rotate(crnOf(first));
      keystore.clock.advance(600_000);
      const next = { ...first, version: 2, intendedAt: keystore.now() };
      expect(await faultOf(run(driver, 'rotate', next, randomBytes(32)))).toMatchObject({ kind: 'conflict' });
      // The work begins from what is there now.
      const fingerprint = keystore.listing(crnOf(first))?.versionId;
      const known = { ...next, binding: { idInKeystore: crnOf(first), fingerprint } };
      expect(await faultOf(run(driver, 'rotate', known, randomBytes(32)))).toMatchObject({
        kind: 'throttled',
        retryable: true,
      });
      keystore.clock.advance(3_600_000);
      await run(driver, 'rotate', known, randomBytes(32));
      expect(keystore.listing(crnOf(first))?.versions).toBe(3);
    });

    it('leaves the newer version alone when the older one is to be disabled', async () => {
      const first = await imported();
      await run(driver, 'rotate', { ...first, version: 2 }, randomBytes(32));
      expect(await faultOf(run(driver, 'disable', { ...first, current: false }))).toMatchObject({ kind: 'conflict' });
    });
  });

  describe('states', () => {
    it('are changed back no sooner than after half a minute', async () => {
      const hurried = connect(keystore.connection());
      const key = await native();
      await run(driver, 'disable', key);
      expect(await faultOf(run(hurried, 'enable', key))).toMatchObject({ kind: 'unavailable', retryable: true });
      await run(driver, 'schedule_deletion', key);
      expect(await faultOf(run(hurried, 'cancel_deletion', key))).toMatchObject({ kind: 'unavailable' });
      await run(driver, 'cancel_deletion', key);
      expect(present(await look(key)).state).toBe('enabled');
    });

    it('of an expired key cannot be mended', async () => {
      const key = await native();
      sandbox.operator.expire(crnOf(key));
      const seen = present(await look(key));
      expect(seen.state).toBe('disabled');
      expect(seen.remark).toContain('expired');
      expect(await faultOf(run(driver, 'enable', key))).toMatchObject({ kind: 'conflict' });
      await run(driver, 'disable', key);
    });

    it('of a purged key is absent', async () => {
      const key = await native();
      await run(driver, 'schedule_deletion', key);
      sandbox.operator.purge(crnOf(key));
      expect(await look(key)).toEqual({ presence: 'absent' });
      await run(driver, 'schedule_deletion', key);
    });

    it('shows a key that somebody put into another key ring', async () => {
      const key = await native();
      sandbox.operator.moveToKeyRing(crnOf(key), 'elsewhere');
      expect(present(await look(key)).state).toBe('enabled');
    });

    it('of another instance’s key are not asked for: it would seem absent', async () => {
      const key = await native();
      const moved = connect(keystore.connection({ ibm_instance_id: INSTANCES.hpcs }));
      expect(await faultOf(moved.observe(key, patience()))).toMatchObject({ kind: 'conflict' });
    });
  });

  describe('deletion', () => {
    it('goes on while resources are registered, unless one forbids it', async () => {
      const key = await native();
      sandbox.operator.register(crnOf(key), { resourceCrn: BUCKET, preventKeyDeletion: true });
      const fault = await faultOf(run(driver, 'schedule_deletion', key));
      expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
      expect(fault.message).toContain(BUCKET);
      sandbox.operator.unregister(crnOf(key), BUCKET);
      sandbox.operator.register(crnOf(key), { resourceCrn: BUCKET });
      await run(driver, 'schedule_deletion', key);
      expect(present(await look(key)).state).toBe('pending_deletion');
    });

    it('gives the first of two authorizations where two people must agree', async () => {
      const key = await native();
      sandbox.operator.setDualAuth(crnOf(key), true);
      const fault = await faultOf(run(driver, 'schedule_deletion', key));
      expect(fault).toMatchObject({ kind: 'denied', retryable: true });
      expect(fault.message).toContain('second person');
      expect(present(await look(key)).remark).toContain('first person');
      await faultOf(run(driver, 'schedule_deletion', key));
      expect(sandbox.calls.count({ operation: 'SetKeyForDeletion' })).toBe(1);
      await run(driver, 'cancel_deletion', key);
      expect(present(await look(key)).remark).toBeUndefined();
      sandbox.operator.delete(crnOf(key));
      await run(driver, 'schedule_deletion', key);
    });
  });

  describe('associated resources', () => {
    it('are what services registered', async () => {
      const key = await native();
      sandbox.operator.register(crnOf(key), { resourceCrn: BUCKET, description: 'Retained', preventKeyDeletion: true });
      expect(await driver.associatedResources?.(key, patience())).toEqual([
        {
          name: 'bucket:invoices',
          kind: 'com_ibm_cloud_kms_registration',
          service: 'cloud-object-storage',
          serviceInstance: '5f1cd4a8-1111',
          uri: BUCKET,
          description: 'Retained',
          preventsKeyDeletion: true,
        },
      ]);
    });

    it('are none of a key that is not there, and unknown when they cannot be asked for', async () => {
      expect(await driver.associatedResources?.(fresh(), patience())).toEqual([]);
      const key = await native();
      sandbox.faults.add({ kind: 'throttle', operation: 'GetRegistrations' });
      expect(await faultOf(driver.associatedResources?.(key, patience()) ?? Promise.resolve())).toMatchObject({
        kind: 'throttled',
      });
      sandbox.operator.purge(crnOf(key));
      sandbox.faults.clear();
      expect(await driver.associatedResources?.(key, patience())).toEqual([]);
    });

    it('are read over all pages', async () => {
      const key = await native();
      for (let count = 0; count < 1001; count += 1) {
        sandbox.operator.register(crnOf(key), { resourceCrn: `${BUCKET}-${count}` });
      }
      expect(await driver.associatedResources?.(key, patience())).toHaveLength(1001);
    });
  });

  it('makes its key ring with the first key', async () => {
    const inRing = connect(keystore.connection({ ibm_key_ring: 'made-by-need' }));
    expect(await inRing.health(patience())).toMatchObject({ status: 'ok' });
    expect((await inRing.list(undefined, patience())).keys).toEqual([]);
    const key = await run(inRing, 'create', fresh());
    expect(keystore.listing(crnOf(key))?.keyRingId).toBe('made-by-need');
    expect((await inRing.list(undefined, patience())).keys).toMatchObject([
      { idInKeystore: crnOf(key), state: 'enabled' },
    ]);
  });

  describe('settings', () => {
    const settings = (name: string, value: string) => connect(keystore.connection({ [name]: value }));

    it.each([
      ['ibm_api_endpoint', 'http://us-south.kms.cloud.ibm.com', /https/],
      ['ibm_iam_endpoint', 'https://localhost:8443', /this machine/],
      ['ibm_api_endpoint', 'https://127.1', /this machine/],
      ['ibm_api_endpoint', 'https://2130706433/api/v2', /this machine/],
      ['ibm_api_endpoint', 'https://169.254.169.254', /this machine/],
      ['ibm_api_endpoint', 'https://[::1]', /this machine/],
      ['ibm_api_endpoint', 'nowhere', /no usable/],
    ])('refuse %s %s', (name, value, why) => {
      process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] = 'false';
      try {
        const other = name === 'ibm_api_endpoint' ? 'ibm_iam_endpoint' : 'ibm_api_endpoint';
        const both = { [other]: 'https://iam.cloud.ibm.com', [name]: value };
        expect(() => connect(keystore.connection(both))).toThrow(why);
      } finally {
        process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] = 'true';
      }
    });

    it('need an instance, a variant and an API key', () => {
      expect(() => settings('ibm_instance_id', '')).toThrow('ibm_instance_id');
      expect(() => settings('ibm_variant', 'other')).toThrow('ibm_variant');
      expect(() => connect(keystore.connection({}, {}))).toThrow('ibm_api_key');
    });

    it('take endpoints with or without their paths', async () => {
      const { endpoint } = sandbox;
      const full = connect(
        keystore.connection({
          ibm_api_endpoint: `${endpoint}/api/v2/`,
          ibm_iam_endpoint: `${endpoint}/identity/token`,
        }),
      );
      expect((await full.health(patience())).status).toBe('ok');
    });
  });
});
