import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../lib/drivers/google-kms/driver.ts';
import {
  GOOGLE_KEY_RULES,
  GOOGLE_PERMISSIONS,
  GOOGLE_TAG_LIMITS,
  googleKmsKind,
} from '../../lib/drivers/google-kms/kind.ts';
import { wrap } from '../../lib/drivers/google-kms/wrapping.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import { planFor } from '../../lib/drift/plan.ts';
import type { GoogleKmsSandbox } from '../../sandbox/google-kms/server.ts';
import { makeMaterial } from './aws-material.ts';
import { driverContract, faultOf, newKey, patience, present, run, withoutMaterial } from './contract.ts';
import type { GoogleKeystore } from './google-sandbox.ts';
import { GOOGLE_IMPORTS, openGoogleKeystore, PROJECT, RING, specOf } from './google-sandbox.ts';

const IMPORTED: KeySpec = { algorithm: 'aes', size: '256', material: 'imported', properties: {} };
const NATIVE: KeySpec = { ...IMPORTED, material: 'native' };
const NATIVE_EC: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };

const label = (id: string) => `contract-${id}`;
const fixedNames = 'A CryptoKey can never be renamed.';

const noneAnew = 'A CryptoKey stays for ever: what comes in place of a version that is gone is another version of it.';

driverContract('google_kms, imported', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: IMPORTED,
  imports: GOOGLE_IMPORTS,
  unsupported: {},
  fixedNames,
  noneAnew,
  label,
});

driverContract('google_kms, native', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: NATIVE,
  imports: GOOGLE_IMPORTS.slice(0, 1),
  unsupported: {},
  fixedNames,
  noneAnew,
  label,
});

driverContract('google_kms, native key pairs', {
  kind: googleKmsKind,
  open: () => openGoogleKeystore({ connect }),
  spec: NATIVE_EC,
  imports: GOOGLE_IMPORTS.slice(0, 1),
  unsupported: {},
  fixedNames,
  noneAnew,
  label,
});

