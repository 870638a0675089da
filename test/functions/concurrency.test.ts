import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROLES } from '../../lib/access/permissions.ts';
import { openDatabase } from '../../lib/records/database.ts';
import type { Database } from '../../lib/records/database.ts';
import { readKey } from '../../lib/records/reading.ts';
import { verifyTrail } from '../../lib/records/trail.ts';
import type { WireApiError } from '../../lib/wire/errors.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { Answer, ApiClient, Json } from '../../sandbox/api-client.ts';
import type { KeyListing } from '../../sandbox/aws-kms/server.ts';
import { until } from '../deployment.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';
import { scanFleet } from './scan.ts';

let api: TestApi;
let database: Database;
let everybody: ApiClient;
let vault: string;
let keystore: string;
let scan: () => Promise<unknown>;
let resume: () => Promise<{ readonly resumed: number }>;

beforeAll(async () => {
  api = await startApi();
  database = openDatabase({
    table: process.env['TABLE_NAME'] ?? '',
    endpoint: process.env['DYNAMODB_ENDPOINT'] ?? '',
  });
  const { handler } = await import('../../functions/resume.ts');
  scan = scanFleet;
  resume = () => handler({});
  everybody = api.client(await api.token([...ROLES]));
  vault = await create(everybody, 'vaults', { name: 'Crowded' });
  keystore = await create(everybody, 'keystores', keystoreBody(vault, 'crowded'));
  const second = { ...keystoreBody(vault, 'crowded too'), aws_region: 'eu_central_1' };
  await create(everybody, 'keystores', second);
  await create(everybody, 'templates', templateBody(vault, 'native'));
  const imported = { ...templateBody(vault, 'imported').key, material: 'imported' };
  await create(everybody, 'templates', { ...templateBody(vault, 'imported'), key: imported });
});
afterEach(() => {
  api.kms.faults.clear();
});
afterAll(async () => {
  await api.close();
});

const times = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);
const atOnce = <T>(count: number, ask: (at: number) => Promise<T>): Promise<T[]> => Promise.all(times(count).map(ask));
const get = (path: string) => everybody.send({ method: 'GET', path });
const tagOf = async (path: string) => (await get(path)).etag ?? '';
const keyAt = async (path: string) => (await get(path)).body as WireManagedKey;
const idOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const newKey = async (label: string, template = 'imported') =>
  `/managed_keys/${await create(everybody, 'managed_keys', { vault: { id: vault }, template_name: template, label })}`;
const act = (path: string, action: string, ifMatch = '*', headers: Readonly<Record<string, string>> = {}) =>
  everybody.send({ method: 'POST', path: `${path}/${action}`, ifMatch, headers });
const inAws = (path: string): readonly KeyListing[] =>
  api.kms.operator.keys().filter(({ tags }) => tags['shearline:key'] === idOf(path));
/** How many ended in each way: by status, and by code where they were refused. */
function endings(answers: readonly Answer[]): Record<string, number> {
  const ends = answers.map(({ status, body }) =>
    status < 400 ? String(status) : `${status} ${(body as WireApiError).errors[0]?.code ?? ''}`,
  );
  return Object.fromEntries([...Map.groupBy(ends, (end) => end)].map(([end, all]) => [end, all.length]));
}

/** One KMS key for it in each region, as it should be, and nothing left to be done. */
async function expectWell(path: string, state: 'Enabled' | 'Disabled' | 'PendingDeletion' = 'Enabled'): Promise<void> {
  const { instances, observed } = await readKey(database, idOf(path));
  expect(instances.map(({ open }) => open)).toEqual(instances.map(() => undefined));
  expect([...observed.values()].map((each) => each.keystoreSyncFlag)).toEqual(instances.map(() => 'ok'));
  expect(
    inAws(path)
      .map((each) => `${each.region} ${each.state}`)
      .toSorted(),
  ).toEqual([`eu-central-1 ${state}`, `us-east-1 ${state}`]);
  const bound = new Set(instances.map(({ binding }) => binding?.idInKeystore));
  expect(inAws(path).filter(({ arn }) => !bound.has(arn))).toEqual([]);
}

/** Goes on with what was overtaken, as the schedule would. */
async function settle(): Promise<void> {
  await until('nothing is left to be resumed', async () => (await resume()).resumed === 0);
}

