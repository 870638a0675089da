import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { clientCredential } from '../../lib/drivers/azure-key-vault/credential.ts';
import { connect } from '../../lib/drivers/azure-key-vault/driver.ts';
import { AZURE_TAG_LIMITS, azureKeyRule, azureKeyVaultKind, KEK_NAME } from '../../lib/drivers/azure-key-vault/kind.ts';
import { planFor } from '../../lib/drift/plan.ts';
import { jwkOf } from '../../lib/drivers/azure-key-vault/private-key.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import type { AzureKeyVaultSandbox } from '../../sandbox/azure-key-vault/server.ts';
import { makeMaterial } from './aws-material.ts';
import { APPLICATION, azureImports, MODEST, openAzureKeystore, PREMIUM, STANDARD, TENANT } from './azure-sandbox.ts';
import type { AzureKeystore } from './azure-sandbox.ts';
import { driverContract, faultOf, newKey, patience, present, run } from './contract.ts';
import type { Subject } from './contract.ts';

const IMPORTED_EC: KeySpec = { algorithm: 'ec', size: '256', material: 'imported', properties: {} };
const NATIVE_EC: KeySpec = { ...IMPORTED_EC, material: 'native' };
const NATIVE_RSA: KeySpec = { algorithm: 'rsa', size: '2048', material: 'native', properties: {} };

/** What sets Azure Key Vault apart from other keystores. */
const AZURE: Omit<Subject, 'open' | 'spec' | 'imports'> = {
  kind: azureKeyVaultKind,
  unsupported: { rotate: 'a new version is made by create: every version has an id and a state of its own' },
  noEmptyKeys: 'a version is made with its material',
  fixedNames: 'Azure has no way to rename a key',
  label: (id) => `contract-${id}`,
  // Labels that differ in case only are one name to Azure; see below.
  similarLabels: (label) => [label, `${label}-`, `${label}--`, `-${label}`],
  idInList: (id) => id.slice(0, id.lastIndexOf('/')),
};

driverContract('azure_key_vault, imported, software', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }),
  spec: IMPORTED_EC,
  imports: azureImports('software'),
});

driverContract('azure_key_vault, imported, HSM', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }, { kek: true }),
  spec: { ...IMPORTED_EC, properties: { azure_key_protection_level: 'hsm' } },
  imports: azureImports('hsm'),
});

driverContract('azure_key_vault, native', {
  ...AZURE,
  open: () => openAzureKeystore({ connect }),
  spec: NATIVE_EC,
  imports: azureImports('software').slice(3, 4),
});

