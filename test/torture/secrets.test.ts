import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../lib/records/database.ts';
import type { Database } from '../../lib/records/database.ts';
import { ITEM } from '../../lib/records/table.ts';
import type { ItemKey } from '../../lib/records/table.ts';
import type { WireStatusInKeystores } from '../../lib/wire/keys.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { startApi } from '../functions/api.ts';
import type { TestApi } from '../functions/api.ts';
import { act, create, keystoreBody } from '../functions/world.ts';

const ALL = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer'];

let api: TestApi;
let client: ApiClient;
let database: Database;
let vault: string;
let keystore: string;

beforeAll(async () => {
  api = await startApi();
  client = api.client(await api.token(ALL));
  database = openDatabase({ table: process.env['TABLE_NAME'] ?? '', endpoint: process.env['DYNAMODB_ENDPOINT'] });
  vault = await create(client, 'vaults', { name: 'secrets' });
  keystore = await create(client, 'keystores', keystoreBody(vault, 'keystore'));
  await create(client, 'templates', {
    vault: { id: vault },
    name: 'mac',
    key: { algorithm: 'hmac', size: '256', activation_date: '', expiration_date: '', state: 'active' },
    keystores: [{ type: 'aws_kms', group: 'Production' }],
  });
});
afterAll(async () => {
  await api.close();
});

const newKey = (label: string) =>
  create(client, 'managed_keys', { vault: { id: vault }, template_name: 'mac', label: `secrets/${label}` });

/** Puts what is sealed for one record into another one, as somebody who may write to the table would. */
async function moveAttributes(from: ItemKey, to: ItemKey): Promise<void> {
  const item = await database.get(from);
  expect(item).toBeDefined();
  await database.write({ op: 'put', item: { ...item, ...to } });
}

const inAws = (id: string, version = 1) =>
  api.kms.operator
    .keys()
    .filter(({ tags }) => tags['shearline:key'] === id && tags['shearline:version'] === String(version));

function lose(id: string, version = 1): void {
  for (const { arn } of inAws(id, version)) api.kms.operator.purge(arn);
}

const sync = (id: string) =>
  expectStatus(client, 200, { method: 'POST', path: `/managed_keys/${id}/sync_status_in_keystores`, ifMatch: '*' });

describe('a ciphertext that was moved to another record', () => {
  it('opens for no other key: what was lost of it is not restored with somebody else’s bytes, and it says so', async () => {
    const [one, other] = [await newKey('one'), await newKey('other')];
    await moveAttributes(ITEM.material(one, 1), ITEM.material(other, 1));
    lose(other);
    const { status_in_keystores: statuses } = (await sync(other)).body as WireStatusInKeystores;
    expect(statuses.map((each) => each.keystore_sync_flag)).toEqual(['out_of_sync']);
    expect(inAws(other).map(({ hasMaterial, state }) => [hasMaterial, state])).toEqual([[false, 'PendingImport']]);
    expect(inAws(one).map(({ state }) => state)).toEqual(['Enabled']);
  });

  it('opens for no other version of its own key either', async () => {
    const id = await newKey('versions');
    await act(client, `managed_keys/${id}/rotate`);
    await moveAttributes(ITEM.material(id, 1), ITEM.material(id, 2));
    lose(id, 2);
    const { status_in_keystores: statuses } = (await sync(id)).body as WireStatusInKeystores;
    expect(statuses.map((each) => each.keystore_sync_flag)).toEqual(['out_of_sync']);
    expect(inAws(id, 2).map(({ hasMaterial }) => hasMaterial)).toEqual([false]);
  });

  it('opens again where it belongs: put back, it restores the key', async () => {
    const [one, other] = [await newKey('one-again'), await newKey('other-again')];
    const own = await database.get(ITEM.material(other, 1));
    await moveAttributes(ITEM.material(one, 1), ITEM.material(other, 1));
    lose(other);
    await sync(other);
    await database.write({ op: 'put', item: { ...own, ...ITEM.material(other, 1) } });
    const { status_in_keystores: statuses } = (await sync(other)).body as WireStatusInKeystores;
    expect(statuses.map((each) => each.keystore_sync_flag)).toEqual(['ok']);
    expect(inAws(other).map(({ hasMaterial, state }) => [hasMaterial, state])).toEqual([[true, 'Enabled']]);
  });

  it('connects no other keystore; whoever gives its credentials anew connects it again', async () => {
    const other = await create(client, 'keystores', keystoreBody(vault, 'other', ['Elsewhere']));
    const patch = (body: Json) =>
      expectStatus(client, 200, { method: 'PATCH', path: `/keystores/${other}`, ifMatch: '*', body });
    const status = async () =>
      (await expectStatus(client, 200, { method: 'GET', path: `/keystores/${other}/status` })).body as object;
    const own = ITEM.keystoreCredentials(other);
    await moveAttributes(ITEM.keystoreCredentials(keystore), own);
    // What was opened before is used no longer once the keystore was changed.
    await patch({ description: 'changed' });
    expect(await status()).toMatchObject({ health_status: 'not_responding' });
    const { accessKeyId, secretAccessKey } = KEYSTORE_ACCOUNT;
    await patch({ aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey });
    expect(await status()).toMatchObject({ health_status: 'ok' });
  });
});
