import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireManagedKey, WireStatusInKeystores } from '../../lib/wire/keys.ts';
import { READ } from '../../lib/records/entities.ts';
import { openDatabase } from '../../lib/records/database.ts';
import type { Database } from '../../lib/records/database.ts';
import { INDEX_KEY } from '../../lib/records/table.ts';
import type { Answer, ApiClient, Json } from '../../sandbox/api-client.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody } from './world.ts';
import { scanFleet } from './scan.ts';

const US = 'us-east-1';
const EU = 'eu-central-1';
const ASIA = 'ap-south-1';

let api: TestApi;
let database: Database;
let administrator: ApiClient;
let creator: ApiClient;
let deployer: ApiClient;
let scan: () => Promise<unknown>;
let vault: string;
let us: string;
let eu: string;
let template: string;
let key: string;

beforeAll(async () => {
  api = await startApi();
  database = openDatabase({
    table: process.env['TABLE_NAME'] ?? '',
    endpoint: process.env['DYNAMODB_ENDPOINT'] ?? '',
  });
  const as = async (role: string) => api.client(await api.token([role]));
  [administrator, creator, deployer] = await Promise.all([
    as('vault_administrator'),
    as('key_custodian_creator'),
    as('key_custodian_deployer'),
  ]);
  scan = scanFleet;
});
afterAll(async () => {
  await api.close();
});

const keyIn = (answer: Answer) => answer.body as WireManagedKey;
const get = (path: string) => expectStatus(administrator, 200, { method: 'GET', path });
const etagOf = async (path: string) => (await get(path)).etag ?? '';
const readKey = async (id = key) => keyIn(await get(`/managed_keys/${id}`));
const statuses = (answer: Answer) => (answer.body as WireStatusInKeystores).status_in_keystores;
const statusIn = async (keystore: string, id = key) =>
  (await readKey(id)).status_in_keystores.find((each) => each.keystore?.id === keystore);
const inKms = (region: string, id = key) => {
  const [found, ...more] = api.kms.operator.keys({ region }).filter(({ tags }) => tags['shearline:key'] === id);
  if (found === undefined || more.length > 0) throw new Error(`${more.length} keys too many, or none, in ${region}.`);
  return found;
};
/** Reads a resource and does something to it under the ETag that it has. */
const act = async (client: ApiClient, method: 'POST' | 'PATCH' | 'DELETE', path: string, of: string, body?: Json) =>
  client.send({ method, path, ifMatch: await etagOf(of), ...(body === undefined ? {} : { body }) });
const command = async (client: ApiClient, action: string, id = key) =>
  act(client, 'POST', `/managed_keys/${id}/${action}`, `/managed_keys/${id}`);
const regroup = async (keystore: string, groups: readonly string[]) =>
  act(administrator, 'PATCH', `/keystores/${keystore}`, `/keystores/${keystore}`, { groups });

