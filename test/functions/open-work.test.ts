import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../lib/records/database.ts';
import { fencedInstance, READ } from '../../lib/records/entities.ts';
import { INDEXES, ITEM } from '../../lib/records/table.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { WireOpenWorkList } from '../../lib/wire/open-work.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let ada: ApiClient;
let vault: string;
let keystore: string;

beforeAll(async () => {
  api = await startApi();
  ada = api.client(await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer']));
  vault = await create(ada, 'vaults', { name: 'Outage' });
  keystore = await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  await api.close();
});

const database = () =>
  openDatabase({ table: process.env['TABLE_NAME'] ?? '', endpoint: process.env['DYNAMODB_ENDPOINT'] });
const listed = async (state: string) =>
  ((await expectStatus(ada, 200, { method: 'GET', path: `/open_work?state=${state}` })).body as WireOpenWorkList)
    .open_work;
const statusOf = async (id: string) =>
  ((await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}` })).body as WireManagedKey)
    .status_in_keystores[0];

describe('work that a keystore keeps from being finished', () => {
  it('is listed with its reason while it waits, given up in the end, and finished once it is redriven', async () => {
    const outage = api.kms.faults.add({ kind: 'throttle', operation: 'CreateKey' });
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'late' });
    const [waiting] = await listed('waiting');
    expect(waiting).toMatchObject({
      key: { id },
      keystore: { id: keystore },
      cause: 'create',
      state: 'waiting',
      attempts: 1,
    });
    expect(waiting?.last_error).toBeTruthy();

    // As after hours of attempts: the last one there is.
    const item = await database().get(ITEM.instance(id, 1, keystore));
    if (item === undefined) throw new Error('The instance is gone.');
    const instance = READ.keyInstance(item);
    if (instance.open === undefined) throw new Error('Nothing is open.');
    const open = { ...instance.open, attempts: 20, dueAt: new Date(0) };
    await database().write(fencedInstance({ ...instance, open, fence: instance.fence + 1 }, instance.fence));
    const { handler: resume } = await import('../../functions/resume.ts');
    await resume({});
    expect(await listed('waiting')).toEqual([]);
    expect(await listed('given_up')).toMatchObject([{ key: { id }, state: 'given_up' }]);
    await resume({});
    expect(await listed('given_up')).toHaveLength(1);

    api.kms.faults.remove(outage);
    const redriven = await expectStatus(ada, 200, {
      method: 'POST',
      path: '/open_work/redrive',
      body: { vault: { id: vault } },
    });
    expect(redriven.body).toEqual({ redriven: 1 });
    await resume({});
    expect(await listed('given_up')).toEqual([]);
    expect(await statusOf(id)).toMatchObject({ status: 'active', keystore_sync_flag: 'ok' });
  });

  it('does not stop for an item that cannot be read: that one is parked', async () => {
    const poison = ITEM.instance('00000000-0000-4000-8000-000000000000', 1, keystore);
    await database().write({
      op: 'put',
      item: { ...poison, due_pk: 'OPEN#0', due_sk: '2000-01-01T00:00:00.000Z', state: 'nonsense' },
    });
    const outage = api.kms.faults.add({ kind: 'throttle', operation: 'CreateKey' });
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'behind-it' });
    api.kms.faults.remove(outage);
    await database().write({
      op: 'update',
      key: ITEM.instance(id, 1, keystore),
      expression: 'SET #due = :past, #open.#dueAt = :past',
      names: { '#due': INDEXES.due.sk, '#open': 'open', '#dueAt': 'dueAt' },
      values: { ':past': '2000-01-01T00:00:00.000Z' },
    });
    const { handler: resume } = await import('../../functions/resume.ts');
    await resume({});
    expect(await statusOf(id)).toMatchObject({ status: 'active', keystore_sync_flag: 'ok' });
    expect(await database().get(poison)).toMatchObject({ due_pk: 'UNREADABLE' });

    // As one that an older version could not read: this one can, once somebody says so.
    const parked = ITEM.instance(id, 1, keystore);
    const item = (await database().get(parked)) ?? {};
    const open = { cause: 'sync', details: false, since: '2000-01-01T00:00:00.000Z', attempts: 3 };
    await database().write({
      op: 'put',
      item: {
        ...item,
        ...parked,
        open: { ...open, dueAt: '2000-01-01T00:00:00.000Z', givenUp: false },
        due_pk: 'UNREADABLE',
        due_sk: '2000-01-01T00:00:00.000Z',
      },
    });
    const body = { vault: { id: vault } };
    const redriven = await expectStatus(ada, 200, { method: 'POST', path: '/open_work/redrive', body });
    expect(redriven.body).toEqual({ redriven: 1 });
    expect((await database().get(parked))?.['due_pk']).toMatch(/^OPEN#/);
    expect(await database().get(poison)).toMatchObject({ due_pk: 'UNREADABLE' });
    await resume({});
    expect((await database().get(parked))?.['due_pk']).toBeUndefined();
  });
});
