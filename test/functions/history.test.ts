import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../lib/records/database.ts';
import { fencedInstance, READ } from '../../lib/records/entities.ts';
import { ITEM } from '../../lib/records/table.ts';
import type { WireDrift, WireHistoryEntry, WireKeyHistory } from '../../lib/wire/history.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';
import { scanFleet } from './scan.ts';

let api: TestApi;
let ada: ApiClient;
let vault: string;
let keystore: string;

beforeAll(async () => {
  api = await startApi();
  ada = api.client(await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer']));
  vault = await create(ada, 'vaults', { name: 'Told' });
  keystore = await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  await api.close();
});

const database = () =>
  openDatabase({ table: process.env['TABLE_NAME'] ?? '', endpoint: process.env['DYNAMODB_ENDPOINT'] });
const newKey = (label: string, inVault = vault) =>
  create(ada, 'managed_keys', { vault: { id: inVault }, template_name: 'aes', label });
const scan = scanFleet;
const resume = async () => {
  const { handler } = await import('../../functions/resume.ts');
  await handler({});
};
const inAws = async (id: string) => {
  const { body } = await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}` });
  return (body as WireManagedKey).status_in_keystores[0]?.key_id_in_keystore ?? '';
};
const read = async (path: string, client = ada) =>
  (await expectStatus(client, 200, { method: 'GET', path })).body as WireKeyHistory;
const historyOf = async (id: string, query = 'limit=100') =>
  (await read(`/managed_keys/${id}/history?${query}`)).entries.toReversed();
const drift = async (query = '', client = ada) =>
  (await expectStatus(client, 200, { method: 'GET', path: `/drift?${query}` })).body as WireDrift;
const onlyPath = (href: string) => href.slice(href.indexOf('/api/v4') + '/api/v4'.length);
const told = (entry: WireHistoryEntry): string => {
  switch (entry.kind) {
    case 'flag':
      return `${entry.cause}: ${entry.from?.keystore_sync_flag ?? 'never asked'} → ${entry.to.keystore_sync_flag}`;
    case 'work':
      return `${entry.cause} ${entry.work}`;
    case 'decision':
      return `${entry.operation} by ${entry.subject}`;
  }
};
const by = (operation: string) => expect.stringMatching(new RegExp(`^${operation} by .+`)) as string;

describe("a key's history", () => {
  it('tells decisions and changes of flags in order, each with its cause', async () => {
    const id = await newKey('told');
    await scan();
    await api.kms.operator.disable(await inAws(id));
    await scan();
    await scan();
    await expectStatus(ada, 200, {
      method: 'POST',
      path: `/managed_keys/${id}/sync_status_in_keystores`,
      ifMatch: '*',
    });
    await expectStatus(ada, 200, { method: 'POST', path: `/managed_keys/${id}/deactivate`, ifMatch: '*' });
    const entries = await historyOf(id);
    expect(entries.map(told)).toEqual([
      by('CreateManagedKey'),
      'create: never asked → ok',
      'scan: ok → out_of_sync',
      by('SyncManagedKey'),
      'sync: out_of_sync → ok',
      by('DeactivateManagedKey'),
      'deactivate: ok → ok',
    ]);
    const drifted = entries[2];
    expect(drifted).toMatchObject({
      kind: 'flag',
      key: { id, version: 1, label: 'told' },
      keystore: { id: keystore },
      from: { status: 'active', keystore_sync_flag_detail: 'active_key_is_active_in_keystore' },
      to: { status: 'not_active', keystore_sync_flag_detail: 'active_key_is_not_active_in_keystore' },
    });
    expect(drifted?.kind === 'flag' && drifted.reason).toMatch(
      /^The key is disabled, since .* Sync would enable it\.$/,
    );
  });

  it('says what a verify found, and who asked for it is no part of it', async () => {
    const id = await newKey('verified');
    await api.kms.operator.disable(await inAws(id));
    await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}/status_in_keystores` });
    expect((await historyOf(id, 'limit=1')).map(told)).toEqual(['verify: ok → out_of_sync']);
  });

  it('tells of work that waits, is resumed, is given up, is redriven and is done', async () => {
    const outage = api.kms.faults.add({ kind: 'reset_before', operation: 'CreateKey' });
    const id = await newKey('late');
    const again = async (attempts: number) => {
      const item = await database().get(ITEM.instance(id, 1, keystore));
      if (item === undefined) throw new Error('The instance is gone.');
      const instance = READ.keyInstance(item);
      if (instance.open === undefined) throw new Error('Nothing is open.');
      const open = { ...instance.open, attempts, dueAt: new Date(0) };
      await database().write(fencedInstance({ ...instance, open, fence: instance.fence + 1 }, instance.fence));
      await resume();
    };
    await again(1);
    await again(2);
    await again(20);
    await expectStatus(ada, 200, { method: 'POST', path: '/open_work/redrive', body: { vault: { id: vault } } });
    api.kms.faults.remove(outage);
    await resume();
    const entries = await historyOf(id, 'limit=100&kind=work');
    expect(entries.map(told)).toEqual(['create waiting', 'create resumed', 'create given_up', 'create redriven']);
    expect(entries[0]).toMatchObject({ attempts: 1, last_error: expect.any(String) as string });
    expect((await historyOf(id)).map(told).at(-1)).toBe('create: out_of_sync → ok');
  });

  it('is paged from its newest entry on, without an entry lost or told twice', async () => {
    const id = await newKey('long');
    const arn = await inAws(id);
    for (let round = 0; round < 3; round += 1) {
      await api.kms.operator.disable(arn);
      await scan();
      await api.kms.operator.enable(arn);
      await scan();
    }
    const whole = (await historyOf(id)).map((entry) => entry.id);
    expect(whole).toHaveLength(8);
    const seen: string[] = [];
    let path: string | undefined = `/managed_keys/${id}/history?limit=3`;
    let pages = 0;
    while (path !== undefined) {
      const page: WireKeyHistory = await read(path);
      seen.push(...page.entries.map((entry) => entry.id));
      expect(page.entries.length).toBeLessThanOrEqual(3);
      expect(page.first.href).toMatch(/history\?limit=3$/);
      path = page.next === undefined ? undefined : onlyPath(page.next.href ?? '');
      pages += 1;
    }
    expect(pages).toBe(3);
    expect(seen.toReversed()).toEqual(whole);
  });

  it('is for whoever may read the key, and for nobody else', async () => {
    const id = await newKey('private');
    const reader = api.client(await api.token([`reader@${vault}`]));
    expect((await read(`/managed_keys/${id}/history`, reader)).entries.length).toBeGreaterThan(0);
    const stranger = api.client(await api.token(['reader@00000000-0000-4000-8000-00000000000a']));
    await expectStatus(stranger, 404, { method: 'GET', path: `/managed_keys/${id}/history` });
    await expectStatus(ada, 400, { method: 'GET', path: `/managed_keys/${id}/history?after=yesterday` });
  });

  it('is kept 400 days', async () => {
    const id = await newKey('kept');
    const items = await database().queryAll({ pk: ITEM.history(id, '', '').pk });
    expect(items.length).toBeGreaterThan(0);
    for (const { at, ttl } of items) {
      expect(Number(ttl) - Date.parse(String(at)) / 1000).toBeCloseTo(400 * 86_400, -1);
    }
  });
});