describe('the whole system once through', () => {
  it('a: a vault, two keystores in a group, a template, and an active key with the same material in both', async () => {
    vault = await create(administrator, 'vaults', { name: 'Story' });
    us = await create(administrator, 'keystores', keystoreBody(vault, 'us'));
    eu = await create(administrator, 'keystores', { ...keystoreBody(vault, 'eu'), aws_region: 'eu_central_1' });
    template = await create(creator, 'templates', {
      vault: { id: vault },
      name: 'aes',
      key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: 'P1Y', state: 'active' },
      keystores: [{ type: 'aws_kms', group: 'Production' }],
    });
    key = await create(creator, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'orders' });
    const made = await readKey();
    expect(made).toMatchObject({ state: 'active', material: 'imported', template: { alignment_status: 'aligned' } });
    expect(made.status_in_keystores.map((each) => [each.keystore?.name, each.keystore_sync_flag])).toEqual([
      ['eu', 'ok'],
      ['us', 'ok'],
    ]);
    for (const region of [US, EU]) expect(inKms(region)).toMatchObject({ state: 'Enabled', origin: 'EXTERNAL' });
  });

  it('b: a key disabled in AWS is found by the scan, shown with reason and since, and leaves the ETag alone', async () => {
    const before = await etagOf(`/managed_keys/${key}`);
    await api.kms.operator.disable(inKms(EU).arn);
    await scan();
    const drifted = await statusIn(eu);
    expect(drifted).toMatchObject({
      status: 'not_active',
      keystore_sync_flag: 'out_of_sync',
      keystore_sync_flag_detail: 'active_key_is_not_active_in_keystore',
      key_id_in_keystore: inKms(EU).arn,
    });
    expect(drifted?.reason).toContain('The key is disabled, since ');
    expect(await etagOf(`/managed_keys/${key}`)).toBe(before);

    const items = await database.queryAll({ index: 'flagged', pk: INDEX_KEY.flaggedInVault(vault) });
    const [flag, ...more] = items.map(READ.observed);
    expect(more).toEqual([]);
    expect(flag).toMatchObject({ keyId: key, keystoreId: eu, keystoreSyncFlag: 'out_of_sync' });
    expect(flag?.since.toISOString()).toBe(drifted?.since);

    const verified = await get(`/managed_keys/${key}/status_in_keystores`);
    expect(statuses(verified)).toEqual((await readKey()).status_in_keystores);
    expect(verified.etag).toBe(before);
  });

  it('b: the lists find it by its flag', async () => {
    const listed = async (flag: string) => {
      const path = `/managed_keys?vault.id=${vault}&status_in_keystores%5B%5D.keystore_sync_flag=${flag}`;
      return ((await get(path)).body as { managed_keys: { id: string }[] }).managed_keys.map(({ id }) => id);
    };
    expect(await listed('out_of_sync')).toEqual([key]);
    expect(await listed('error')).toEqual([]);
  });

  it('c: sync, with the ETag of a GET, repairs it, and AWS says Enabled', async () => {
    const synced = await command(deployer, 'sync_status_in_keystores');
    expect(synced.status).toBe(200);
    expect(statuses(synced).map((each) => each.keystore_sync_flag)).toEqual(['ok', 'ok']);
    expect(inKms(EU).state).toBe('Enabled');
    expect(await database.queryAll({ index: 'flagged', pk: INDEX_KEY.flaggedInVault(vault) })).toEqual([]);
  });

  describe('d and e: a CloudHSM-backed keystore', () => {
    let hsm: string;
    const hsmKey = (label: string) =>
      create(creator, 'managed_keys', { vault: { id: vault }, template_name: 'hsm-aes', label });

    beforeAll(async () => {
      hsm = await create(administrator, 'keystores', {
        ...keystoreBody(vault, 'hsm', ['HSM']),
        type: 'aws_cloudhsm',
        aws_custom_key_store_id: api.customKeyStoreId,
      });
      await create(creator, 'templates', {
        vault: { id: vault },
        name: 'hsm-aes',
        key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: '', state: 'active' },
        keystores: [{ type: 'aws_cloudhsm', group: 'HSM' }],
      });
    });

    it('whose backing key is deleted in the cluster, while AWS says Enabled, is found by the probe of the scan', async () => {
      const id = await hsmKey('root');
      expect(await readKey(id)).toMatchObject({ material: 'native' });
      api.kms.operator.deleteBackingKey(inKms(US, id).arn);
      expect(inKms(US, id).state).toBe('Enabled');
      await scan();
      expect(await statusIn(hsm, id)).toMatchObject({ status: 'not_active', keystore_sync_flag: 'out_of_sync' });
      expect((await statusIn(hsm, id))?.reason).toContain('Sync cannot repair this');
    });

    it('that is disconnected, and a region that is unreachable, are errors, never absent, and hold up nobody', async () => {
      const id = await hsmKey('tokens');
      api.kms.operator.disconnectCustomKeyStore(api.customKeyStoreId);
      api.kms.faults.add({ kind: 'unreachable', region: EU });
      const started = Date.now();
      await scan();
      expect(Date.now() - started).toBeLessThan(5_000);
      for (const [keystore, of] of [
        [hsm, id],
        [eu, key],
      ] as const) {
        expect(await statusIn(keystore, of)).toMatchObject({
          status: 'error',
          keystore_sync_flag: 'error',
          keystore_sync_flag_detail: 'connection_error',
        });
        expect((await statusIn(keystore, of))?.error?.errors[0]?.message).not.toBe('');
      }
      expect(await statusIn(us)).toMatchObject({ keystore_sync_flag: 'ok' });
      expect((await get(`/keystores/${eu}`)).body).toMatchObject({ status: { health_status: 'not_responding' } });

      api.kms.faults.clear();
      api.kms.operator.connectCustomKeyStore(api.customKeyStoreId);
      await scan();
      expect(await statusIn(eu)).toMatchObject({ keystore_sync_flag: 'ok' });
      expect(await statusIn(hsm, id)).toMatchObject({ keystore_sync_flag: 'ok' });
    });
  });

  describe('f: a third keystore', () => {
    let asia: string;

    it('that joins the group makes the key unaligned; a dry run shows what would happen and changes nothing', async () => {
      asia = await create(administrator, 'keystores', {
        ...keystoreBody(vault, 'asia', ['Elsewhere']),
        aws_region: 'ap_south_1',
      });
      expect((await readKey()).template?.alignment_status).toBe('aligned');
      expect((await regroup(asia, ['Elsewhere', 'Production'])).status).toBe(200);
      expect((await readKey()).template?.alignment_status).toBe('unaligned');

      const before = await api.items();
      const rehearsed = await command(deployer, 'update_from_template?dry_run=true');
      expect(rehearsed.status).toBe(200);
      const { planned_changes: planned } = keyIn(rehearsed);
      expect(planned?.keystores.map(({ name, steps }) => [name, steps])).toEqual([['asia', ['create', 'import']]]);
      expect(planned?.differences?.map(({ property }) => property)).toEqual(['keystores']);
      expect(await api.items()).toEqual(before);
      expect(api.kms.operator.keys({ region: ASIA })).toEqual([]);
    });

    it('gets the key by realigning', async () => {
      const realigned = await command(deployer, 'update_from_template');
      expect(realigned.status).toBe(200);
      expect(keyIn(realigned).template?.alignment_status).toBe('aligned');
      expect(await statusIn(asia)).toMatchObject({ status: 'active', keystore_sync_flag: 'ok' });
      expect(inKms(ASIA)).toMatchObject({ state: 'Enabled', hasMaterial: true });
    });

    it('that leaves the group keeps the material, deactivated, marked as removed by the user', async () => {
      await regroup(asia, ['Elsewhere']);
      expect((await readKey()).template?.alignment_status).toBe('unaligned');
      expect(keyIn(await command(deployer, 'update_from_template')).template?.alignment_status).toBe('aligned');
      expect(inKms(ASIA)).toMatchObject({ state: 'Disabled', hasMaterial: true });
      expect(await statusIn(asia)).toMatchObject({
        status: 'not_active',
        keystore_sync_flag: 'ok',
        keystore_sync_flag_detail: 'target_keystore_removed_by_user',
      });
      expect((await readKey()).referenced_keystores.map(({ id }) => id)).not.toContain(asia);

      await api.kms.operator.enable(inKms(ASIA).arn);
      await scan();
      expect(await statusIn(asia)).toMatchObject({
        keystore_sync_flag_detail: 'target_keystore_removed_by_user_contains_an_active_key',
      });
      await command(deployer, 'sync_status_in_keystores');
      expect(inKms(ASIA).state).toBe('Disabled');
    });

    it('that joins again has the very same key reactivated', async () => {
      const { arn, currentKeyMaterialId } = inKms(ASIA);
      await regroup(asia, ['Production']);
      await command(deployer, 'update_from_template');
      expect(inKms(ASIA)).toMatchObject({ arn, currentKeyMaterialId, state: 'Enabled' });
      expect(await statusIn(asia)).toMatchObject({ status: 'active', keystore_sync_flag: 'ok' });
      expect((await readKey()).template?.alignment_status).toBe('aligned');
    });
  });

  it('g: an edited template makes the key unaligned until it is realigned', async () => {
    const path = `/templates/${template}`;
    expect((await act(creator, 'PATCH', path, path, { key: { expiration_date: 'P2Y' } })).status).toBe(200);
    const before = await readKey();
    expect(before.template?.alignment_status).toBe('unaligned');
    const realigned = keyIn(await command(deployer, 'update_from_template'));
    expect(realigned.template?.alignment_status).toBe('aligned');
    const years = (date: string | undefined) => Number(date?.slice(0, 4));
    expect(years(realigned.expiration_date) - years(before.expiration_date)).toBe(1);
  });

  it('g: an archived template takes no key and aligns none (409); its keys work on', async () => {
    const path = `/templates/${template}`;
    expect((await act(creator, 'POST', `${path}/archive`, path)).status).toBe(200);
    const realign = await command(deployer, 'update_from_template');
    const body = { vault: { id: vault }, template_name: 'aes', label: 'too-late' };
    const made = await creator.send({ method: 'POST', path: '/managed_keys', body });
    for (const refused of [realign, made]) {
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({ status_code: 409, errors: [{ code: 'template_archived' }] });
    }
    expect((await command(deployer, 'sync_status_in_keystores')).status).toBe(200);
    expect((await act(creator, 'POST', `${path}/unarchive`, path)).status).toBe(200);
  });

  it('h: deactivated, destroyed, pending in AWS, and removed from the vault', async () => {
    expect((await command(administrator, 'destroy')).status).toBe(409);
    expect(keyIn(await command(deployer, 'deactivate'))).toMatchObject({ state: 'deactivated' });
    expect([US, EU, ASIA].map((region) => inKms(region).state)).toEqual(['Disabled', 'Disabled', 'Disabled']);
    expect((await act(administrator, 'DELETE', `/managed_keys/${key}`, `/managed_keys/${key}`)).status).toBe(409);
    const destroyed = keyIn(await command(administrator, 'destroy'));
    expect(destroyed.state).toBe('destroyed');
    for (const status of destroyed.status_in_keystores) {
      expect(status).toMatchObject({ status: 'not_present', keystore_sync_flag: 'ok' });
      expect(Date.parse(status.pending_destruction_until ?? '')).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    }
    expect([US, EU, ASIA].map((region) => inKms(region).state)).toEqual(Array(3).fill('PendingDeletion'));
    expect((await command(deployer, 'activate')).status).toBe(409);
    expect((await act(administrator, 'DELETE', `/managed_keys/${key}`, `/managed_keys/${key}`)).status).toBe(204);
    expect((await administrator.send({ method: 'GET', path: `/managed_keys/${key}` })).status).toBe(404);
  });
});
