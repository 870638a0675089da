import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  EnableKeyRotationCommand,
  GetParametersForImportCommand,
  ImportKeyMaterialCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../lib/drivers/aws-kms/driver.ts';
import { wrap } from '../../lib/drivers/aws-kms/import.ts';
import { awsKmsKind } from '../../lib/drivers/aws-kms/kind.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { AWS_IMPORTS, makeMaterial } from './aws-material.ts';
import type { AwsKeystore } from './aws-sandbox.ts';
import { ACCOUNT, openAwsKeystore, REGION } from './aws-sandbox.ts';
import { driverContract, faultOf, newKey, patience, present, run, withoutMaterial } from './contract.ts';

const IMPORTED: KeySpec = { algorithm: 'aes', size: '256', material: 'imported', properties: {} };
const NATIVE: KeySpec = { ...IMPORTED, material: 'native' };
const NATIVE_EC: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };

driverContract('aws_kms, imported', {
  kind: awsKmsKind,
  open: () => openAwsKeystore({ connect }),
  spec: IMPORTED,
  imports: AWS_IMPORTS,
  unsupported: {},
});

driverContract('aws_kms, native', {
  kind: awsKmsKind,
  open: () => openAwsKeystore({ connect }),
  spec: NATIVE_EC,
  imports: AWS_IMPORTS.slice(0, 1),
  unsupported: {},
});

