import { createHmac } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import noticeSchema from '../../docs/schemas/notice.json' with { type: 'json' };
import announcedSchema from '../../docs/schemas/key-change-announced.json' with { type: 'json' };
import heldSchema from '../../docs/schemas/auto-repair-held.json' with { type: 'json' };
import eventSchema from '../../docs/schemas/key-flag-changed.json' with { type: 'json' };
import type { FlagChangedDetail, NoticeBody } from '../../lib/notices/notice.ts';
import type { WireDrift } from '../../lib/wire/history.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { WireSubscription } from '../../lib/wire/notifications.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { mapStream } from '../../sandbox/dynamodb-stream.ts';
import type { StreamMapping } from '../../sandbox/dynamodb-stream.ts';
import { OWN_BUS } from '../../sandbox/event-bridge/rules.ts';
import { startEventBridge } from '../../sandbox/event-bridge/server.ts';
import type { LocalEventBridge } from '../../sandbox/event-bridge/server.ts';
import { startInbox } from '../../sandbox/inbox/server.ts';
import type { Inbox, Received } from '../../sandbox/inbox/server.ts';
import { mapEventSource } from '../../sandbox/sqs/event-source-mapping.ts';
import type { EventSourceMapping } from '../../sandbox/sqs/event-source-mapping.ts';
import { LOCAL_QUEUES } from '../../sandbox/sqs/queues.ts';
import { startSqs } from '../../sandbox/sqs/server.ts';
import type { LocalSqs } from '../../sandbox/sqs/server.ts';
import { STREAM_TARGETS } from '../../sandbox/stream-targets.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { scanFleet } from './scan.ts';
import { create, keystoreBody, templateBody } from './world.ts';

const SECRET = 'a-secret-of-at-least-thirty-two-characters';
const QUEUES = LOCAL_QUEUES.filter(({ name }) => /notices|deliveries/.test(name));

let api: TestApi;
let ada: ApiClient;
let vault: string;
let keystore: string;
let inbox: Inbox;
let sqs: LocalSqs;
let bus: LocalEventBridge;
let stream: StreamMapping;
const mappings: EventSourceMapping[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  [inbox, sqs, bus] = await Promise.all([
    startInbox(),
    startSqs({ queues: QUEUES }),
    startEventBridge({
      rules: [],
      buses: [OWN_BUS],
      invoke: () => Promise.resolve(),
      complain: (sentence) => complaints.push(sentence),
    }),
  ]);
  api = await startApi({
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_ENDPOINT_URL_SNS: inbox.endpoint,
    AWS_ENDPOINT_URL_EVENTBRIDGE: bus.endpoint,
    EVENT_BUS: OWN_BUS,
    NOTICES_QUEUE: 'shearline-dev-notices.fifo',
    DELIVERIES_QUEUE: 'shearline-dev-deliveries.fifo',
    NOTICE_WINDOW_SECONDS: '1',
    ALLOW_INSECURE_KEYSTORE_ENDPOINTS: 'true',
    PUBLIC_URL: 'https://keys.example.org',
  });
  const handlers: Record<string, (event: never) => Promise<unknown>> = {
    changes: (await import('../../functions/changes.ts')).handler,
    notices: (await import('../../functions/notices.ts')).handler,
    deliveries: (await import('../../functions/deliveries.ts')).handler,
  };
  const invoke = async (name: string, event: unknown) => handlers[name]?.(event as never);
  const complain = (sentence: string) => complaints.push(sentence);
  const [target] = STREAM_TARGETS;
  if (target === undefined) throw new Error('Nobody follows the table.');
  stream = await mapStream({
    place: {
      endpoint: process.env['DYNAMODB_ENDPOINT'] ?? '',
      table: process.env['TABLE_NAME'] ?? '',
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    },
    target,
    positionFile: undefined,
    invoke,
    complain,
  });
  for (const queue of QUEUES) {
    mappings.push(mapEventSource({ endpoint: sqs.endpoint, queueUrl: sqs.urlOf(queue.name), queue, invoke, complain }));
  }
  ada = api.client(await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer']));
  vault = await create(ada, 'vaults', { name: 'Noticed' });
  keystore = await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  await stream.close();
  await Promise.all(mappings.map((mapping) => mapping.close()));
  await Promise.all([inbox.close(), sqs.close(), bus.close(), api.close()]);
});
beforeEach(() => {
  inbox.answerWith(204);
});