describe('google_kms', () => {
  let keystore: GoogleKeystore;
  let sandbox: GoogleKmsSandbox;
  let driver: KeystoreDriver;

  beforeAll(async () => {
    keystore = await openGoogleKeystore({ connect });
    ({ sandbox } = keystore);
    driver = keystore.connect();
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
  });

  const fresh = (spec: KeySpec, changes: Partial<KeyInKeystore> = {}): KeyInKeystore => {
    const key = newKey(spec, keystore.now(), changes);
    return { ...key, label: changes.label ?? label(key.keyId) };
  };
  const idOf = (key: KeyInKeystore) => key.binding?.idInKeystore ?? '';
  const cryptoKeyOf = (key: KeyInKeystore) => `${RING}/cryptoKeys/${key.label}`;
  const listed = (key: KeyInKeystore) => sandbox.operator.keys().find((each) => each.name === cryptoKeyOf(key));
  const look = (key: KeyInKeystore) => driver.observe(key, patience());
  const called = () =>
    sandbox.calls
      .list()
      .flatMap(({ operation, count }) => Array.from({ length: count }, () => operation))
      .toSorted();
  const made = (spec: KeySpec, changes: Partial<KeyInKeystore> = {}) => run(driver, 'create', fresh(spec, changes));
  const imported = async (material: Uint8Array = makeMaterial(IMPORTED), spec: KeySpec = IMPORTED) =>
    run(driver, 'import', await made(spec), material);
  const next = (key: KeyInKeystore): KeyInKeystore => ({ ...key, version: key.version + 1, binding: undefined });

  async function decrypted(name: string, ciphertext: string | Uint8Array | null | undefined): Promise<string> {
    const [answer] = await keystore.kms.decrypt({ name, ciphertext: ciphertext ?? '' });
    return Buffer.from(answer.plaintext ?? '').toString();
  }

  /** Looks and does what the plan says until it agrees, as converging does. */
  async function converge(key: KeyInKeystore, material?: Uint8Array): Promise<KeyInKeystore> {
    let now = key;
    for (let round = 0; round < 5; round += 1) {
      const { spec, binding, current } = now;
      const planned = {
        wanted: 'enabled',
        spec,
        binding,
        current,
        open: undefined,
        outgrown: false,
        rotating: false,
      } as const;
      const plan = planFor(planned, await look(now));
      if (plan.outcome !== 'steps') {
        expect(plan.outcome).toBe('agrees');
        return now;
      }
      for (const step of plan.steps) now = await run(driver, step, now, material);
    }
    throw new Error('It does not come to an end.');
  }

  describe('observe', () => {
    it('takes one call for a current symmetric key, one for an older version, two for a current key pair', async () => {
      const [key, pair] = [await imported(), await made(NATIVE_EC)];
      for (const [each, calls] of [
        [key, ['GetCryptoKey']],
        [{ ...key, current: false }, ['GetCryptoKeyVersion']],
        [pair, ['GetCryptoKey', 'GetCryptoKeyVersion']],
      ] as const) {
        sandbox.calls.reset();
        await look(each);
        expect(called()).toEqual(calls);
      }
    });

    it('says that the name leads elsewhere when somebody made another version the primary one, and rename moves it back', async () => {
      const key = await made(NATIVE);
      const theirs = sandbox.operator.addVersion(cryptoKeyOf(key));
      sandbox.operator.setPrimary(theirs);
      expect(present(await look(key))).toMatchObject({ name: 'leads_elsewhere', state: 'enabled' });
      await run(driver, 'rename', key);
      expect(present(await look(key)).name).toBe('leads_here');
      expect(listed(key)?.primary).toBe(idOf(key));
    });

    it.each([NATIVE, NATIVE_EC])(
      'says that the name is missing when somebody took our labels away, and rename puts them back',
      async (spec) => {
        const key = await made(spec);
        sandbox.operator.label(cryptoKeyOf(key), { shearline_key: undefined, shearline_version: undefined });
        expect(present(await look(key)).name).toBe('missing');
        await run(driver, 'rename', key);
        expect(present(await look(key)).name).toBe('leads_here');
      },
    );

    it('says that the name leads elsewhere when the labels name another managed key', async () => {
      const key = await made(NATIVE);
      sandbox.operator.label(cryptoKeyOf(key), { shearline_key: randomUUID() });
      expect(present(await look(key)).name).toBe('leads_elsewhere');
      expect(await faultOf(run(driver, 'rename', key))).toMatchObject({ kind: 'conflict' });
    });

    it.each(['PENDING_GENERATION', 'PENDING_IMPORT'] as const)('takes %s for settling', async (state) => {
      const key = await made(NATIVE_EC);
      sandbox.operator.hold(idOf(key), state, 60_000);
      expect(present(await look(key)).state).toBe('settling');
      for (const step of ['enable', 'disable', 'schedule_deletion'] as const) {
        expect(await faultOf(run(driver, step, key))).toMatchObject({ kind: 'unavailable', retryable: true });
      }
    });

    it('shows a failed import with its reason as a key without material', async () => {
      const key = await imported();
      sandbox.operator.fail(idOf(key), 'IMPORT_FAILED', 'The HSM hiccuped');
      expect(present(await look(key))).toMatchObject({
        state: 'no_material',
        remark: expect.stringContaining('hiccuped') as string,
      });
    });

    it('shows a failed generation with its reason as unusable', async () => {
      const key = await made(NATIVE_EC);
      sandbox.operator.fail(idOf(key), 'GENERATION_FAILED', 'The HSM hiccuped');
      expect(present(await look(key))).toMatchObject({
        state: 'unusable',
        remark: expect.stringContaining('Google') as string,
      });
    });

    it.each([
      [IMPORTED, 'no_material'],
      [NATIVE, 'absent'],
    ] as const)('tells what somebody else destroyed from what we destroyed', async (spec, seen) => {
      const key = spec === IMPORTED ? await imported() : await made(spec);
      sandbox.operator.destroyNow(idOf(key));
      const found = await look(key);
      expect(found.presence === 'present' ? found.state : found.presence).toBe(seen);
    });

    it('does not take keys for absent because the service account may not see them', async () => {
      const key = await made(NATIVE);
      const elsewhere = connect(keystore.connection({ google_project_id: 'another-project' }));
      expect(await faultOf(elsewhere.observe({ ...key, binding: undefined }, patience()))).toMatchObject({
        kind: 'denied',
      });
    });
  });

  describe('create', () => {
    it('makes the key ring when it is missing, and only then', async () => {
      const another = connect(keystore.connection({ google_key_ring: `ring-${randomUUID()}` }));
      for (let time = 0; time < 2; time += 1) {
        await another.steps.create?.(fresh(NATIVE), { signal: patience(), withMaterial: withoutMaterial });
      }
      expect(sandbox.calls.count({ operation: 'CreateKeyRing' })).toBe(1);
    });

    it('marks the CryptoKey at once, for imports only where it is for imports, to be destroyed after 30 days', async () => {
      const key = await made(IMPORTED, { tags: [{ name: 'cost_center', value: '4711' }] });
      expect(listed(key)).toMatchObject({
        labels: { shearline_key: key.keyId, shearline_version: '1', shearline_versions: '1-1-1', cost_center: '4711' },
        importOnly: true,
        destroyScheduledSeconds: 30 * 86_400,
        versions: [],
      });
      expect(listed(await made(NATIVE))).toMatchObject({ importOnly: false, versions: [{ state: 'ENABLED' }] });
    });

    it.each(
      GOOGLE_KEY_RULES.flatMap((rule) => rule.protections.map((protection) => [rule.value, protection, rule] as const)),
    )('%s in %s is what Google makes of it', async (value, protection, rule) => {
      const spec = specOf(rule, 'imported');
      const properties = {
        ...spec.properties,
        google_key_protection_level: protection,
        google_key_purpose: rule.purpose,
      };
      const key = await made({ ...spec, properties });
      const [found] = await keystore.kms.getCryptoKey({ name: cryptoKeyOf(key) });
      expect(found).toMatchObject({
        purpose: rule.purpose.toUpperCase(),
        versionTemplate: { algorithm: value.toUpperCase(), protectionLevel: protection.toUpperCase() },
      });
    });

    it.each([NATIVE, NATIVE_EC])(
      'makes version 2 in the same CryptoKey once, though its answer was lost',
      async (spec) => {
        const first = await made(spec);
        sandbox.faults.add({ kind: 'reset_after', operation: 'CreateCryptoKeyVersion', times: 1 });
        expect(await faultOf(run(driver, 'create', next(first)))).toMatchObject({ kind: 'unreachable' });
        const second = await run(keystore.connect(), 'create', next(first));
        expect(idOf(second)).toBe(`${cryptoKeyOf(first)}/cryptoKeyVersions/2`);
        expect(listed(first)?.versions).toHaveLength(2);
        expect(present(await look(second)).name).toBe('leads_elsewhere');
      },
    );

    it('makes version 2 after it was written down but never sent', async () => {
      const first = await made(NATIVE);
      sandbox.faults.add({ kind: 'reset_before', operation: 'CreateCryptoKeyVersion', times: 1 });
      await faultOf(run(driver, 'create', next(first)));
      const theirs = sandbox.operator.addVersion(cryptoKeyOf(first));
      expect(theirs).toBe(`${cryptoKeyOf(first)}/cryptoKeyVersions/2`);
      sandbox.operator.label(cryptoKeyOf(first), { shearline_versions: '1-1-1' });
      expect(idOf(await run(driver, 'create', next(first)))).toBe(`${cryptoKeyOf(first)}/cryptoKeyVersions/3`);
    });

    it('takes over the name of a destroyed key of ours, whose versions keep their numbers', async () => {
      const destroyed = await made(NATIVE);
      await run(driver, 'schedule_deletion', destroyed);
      const key = await made(NATIVE, { label: destroyed.label });
      expect(idOf(key)).toBe(`${cryptoKeyOf(destroyed)}/cryptoKeyVersions/2`);
      expect(present(await look(key))).toMatchObject({ name: 'leads_here', state: 'enabled' });
      expect(present(await look({ ...destroyed, current: false })).state).toBe('pending_deletion');
      await run(driver, 'cancel_deletion', destroyed);
      expect(listed(key)?.labels['shearline_key']).toBe(key.keyId);
    });

    it('does not take the name of a destroyed key of another sort, which nothing can change', async () => {
      const destroyed = await made(NATIVE);
      await run(driver, 'schedule_deletion', destroyed);
      const fault = await faultOf(made(NATIVE_EC, { label: destroyed.label }));
      expect(fault.kind).toBe('conflict');
      expect(fault.message).toMatch(/ENCRYPT_DECRYPT.*ASYMMETRIC_SIGN/);
    });

    it.each([IMPORTED, NATIVE])('does not take the name from another managed key that lives', async (spec) => {
      const other = await made(spec);
      expect(await faultOf(made(spec, { label: other.label }))).toMatchObject({ kind: 'conflict' });
    });

    it('calls back a lost key that somebody has scheduled for destruction', async () => {
      const key = fresh(NATIVE);
      keystore.strike('create', 'answer_lost', 1);
      await faultOf(run(driver, 'create', key));
      sandbox.operator.scheduleDestruction(`${cryptoKeyOf(key)}/cryptoKeyVersions/1`);
      expect(present(await look(await run(driver, 'create', key))).state).toBe('enabled');
      expect(await keystore.countOf(key.keyId)).toBe(1);
    });

    it('makes one key when two processes create it at once', async () => {
      const key = fresh(NATIVE);
      const both = await Promise.all([run(driver, 'create', key), run(keystore.connect(), 'create', key)]);
      expect(idOf(both[0])).toBe(idOf(both[1]));
      expect(listed(key)?.versions).toHaveLength(1);
    });

    it('waits five seconds for an answer, and finds the key whose answer never came', async () => {
      const key = fresh(NATIVE);
      sandbox.faults.add({ kind: 'timeout_after', operation: 'CreateCryptoKey', times: 1 });
      const started = Date.now();
      expect(await faultOf(run(driver, 'create', key))).toMatchObject({ kind: 'unreachable' });
      expect(Date.now() - started).toBeLessThan(8_000);
      await run(driver, 'create', key);
      expect(listed(key)?.versions).toHaveLength(1);
    });
  });

  describe('import', () => {
    it('is bound to the CryptoKey before it, and to its version after it', async () => {
      const created = await made(IMPORTED);
      expect(idOf(created)).toBe(cryptoKeyOf(created));
      const key = await run(driver, 'import', created, makeMaterial(IMPORTED));
      expect(idOf(key)).toBe(`${cryptoKeyOf(key)}/cryptoKeyVersions/1`);
      expect(listed(key)?.primary).toBe(idOf(key));
    });

    it('records the public key of a key pair as its fingerprint', async () => {
      const spec: KeySpec = { algorithm: 'ec', size: '384', material: 'imported', properties: {} };
      const material = makeMaterial(spec);
      const key = await imported(material, spec);
      const spki = createPublicKey(createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }));
      const der = spki.export({ type: 'spki', format: 'der' });
      expect(key.binding?.fingerprint).toBe(createHash('sha256').update(der).digest('hex'));
    });

    it.each([IMPORTED, { algorithm: 'ec', size: '256', material: 'imported', properties: {} } satisfies KeySpec])(
      'takes up an import whose answer was lost',
      async (spec) => {
        const created = await made(spec);
        const material = makeMaterial(spec);
        sandbox.faults.add({ kind: 'reset_after', operation: 'ImportCryptoKeyVersion', times: 1 });
        expect(await faultOf(run(driver, 'import', created, material))).toMatchObject({ kind: 'unreachable' });
        const key = await converge(created, material);
        expect(idOf(key)).toBe(`${cryptoKeyOf(key)}/cryptoKeyVersions/1`);
        expect(sandbox.calls.count({ operation: 'ImportCryptoKeyVersion' })).toBe(1);
      },
    );

    it('can disable and destroy what a lost import has brought', async () => {
      const created = await made(IMPORTED);
      sandbox.faults.add({ kind: 'reset_after', operation: 'ImportCryptoKeyVersion', times: 1 });
      await faultOf(run(driver, 'import', created, makeMaterial(IMPORTED)));
      await new Promise((resolve) => setTimeout(resolve, 20));
      await run(driver, 'disable', created);
      expect(present(await look(created)).state).toBe('disabled');
      await run(driver, 'schedule_deletion', created);
      expect(listed(created)?.versions).toMatchObject([{ state: 'DESTROY_SCHEDULED' }]);
    });

    it('has nothing to destroy before its material is there, and is gone then', async () => {
      const created = await made(IMPORTED);
      await run(driver, 'schedule_deletion', created);
      await run(driver, 'schedule_deletion', created);
      expect(await look(created)).toEqual({ presence: 'absent' });
      expect(present(await look(await run(driver, 'create', created))).state).toBe('no_material');
    });

    it('never gives two versions one material, in whatever order they are imported', async () => {
      const first = await made(IMPORTED);
      const second = await run(driver, 'create', next(first));
      const [one, two] = [makeMaterial(IMPORTED), makeMaterial(IMPORTED)];
      sandbox.faults.add({ kind: 'reset_after', operation: 'ImportCryptoKeyVersion', times: 1 });
      await faultOf(run(driver, 'import', second, two));
      const firstHere = await run(driver, 'import', first, one);
      const secondHere = await run(driver, 'import', second, two);
      expect([idOf(firstHere), idOf(secondHere)]).toEqual([
        `${cryptoKeyOf(first)}/cryptoKeyVersions/2`,
        `${cryptoKeyOf(first)}/cryptoKeyVersions/1`,
      ]);
      expect(sandbox.calls.count({ operation: 'ImportCryptoKeyVersion' })).toBe(2);
    });

    it('puts the numbers right when somebody imports in between', async () => {
      const created = await made(IMPORTED);
      const binding = await driver.steps.import?.(created, {
        signal: patience(),
        // The number is written down by now, and the import not sent yet.
        withMaterial: async (use) => {
          await importByHand(created, makeMaterial(IMPORTED));
          return use(makeMaterial(IMPORTED));
        },
      });
      const key = { ...created, binding };
      expect(idOf(key)).toBe(`${cryptoKeyOf(key)}/cryptoKeyVersions/2`);
      expect(listed(key)?.labels['shearline_versions']).toBe('1-1-2');
    });

    it('does not believe material that somebody else brought under the number of ours', async () => {
      const created = await made(IMPORTED);
      await importByHand(created, makeMaterial(IMPORTED));
      expect(await faultOf(run(driver, 'import', created, makeMaterial(IMPORTED)))).toMatchObject({ kind: 'conflict' });
      const pair: KeySpec = { algorithm: 'ec', size: '256', material: 'imported', properties: {} };
      const key = await imported(makeMaterial(pair), pair);
      const unproven = { ...key, binding: { idInKeystore: idOf(key), fingerprint: undefined } };
      expect(await faultOf(run(driver, 'import', unproven, makeMaterial(pair)))).toMatchObject({ kind: 'conflict' });
    });

    /** As somebody else would, by a job of their own. */
    async function importByHand(key: KeyInKeystore, material: Uint8Array): Promise<void> {
      const importJobId = `theirs-${randomUUID()}`;
      const importJob = { importMethod: 'RSA_OAEP_3072_SHA256_AES_256', protectionLevel: 'SOFTWARE' } as const;
      const [job] = await keystore.kms.createImportJob({ parent: RING, importJobId, importJob });
      let pem: string | null | undefined;
      while (!pem) pem = (await keystore.kms.getImportJob({ name: job.name ?? '' }))[0].publicKey?.pem;
      await keystore.kms.importCryptoKeyVersion({
        parent: cryptoKeyOf(key),
        algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
        importJob: job.name ?? '',
        wrappedKey: wrap(material, pem),
      });
    }

    it('brings material back into the very version, which can then read what it encrypted; other bytes are a conflict', async () => {
      const material = makeMaterial(IMPORTED);
      const key = await imported(material);
      const [{ ciphertext }] = await keystore.kms.encrypt({ name: cryptoKeyOf(key), plaintext: Buffer.from('kept') });
      sandbox.operator.destroyNow(idOf(key));
      const refused = await faultOf(run(driver, 'import', key, makeMaterial(IMPORTED)));
      expect(refused).toMatchObject({ kind: 'conflict', retryable: false });
      expect(await faultOf(run(driver, 'import', key, makeMaterial(IMPORTED)))).toMatchObject({ kind: 'conflict' });
      const back = await converge(key, material);
      expect(idOf(back)).toBe(idOf(key));
      expect(await decrypted(cryptoKeyOf(key), ciphertext)).toBe('kept');
    });

    it('finds the version again though somebody took all labels away', async () => {
      const material = makeMaterial(IMPORTED);
      const key = await imported(material);
      sandbox.operator.destroyNow(idOf(key));
      const gone = { shearline_key: undefined, shearline_version: undefined, shearline_versions: undefined };
      sandbox.operator.label(cryptoKeyOf(key), gone);
      expect(await look(key)).toEqual({ presence: 'absent' });
      expect(idOf(await converge(key, material))).toBe(idOf(key));
    });

    it('repeats a failed import in the same version', async () => {
      const created = await made(IMPORTED);
      expect(await faultOf(run(driver, 'import', created, new Uint8Array(31)))).toMatchObject({
        kind: 'broken',
        retryable: true,
      });
      const key = await converge(created, makeMaterial(IMPORTED));
      expect(listed(key)?.versions).toMatchObject([{ name: idOf(key), state: 'ENABLED' }]);
    });

    it('shares one job a day and protection level with other processes, and makes another when that has ended', async () => {
      const own = keystore.connection({ google_key_ring: `jobs-${randomUUID()}` });
      for (let process = 0; process < 2; process += 1) {
        const another = connect(own);
        for (let key = 0; key < 2; key += 1) {
          await run(another, 'import', await run(another, 'create', fresh(IMPORTED)), makeMaterial(IMPORTED));
        }
      }
      expect(sandbox.calls.count({ operation: 'CreateImportJob' })).toBe(1);

      const another = connect(own);
      const created = await run(another, 'create', fresh(IMPORTED));
      await run(another, 'import', created, makeMaterial(IMPORTED));
      sandbox.operator.expireImportJobs();
      await run(another, 'import', await run(another, 'create', fresh(IMPORTED)), makeMaterial(IMPORTED));
      expect(sandbox.calls.count({ operation: 'CreateImportJob' })).toBe(2);
    });

    it('leaves a disabled key with its material as it is', async () => {
      const key = await imported();
      await run(driver, 'disable', key);
      await run(driver, 'import', key);
      expect(present(await look(key)).state).toBe('disabled');
    });

    it('gives a key about to be destroyed no material', async () => {
      const key = await imported();
      await run(driver, 'schedule_deletion', key);
      expect(await faultOf(run(driver, 'import', key))).toMatchObject({ kind: 'conflict' });
    });
  });

  describe('a rotation', () => {
    it('makes a new imported version in the same CryptoKey the primary one; the old one reads on, and is disabled apart', async () => {
      const first = await converge(fresh(IMPORTED), makeMaterial(IMPORTED));
      const name = cryptoKeyOf(first);
      const [{ ciphertext }] = await keystore.kms.encrypt({ name, plaintext: Buffer.from('of version 1') });
      const material = makeMaterial(IMPORTED);
      const second = await converge(next(first), material);
      expect([idOf(first), idOf(second)]).toEqual([`${name}/cryptoKeyVersions/1`, `${name}/cryptoKeyVersions/2`]);
      const [encrypted] = await keystore.kms.encrypt({ name, plaintext: Buffer.from('of version 2') });
      expect(encrypted.name).toBe(idOf(second));
      expect(await decrypted(name, ciphertext)).toBe('of version 1');

      const older = { ...first, current: false };
      await run(driver, 'disable', older);
      expect(present(await look(older))).toMatchObject({ state: 'disabled', name: 'not_applicable' });
      expect(present(await look(second))).toMatchObject({ state: 'enabled', name: 'leads_here' });
      await expect(decrypted(name, ciphertext)).rejects.toThrow('DISABLED');
    });

    it.each([NATIVE, NATIVE_EC])('makes a new native version, and the name leads to it', async (spec) => {
      const first = await converge(fresh(spec));
      const second = await converge(next(first));
      expect(idOf(second)).toBe(`${cryptoKeyOf(first)}/cryptoKeyVersions/2`);
      expect(listed(second)?.labels).toMatchObject({ shearline_version: '2', shearline_versions: '1-2-1' });
      expect(present(await look(first)).name).toBe('leads_elsewhere');
    });

    it('of all versions at once leaves each with its own', async () => {
      const material = Array.from({ length: 3 }, () => makeMaterial(IMPORTED));
      const first = await made(IMPORTED);
      const all = [first, next(first), next(next(first))].map((key, at) => ({ ...key, current: at === 2 }));
      const done = await Promise.all(all.map((key, at) => converge(key, material[at])));
      expect(new Set(done.map(idOf)).size).toBe(3);
      expect(listed(first)?.primary).toBe(idOf(done[2] ?? first));
    });
  });

  it('destroys at once disabled what an organisation lets be destroyed only so', async () => {
    const key = await made(NATIVE);
    sandbox.faults.add({ kind: 'precondition', operation: 'DestroyCryptoKeyVersion', times: 1 });
    await run(driver, 'schedule_deletion', key);
    expect(called()).toContain('UpdateCryptoKeyVersion');
    expect(present(await look(key)).state).toBe('pending_deletion');
  });

  describe('tag', () => {
    it('changes and removes labels of ours, and leaves those of others', async () => {
      const tags = [
        { name: 'team', value: 'payments' },
        { name: 'stage', value: 'test' },
      ];
      const key = await made(NATIVE, { tags });
      sandbox.operator.label(cryptoKeyOf(key), { auditor: 'somebody-else' });
      await run(driver, 'tag', { ...key, description: 'New', tags: [{ name: 'stage', value: 'prod' }] });
      expect(listed(key)?.labels).toMatchObject({ stage: 'prod', auditor: 'somebody-else', shearline_key: key.keyId });
      expect(listed(key)?.labels).not.toHaveProperty('team');
    });

    it('sends nothing that changes anything when all is in line', async () => {
      const key = await made(NATIVE);
      sandbox.calls.reset();
      await run(driver, 'tag', key);
      await run(driver, 'rename', key);
      expect(new Set(called())).toEqual(new Set(['GetCryptoKey', 'GetCryptoKeyVersion']));
    });

    it('holds as many tags as it says it can', async () => {
      const tags = Array.from({ length: GOOGLE_TAG_LIMITS.tags }, (_each, n) => ({
        name: `tag-${n}`,
        value: 'x'.repeat(63),
      }));
      expect(googleKmsKind.refusesTags(tags)).toBeUndefined();
      const key = await made(NATIVE, { tags });
      await run(driver, 'tag', { ...key, tags: tags.map((tag) => ({ ...tag, name: `${tag.name}-b` })) });
      expect(Object.keys(listed(key)?.labels ?? {})).toHaveLength(64);
    });
  });

  describe('list', () => {
    it('goes on where the page before ended, a thousand at a time, with states', async () => {
      const ring = `${RING}-list`;
      const own = connect(keystore.connection({ google_key_ring: 'contract-list' }));
      await own.steps.create?.(fresh(NATIVE), { signal: patience(), withMaterial: withoutMaterial });
      const cryptoKey = { purpose: 'ENCRYPT_DECRYPT' } as const;
      const ids = Array.from({ length: 1000 }, (_each, at) => `theirs-${at}`);
      await Promise.all(
        ids.map((cryptoKeyId) => keystore.kms.createCryptoKey({ parent: ring, cryptoKeyId, cryptoKey })),
      );
      sandbox.calls.reset();
      const first = await own.list(undefined, patience());
      const second = await own.list(first.next, patience());
      expect([first.keys.length, second.keys.length, second.next]).toEqual([1000, 1, undefined]);
      expect(new Set([...first.keys, ...second.keys].map((key) => key.state))).toEqual(new Set(['enabled']));
      expect(called()).toEqual(['ListCryptoKeys', 'ListCryptoKeys']);
    });

    it('names every version of ours, and holds nothing while the key ring is not made', async () => {
      const own = connect(keystore.connection({ google_key_ring: `list-${randomUUID()}` }));
      expect(await own.list(undefined, patience())).toEqual({ keys: [], next: undefined });
      const first = await run(own, 'create', fresh(NATIVE));
      const second = await run(own, 'create', next(first));
      const { keys } = await own.list(undefined, patience());
      expect(keys).toMatchObject([
        { idInKeystore: idOf(first), name: first.label, state: 'enabled' },
        { idInKeystore: idOf(second), name: first.label, state: undefined },
      ]);
    });
  });

  describe('access tokens', () => {
    it('are asked for once, however many calls come together, and kept', async () => {
      const own = keystore.connect();
      const key = await made(NATIVE);
      sandbox.calls.reset();
      await Promise.all(Array.from({ length: 20 }, () => own.observe(key, patience())));
      await own.observe(key, patience());
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);
    });

    it('are asked for again when one is refused, and shortly before they expire', async () => {
      const own = keystore.connect();
      const key = await made(NATIVE);
      await own.observe(key, patience());
      sandbox.operator.revokeTokens();
      sandbox.calls.reset();
      await own.observe(key, patience());
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);

      vi.setSystemTime(Date.now() + 3_600_000 - 300_000 - 60_000);
      await own.observe(key, patience());
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);
      vi.setSystemTime(Date.now() + 120_000);
      await own.observe(key, patience());
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(2);
      vi.useRealTimers();
    });

    it.each([
      ['reset_before', 'unreachable'],
      ['unavailable', 'unavailable'],
      ['throttle', 'throttled'],
    ] as const)('that cannot be had for %s are a fault of their own', async (kind, expected) => {
      sandbox.faults.add({ kind, operation: 'Token' });
      expect(await faultOf(keystore.connect().observe(fresh(NATIVE), patience()))).toMatchObject({ kind: expected });
    });

    it('are not waited for when the signal aborts', async () => {
      sandbox.faults.add({ kind: 'timeout_before', operation: 'Token' });
      const started = Date.now();
      const fault = await faultOf(keystore.connect().observe(fresh(NATIVE), AbortSignal.timeout(100)));
      expect([fault.kind, Date.now() - started < 2_000]).toEqual(['unreachable', true]);
    });
  });

  describe('health', () => {
    it.each([
      ['denied', 'configuration_error'],
      ['throttle', 'not_responding'],
      ['reset_before', 'not_responding'],
      ['internal', 'not_responding'],
    ] as const)('of %s is %s', async (kind, status) => {
      sandbox.faults.add({ kind, operation: 'ListCryptoKeys' });
      expect((await driver.health(patience())).status).toBe(status);
    });

    it('is ok without the key ring, and a configuration error in a location that does not exist', async () => {
      const health = await connect(keystore.connection({ google_key_ring: 'not-yet' })).health(patience());
      expect(health).toMatchObject({ status: 'ok', message: expect.stringContaining('not-yet') as string });
      const nowhere = await connect(keystore.connection({ google_location: 'atlantis' })).health(patience());
      expect(nowhere).toMatchObject({
        status: 'configuration_error',
        message: expect.stringContaining('atlantis') as string,
      });
    });

    it('is a configuration error when the private key is another, without showing it', async () => {
      const { privateKey } = generateKeyPairSync('rsa', {
        modulusLength: 2048,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      });
      const file = { ...sandbox.credentials(PROJECT), private_key: privateKey };
      const wrong = connect(keystore.connection({}, { google_credentials: JSON.stringify(file) }));
      const health = await wrong.health(patience());
      expect(health).toMatchObject({
        status: 'configuration_error',
        message: expect.stringContaining('invalid_grant') as string,
      });
      expect(health.message).not.toContain('PRIVATE KEY');
    });
  });

  describe('connect', () => {
    const file = () => sandbox.credentials(PROJECT);
    const withFile = (changes: Record<string, unknown>, settings = {}) =>
      keystore.connection(settings, { google_credentials: JSON.stringify({ ...file(), ...changes }) });

    it('takes the credentials in Base64 too', async () => {
      const google_credentials = Buffer.from(JSON.stringify(file())).toString('base64');
      expect((await connect(keystore.connection({}, { google_credentials })).health(patience())).status).toBe('ok');
    });

    it.each([
      ['no JSON', 'google_credentials is not the JSON'],
      ['{"private_key": 7}', 'private_key'],
    ])('refuses credentials of %s', (google_credentials, says) => {
      expect(() => connect(keystore.connection({}, { google_credentials }))).toThrow(says);
    });

    it('refuses another kind of credentials, and those of another private key than said', () => {
      expect(() => connect(withFile({ type: 'authorized_user' }))).toThrow('service account');
      expect(() => connect(withFile({}, { google_private_key_id: 'another' }))).toThrow('google_private_key_id');
      expect(() => connect(withFile({}, { google_private_key_id: file().private_key_id }))).not.toThrow();
      expect(() => connect(withFile({ project_id: undefined }))).toThrow('google_project_id');
    });

    it.each([
      'https://evil.example/token',
      'https://googleapis.com.evil.example/',
      'http://oauth2.googleapis.com/token',
      'https://x@oauth2.googleapis.com/',
      'file:///etc/passwd',
    ])('sends no assertion to %s', (token_uri) => {
      expect(() => connect(withFile({ token_uri }))).toThrow('token_uri');
    });

    it('takes this machine for a token endpoint only where a stand-in is configured', () => {
      const connection = keystore.connection();
      vi.stubEnv('GOOGLE_KMS_ENDPOINT', '');
      expect(() => connect(connection)).toThrow('token_uri');
      vi.stubEnv('GOOGLE_KMS_ENDPOINT', 'nowhere');
      expect(() => connect(connection)).toThrow('GOOGLE_KMS_ENDPOINT');
      vi.unstubAllEnvs();
    });

    it('tells a private key that is none, without showing it', async () => {
      const health = await connect(
        withFile({ private_key: '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----' }),
      ).health(patience());
      expect(health.status).toBe('configuration_error');
      expect(health.message).not.toContain('c2VjcmV0');
    });
  });
});