describe('an unchanged finding', () => {
  it('writes nothing into the history, however often it is found', async () => {
    const id = await newKey('quiet');
    await scan();
    const before = await historyOf(id);
    for (let round = 0; round < 3; round += 1) await scan();
    expect(await historyOf(id)).toEqual(before);
  });

  it('two looks at once that find the same tell it once', async () => {
    const id = await newKey('twice');
    await api.kms.operator.disable(await inAws(id));
    const path = `/managed_keys/${id}/status_in_keystores`;
    await Promise.all(Array.from({ length: 6 }, () => expectStatus(ada, 200, { method: 'GET', path })));
    expect((await historyOf(id, 'kind=flag')).map(told)).toEqual([
      'create: never asked → ok',
      'verify: ok → out_of_sync',
    ]);
  });
});

describe('the drift of the fleet', () => {
  it('counts what is flagged now by keystore and detail, with the health of each keystore and the trend', async () => {
    const own = await create(ada, 'vaults', { name: 'Fleet' });
    const kms = await create(ada, 'keystores', keystoreBody(own, 'fleet-kms'));
    await create(ada, 'templates', templateBody(own, 'aes'));
    const ids = [await newKey('fleet-a', own), await newKey('fleet-b', own), await newKey('fleet-c', own)];
    for (const id of ids.slice(1)) await api.kms.operator.disable(await inAws(id));
    await scan();
    const { summary, changes } = await drift(`vault.id=${own}`);
    expect(summary).toMatchObject({ flagged: 2, complete: true, trend_complete: true });
    expect(summary?.keystores).toEqual([
      {
        id: kms,
        name: 'fleet-kms',
        href: expect.stringContaining(`/keystores/${kms}`) as string,
        vault: { id: own, href: expect.stringContaining(`/vaults/${own}`) as string },
        health_status: 'ok',
        message: 'AWS KMS in us-east-1 answers.',
        last_heartbeat: expect.any(String) as string,
        last_sweep: {
          started_at: expect.any(String) as string,
          finished_at: expect.any(String) as string,
          keys: 3,
          ok: 1,
          out_of_sync: 2,
          error: 0,
          settling: 0,
        },
        flags: [
          {
            status: 'not_active',
            keystore_sync_flag: 'out_of_sync',
            keystore_sync_flag_detail: 'active_key_is_not_active_in_keystore',
            count: 2,
          },
        ],
      },
    ]);
    const [today] = summary?.trend ?? [];
    expect(today).toMatchObject({ to_ok: 3, to_out_of_sync: 2, to_error: 0 });
    expect(changes).toHaveLength(5);
    expect(changes.map(({ at }) => at)).toEqual(
      changes
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
    const onlyDrifted = await drift(`vault.id=${own}&keystore_sync_flag=out_of_sync`);
    expect(onlyDrifted.changes.map(({ key }) => key.id).toSorted()).toEqual(ids.slice(1).toSorted());
  });

  it('is paged either way, and followed from a time on', async () => {
    const whole = (await drift('limit=1000')).changes.map(({ id }) => id);
    for (const [sort, expected] of [
      ['-at', whole],
      ['at', whole.toReversed()],
    ] as const) {
      const seen: string[] = [];
      let path: string | undefined = `/drift?limit=4&sort=${sort}`;
      while (path !== undefined) {
        const page = (await expectStatus(ada, 200, { method: 'GET', path })).body as WireDrift;
        expect(page.summary === undefined).toBe(path.includes('after='));
        seen.push(...page.changes.map(({ id }) => id));
        path = page.next === undefined ? undefined : onlyPath(page.next.href ?? '');
      }
      expect(seen).toEqual(expected);
    }
    const middle = (await drift('limit=1000')).changes[3]?.at ?? '';
    const later = await drift(`limit=1000&since=${middle}`);
    expect(later.changes.every(({ at }) => at >= middle)).toBe(true);
    expect(later.changes.length).toBeLessThan(whole.length);
  });

  it('shows the vaults that the caller may list, and a reader none', async () => {
    const other = api.client(await api.token(['manager@00000000-0000-4000-8000-00000000000b']));
    expect(await drift('', other)).toMatchObject({ changes: [], summary: { flagged: 0, keystores: [] } });
    const manager = api.client(await api.token([`manager@${vault}`]));
    const { changes, summary } = await drift('limit=1000', manager);
    expect(new Set(changes.map((change) => change.vault.id))).toEqual(new Set([vault]));
    expect(new Set(summary?.keystores.map((each) => each.vault.id))).toEqual(new Set([vault]));
    const reader = api.client(await api.token([`reader@${vault}`]));
    await expectStatus(reader, 403, { method: 'GET', path: '/drift' });
    await expectStatus(ada, 400, { method: 'GET', path: '/drift?since=yesterday' });
  });
});