describe('fifty writers with one tag', () => {
  it('round after round: exactly one is let through, the others are told that they were late', async () => {
    const path = await newKey('contested');
    for (const round of times(3)) {
      const tag = await tagOf(path);
      const answers = await atOnce(50, (writer) => {
        const body: Json = { description: `round ${round}, writer ${writer}` };
        return everybody.send({ method: 'PATCH', path, body, ifMatch: tag });
      });
      expect(endings(answers)).toEqual({ 200: 1, '412 precondition_failed': 49 });
      const winner = answers.find(({ status }) => status === 200);
      const key = await keyAt(path);
      expect(key.description).toBe((winner?.body as WireManagedKey).description);
      expect(await tagOf(path)).toBe(winner?.etag);
      await settle();
      await expectWell(path);
    }
  }, 60_000);

  it('of which some would deactivate the key, some rotate it and some rename it: one of them does, wholly', async () => {
    const path = await newKey('torn');
    const tag = await tagOf(path);
    const answers = await atOnce(50, (writer) => {
      if (writer % 3 === 0) return act(path, 'deactivate', tag);
      if (writer % 3 === 1) return act(path, 'rotate', tag);
      return everybody.send({ method: 'PATCH', path, body: { label: `torn-by-${writer}` }, ifMatch: tag });
    });
    expect(endings(answers)).toEqual({ 200: 1, '412 precondition_failed': 49 });
    const winner = answers.find(({ status }) => status === 200)?.body as WireManagedKey;
    const { state, version, label } = await keyAt(path);
    expect({ state, version, label }).toEqual({ state: winner.state, version: winner.version, label: winner.label });
    const changes = [state !== 'active', version !== 1, label !== 'torn'];
    expect(changes.filter(Boolean)).toHaveLength(1);
    await settle();
    await expectWell(path, state === 'active' ? 'Enabled' : 'Disabled');
    for (const { aliases } of inAws(path)) expect(aliases).toEqual([`alias/${label}`]);
  });

  it('that each first read the key anew all come through in the end, and none of their changes is lost', async () => {
    const path = await newKey('patient');
    const append = async (writer: number): Promise<number> => {
      for (let tries = 1; ; tries += 1) {
        const read = await get(path);
        const tags = [...((read.body as WireManagedKey).tags ?? []), { name: `writer-${writer}`, value: 'was here' }];
        const body = { tags: tags.map(({ name, value }) => ({ name, value })) };
        const answer = await everybody.send({ method: 'PATCH', path, body, ifMatch: read.etag ?? '' });
        if (answer.status === 200) return tries;
        expect(endings([answer])).toEqual({ '412 precondition_failed': 1 });
      }
    };
    await atOnce(8, append);
    expect(((await keyAt(path)).tags ?? []).map(({ name }) => name).toSorted()).toEqual(
      times(8).map((at) => `writer-${at}`),
    );
    await settle();
    await expectWell(path);
  });
});