const newKey = async (label: string, inVault = vault) => {
  const id = await create(ada, 'managed_keys', { vault: { id: inVault }, template_name: 'aes', label });
  const { body } = await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}` });
  return { id, arn: (body as WireManagedKey).status_in_keystores[0]?.key_id_in_keystore ?? '' };
};
const scan = () => scanFleet();
/** A vault of a test's own: nobody is told in it of what another test did. */
const placeNamed = async (name: string) => {
  const own = await create(ada, 'vaults', { name });
  const kms = await create(ada, 'keystores', keystoreBody(own, `${name}-kms`));
  await create(ada, 'templates', templateBody(own, 'aes'));
  return { own, kms };
};
const subscribe = (body: Readonly<Record<string, Json>>) =>
  create(ada, 'notification_subscriptions', { vault: { id: vault }, type: 'webhook', secret: SECRET, ...body });
const read = async (id: string) =>
  (await expectStatus(ada, 200, { method: 'GET', path: `/notification_subscriptions/${id}` })).body as WireSubscription;
const end = (id: string) =>
  expectStatus(ada, 204, { method: 'DELETE', path: `/notification_subscriptions/${id}`, ifMatch: '*' });
const at = (path: string) => inbox.received.filter(({ target }) => target === path);
const noticeIn = ({ body }: Received) => JSON.parse(body) as NoticeBody;
/** On a busy machine, too. */
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 25_000, interval: 25 });
const eventsOf = (id: string) =>
  bus
    .events(OWN_BUS)
    .filter(
      (event) => event['detail-type'] === 'Key Flag Changed' && (event.detail as FlagChangedDetail).key.id === id,
    );
const eventsIn = (own: string, type: string) =>
  bus
    .events(OWN_BUS)
    .filter(
      (event) => event['detail-type'] === type && (event.detail as { readonly vault: { id: string } }).vault.id === own,
    );

const ajv = new Ajv2020({ strict: true, allErrors: true });
formats.default(ajv);
const isEvent = ajv.compile(eventSchema);
const isAnnounced = ajv.compile(announcedSchema);
const isHeld = ajv.compile(heldSchema);
const isNotice = ajv.compile(noticeSchema);

describe('a change of a flag', () => {
  it('is an event on the bus, as its schema says, and an unchanged finding is none', async () => {
    const { id, arn } = await newKey('announced');
    await api.kms.operator.disable(arn);
    await scan();
    await scan();
    await eventually(() => {
      expect(eventsOf(id)).toHaveLength(2);
    });
    for (const event of eventsOf(id)) {
      expect(event).toMatchObject({ source: 'shearline', 'detail-type': 'Key Flag Changed' });
      expect(isEvent(event.detail), ajv.errorsText(isEvent.errors)).toBe(true);
    }
    expect(eventsOf(id)[1]?.detail).toMatchObject({
      vault: { id: vault, name: 'Noticed' },
      keystore: { id: keystore, name: 'kms' },
      key: { id, label: 'announced', version: 1 },
      from: { keystore_sync_flag: 'ok' },
      to: { keystore_sync_flag: 'out_of_sync', status: 'not_active' },
      cause: 'scan',
    });
  });
});

describe('an outage', { timeout: 60_000 }, () => {
  it('of many keys is one notice for each window, signed, as its schema says; and so is its end', async () => {
    const path = '/webhook/outage';
    const { own, kms } = await placeNamed('Outage');
    const subscription = await subscribe({ vault: { id: own }, name: 'pager', url: `${inbox.endpoint}${path}` });
    const keys = [];
    for (let at = 0; at < 12; at += 1) keys.push(await newKey(`outage-${at}`, own));
    const told = () => at(path).map((received) => noticeIn(received));
    /** The latest notice of each window: one that was told before its last change was written is told once more. */
    const latest = (flag: 'ok' | 'error') =>
      new Map(told().flatMap(({ from, came_to }) => (came_to[flag] > 0 ? [[from, came_to[flag]] as const] : [])));
    const outage = api.kms.faults.add({ kind: 'unreachable', region: 'us-east-1' });
    await scan();
    const down = await windowsOf(own, 'error');
    expect([...down.values()].reduce((sum, count) => sum + count)).toBe(keys.length);
    await eventually(() => {
      expect(latest('error')).toEqual(down);
    });
    api.kms.faults.remove(outage);
    await scan();
    const up = await windowsOf(own, 'ok');
    await eventually(() => {
      expect(latest('ok')).toEqual(up);
    });
    // Whichever comes twice has more in it.
    expect(new Set(told().map(({ id }) => id)).size).toBe(told().length);
    for (const notice of told()) {
      expect(notice).toMatchObject({
        type: 'drift_digest',
        vault: { id: own, name: 'Outage' },
        keystore: { id: kms, name: 'Outage-kms' },
      });
      expect(notice.keys).toBeLessThanOrEqual(notice.changes);
      expect(notice.examples).toHaveLength(Math.min(10, notice.changes));
      expect(notice.summary).toMatch(/^Of \d+ keys? in Outage-kms, \d+ (could not be asked|became ok)/);
      expect(notice.all_changes).toMatch(/^https:\/\/keys\.example\.org\/api\/v4\/drift\?since=/);
    }
    for (const received of at(path)) {
      expect(isNotice(noticeIn(received)), ajv.errorsText(isNotice.errors)).toBe(true);
      const [, seconds = '', mac = ''] =
        /^t=(\d+),v1=([0-9a-f]{64})$/.exec(received.headers['x-shearline-signature'] ?? '') ?? [];
      expect(mac).toBe(createHmac('sha256', SECRET).update(`${seconds}.${received.body}`).digest('hex'));
      expect(received.headers['x-shearline-notice-id']).toBe(noticeIn(received).id);
      expect(JSON.stringify(received)).not.toContain(SECRET);
    }
    await eventually(async () => {
      expect((await read(subscription)).last_delivery).toMatchObject({ taken: true });
    });
    await end(subscription);
  });
});

describe('a subscriber', { timeout: 60_000 }, () => {
  it('that does not take a notice gets it again, the very same, and holds up nobody else', async () => {
    const { own } = await placeNamed('Broken');
    const [broken, fine] = ['/webhook/broken', 'sns'];
    const ids = [
      await subscribe({ vault: { id: own }, name: 'broken', url: `${inbox.endpoint}${broken}` }),
      await create(ada, 'notification_subscriptions', {
        vault: { id: own },
        type: 'sns',
        name: fine,
        topic_arn: inbox.topicArn,
      }),
    ];
    inbox.answerWith(500);
    const { arn } = await newKey('retried', own);
    await api.kms.operator.disable(arn);
    await scan();
    await eventually(() => {
      expect(at(inbox.topicArn)).toHaveLength(1);
      expect(at(broken).length).toBeGreaterThan(0);
    });
    expect(at(inbox.topicArn)[0]?.headers['subject']).toBe('Shearline: Of 1 key in Broken-kms, 1 went out of sync.');
    await eventually(async () => {
      expect((await read(ids[0] ?? '')).last_delivery).toMatchObject({
        taken: false,
        error: 'The webhook answered 500.',
      });
    });
    inbox.answerWith(204);
    await eventually(async () => {
      expect((await read(ids[0] ?? '')).last_delivery).toMatchObject({ taken: true });
    });
    expect(at(broken).length).toBeGreaterThan(1);
    expect(new Set(at(broken).map(({ body }) => body)).size).toBe(1);
    expect(at(inbox.topicArn)).toHaveLength(1);
    for (const id of ids) await end(id);
  });

  it('is told only what it asked for, and nothing while it is switched off', async () => {
    const { own } = await placeNamed('Choosy');
    const to = (name: string, more: Readonly<Record<string, Json>> = {}) =>
      subscribe({ vault: { id: own }, name, url: `${inbox.endpoint}/webhook/${name}`, ...more });
    const onlyErrors = await to('errors', { flags: ['error'] });
    const off = await to('off', { state: 'disabled' });
    const all = await to('all');
    const { arn } = await newKey('filtered', own);
    await api.kms.operator.disable(arn);
    await scan();
    await eventually(() => {
      expect(at('/webhook/all')).toHaveLength(1);
    });
    expect([at('/webhook/errors'), at('/webhook/off')]).toEqual([[], []]);
    for (const id of [onlyErrors, off, all]) await end(id);
  });

  it('can be tried without anything happening', async () => {
    const id = await subscribe({ name: 'tried', url: `${inbox.endpoint}/webhook/tried` });
    const path = `/notification_subscriptions/${id}/test`;
    expect((await expectStatus(ada, 200, { method: 'POST', path })).body).toEqual({ taken: true });
    expect(at('/webhook/tried').map(noticeIn)).toMatchObject([{ type: 'test', changes: 0 }]);
    inbox.answerWith(403);
    expect((await expectStatus(ada, 200, { method: 'POST', path })).body).toEqual({
      taken: false,
      error: 'The webhook answered 403.',
    });
    await end(id);
  });
});

describe('what Shearline does by itself', { timeout: 60_000 }, () => {
  const webhook = (name: string) => `${inbox.endpoint}/webhook/${name}`;
  const noticesAt = (name: string) => at(`/webhook/${name}`).map((received) => noticeIn(received));

  it('is told before it is done: an event for each key, and one notice for all of them, to whom it may concern', async () => {
    const { own } = await placeNamed('Scheduled');
    const told = await subscribe({ vault: { id: own }, name: 'told', url: webhook('told'), flags: ['error'] });
    const spared = await subscribe({
      vault: { id: own },
      name: 'spared',
      url: webhook('spared'),
      announcements: false,
    });
    const template = templateBody(own, 'rotating');
    const schedule = { rotate_every_days: 30, announce_days_before: 30 };
    await create(ada, 'templates', { ...template, key: { ...template.key, schedule } });
    const ids: string[] = [];
    for (const label of ['soon-0', 'soon-1', 'soon-2']) {
      ids.push(await create(ada, 'managed_keys', { vault: { id: own }, template_name: 'rotating', label }));
    }
    const { handler } = await import('../../functions/lifecycle.ts');
    expect(await handler({})).toMatchObject({ announced: 3, done: 0 });
    await eventually(() => {
      expect(eventsIn(own, 'Key Change Announced')).toHaveLength(3);
    });
    for (const { detail } of eventsIn(own, 'Key Change Announced')) {
      expect(isAnnounced(detail), ajv.errorsText(isAnnounced.errors)).toBe(true);
      expect(detail).toMatchObject({ vault: { id: own, name: 'Scheduled' }, action: 'rotate' });
    }
    await eventually(() => {
      const keys = noticesAt('told').flatMap(({ upcoming = [] }) => upcoming.map(({ key }) => key.id));
      expect(new Set(keys)).toEqual(new Set(ids));
    });
    for (const notice of noticesAt('told')) {
      expect(isNotice(notice), ajv.errorsText(isNotice.errors)).toBe(true);
      expect(notice).toMatchObject({ type: 'announcement_digest', vault: { id: own }, keys: notice.changes });
      expect(notice.summary).toMatch(/^In Scheduled, \d keys? will be rotated, the first at 20/);
      expect(notice.all_changes).toContain('/api/v4/upcoming_changes?vault.id=');
    }
    // Two at most, where the end of a window fell between; one of them perhaps told again with what came late.
    expect(noticesAt('told').length).toBeLessThan(ids.length + 1);
    expect(noticesAt('spared')).toEqual([]);
    for (const id of [told, spared]) await end(id);
  });

  it('is told when it stops: auto-repair that leaves a mass change to people', async () => {
    const { own } = await placeNamed('Held');
    const told = await subscribe({ vault: { id: own }, name: 'held', url: webhook('held'), flags: ['error'] });
    const path = `/vaults/${own}`;
    const { etag } = await expectStatus(ada, 200, { method: 'GET', path });
    const body = { auto_repair: { policy: 'sync', stop_at_percent: 10 } };
    await expectStatus(ada, 200, { method: 'PATCH', path, ifMatch: etag ?? '', body });
    for (let number = 0; number < 6; number += 1) {
      const { arn } = await newKey(`mass-${number}`, own);
      await api.kms.operator.disable(arn);
    }
    await scan();
    const { handler } = await import('../../functions/auto-repair.ts');
    expect(await handler({})).toMatchObject({ repaired: 0, held: 1 });
    await eventually(() => {
      expect(eventsIn(own, 'Auto-Repair Held')).toHaveLength(1);
      expect(noticesAt('held').some(({ auto_repair_held }) => auto_repair_held !== undefined)).toBe(true);
    });
    const [event] = eventsIn(own, 'Auto-Repair Held');
    expect(isHeld(event?.detail), ajv.errorsText(isHeld.errors)).toBe(true);
    const [notice] = noticesAt('held');
    expect(isNotice(notice), ajv.errorsText(isNotice.errors)).toBe(true);
    expect(notice?.summary).toContain('Auto-repair of Held is held: ');
    expect(notice?.upcoming).toBeUndefined();
    await end(told);
  });
});

describe('the stream', () => {
  it('loses nothing when the bus does not answer for a while', async () => {
    const { id, arn } = await newKey('unheard');
    await eventually(() => {
      expect(eventsOf(id)).toHaveLength(1);
    });
    const { EventBridgeClient } = await import('@aws-sdk/client-eventbridge');
    const send = vi.spyOn(EventBridgeClient.prototype, 'send').mockRejectedValue(new Error('no answer'));
    await api.kms.operator.disable(arn);
    await scan();
    await eventually(() => {
      expect(complaints).toContain('changes: no answer');
    });
    send.mockRestore();
    await eventually(() => {
      expect(eventsOf(id)).toHaveLength(2);
    });
  });
});

describe('subscribing', () => {
  const body = { type: 'webhook', name: 'hook', url: 'https://hooks.example.org/x', secret: SECRET };
  const post = (given: object, status: number, client = ada) =>
    expectStatus(client, status, {
      method: 'POST',
      path: '/notification_subscriptions',
      body: { vault: { id: vault }, ...given },
    });

  it('keeps the secret as ciphertext and never answers it; its placeholder in a change leaves it', async () => {
    const id = await subscribe({ name: 'kept', url: `${inbox.endpoint}/webhook/kept` });
    expect(await read(id)).toMatchObject({
      secret: '********',
      url: `${inbox.endpoint}/webhook/kept`,
      state: 'enabled',
    });
    expect((await api.items()).join('\n')).not.toContain(SECRET);
    const path = `/notification_subscriptions/${id}`;
    const { etag } = await expectStatus(ada, 200, { method: 'GET', path });
    await expectStatus(ada, 200, {
      method: 'PATCH',
      path,
      ifMatch: etag ?? '',
      body: { secret: '********', name: 'renamed', flags: ['ok'] },
    });
    await expectStatus(ada, 412, { method: 'PATCH', path, ifMatch: etag ?? '', body: { name: 'late' } });
    expect(await read(id)).toMatchObject({ name: 'renamed', flags: ['ok'] });
    await expectStatus(ada, 200, { method: 'POST', path: `${path}/test` });
    const [received] = at('/webhook/kept');
    const [, seconds = '', mac = ''] = /^t=(\d+),v1=(.+)$/.exec(received?.headers['x-shearline-signature'] ?? '') ?? [];
    expect(mac).toBe(
      createHmac('sha256', SECRET)
        .update(`${seconds}.${received?.body ?? ''}`)
        .digest('hex'),
    );
    await end(id);
    await expectStatus(ada, 404, { method: 'GET', path });
  });

  it('ends with the vault', async () => {
    const own = await create(ada, 'vaults', { name: 'Short-lived' });
    const id = await subscribe({ vault: { id: own }, name: 'short', url: `${inbox.endpoint}/webhook/short` });
    await expectStatus(ada, 204, { method: 'DELETE', path: `/vaults/${own}`, ifMatch: '*' });
    await expectStatus(ada, 404, { method: 'GET', path: `/notification_subscriptions/${id}` });
    expect((await api.items()).filter((item) => item.includes(`SUBSCRIPTION#${id}`))).toEqual([]);
  });

  it('is for the administrator of the vault', async () => {
    for (const role of ['key_custodian_creator', 'key_custodian_deployer', 'manager', 'reader']) {
      await post(body, 403, api.client(await api.token([`${role}@${vault}`])));
    }
    const stranger = api.client(await api.token(['vault_administrator@00000000-0000-4000-8000-00000000000a']));
    await post(body, 404, stranger);
    const id = await subscribe({ name: 'hidden', url: `${inbox.endpoint}/webhook/hidden` });
    await expectStatus(stranger, 404, { method: 'GET', path: `/notification_subscriptions/${id}` });
    const { body: list } = await expectStatus(stranger, 200, { method: 'GET', path: '/notification_subscriptions' });
    expect(list).toMatchObject({ total_count: 0 });
    await end(id);
  });

  it.each([
    ['no secret', { ...body, secret: undefined }],
    ['a short secret', { ...body, secret: 'short' }],
    ['a URL with a password', { ...body, url: 'https://a:b@hooks.example.org/' }],
    ['a file', { ...body, url: 'file:///etc/passwd' }],
    ['no flags', { ...body, flags: [] }],
    ['a topic that is a queue', { type: 'sns', name: 'x', topic_arn: 'arn:aws:sqs:us-east-1:111122223333:q' }],
  ])('is refused with %s', async (_what, given) => {
    await post(given, 400);
  });

  it.each([
    'https://127.0.0.1/x',
    'https://169.254.169.254/latest',
    'https://localhost/x',
    'http://hooks.example.org/x',
  ])('is refused at %s where that is not allowed for development', async (url) => {
    vi.stubEnv('ALLOW_INSECURE_KEYSTORE_ENDPOINTS', '');
    try {
      await post({ ...body, url }, 400);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

/** In which windows how many keys of a vault came to a flag, by when each began: what notices should be about. */
async function windowsOf(vaultId: string, flag: string): Promise<Map<string, number>> {
  const path = `/drift?vault.id=${vaultId}&keystore_sync_flag=${flag}&sort=at&limit=1000`;
  const { changes } = (await expectStatus(ada, 200, { method: 'GET', path })).body as WireDrift;
  const windows = new Map<string, number>();
  for (const change of changes.filter(({ from }) => from !== undefined)) {
    const window = new Date(Math.floor(Date.parse(change.at) / 1000) * 1000).toISOString();
    windows.set(window, (windows.get(window) ?? 0) + 1);
  }
  return windows;
}