describe('google_kms with the permissions that the documentation names', () => {
  /** Everything that the driver does, once. */
  async function everything(driver: KeystoreDriver, now: Date): Promise<void> {
    for (const spec of [NATIVE, { ...NATIVE_EC, material: 'imported' }] satisfies KeySpec[]) {
      const imported = spec.material === 'imported';
      const key = newKey(spec, now);
      let here = await run(driver, 'create', { ...key, label: label(key.keyId) });
      if (imported) here = await run(driver, 'import', here, makeMaterial(spec));
      const second = { ...here, version: 2, binding: undefined };
      let newer = await run(driver, 'create', second);
      if (imported) newer = await run(driver, 'import', newer, makeMaterial(spec));
      for (const step of ['disable', 'enable', 'rename', 'tag', 'schedule_deletion', 'cancel_deletion'] as const) {
        await run(driver, step, { ...newer, tags: [] });
      }
      present(await driver.observe(newer, patience()));
    }
    await driver.list(undefined, patience());
  }

  let keystore: GoogleKeystore;
  beforeAll(async () => {
    keystore = await openGoogleKeystore({ connect });
  });
  afterAll(() => keystore.close());

  /** In a key ring of its own, with these permissions only: whether something was denied. */
  async function isDenied(permissions: readonly string[]): Promise<boolean> {
    keystore.sandbox.operator.grant(`shearline@${PROJECT}.iam.gserviceaccount.com`, permissions);
    const driver = connect(keystore.connection({ google_key_ring: randomUUID() }));
    const health = await driver.health(patience());
    if (health.status !== 'ok') return true;
    try {
      await everything(driver, keystore.now());
      return false;
    } catch (error) {
      if (error instanceof KeystoreFault && error.kind === 'denied') return true;
      throw error;
    }
  }

  it('can do all it has to', async () => {
    expect(await isDenied(GOOGLE_PERMISSIONS)).toBe(false);
  });

  it.each(GOOGLE_PERMISSIONS)('needs %s', async (permission) => {
    expect(await isDenied(GOOGLE_PERMISSIONS.filter((each) => each !== permission))).toBe(true);
  });
});