describe('aws_kms', () => {
  let keystore: AwsKeystore;
  let sandbox: AwsKmsSandbox;
  let driver: KeystoreDriver;

  beforeAll(async () => {
    keystore = await openAwsKeystore({ connect });
    ({ sandbox } = keystore);
    driver = keystore.connect();
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
  });

  const arnOf = (key: KeyInKeystore) => key.binding?.idInKeystore ?? '';
  const listed = (key: KeyInKeystore) => sandbox.operator.keys().find((each) => each.arn === arnOf(key));
  const look = (key: KeyInKeystore) => driver.observe(key, patience());
  const native = (changes: Partial<KeyInKeystore> = {}) =>
    run(driver, 'create', newKey(NATIVE, keystore.now(), changes));

  async function imported(changes: Partial<KeyInKeystore> = {}, material = makeMaterial(IMPORTED)) {
    return run(driver, 'import', await run(driver, 'create', newKey(IMPORTED, keystore.now(), changes)), material);
  }

  describe('observe', () => {
    it('takes one call for a current key whose name leads to it', async () => {
      const key = await native();
      sandbox.calls.reset();
      await look(key);
      expect(sandbox.calls.list()).toMatchObject([{ operation: 'DescribeKey', count: 1 }]);
    });

    it('takes one call for an older version, by its ARN', async () => {
      const key = await native();
      sandbox.calls.reset();
      expect(present(await look({ ...key, current: false })).name).toBe('not_applicable');
      expect(sandbox.calls.list()).toMatchObject([{ operation: 'DescribeKey', count: 1 }]);
    });

    it('does not fetch a public key whose ARN stands for it', async () => {
      const key = await run(driver, 'create', newKey(NATIVE_EC, keystore.now()));
      sandbox.calls.reset();
      expect(present(await look(key)).fingerprint).toBeUndefined();
      expect(sandbox.calls.count({ operation: 'GetPublicKey' })).toBe(0);
    });

    it('tells where the name leads when it leads elsewhere', async () => {
      const [key, other] = [await native(), await native()];
      await sandbox.operator.moveAlias(`alias/${key.label}`, arnOf(other));
      const seen = present(await look(key));
      expect(seen).toMatchObject({ name: 'leads_elsewhere', idInKeystore: arnOf(key), state: 'enabled' });
      expect(seen.remark).toContain(arnOf(other));
    });

    it('says that the name is missing when somebody deleted it', async () => {
      const key = await native();
      await sandbox.operator.deleteAlias(`alias/${key.label}`, arnOf(key));
      expect(present(await look(key)).name).toBe('missing');
    });

    it('tells so too of a newer version whose create lost its answer, while the name is still with the older one', async () => {
      const first = await run(driver, 'create', newKey(NATIVE_EC, keystore.now()));
      const second = { ...first, version: 2, binding: undefined, createSent: true };
      keystore.strike('create', 'answer_lost', 1);
      await faultOf(run(driver, 'create', second));
      keystore.mend();
      const seen = present(await look(second));
      expect(seen).toMatchObject({ name: 'leads_elsewhere', state: 'enabled' });
      expect(seen.idInKeystore).not.toBe(arnOf(first));
      expect(seen.remark).toContain(arnOf(first));
    });

    it.each(['Creating', 'Updating'] as const)('takes a key that is %s for settling', async (state) => {
      const key = await native();
      sandbox.operator.hold(arnOf(key), state, 60_000);
      expect(present(await look(key)).state).toBe('settling');
    });

    it('still shows the material of an older version after a rotation in place', async () => {
      const first = await imported();
      await run(driver, 'rotate', { ...first, version: 2 }, makeMaterial(IMPORTED));
      const seen = present(await look({ ...first, current: false }));
      expect(seen.fingerprint).toBe(first.binding?.fingerprint);
    });

    it('does not take keys for absent because the region of the keystore was changed', async () => {
      const key = await native();
      const elsewhere = connect(keystore.connection({ aws_region: 'us-east-1' }));
      const older = { ...key, current: false };
      expect(await faultOf(elsewhere.observe(older, patience()))).toMatchObject({ kind: 'conflict' });
      expect(await faultOf(elsewhere.observe(key, patience()))).toMatchObject({ kind: 'conflict' });
    });

    it('warns of material that somebody imported to expire', async () => {
      const key = await run(driver, 'create', newKey(IMPORTED, keystore.now()));
      const parameters = await keystore.kms.send(
        new GetParametersForImportCommand({
          KeyId: arnOf(key),
          WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
          WrappingKeySpec: 'RSA_4096',
        }),
      );
      const wrapped = wrap(makeMaterial(IMPORTED), parameters.PublicKey ?? new Uint8Array(), 'RSAES_OAEP_SHA_256');
      await keystore.kms.send(
        new ImportKeyMaterialCommand({
          KeyId: arnOf(key),
          ImportToken: parameters.ImportToken,
          EncryptedKeyMaterial: wrapped,
          ExpirationModel: 'KEY_MATERIAL_EXPIRES',
          ValidTo: new Date(keystore.now().getTime() + 86_400_000),
        }),
      );
      expect(present(await look(key)).remark).toContain('expires');
    });
  });

  describe('create', () => {
    it('tags the key at once, and gives it description, user tags and name', async () => {
      const key = await native({ description: 'Card data', tags: [{ name: 'cost center', value: '4711/a' }] });
      expect(listed(key)).toMatchObject({
        aliases: [`alias/${key.label}`],
        tags: { 'shearline:key': key.keyId, 'shearline:version': '1', 'cost center': '4711/a' },
      });
    });

    it.each([
      ['rsa', '2048', 'sign_verify', 'SIGN_VERIFY'],
      ['rsa', '2048', undefined, 'ENCRYPT_DECRYPT'],
      ['ec', '384', 'key_agreement', 'KEY_AGREEMENT'],
      ['ec', '384', undefined, 'SIGN_VERIFY'],
      ['hmac', '512', undefined, 'GENERATE_VERIFY_MAC'],
    ] as const)('makes %s %s for %s as %s', async (algorithm, size, usage, expected) => {
      const properties = usage === undefined ? {} : { aws_key_usage: usage };
      const key = await run(
        driver,
        'create',
        newKey({ algorithm, size, material: 'imported', properties }, keystore.now()),
      );
      expect(listed(key)).toMatchObject({ keyUsage: expected, origin: 'EXTERNAL' });
    });

    it('sends CreateKey once only, whatever becomes of the answer', async () => {
      const key = newKey(NATIVE, keystore.now());
      keystore.strike('create', 'answer_lost');
      await faultOf(run(driver, 'create', key));
      expect(sandbox.calls.count({ operation: 'CreateKey' })).toBe(1);
    });

    it('waits five seconds for an answer, and finds the key whose answer never came', async () => {
      const key = newKey(NATIVE, keystore.now());
      sandbox.faults.add({ kind: 'timeout_after', operation: 'CreateKey', times: 1 });
      const started = Date.now();
      expect(await faultOf(run(driver, 'create', key))).toMatchObject({ kind: 'unreachable' });
      expect(Date.now() - started).toBeLessThan(8_000);
      await run(driver, 'create', key);
      expect(await keystore.countOf(key.keyId)).toBe(1);
    });

    it('stops waiting when the signal aborts, and finds the key later', async () => {
      const key = newKey(NATIVE, keystore.now());
      sandbox.faults.add({ kind: 'timeout_after', operation: 'CreateKey', times: 1 });
      const context = { signal: AbortSignal.timeout(300), withMaterial: withoutMaterial };
      expect(await faultOf(driver.steps.create?.(key, context) ?? Promise.resolve())).toMatchObject({
        kind: 'unreachable',
      });
      await run(driver, 'create', key);
      expect(await keystore.countOf(key.keyId)).toBe(1);
    });

    it('finds a lost key among many that somebody else made at the same time', async () => {
      const key = newKey(NATIVE, keystore.now());
      keystore.strike('create', 'answer_lost', 1);
      await faultOf(run(driver, 'create', key));
      for (let made = 0; made < 20; made += 1) await keystore.kms.send(new CreateKeyCommand({}));
      await run(driver, 'create', key);
      expect(await keystore.countOf(key.keyId)).toBe(1);
    });

    it('finds a lost key though its label was changed meanwhile', async () => {
      const key = newKey(NATIVE, keystore.now());
      await run(driver, 'create', key);
      const renamed = await run(driver, 'create', { ...key, label: `${key.label}-2` });
      expect(await keystore.countOf(key.keyId)).toBe(1);
      expect(present(await look(renamed)).name).toBe('leads_here');
    });

    it('does not search when it is known to be the first attempt', async () => {
      sandbox.calls.reset();
      await driver.steps.create?.(newKey(NATIVE, keystore.now()), {
        signal: patience(),
        withMaterial: withoutMaterial,
        firstAttempt: true,
      });
      expect(sandbox.calls.count({ operation: 'ListKeys' })).toBe(0);
    });

    it('passes over keys that had a name before the intent', async () => {
      await native();
      keystore.clock.advance(3_600_000);
      sandbox.calls.reset();
      await run(driver, 'create', newKey(NATIVE, keystore.now()));
      const keys = sandbox.operator.keys().length;
      expect(sandbox.calls.count({ operation: 'DescribeKey' })).toBeLessThan(keys);
      expect(sandbox.calls.count({ operation: 'ListResourceTags' })).toBe(0);
    });

    it('calls back a lost key that somebody has scheduled for deletion', async () => {
      const key = newKey(NATIVE, keystore.now());
      keystore.strike('create', 'answer_lost', 1);
      await faultOf(run(driver, 'create', key));
      const lost = sandbox.operator.keys().find((each) => each.tags['shearline:key'] === key.keyId);
      await keystore.kms.send(new ScheduleKeyDeletionCommand({ KeyId: lost?.keyId }));
      expect(present(await look(await run(driver, 'create', key))).state).toBe('enabled');
      expect(await keystore.countOf(key.keyId)).toBe(1);
    });

    it('takes over the name of a destroyed key of ours, though of another type', async () => {
      const destroyed = await run(driver, 'create', newKey(NATIVE_EC, keystore.now()));
      await run(driver, 'schedule_deletion', destroyed);
      const key = await native({ label: destroyed.label });
      expect(present(await look(key)).name).toBe('leads_here');
    });

    it('does not take the name from another managed key that lives', async () => {
      const other = await native();
      const fault = await faultOf(native({ label: other.label }));
      expect(fault.kind).toBe('conflict');
      expect(fault.message).toContain(arnOf(other));
    });

    it('leaves the name with the older version until rename moves it', async () => {
      const first = await run(driver, 'create', newKey(NATIVE_EC, keystore.now()));
      const second = await run(driver, 'create', { ...first, version: 2, binding: undefined });
      expect(arnOf(second)).not.toBe(arnOf(first));
      expect(present(await look(second)).name).toBe('leads_elsewhere');
      await run(driver, 'rename', second);
      expect(present(await look(second)).name).toBe('leads_here');
      await run(driver, 'rename', { ...first, current: false });
      expect(present(await look(second)).name).toBe('leads_here');
      expect(listed(first)?.aliases).toEqual([]);
    });

    it('does not leave behind a key whose name was taken in the last moment', async () => {
      const key = newKey(NATIVE, keystore.now());
      sandbox.faults.add({ kind: 'latency', operation: 'CreateAlias', latencyMs: 300, times: 1 });
      const creating = faultOf(run(driver, 'create', key));
      while (sandbox.calls.count({ operation: 'CreateKey' }) === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
      const foreign = await keystore.kms.send(new CreateKeyCommand({}));
      await keystore.kms.send(
        new CreateAliasCommand({ AliasName: `alias/${key.label}`, TargetKeyId: foreign.KeyMetadata?.KeyId }),
      );
      expect(await creating).toMatchObject({ kind: 'conflict' });
      const states = sandbox.operator.keys().filter((each) => each.tags['shearline:key'] === key.keyId);
      expect(states.map((each) => each.state)).toEqual(['PendingDeletion']);
    });

    it('rides out a new key that not every server knows yet', async () => {
      const key = newKey(NATIVE, keystore.now());
      sandbox.faults.add({ kind: 'lag', lagMs: 200 });
      const created = await run(driver, 'create', key);
      keystore.clock.advance(1000);
      expect(present(await look(created)).name).toBe('leads_here');
    });
  });

  it.each(['enable', 'disable', 'schedule_deletion'] as const)(
    '%s waits for a key that AWS is at work on',
    async (step) => {
      const key = await native();
      sandbox.operator.hold(arnOf(key), 'Updating', 60_000);
      expect(await faultOf(run(driver, step, key))).toMatchObject({ kind: 'unavailable', retryable: true });
    },
  );

  describe('import', () => {
    it('records the public key of a key pair as its fingerprint', async () => {
      const spec: KeySpec = { algorithm: 'ec', size: '256', material: 'imported', properties: {} };
      const material = makeMaterial(spec);
      const key = await run(driver, 'import', await run(driver, 'create', newKey(spec, keystore.now())), material);
      const spki = createPublicKey(
        createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }),
      ).export({
        type: 'spki',
        format: 'der',
      });
      expect(key.binding?.fingerprint).toBe(createHash('sha256').update(spki).digest('hex'));
    });

    it('does not believe material that is there already, if it cannot prove that it is ours', async () => {
      const created = await run(driver, 'create', newKey(IMPORTED, keystore.now()));
      await run(driver, 'import', created, makeMaterial(IMPORTED));
      expect(await faultOf(run(driver, 'import', created, makeMaterial(IMPORTED)))).toMatchObject({ kind: 'conflict' });
    });

    it('proves material whose import was answered to nobody', async () => {
      const created = await run(driver, 'create', newKey(IMPORTED, keystore.now()));
      const material = makeMaterial(IMPORTED);
      sandbox.faults.add({ kind: 'reset_after', operation: 'ImportKeyMaterial', times: 1 });
      expect(await faultOf(run(driver, 'import', created, material))).toMatchObject({ kind: 'unreachable' });
      const key = await run(driver, 'import', created, material);
      expect(key.binding?.fingerprint).toBe(listed(key)?.currentKeyMaterialId);
    });

    it('says that a key which somebody rotated cannot be brought back', async () => {
      const material = makeMaterial(IMPORTED);
      const key = await imported({}, material);
      await sandbox.operator.replaceMaterial(arnOf(key));
      expect(await faultOf(run(driver, 'import', key, material))).toMatchObject({ kind: 'conflict' });
    });

    it('leaves a disabled key with its material as it is', async () => {
      const material = makeMaterial(IMPORTED);
      const key = await imported({}, material);
      await run(driver, 'disable', key);
      await run(driver, 'import', key, material);
      expect(present(await look(key)).state).toBe('disabled');
    });
  });

  describe('rotate', () => {
    it('gives an imported key new material under the same ARN, and keeps the old readable', async () => {
      const first = await imported();
      const { CiphertextBlob } = await keystore.kms.send(
        new EncryptCommand({ KeyId: arnOf(first), Plaintext: Buffer.from('of version 1') }),
      );
      const material = makeMaterial(IMPORTED);
      const second = await run(driver, 'rotate', { ...first, version: 2 }, material);
      expect(arnOf(second)).toBe(arnOf(first));
      expect(second.binding?.fingerprint).not.toBe(first.binding?.fingerprint);
      expect(present(await look(second))).toMatchObject({ fingerprint: second.binding?.fingerprint, state: 'enabled' });
      expect(listed(second)?.tags['shearline:version']).toBe('2');
      const { Plaintext } = await keystore.kms.send(new DecryptCommand({ CiphertextBlob }));
      expect(Buffer.from(Plaintext ?? []).toString()).toBe('of version 1');

      // Run again as after a lost answer: with the binding of the version before.
      const again = await run(driver, 'rotate', { ...first, version: 2 }, material);
      expect(again.binding).toEqual(second.binding);
    });

    it.each(['ImportKeyMaterial', 'RotateKeyOnDemand'])(
      'goes on after the answer of %s was lost',
      async (operation) => {
        const first = await imported();
        const material = makeMaterial(IMPORTED);
        sandbox.faults.add({ kind: 'reset_after', operation, times: 1 });
        await faultOf(run(driver, 'rotate', { ...first, version: 2 }, material));
        const second = await run(driver, 'rotate', { ...first, version: 2 }, material);
        expect(second.binding?.fingerprint).toBe(listed(second)?.currentKeyMaterialId);
        expect(second.binding?.fingerprint).not.toBe(first.binding?.fingerprint);
      },
    );

    it.each([false, true])(
      'first finishes one to the version before that was cut short (and goes on if it is itself cut short: %s)',
      async (isItself) => {
        const first = await imported();
        const [second, third] = [makeMaterial(IMPORTED), makeMaterial(IMPORTED)];
        sandbox.faults.add({ kind: 'denied', operation: 'RotateKeyOnDemand', times: 1 });
        await faultOf(run(driver, 'rotate', { ...first, version: 2 }, second));
        if (isItself) {
          sandbox.faults.add({ kind: 'denied', operation: 'ImportKeyMaterial', times: 1 });
          await faultOf(run(driver, 'rotate', { ...first, version: 3 }, third));
        }
        const key = await run(driver, 'rotate', { ...first, version: 3 }, third);
        expect(key.binding?.fingerprint).toBe(listed(key)?.currentKeyMaterialId);
        expect(listed(key)?.tags['shearline:version']).toBe('3');
        // Imported again, which proves that both are there.
        await run(driver, 'import', key, third);
        await run(driver, 'import', { ...key, version: 2, current: false }, second);
      },
    );

    it('does not take a rotation by somebody else for its own', async () => {
      const first = await imported();
      await sandbox.operator.replaceMaterial(arnOf(first));
      const fault = await faultOf(run(driver, 'rotate', { ...first, version: 2 }, makeMaterial(IMPORTED)));
      expect(fault).toMatchObject({ kind: 'conflict' });
    });

    it('rotates a native key once, however often it runs', async () => {
      const first = await native();
      const second = await run(driver, 'rotate', { ...first, version: 2 });
      const again = await run(driver, 'rotate', { ...first, version: 2 });
      expect(again.binding).toEqual(second.binding);
      expect(second.binding?.fingerprint).not.toBe(first.binding?.fingerprint);
      expect(sandbox.calls.count({ operation: 'RotateKeyOnDemand' })).toBe(1);
    });

    it('does not disable or delete a key through a version that it has outgrown', async () => {
      const first = await imported();
      await run(driver, 'rotate', { ...first, version: 2 }, makeMaterial(IMPORTED));
      const older = { ...first, current: false };
      for (const step of ['disable', 'schedule_deletion'] as const) {
        expect(await faultOf(run(driver, step, older))).toMatchObject({ kind: 'conflict' });
      }
      expect(listed(first)?.state).toBe('Enabled');
    });

    it('is unsupported for a key pair', async () => {
      const key = await run(driver, 'create', newKey(NATIVE_EC, keystore.now()));
      expect(await faultOf(run(driver, 'rotate', key))).toMatchObject({ kind: 'unsupported' });
    });
  });

  describe('rename', () => {
    it('leaves names alone that somebody else gave the key', async () => {
      const key = await native();
      const theirs = `alias/theirs/${key.keyId}`;
      await keystore.kms.send(new CreateAliasCommand({ AliasName: theirs, TargetKeyId: arnOf(key) }));
      await run(driver, 'rename', { ...key, label: `${key.label}-2` });
      expect(listed(key)?.aliases.toSorted()).toEqual([`alias/${key.label}-2`, theirs].toSorted());
    });

    it.each(['TagResource', 'CreateAlias', 'DeleteAlias'])(
      'clears up what an earlier rename left that was cut short at %s',
      async (operation) => {
        const key = await native();
        for (const kind of ['denied', 'reset_after'] as const) {
          sandbox.faults.add({ kind, operation });
          // After a lost answer the SDK's own second attempt may carry it through.
          await run(driver, 'rename', { ...key, label: `${key.label}-${kind}` }).catch(() => undefined);
          keystore.mend();
        }
        await run(driver, 'rename', { ...key, label: `${key.label}-last` });
        expect(listed(key)?.aliases).toEqual([`alias/${key.label}-last`]);
      },
    );

    it('gives back a name that somebody deleted or moved', async () => {
      const [key, other] = [await native(), await native()];
      await sandbox.operator.deleteAlias(`alias/${key.label}`, arnOf(key));
      await run(driver, 'rename', key);
      expect(present(await look(key)).name).toBe('leads_here');
      await sandbox.operator.moveAlias(`alias/${key.label}`, arnOf(other));
      expect(await faultOf(run(driver, 'rename', key))).toMatchObject({ kind: 'conflict' });
    });
  });

  describe('tag', () => {
    it('changes and removes tags of ours, and leaves those of others', async () => {
      const key = await native({
        tags: [
          { name: 'team', value: 'payments' },
          { name: 'stage', value: 'test' },
        ],
      });
      await sandbox.operator.tag(arnOf(key), { auditor: 'somebody else' });
      const changed = { ...key, description: 'New', tags: [{ name: 'stage', value: 'prod' }] };
      await run(driver, 'tag', changed);
      expect(listed(key)?.tags).toMatchObject({ stage: 'prod', auditor: 'somebody else', 'shearline:key': key.keyId });
      expect(listed(key)?.tags).not.toHaveProperty('team');
    });

    it('sends nothing that changes anything when all is in line', async () => {
      const key = await native();
      sandbox.calls.reset();
      await run(driver, 'tag', key);
      const called = sandbox.calls.list().map((each) => each.operation);
      expect(called.toSorted()).toEqual(['DescribeKey', 'ListResourceTags']);
    });

    it('holds as many tags as it says it can', async () => {
      const tags = Array.from({ length: 45 }, (_each, n) => ({ name: `tag ${n}`, value: 'x'.repeat(256) }));
      expect(awsKmsKind.refusesTags(tags)).toBeUndefined();
      const key = await native({ tags });
      const renamed = await run(driver, 'rename', { ...key, label: `${key.label}-2` });
      const others = tags.map((tag) => ({ ...tag, name: `${tag.name} b` }));
      await run(driver, 'tag', { ...renamed, tags: others });
      expect(Object.keys(listed(key)?.tags ?? {})).toHaveLength(50);
    });
  });

  describe('list', () => {
    it('goes on where the page before ended', async () => {
      const region = connect(keystore.connection({ aws_region: 'us-west-2' }));
      for (let made = 0; made < 1001; made += 1) {
        await region.steps.create?.(newKey(NATIVE, keystore.now()), {
          signal: patience(),
          withMaterial: withoutMaterial,
          firstAttempt: true,
        });
      }
      const first = await region.list(undefined, patience());
      const second = await region.list(first.next, patience());
      expect([first.keys.length, second.keys.length, second.next]).toEqual([1000, 1, undefined]);
    }, 60_000);
  });

  describe('health', () => {
    it.each([
      ['denied', 'configuration_error'],
      ['throttle', 'not_responding'],
      ['reset_before', 'not_responding'],
    ] as const)('of %s is %s', async (kind, status) => {
      sandbox.faults.add({ kind, operation: 'ListKeys' });
      expect((await driver.health(patience())).status).toBe(status);
    });

    it('is a configuration error when the secret is wrong, without showing it', async () => {
      const wrong = connect(
        keystore.connection(
          {},
          { aws_access_key_id: 'AKIASANDBOXSANDBOX00', aws_secret_access_key: 'a-secret-never-to-be-shown' },
        ),
      );
      const health = await wrong.health(patience());
      expect(health.status).toBe('configuration_error');
      expect(health.message).not.toContain('never-to-be-shown');
    });
  });

  describe('connect', () => {
    it('refuses half a pair of credentials, and a keystore without a region', () => {
      expect(() => connect(keystore.connection({}, { aws_access_key_id: 'AKIA' }))).toThrow('together');
      expect(() => connect({ keystoreId: 'k', settings: {}, credentials: {} })).toThrow('aws_region');
    });

    it('uses the credentials of the process without any of its own', async () => {
      vi.stubEnv('AWS_ACCESS_KEY_ID', ACCOUNT.accessKeyId);
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', ACCOUNT.secretAccessKey);
      const own = connect({ keystoreId: 'k', settings: { aws_region: REGION }, credentials: {} });
      expect((await own.health(patience())).status).toBe('ok');
      vi.unstubAllEnvs();
    });
  });

  it('shows that AWS rotated a native key by itself', async () => {
    const key = await native();
    await keystore.kms.send(new EnableKeyRotationCommand({ KeyId: arnOf(key), RotationPeriodInDays: 90 }));
    keystore.clock.advance(91 * 86_400_000);
    expect(present(await look(key)).fingerprint).not.toBe(key.binding?.fingerprint);
  });
});
