import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { ROLES } from '../../lib/access/permissions.ts';
import { presentKeystoreTypes } from '../../lib/keystores/types.ts';
import { openDatabase } from '../../lib/records/database.ts';
import { ITEM } from '../../lib/records/table.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { CUSTODY_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { startIbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';
import type { IbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create } from './world.ts';

const API_KEY = 'api-key-of-this-test';
const INSTANCE = '12e8c9c2-a162-472d-b7d6-8b9a86b815a6';
const BUCKET = 'crn:v1:bluemix:public:cloud-object-storage:global:a/acc:5f1cd4a8-1111:bucket:invoices';

const KEY = z.object({
  id: z.string(),
  version: z.number(),
  state: z.string(),
  status_in_keystores: z.array(
    z.object({ status: z.string(), keystore_sync_flag: z.string(), reason: z.optional(z.string()) }),
  ),
});
const RESOURCES = z.object({
  total_count: z.number(),
  associated_resources: z.array(z.record(z.string(), z.unknown())),
});
const ERRORS = z.object({ errors: z.array(z.object({ code: z.string(), message: z.string() })) });

describe('IBM Cloud KMS keystores', () => {
  let api: TestApi;
  let ibm: IbmCloudKmsSandbox;
  let client: ApiClient;
  let vault: string;
  const clock = sandboxClock();

  beforeAll(async () => {
    ibm = await startIbmCloudKmsSandbox({
      clock,
      instances: [{ instanceId: INSTANCE, variant: 'key_protect' }],
      apiKeys: [{ apiKey: API_KEY }],
      settleMs: 0,
    });
    api = await startApi({ ALLOW_INSECURE_KEYSTORE_ENDPOINTS: 'true' });
    client = api.client(await api.token([...ROLES]));
    vault = await create(client, 'vaults', { name: 'IBM' });
  });
  afterAll(async () => {
    await api.close();
    await ibm.close();
  });

  const connected = (name: string, groups: readonly string[], more: Record<string, Json> = {}) => ({
    vault: { id: vault },
    name,
    type: 'ibm_cloud_kms',
    ibm_variant: 'key_protect',
    groups,
    ibm_api_endpoint: ibm.endpoint,
    ibm_iam_endpoint: ibm.endpoint,
    ibm_api_key: API_KEY,
    ibm_instance_id: INSTANCE,
    ...more,
  });
  const internal = (name: string, groups: readonly string[] = []) => ({
    vault: { id: vault },
    name,
    type: 'ibm_cloud_kms',
    ibm_variant: 'internal',
    groups,
  });
  const template = (name: string, group: string, size = '256') => ({
    vault: { id: vault },
    name,
    key: { algorithm: 'aes', size, activation_date: '', expiration_date: '', state: 'active' },
    keystores: [{ type: 'ibm_cloud_kms', group }],
  });
  const shown = async (id: string) => {
    const answer = await client.send({ method: 'GET', path: `/managed_keys/${id}` });
    return { ...KEY.parse(answer.body), etag: answer.etag ?? '' };
  };
  const act = async (id: string, action: string) =>
    client.send({ method: 'POST', path: `/managed_keys/${id}/${action}`, ifMatch: '*' });
  const resourcesOf = async (path: string) =>
    RESOURCES.parse((await client.send({ method: 'GET', path: `/${path}/associated_resources` })).body);

  it('go through a key’s life', async () => {
    await create(client, 'keystores', connected('Key Protect', ['Life']));
    await create(client, 'templates', template('life', 'Life'));
    const id = await create(client, 'managed_keys', {
      vault: { id: vault },
      template_name: 'life',
      label: 'Card data',
    });
    expect((await shown(id)).status_in_keystores).toMatchObject([{ status: 'active', keystore_sync_flag: 'ok' }]);
    expect((await act(id, 'rotate')).status).toBe(200);
    expect(ibm.operator.keys().find(({ name }) => name === 'Card data')).toMatchObject({ versions: 2, imported: true });
    expect(await shown(id)).toMatchObject({ version: 2, status_in_keystores: [{ keystore_sync_flag: 'ok' }] });

    const edited = { label: 'Card data 2', description: 'Edited', tags: [{ name: 'team', value: 'payments' }] };
    const patched = await client.send({ method: 'PATCH', path: `/managed_keys/${id}`, body: edited, ifMatch: '*' });
    expect(patched.status).toBe(200);
    expect((await shown(id)).status_in_keystores).toMatchObject([{ status: 'active', keystore_sync_flag: 'ok' }]);
    expect(ibm.operator.keys().find(({ name }) => name === 'Card data')?.aliases).toEqual(['shearline-Card_data_2']);

    await act(id, 'deactivate');
    expect((await shown(id)).status_in_keystores).toMatchObject([{ status: 'not_active', keystore_sync_flag: 'ok' }]);
    expect((await act(id, 'destroy')).status).toBe(200);
    expect(await shown(id)).toMatchObject({
      state: 'destroyed',
      status_in_keystores: [{ status: 'not_present', keystore_sync_flag: 'ok' }],
    });
  });

  describe('associated resources', () => {
    it('are listed for the key and for the keystore; a key that one of them holds on to is not destroyed', async () => {
      const keystore = await create(client, 'keystores', connected('Guarding', ['Guarding']));
      await create(client, 'templates', template('guarding', 'Guarding'));
      const id = await create(client, 'managed_keys', {
        vault: { id: vault },
        template_name: 'guarding',
        label: 'Invoices',
      });
      expect((await resourcesOf(`managed_keys/${id}`)).total_count).toBe(0);
      ibm.operator.register('shearline-Invoices', {
        resourceCrn: BUCKET,
        description: 'Retained',
        preventKeyDeletion: true,
      });
      const listed = {
        managed_key: { id, label: 'Invoices' },
        referenced_keystore: { id: keystore, name: 'Guarding', type: 'ibm_cloud_kms' },
        name: 'bucket:invoices',
        type: 'com_ibm_cloud_kms_registration',
        com_ibm_cloud_kms_registration: {
          prevents_key_deletion: true,
          service_name: 'cloud-object-storage',
          service_instance_name: '5f1cd4a8-1111',
          crn: BUCKET,
          description: 'Retained',
        },
      };
      expect((await resourcesOf(`managed_keys/${id}`)).associated_resources).toMatchObject([listed]);
      expect((await resourcesOf(`keystores/${keystore}`)).associated_resources).toMatchObject([listed]);

      await act(id, 'deactivate');
      for (const path of [`/managed_keys/${id}/destroy`, `/managed_keys/${id}/destroy?dry_run=true`]) {
        const refused = await client.send({ method: 'POST', path, ifMatch: '*' });
        expect(refused.status).toBe(409);
        expect(ERRORS.parse(refused.body).errors[0]?.message).toContain('bucket:invoices');
      }
      const disconnecting = await client.send({
        method: 'DELETE',
        path: `/keystores/${keystore}?mode=destroy`,
        ifMatch: '*',
      });
      expect(disconnecting.status).toBe(409);
      expect((await shown(id)).state).toBe('deactivated');

      ibm.operator.unregister('shearline-Invoices', BUCKET);
      ibm.operator.register('shearline-Invoices', { resourceCrn: BUCKET });
      expect((await act(id, 'destroy')).status).toBe(200);
      expect(ibm.operator.keys().find(({ name }) => name === 'Invoices')?.state).toBe(5);
    });

    it('that cannot be asked for keep the key from being destroyed', async () => {
      await create(client, 'keystores', connected('Silent', ['Silent']));
      await create(client, 'templates', template('silent', 'Silent'));
      const id = await create(client, 'managed_keys', {
        vault: { id: vault },
        template_name: 'silent',
        label: 'Unknown',
      });
      await act(id, 'deactivate');
      const rule = ibm.faults.add({ kind: 'reset_before', operation: 'GetRegistrations' });
      expect((await act(id, 'destroy')).status).toBe(503);
      expect((await shown(id)).state).toBe('deactivated');
      ibm.faults.remove(rule);
      expect((await act(id, 'destroy')).status).toBe(200);
    });
  });

  it('are refused when the endpoint is plain http, unless development allows it', async () => {
    process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] = 'false';
    const path = '/keystores?dry_run=true';
    const refused = await client.send({ method: 'POST', path, body: connected('Insecure', []) });
    process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] = 'true';
    expect(refused.status).toBe(422);
    expect(ERRORS.parse(refused.body).errors[0]?.message).toContain('https://');
  });

  describe('inside the own account', () => {
    it('need no credentials, and keep equal labels apart', async () => {
      await create(client, 'keystores', internal('Internal 1', ['Inside']));
      await create(client, 'keystores', internal('Internal 2', ['Inside']));
      await create(client, 'templates', template('inside', 'Inside'));
      const id = await create(client, 'managed_keys', {
        vault: { id: vault },
        template_name: 'inside',
        label: 'Shared label',
      });
      expect((await shown(id)).status_in_keystores).toMatchObject([
        { status: 'active', keystore_sync_flag: 'ok' },
        { status: 'active', keystore_sync_flag: 'ok' },
      ]);
      const made = api.kms.operator
        .keys({ accountId: CUSTODY_ACCOUNT.accountId })
        .filter(({ tags }) => tags['shearline:key']?.startsWith(`${id}@`) === true);
      expect(new Set(made.map(({ arn }) => arn)).size).toBe(2);
    });

    it('refuse sizes that the other variants take', async () => {
      await create(client, 'keystores', connected('Beside', ['Mixed']));
      await create(client, 'templates', template('mixed', 'Mixed', '128'));
      const body = { vault: { id: vault }, template_name: 'mixed', label: 'Small' };
      await create(client, 'managed_keys', body);
      const keystore = await create(client, 'keystores', internal('Internal 3', ['Mixed']));
      const refused = await client.send({ method: 'POST', path: '/managed_keys', body: { ...body, label: 'Small 2' } });
      expect(refused.status).toBe(422);
      expect(ERRORS.parse(refused.body).errors[0]?.message).toContain('Internal 3');
      expect((await client.send({ method: 'DELETE', path: `/keystores/${keystore}`, ifMatch: '*' })).status).toBe(204);
    });

    it('are at most 50, however many vaults', async () => {
      const other = await create(client, 'vaults', { name: 'Another' });
      const { TABLE_NAME: table = '', DYNAMODB_ENDPOINT: endpoint } = process.env;
      // Two there are; 47 more are made believe.
      await openDatabase({ table, endpoint }).write({
        op: 'update',
        key: ITEM.deploymentCounters(),
        expression: 'ADD #internal :by',
        names: { '#internal': 'internal_keystores' },
        values: { ':by': 47 },
      });
      const last = await create(client, 'keystores', { ...internal('The 50th'), vault: { id: other } });
      const tooMany = { method: 'POST', path: '/keystores', body: internal('The 51st') } as const;
      const refused = await client.send(tooMany);
      expect(refused.status).toBe(409);
      expect(ERRORS.parse(refused.body).errors[0]?.message).toContain('50');
      expect((await client.send({ method: 'DELETE', path: `/keystores/${last}`, ifMatch: '*' })).status).toBe(204);
      expect((await client.send(tooMany)).status).toBe(201);
    });
  });

  it('of z/OS (cca) are refused, with the reason: 422', async () => {
    const body = {
      vault: { id: vault },
      name: 'Mainframe',
      type: 'cca',
      groups: [],
      cca_host: 'zos.example',
      cca_port: 4443,
      cca_public_key_hash: 'A'.repeat(64),
    };
    const refused = await client.send({ method: 'POST', path: '/keystores', body });
    expect([refused.status, ERRORS.parse(refused.body).errors]).toEqual([
      422,
      [expect.objectContaining({ message: expect.stringContaining('agent on IBM Z') as string })],
    ]);
  });

  it('and all other types tell what they can hold, to whoever has a token', async () => {
    const reader = api.client(await api.token(['reader']));
    const { status, body } = await reader.send({ method: 'GET', path: '/keystore_types' });
    expect([status, body]).toEqual([200, { keystore_types: presentKeystoreTypes() }]);
  });
});