describe('the same request sent more than once', () => {
  it.each([2, 10])(
    '%i times at once under one Idempotency-Key makes one key, and all get its answer',
    async (count) => {
      const body = { vault: { id: vault }, template_name: 'imported', label: `once-of-${count}` };
      const headers = { 'idempotency-key': `create-${count}` };
      const send = () => everybody.send({ method: 'POST', path: '/managed_keys', body, headers });
      const answers = await atOnce(count, send);
      expect(endings(answers)).toEqual({ 201: count });
      expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
      expect((await send()).body).toEqual(answers[0]?.body);
      await expectWell(`/managed_keys/${(answers[0]?.body as WireManagedKey).id}`);
      const listed = (await get(`/managed_keys?label=once-of-${count}`)).body as { readonly total_count: number };
      expect(listed.total_count).toBe(1);
    },
  );

  it.each([2, 10])(
    '%i times at once without one makes one key; the others are told that the label is taken',
    async (count) => {
      const body = { vault: { id: vault }, template_name: 'native', label: `alone-of-${count}` };
      const answers = await atOnce(count, () => everybody.send({ method: 'POST', path: '/managed_keys', body }));
      expect(endings(answers)).toEqual({ 201: 1, '409 name_taken': count - 1 });
      const made = answers.find(({ status }) => status === 201)?.body as WireManagedKey;
      await expectWell(`/managed_keys/${made.id}`);
    },
  );

  const ROTATIONS = ['imported', 'native'].flatMap((template) => [2, 10].map((count) => ({ template, count })));
  it.each(ROTATIONS)('rotates $template material once, when sent $count times at once with one tag', async (given) => {
    const { template, count } = given;
    const path = await newKey(`rotated-${template}-${count}`, template);
    const tag = await tagOf(path);
    const answers = await atOnce(count, () => act(path, 'rotate', tag));
    expect(endings(answers)).toEqual({ 200: 1, '412 precondition_failed': count - 1 });
    await expectOneRotation(path);
  });

  it('rotates once also with If-Match: *, where the others come too late or too often', async () => {
    const path = await newKey('rotated-whatever');
    const answers = await atOnce(10, () => act(path, 'rotate'));
    const { 200: accepted, ...refused } = endings(answers);
    expect(accepted).toBe(1);
    for (const end of Object.keys(refused)) expect(end).toMatch(/^(412 precondition_failed|429 too_often)$/);
    await expectOneRotation(path);
  });

  it.each([2, 10])(
    'rotates once under one Idempotency-Key, when sent %i times, and all get its answer',
    async (count) => {
      const path = await newKey(`rotated-under-key-${count}`);
      const tag = await tagOf(path);
      const headers = { 'idempotency-key': `rotate-${count}` };
      const answers = await atOnce(count, () => act(path, 'rotate', tag, headers));
      expect(endings(answers)).toEqual({ 200: count });
      expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
      await expectOneRotation(path);
    },
  );

  async function expectOneRotation(path: string): Promise<void> {
    expect((await keyAt(path)).version).toBe(2);
    await settle();
    await expectWell(path);
    const { versions } = await readKey(database, idOf(path));
    expect(versions.map(({ version }) => version)).toEqual([1, 2]);
    for (const { tags } of inAws(path)) expect(tags['shearline:version']).toBe('2');
  }
});

describe('scan, sync, realign and resume of one key at once', () => {
  const everything = (path: string) =>
    Promise.all([
      scan(),
      act(path, 'sync_status_in_keystores'),
      resume(),
      act(path, 'update_from_template'),
      scan(),
      act(path, 'sync_status_in_keystores'),
      get(`${path}/status_in_keystores`),
      resume(),
    ]);
  const ours = (path: string, region: string) => inAws(path).find((each) => each.region === region)?.arn ?? '';

  const TAMPERINGS: readonly (readonly [what: string, tamper: (arn: string) => void | Promise<void>])[] = [
    ['was disabled', (arn: string) => api.kms.operator.disable(arn)],
    [
      'lost its material',
      (arn: string) => {
        api.kms.operator.loseMaterial(arn);
      },
    ],
    ['lost its name', (arn: string) => api.kms.operator.deleteAlias(aliasOf(arn), arn)],
    ['is about to be deleted', (arn: string) => api.kms.operator.scheduleDeletion(arn)],
    [
      'is gone',
      (arn: string) => {
        api.kms.operator.purge(arn);
      },
    ],
  ];
  it.each(TAMPERINGS)('that %s: in the end it is there once, as it should be', async (what, tamper) => {
    const path = await newKey(what.replaceAll(' ', '-'));
    for (const round of times(3)) {
      await tamper(ours(path, round % 2 === 0 ? 'us-east-1' : 'eu-central-1'));
      const answers = await everything(path);
      for (const answer of answers) {
        if (typeof answer !== 'object' || answer === null || !('status' in answer)) continue;
        expect(answer.status === 200 || answer.status === 412).toBe(true);
      }
      await settle();
      expect((await act(path, 'sync_status_in_keystores')).status).toBe(200);
      await expectWell(path);
    }
  });

  it('when its keystore has just left the group: it is out of use there and in use in the other', async () => {
    const path = await newKey('leaving');
    const move = (groups: readonly string[]) =>
      everybody.send({ method: 'PATCH', path: `/keystores/${keystore}`, body: { groups }, ifMatch: '*' });
    expect((await move(['Elsewhere'])).status).toBe(200);
    try {
      await everything(path);
      await settle();
      // Of those at once, realigning may have been refused: its user repeats it.
      expect((await act(path, 'update_from_template')).status).toBe(200);
      await scan();
      expect(
        inAws(path)
          .map((each) => `${each.region} ${each.state}`)
          .toSorted(),
      ).toEqual(['eu-central-1 Enabled', 'us-east-1 Disabled']);
      expect((await keyAt(path)).status_in_keystores.map((each) => each.keystore_sync_flag_detail).toSorted()).toEqual([
        'active_key_is_active_in_keystore',
        'target_keystore_removed_by_user',
      ]);
    } finally {
      await move(['Production']);
    }
    await everything(path);
    await settle();
    expect((await act(path, 'update_from_template')).status).toBe(200);
    await expectWell(path);
  });

  const aliasOf = (arn: string) => api.kms.operator.keys().find((each) => each.arn === arn)?.aliases[0] ?? '';
});