describe('azure_key_vault', () => {
  let keystore: AzureKeystore;
  let sandbox: AzureKeyVaultSandbox;
  let driver: KeystoreDriver;

  beforeAll(async () => {
    keystore = await openAzureKeystore({ connect });
    ({ sandbox } = keystore);
    driver = keystore.connect();
    // The first call of a client is answered with the challenge; counts begin after it.
    await driver.health(patience());
  });
  afterAll(() => keystore.close());
  beforeEach(() => {
    keystore.mend();
    sandbox.settle(0);
  });

  const idOf = (key: KeyInKeystore) => key.binding?.idInKeystore ?? '';
  const listed = (key: KeyInKeystore) => sandbox.operator.keys().find(({ name }) => name === key.label);
  const look = (key: KeyInKeystore) => driver.observe(key, patience());
  const fresh = (spec: KeySpec, changes: Partial<KeyInKeystore> = {}) => {
    const key = newKey(spec, keystore.now(), changes);
    return { ...key, label: changes.label ?? `own-${key.keyId}` };
  };
  const native = (changes: Partial<KeyInKeystore> = {}) => run(driver, 'create', fresh(NATIVE_EC, changes));
  const imported = (changes: Partial<KeyInKeystore> = {}, material = makeMaterial(IMPORTED_EC)) =>
    run(driver, 'create', fresh(IMPORTED_EC, changes), material);
  const calls = () =>
    sandbox.calls
      .list()
      .filter(({ outcome }) => outcome !== 'Unauthorized')
      .map(({ operation, count }) => `${operation} ${count}`);

  describe('observe', () => {
    it('takes one call for a current key whose name leads to it', async () => {
      const key = await native();
      sandbox.calls.reset();
      await look(key);
      expect(calls()).toEqual(['GetKey 1']);
    });

    it('takes one call for an older version, by its id', async () => {
      const key = await native();
      sandbox.calls.reset();
      expect(present(await look({ ...key, current: false })).name).toBe('not_applicable');
      expect(calls()).toEqual(['GetKey 1']);
    });

    it('looks among the deleted keys before it calls a key absent', async () => {
      const key = await native();
      await sandbox.operator.delete(key.label);
      const seen = present(await look(key));
      expect(seen).toMatchObject({ state: 'pending_deletion', idInKeystore: idOf(key) });
      sandbox.faults.add({ kind: 'denied', operation: 'GetDeletedKey' });
      expect(await faultOf(look(key))).toMatchObject({ kind: 'denied' });
    });

    it('tells that a newer version is in front, whoever made it', async () => {
      const key = await native();
      await sandbox.operator.rotate(key.label);
      const seen = present(await look(key));
      expect(seen).toMatchObject({ name: 'leads_elsewhere', state: 'enabled', idInKeystore: idOf(key) });
      expect(seen.remark).toContain(listed(key)?.kid);
    });

    it.each([
      ['expired', { expires: new Date(Date.now() - 60_000), notBefore: new Date(Date.now() - 120_000) }, /expire/],
      ['is not to be used yet', { notBefore: new Date(Date.now() + 600_000) }, /not to be used before/],
    ] as const)('takes a version that %s for disabled, and enable gives it time', async (_name, dates, remark) => {
      const key = await native();
      await sandbox.operator.setDates(key.label, dates);
      const seen = present(await look(key));
      expect(seen.state).toBe('disabled');
      expect(seen.remark).toMatch(remark);
      await run(driver, 'enable', key);
      expect(present(await look(key)).state).toBe('enabled');
    });

    it('does not take keys for absent because the vault of the keystore was changed', async () => {
      const key = await native();
      const elsewhere = connect(keystore.connection({ azure_service_name: STANDARD }));
      expect(await faultOf(elsewhere.observe(key, patience()))).toMatchObject({ kind: 'conflict' });
    });

    it('does not take an answer that is not Azure’s for absence', async () => {
      const key = await native();
      const proxy = createServer((_request, response) => {
        response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not Found</h1>');
      }).listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      const astray = standingIn(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, () =>
        connect(keystore.connection()),
      );
      expect(await faultOf(astray.observe(key, patience()))).toMatchObject({ kind: 'broken' });
      proxy.close();
    });
  });

  describe('create', () => {
    it('takes a label that differs in case only for taken: Azure ignores case', async () => {
      const key = await native();
      const shouting = fresh(NATIVE_EC, { label: key.label.toUpperCase() });
      expect(await look(shouting)).toEqual({ presence: 'absent' });
      expect(await faultOf(run(driver, 'create', shouting))).toMatchObject({ kind: 'conflict' });
      expect(listed(key)?.versions).toHaveLength(1);
    });

    it('takes a name that a foreign deleted key holds for a conflict that says until when', async () => {
      const key = fresh(NATIVE_EC);
      await keystore.takeName(key.label);
      await sandbox.operator.delete(key.label);
      const fault = await faultOf(run(driver, 'create', key));
      expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
      expect(fault.message).toMatch(/until 2\d{3}-.*Purge/);
      expect(listed(key)?.state).toBe('deleted');
    });

    it('takes the name of another managed key that was destroyed for a conflict too', async () => {
      const spent = await native();
      await run(driver, 'schedule_deletion', spent);
      expect(await faultOf(run(driver, 'create', fresh(NATIVE_EC, { label: spent.label })))).toMatchObject({
        kind: 'conflict',
      });
    });

    it('calls back a lost create that somebody has deleted since', async () => {
      const key = await native();
      await sandbox.operator.disable(key.label);
      await sandbox.operator.delete(key.label);
      const again = await run(driver, 'create', { ...key, binding: undefined });
      expect(again.binding).toEqual(key.binding);
      expect(present(await look(again)).state).toBe('enabled');
    });

    it('finds a lost create behind somebody else’s newer version', async () => {
      const key = fresh(NATIVE_EC);
      sandbox.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
      await faultOf(run(driver, 'create', key));
      await sandbox.operator.createKey(PREMIUM, key.label);
      const again = await run(driver, 'create', key);
      expect(present(await look(again)).name).toBe('leads_elsewhere');
      expect(listed(key)?.versions).toHaveLength(2);
    });

    it('finds the lost successor of a key that is gone', async () => {
      const key = await native();
      sandbox.operator.purge(key.label);
      sandbox.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
      await faultOf(run(driver, 'create', key));
      expect(await look(key)).toEqual({ presence: 'absent' });
      const seen = present(await look({ ...key, createSent: true }));
      expect(seen).toMatchObject({ name: 'leads_here', idInKeystore: listed(key)?.kid });
    });

    it('proves a found import by its public key, and takes other bytes for a conflict', async () => {
      const key = await imported();
      const found = { ...key, binding: undefined };
      expect(await faultOf(run(driver, 'create', found, makeMaterial(IMPORTED_EC)))).toMatchObject({
        kind: 'conflict',
      });
    });

    it('waits for no one: a name that is being deleted is a conflict that passes', async () => {
      const key = await native();
      sandbox.settle(60_000);
      await sandbox.operator.delete(key.label);
      expect(await faultOf(run(driver, 'create', { ...key, binding: undefined }))).toMatchObject({
        kind: 'unavailable',
        retryable: true,
      });
    });

    it('makes no HSM key in a standard vault, and asks it for nothing', async () => {
      const standard = connect(keystore.connection({ azure_service_name: STANDARD, azure_variant: 'standard' }));
      const key = fresh({ ...NATIVE_EC, properties: { azure_key_protection_level: 'hsm' } });
      expect(await faultOf(run(standard, 'create', key))).toMatchObject({ kind: 'unsupported' });
      expect(calls()).toEqual([]);
    });

    it('allows what azure_key_operations says and nothing else', async () => {
      const spec: KeySpec = { ...NATIVE_RSA, properties: { azure_key_operations: ['wrap_key', 'unwrap_key'] } };
      const key = await run(driver, 'create', fresh(spec));
      const { keyOperations, keyType } = await keystore.client.getKey(key.label);
      expect({ keyOperations, keyType }).toEqual({ keyOperations: ['unwrapKey', 'wrapKey'], keyType: 'RSA' });
    });
  });

  describe('a further version', () => {
    const next = (key: KeyInKeystore, material?: Uint8Array) =>
      run(driver, 'create', { ...key, version: key.version + 1, binding: undefined }, material);

    it('goes on top of the same key and has the name; the older one keeps id and state', async () => {
      const [one, other] = [makeMaterial(IMPORTED_EC), makeMaterial(IMPORTED_EC)];
      const first = await imported({}, one);
      const second = await next(first, other);
      expect(listed(first)?.versions).toHaveLength(2);
      expect(present(await look(second))).toMatchObject({
        name: 'leads_here',
        fingerprint: second.binding?.fingerprint,
      });
      const older = { ...first, current: false };
      expect(present(await look(older)).fingerprint).toBe(first.binding?.fingerprint);
      await keystore.provesMaterial?.(idOf(first), IMPORTED_EC, one);
      await keystore.provesMaterial?.(idOf(second), IMPORTED_EC, other);

      await run(driver, 'disable', older);
      expect(present(await look(older)).state).toBe('disabled');
      expect(present(await look(second)).state).toBe('enabled');
    });

    it('is made once, whatever answer is lost', async () => {
      const first = await native();
      sandbox.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
      const wanted = { ...first, version: 2, binding: undefined };
      await faultOf(run(driver, 'create', wanted));
      await run(driver, 'create', wanted);
      expect(listed(first)?.versions).toHaveLength(2);
    });

    it('calls the key back when it was deleted meanwhile', async () => {
      const first = await native();
      await sandbox.operator.delete(first.label);
      expect(present(await look(await next(first))).name).toBe('leads_here');
    });

    it('takes the older ones with it when it is deleted, and they wait for that', async () => {
      const first = await native();
      const second = await next(first);
      const older = { ...first, current: false };
      await Promise.all([run(driver, 'schedule_deletion', older), run(driver, 'schedule_deletion', second)]);
      expect(present(await look(older))).toMatchObject({ state: 'pending_deletion', idInKeystore: idOf(first) });
      expect(present(await look(second)).state).toBe('pending_deletion');

      await Promise.all([run(driver, 'cancel_deletion', older), run(driver, 'cancel_deletion', second)]);
      expect(present(await look(older)).state).toBe('enabled');
      expect(present(await look(second)).name).toBe('leads_here');
    });

    it('is never deleted by the deletion of an older one', async () => {
      const first = await native();
      const second = await next(first);
      const fault = await faultOf(run(driver, 'schedule_deletion', { ...first, current: false }));
      expect(fault).toMatchObject({ kind: 'unavailable', retryable: true });
      expect(present(await look(second)).state).toBe('enabled');
    });
  });

  describe('rename', () => {
    it('brings imported material in front again, once, whatever answer is lost', async () => {
      const material = makeMaterial(IMPORTED_EC);
      const key = await imported({}, material);
      await sandbox.operator.createKey(PREMIUM, key.label);
      sandbox.faults.add({ kind: 'reset_after', operation: 'ImportKey', times: 1 });
      expect(await faultOf(run(driver, 'rename', key, material))).toMatchObject({ kind: 'unreachable' });
      const repaired = await run(driver, 'rename', key, material);
      expect(listed(key)?.versions).toHaveLength(3);
      expect(repaired.binding?.fingerprint).toBe(key.binding?.fingerprint);
      expect(present(await look(repaired))).toMatchObject({ name: 'leads_here', idInKeystore: idOf(repaired) });
      await keystore.provesMaterial?.(idOf(repaired), IMPORTED_EC, material);

      // Both copies of the material go out of use together, and the foreign version is left alone.
      await run(driver, 'disable', repaired);
      expect(listed(key)?.versions.map(({ enabled }) => enabled)).toEqual([false, true, false]);
      await run(driver, 'enable', repaired);
      expect(listed(key)?.versions.map(({ enabled }) => enabled)).toEqual([true, true, true]);
    });

    it('cannot bring native material in front, and says what can be done', async () => {
      const key = await native();
      await sandbox.operator.createKey(PREMIUM, key.label);
      const fault = await faultOf(run(driver, 'rename', key));
      expect(fault).toMatchObject({ kind: 'unsupported' });
      expect(fault.message).toMatch(/rotate the key/);
    });
  });

  describe('tag', () => {
    it('leaves the tags of others, takes away its own, and sends nothing when all is as it should be', async () => {
      const key = await native({ tags: [{ name: 'team', value: 'payments' }] });
      await sandbox.operator.tag(key.label, { auditor: 'somebody else' });
      const changed = { ...key, description: 'Another purpose', tags: [{ name: 'stage', value: 'prod' }] };
      await run(driver, 'tag', changed);
      expect(listed(key)?.tags).toEqual({
        auditor: 'somebody else',
        stage: 'prod',
        'shearline:key': key.keyId,
        'shearline:version': '1',
        'shearline:description': 'Another purpose',
        'shearline:user-tags': expect.any(String) as string,
      });
      sandbox.calls.reset();
      await run(driver, 'tag', changed);
      expect(calls()).toEqual(['GetKey 1']);
      await run(driver, 'tag', { ...changed, description: '', tags: [] });
      expect(Object.keys(listed(key)?.tags ?? {}).toSorted()).toEqual([
        'auditor',
        'shearline:key',
        'shearline:version',
      ]);
    });

    it('fits in Azure’s fifteen with as many tags as are not refused', async () => {
      const tags = Array.from({ length: AZURE_TAG_LIMITS.tags }, (_each, n) => ({ name: `t${n}`, value: `${n}` }));
      expect(azureKeyVaultKind.refusesTags(tags)).toBeUndefined();
      const key = await native({ tags });
      expect(Object.keys(listed(key)?.tags ?? {})).toHaveLength(15);
    });
  });

  describe('deletion', () => {
    it('answers when the key is among the deleted ones, so that nobody takes it for absent', async () => {
      const key = await native();
      sandbox.settle(300);
      await run(driver, 'schedule_deletion', key);
      expect(present(await look(key)).state).toBe('pending_deletion');
      await run(driver, 'cancel_deletion', key);
      expect(present(await look(key)).name).toBe('leads_here');
    });

    it('never recovers a deleted key of somebody else', async () => {
      const key = await native();
      sandbox.operator.purge(key.label);
      await sandbox.operator.createKey(PREMIUM, key.label);
      await sandbox.operator.delete(key.label);
      const seen = present(await look(key));
      expect(seen).toMatchObject({ state: 'pending_deletion' });
      expect(seen.remark).toMatch(/not ours/);
      expect(await faultOf(run(driver, 'cancel_deletion', key))).toMatchObject({ kind: 'conflict' });
      expect(listed(key)?.state).toBe('deleted');
    });

    it('answers the vault’s own end of the waiting period', async () => {
      const standard = connect(keystore.connection({ azure_service_name: STANDARD, azure_variant: 'standard' }));
      const key = await run(standard, 'create', fresh(NATIVE_EC));
      await run(standard, 'schedule_deletion', key);
      const until = present(await standard.observe(key, patience())).pendingDeletionUntil;
      const days = ((until?.getTime() ?? 0) - keystore.now().getTime()) / 86_400_000;
      expect(days).toBeCloseTo(7, 1);
    });
  });

  describe('import into the HSM', () => {
    const HSM: KeySpec = { ...IMPORTED_EC, properties: { azure_key_protection_level: 'hsm' } };
    const hsm = (on = driver) => run(on, 'create', fresh(HSM), makeMaterial(HSM));

    it('makes the key exchange key when it is missing, for imports only, and uses it again', async () => {
      if (sandbox.operator.keys().some(({ name }) => name === KEK_NAME))
        sandbox.operator.purge({ key: KEK_NAME, vault: PREMIUM });
      const key = await hsm();
      expect((await keystore.client.getKey(key.label)).keyType).toBe('EC-HSM');
      const kek = await keystore.client.getKey(KEK_NAME);
      expect(kek).toMatchObject({ keyType: 'RSA-HSM', keyOperations: ['import'] });
      await hsm();
      expect(sandbox.operator.keys().find(({ name }) => name === KEK_NAME)?.versions).toHaveLength(1);
    });

    it('calls back a deleted key exchange key', async () => {
      await hsm();
      await sandbox.operator.delete(KEK_NAME);
      const key = await hsm();
      expect(present(await look(key)).state).toBe('enabled');
    });

    it.each(['disabled', 'of another sort'])('refuses a key exchange key that is %s, naming it', async (how) => {
      await hsm();
      if (how === 'disabled') await sandbox.operator.disable(KEK_NAME);
      else await sandbox.operator.createKey(PREMIUM, KEK_NAME);
      const fault = await faultOf(hsm());
      expect(fault).toMatchObject({ kind: 'conflict', retryable: false });
      expect(fault.message).toContain(KEK_NAME);
      sandbox.operator.purge(KEK_NAME);
    });
  });

  describe('list', () => {
    it('goes through keys and deleted keys, 25 a page, with name, state and date', async () => {
      const quiet = connect(keystore.connection({ azure_service_name: STANDARD }));
      for (let n = 0; n < 30; n += 1) await sandbox.operator.createKey(STANDARD, `many-${n}`);
      for (let n = 0; n < 27; n += 1) await sandbox.operator.delete({ key: `many-${n}`, vault: STANDARD });
      await sandbox.operator.disable({ key: 'many-29', vault: STANDARD });
      for (let n = 30; n < 60; n += 1) await sandbox.operator.createKey(STANDARD, `many-${n}`);
      const pages: number[] = [];
      const states = new Map<string | undefined, string | undefined>();
      let after: string | undefined;
      do {
        const page = await quiet.list(after, patience());
        pages.push(page.keys.length);
        for (const key of page.keys) {
          expect(key.createdAt).toBeInstanceOf(Date);
          expect(key.idInKeystore).toBe(`https://${STANDARD}.vault.azure.net/keys/${key.name ?? ''}`);
          states.set(key.name, key.state);
        }
        after = page.next;
      } while (after !== undefined);
      expect(Math.max(...pages)).toBe(25);
      expect(states.get('many-29')).toBe('disabled');
      expect(states.get('many-5')).toBe('pending_deletion');
      expect(states.get('many-45')).toBe('enabled');
      expect([...states.values()].filter((state) => state === 'pending_deletion').length).toBeGreaterThanOrEqual(27);
    });

    it('never follows a link out of the vault', async () => {
      expect(await faultOf(driver.list('keys https://elsewhere.example/keys?x', patience()))).toMatchObject({
        kind: 'broken',
      });
      expect(
        await faultOf(driver.list('deletedkeys http://contract-premium.vault.azure.net/', patience())),
      ).toMatchObject({
        kind: 'broken',
      });
      expect(calls()).toEqual([]);
    });

    it('stops when the signal aborts in the middle of paging', async () => {
      sandbox.faults.add({ kind: 'timeout_before', operation: 'GetKeys' });
      const fault = await faultOf(driver.list(undefined, AbortSignal.timeout(50)));
      expect(fault.kind).toBe('unreachable');
    });
  });

  describe('tokens', () => {
    it('are asked for once, however many calls wait for them', async () => {
      const other = keystore.connect();
      await Promise.all(Array.from({ length: 10 }, () => other.health(patience())));
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);
      await other.health(patience());
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);
    });

    it('are asked for anew shortly before they expire', async () => {
      const credential = clientCredential({
        authorityHost: sandbox.authorityHost,
        tenant: TENANT,
        clientId: APPLICATION.clientId,
        password: APPLICATION.clientSecret,
        scope: SCOPE,
      });
      await credential.getToken(SCOPE);
      const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 54 * 60_000);
      await credential.getToken(SCOPE);
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(1);
      now.mockReturnValue(Date.now() + 2 * 60_000);
      await credential.getToken(SCOPE);
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(2);
    });

    it('are never asked for in another scope, whatever a challenge says', async () => {
      const credential = clientCredential({
        authorityHost: sandbox.authorityHost,
        tenant: TENANT,
        clientId: APPLICATION.clientId,
        password: APPLICATION.clientSecret,
        scope: SCOPE,
      });
      const fault = await faultOf(credential.getToken(['https://graph.microsoft.com/.default']));
      expect(fault.kind).toBe('denied');
      expect(sandbox.calls.count({ operation: 'Token' })).toBe(0);
    });
  });

  describe('health', () => {
    it.each([
      ['a wrong password', {}, { azure_service_principal_password: 'wrong~password' }, /invalid_client.*AADSTS7000215/],
      ['an unknown tenant', { azure_tenant: 'nowhere.example' }, undefined, /AADSTS90002/],
      ['an unknown application', { azure_service_principal_client_id: 'nobody' }, undefined, /AADSTS700016/],
      ['a vault of another tenant', { azure_service_name: 'of-others' }, undefined, /AKV10032/],
    ] as const)('of %s is a configuration error that says so', async (_name, settings, credentials, message) => {
      const wrong = connect(keystore.connection(settings, credentials));
      const health = await wrong.health(patience());
      expect(health.status).toBe('configuration_error');
      expect(health.message).toMatch(message);
      expect(health.message).not.toContain('wrong~password');
    });

    it.each([
      ['throttle', undefined],
      ['unavailable', undefined],
      ['internal', undefined],
      ['reset_before', undefined],
      ['throttle', 'Token'],
      ['reset_before', 'Token'],
    ] as const)('of %s (%s) is not_responding', async (kind, operation) => {
      sandbox.faults.add({ kind, operation });
      expect(await keystore.connect().health(patience())).toMatchObject({ status: 'not_responding' });
    });

    it('of a vault that does not exist is not_responding', async () => {
      const nowhere = connect(keystore.connection({ azure_service_name: 'no-such-vault' }));
      expect(await nowhere.health(patience())).toMatchObject({ status: 'not_responding' });
    });

    it('survives one broken connection', async () => {
      sandbox.faults.add({ kind: 'reset_before', operation: 'GetKeys', times: 1 });
      expect(await driver.health(patience())).toMatchObject({ status: 'ok' });
    });
  });

  describe('connect', () => {
    it.each(['azure_service_name', 'azure_tenant', 'azure_service_principal_client_id'])('needs %s', (setting) => {
      expect(() => connect(keystore.connection({ [setting]: '' }))).toThrow(setting);
    });

    it('needs a password, and an environment that exists', () => {
      expect(() => connect(keystore.connection({}, {}))).toThrow('azure_service_principal_password');
      expect(() => connect(keystore.connection({ azure_environment: 'azure_moon' }))).toThrow('azure_environment');
    });

    it('finds the vaults of a sovereign cloud under their own names', async () => {
      const china = connect(keystore.connection({ azure_environment: 'azure_china' }));
      const key = await run(china, 'create', fresh(NATIVE_EC));
      expect(idOf(key)).toContain(`https://${PREMIUM}.vault.azure.cn/keys/`);
    });

    it('needs no more permissions than the documentation asks for', async () => {
      const modest = connect(
        keystore.connection(
          { azure_service_principal_client_id: MODEST.clientId },
          { azure_service_principal_password: MODEST.clientSecret },
        ),
      );
      const material = makeMaterial(IMPORTED_EC);
      let key = await run(
        modest,
        'create',
        fresh({ ...IMPORTED_EC, properties: { azure_key_protection_level: 'hsm' } }),
        material,
      );
      for (const step of [
        'import',
        'disable',
        'enable',
        'tag',
        'rename',
        'schedule_deletion',
        'cancel_deletion',
      ] as const) {
        key = await run(modest, step, key, material);
      }
      expect(present(await modest.observe(key, patience())).name).toBe('leads_here');
      await modest.list(undefined, patience());
      await modest.list('deletedkeys', patience());
    });

    it('goes through the keystore’s TLS proxy, to the vault and for its token', async () => {
      const asked: string[] = [];
      const proxy = createServer().listen(0, '127.0.0.1');
      proxy.on('connect', (request: IncomingMessage, socket: Duplex) => {
        asked.push(request.url ?? '');
        socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      });
      await once(proxy, 'listening');
      const tlsProxy = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      vi.stubEnv('ALLOWED_PRIVATE_NETWORKS', '127.0.0.0/8');
      const behind = standingIn(undefined, () => connect({ ...keystore.connection(), tlsProxy }));
      expect(await behind.health(patience())).toMatchObject({ status: 'not_responding' });
      expect(asked[0]).toBe(`${PREMIUM}.vault.azure.net:443`);
      vi.unstubAllEnvs();
      proxy.close();
    });
  });

  it('comes back to what is wanted by the steps of the plan, whatever somebody did in Azure', async () => {
    const material = makeMaterial(IMPORTED_EC);
    let key = fresh(IMPORTED_EC);
    const follow = async (details = false): Promise<string[]> => {
      const open = {
        cause: 'sync',
        details,
        since: new Date(),
        attempts: 1,
        dueAt: new Date(),
        lastError: undefined,
        givenUp: false,
      } as const;
      const instance = { wanted: 'enabled', outgrown: false, rotating: false, current: true, spec: key.spec } as const;
      const plan = planFor({ ...instance, binding: key.binding, open }, await look(key));
      if (plan.outcome === 'agrees') return [];
      if (plan.outcome !== 'steps') throw new Error(plan.outcome);
      const done: string[] = [];
      for (const step of plan.steps) {
        key = await run(driver, step, key, material);
        done.push(step);
        if (step === 'cancel_deletion') break;
      }
      return [...done, ...(await follow())];
    };
    expect(await follow()).toEqual(['create', 'import']);
    await sandbox.operator.disable(key.label);
    expect(await follow()).toEqual(['enable']);
    await sandbox.operator.rotate(key.label);
    expect(await follow()).toEqual(['rename']);
    await sandbox.operator.delete(key.label);
    expect(await follow()).toEqual(['cancel_deletion']);
    key = { ...key, description: 'edited', tags: [{ name: 'stage', value: 'prod' }] };
    expect(await follow(true)).toEqual(['rename', 'tag']);
    sandbox.operator.purge(key.label);
    expect(await follow()).toEqual(['create', 'import']);
    await keystore.provesMaterial?.(idOf(key), IMPORTED_EC, material);
  });

  it('keeps passwords, tokens and key material out of every fault and all that hangs on it', async () => {
    const material = makeMaterial(NATIVE_RSA);
    const secrets = [
      APPLICATION.clientSecret,
      'Bearer ',
      'eyJ',
      Buffer.from(material).subarray(40, 80).toString('base64url').slice(2, 30),
      jwkOf(material, azureKeyRule(NATIVE_RSA) ?? fail()).d,
    ].map((secret) => (secret instanceof Uint8Array ? Buffer.from(secret).toString('base64url').slice(0, 40) : secret));
    for (const kind of ['denied', 'internal', 'throttle', 'reset_after', 'reset_before'] as const) {
      sandbox.faults.clear();
      sandbox.faults.add({ kind, operation: 'ImportKey' });
      const fault = await faultOf(run(driver, 'create', fresh({ ...NATIVE_RSA, material: 'imported' }), material));
      const everything = [inspect(fault, { depth: 10, showHidden: true }), JSON.stringify(fault), String(fault.cause)];
      for (const secret of secrets) for (const text of everything) expect(text).not.toContain(secret);
    }
  });
});

const SCOPE = 'https://vault.azure.net/.default';

/** Runs `make` with another stand-in for the vaults; undefined for none. */
function standingIn<T>(endpoint: string | undefined, make: () => T): T {
  const before = process.env['AZURE_KEY_VAULT_ENDPOINT'];
  process.env['AZURE_KEY_VAULT_ENDPOINT'] = endpoint ?? '';
  try {
    return make();
  } finally {
    process.env['AZURE_KEY_VAULT_ENDPOINT'] = before;
  }
}

function fail(): never {
  throw new Error('There is no rule for such a key.');
}