describe('a keystore that answers late', () => {
  /** Lets one call of this operation take its time, and answers when it is on its way. */
  async function slowly(operation: string, begin: () => Promise<Answer>): Promise<{ readonly ended: Promise<Answer> }> {
    api.kms.faults.add({ kind: 'latency', operation, region: 'us-east-1', latencyMs: 600, times: 1 });
    const ended = begin();
    await until(`${operation} is on its way`, () => api.kms.faults.list().length === 0);
    return { ended };
  }

  it('to an activation does not undo the deactivation that came meanwhile', async () => {
    const path = await newKey('late-activation');
    await act(path, 'deactivate');
    const { ended } = await slowly('EnableKey', () => act(path, 'activate'));
    expect((await act(path, 'deactivate')).status).toBe(200);
    expect((await ended).status).toBe(200);
    await settle();
    expect((await keyAt(path)).state).toBe('deactivated');
    await expectWell(path, 'Disabled');
  });

  it('to an activation does not bring back the key that was destroyed meanwhile', async () => {
    const path = await newKey('late-and-destroyed');
    await act(path, 'deactivate');
    const { ended } = await slowly('EnableKey', () => act(path, 'activate'));
    await act(path, 'deactivate');
    expect((await act(path, 'destroy')).status).toBe(200);
    await ended;
    await settle();
    expect((await keyAt(path)).state).toBe('destroyed');
    await expectWell(path, 'PendingDeletion');
  });

  it('to a cancelled deletion does not bring back the key that was destroyed meanwhile', async () => {
    const path = await newKey('late-cancellation');
    await act(path, 'deactivate');
    const arn = inAws(path).find(({ region }) => region === 'us-east-1')?.arn ?? '';
    await api.kms.operator.scheduleDeletion(arn);
    const { ended } = await slowly('CancelKeyDeletion', () => act(path, 'sync_status_in_keystores'));
    expect((await act(path, 'destroy')).status).toBe(200);
    await ended;
    await settle();
    await expectWell(path, 'PendingDeletion');
  });

  it('to a first rename does not take the name of the second', async () => {
    const path = await newKey('late-name');
    const rename = (label: string) => everybody.send({ method: 'PATCH', path, body: { label }, ifMatch: '*' });
    const { ended } = await slowly('CreateAlias', () => rename('late-name-a'));
    expect((await rename('late-name-b')).status).toBe(200);
    expect((await ended).status).toBe(200);
    await settle();
    expect((await keyAt(path)).label).toBe('late-name-b');
    await expectWell(path);
    for (const { aliases } of inAws(path)) expect(aliases).toEqual(['alias/late-name-b']);
  });

  it('to a look does not replace what a newer command has found', async () => {
    const path = await newKey('late-look');
    const { ended } = await slowly('DescribeKey', () => get(`${path}/status_in_keystores`));
    expect((await act(path, 'deactivate')).status).toBe(200);
    expect((await ended).status).toBe(200);
    const details = (await keyAt(path)).status_in_keystores.map((each) => each.keystore_sync_flag_detail);
    expect(details).toEqual(Array(2).fill('deactivated_key_is_deactivated_in_keystore'));
    await expectWell(path, 'Disabled');
  });
});

it('after all of this the audit trail is whole, and the counters are exact', async () => {
  expect((await verifyTrail(database, vault)).broken).toBeUndefined();
  const { keys_count: counted } = (await get(`/vaults/${vault}`)).body as { readonly keys_count: number };
  const listed = (await get(`/managed_keys?vault.id=${vault}&limit=1`)).body as { readonly total_count: number };
  expect(counted).toBe(listed.total_count);
});
