import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventBridgeEvent, KeyListing } from '../../sandbox/aws-kms/server.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { LOCAL_RULES, OWN_BUS } from '../../sandbox/event-bridge/rules.ts';
import { startEventBridge } from '../../sandbox/event-bridge/server.ts';
import type { LocalEventBridge } from '../../sandbox/event-bridge/server.ts';
import { mapEventSource } from '../../sandbox/sqs/event-source-mapping.ts';
import type { EventSourceMapping } from '../../sandbox/sqs/event-source-mapping.ts';
import { LOCAL_QUEUES } from '../../sandbox/sqs/queues.ts';
import { startSqs } from '../../sandbox/sqs/server.ts';
import type { LocalSqs } from '../../sandbox/sqs/server.ts';
import type { WireHistoryEntry, WireKeyHistory } from '../../lib/wire/history.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';

const QUEUE = 'shearline-dev-verify.fifo';
/** On a busy machine, too. */
const PATIENCE = { timeout: 25_000, interval: 20 };

let api: TestApi;
let ada: ApiClient;
let vault: string;
let sqs: LocalSqs;
let events: LocalEventBridge;
let mapping: EventSourceMapping;
/** How many keys each invocation of `verify-key` was told of, and how many of `key-events` put any on the queue. */
const looked: number[] = [];
const queued: number[] = [];
const complaints: string[] = [];
const seen: EventBridgeEvent[] = [];
let isOpen = true;

beforeAll(async () => {
  const queue = LOCAL_QUEUES.find(({ name }) => name === QUEUE);
  if (queue === undefined) throw new Error('There is no such queue.');
  sqs = await startSqs({ queues: [queue] });
  api = await startApi({ VERIFY_QUEUE: QUEUE, AWS_ENDPOINT_URL_SQS: sqs.endpoint, SETTLING_SECONDS: '3' });
  const { handler: keyEvents } = await import('../../functions/key-events.ts');
  const { handler: verifyKey } = await import('../../functions/verify-key.ts');
  const complain = (sentence: string) => complaints.push(sentence);
  events = await startEventBridge({
    rules: LOCAL_RULES,
    buses: [OWN_BUS],
    invoke: async (name, event) => {
      expect(name).toBe('key-events');
      const answer = await keyEvents(event);
      queued.push(answer.queued);
    },
    complain,
  });
  api.kms.on('event', (event) => {
    seen.push(event);
    if (isOpen) events.emit(event);
  });
  mapping = mapEventSource({
    endpoint: sqs.endpoint,
    queueUrl: sqs.urlOf(QUEUE),
    queue,
    invoke: async (name, event) => {
      expect(name).toBe('verify-key');
      const answer = await verifyKey(event);
      looked.push(event.Records.length - answer.batchItemFailures.length);
      return answer;
    },
    complain,
  });
  ada = api.client(await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer']));
  vault = await create(ada, 'vaults', { name: 'Watched' });
  await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
  for (let at = 0; at < 14; at += 1) {
    const label = `watched-${at}`;
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label });
    waiting.push({ id, label, arn: await arnOf(id) });
  }
  await quiet();
});
afterAll(async () => {
  await mapping.close();
  await events.close();
  await Promise.all([sqs.close(), api.close()]);
});
beforeEach(() => {
  isOpen = true;
});

const keyOf = async (id: string) =>
  (await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}` })).body as WireManagedKey;
const statusOf = async (id: string) => (await keyOf(id)).status_in_keystores[0];
const flagOf = async (id: string) => (await statusOf(id))?.keystore_sync_flag;
const arnOf = async (id: string) => (await statusOf(id))?.key_id_in_keystore ?? '';
const flagged = (id: string, flag: string) =>
  vi.waitFor(async () => {
    expect(await flagOf(id)).toBe(flag);
  }, PATIENCE);
/** Every event delivered, and every look that they led to done. */
const quiet = async () => {
  await events.settled();
  const taken = () => looked.reduce((sum, count) => sum + count, 0);
  const put = () => queued.reduce((sum, count) => sum + count, 0);
  await vi.waitFor(() => {
    expect(taken()).toBe(put());
  }, PATIENCE);
};
/** Keys that our own writes to them have settled of, made all at once: each of them would wait for it. */
const waiting: { readonly id: string; readonly label: string; readonly arn: string }[] = [];
const settledKey = () => {
  const key = waiting.shift();
  if (key === undefined) throw new Error('More keys are needed than were made.');
  return key;
};
const flagHistory = async (id: string) => {
  const { body } = await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}/history?kind=flag` });
  return (body as WireKeyHistory).entries
    .filter((entry): entry is Extract<WireHistoryEntry, { kind: 'flag' }> => entry.kind === 'flag')
    .map(({ cause, to }) => `${cause}: ${to.keystore_sync_flag}`)
    .toReversed();
};
const inAws = (arn: string): KeyListing | undefined => api.kms.operator.keys().find((key) => key.arn === arn);

describe('what somebody does to a key in AWS KMS', { timeout: 60_000 }, () => {
  it('is flagged by the event of it, with no scan, and taken back by the next', async () => {
    const { id, arn } = settledKey();
    await api.kms.operator.disable(arn);
    await flagged(id, 'out_of_sync');
    await api.kms.operator.enable(arn);
    await flagged(id, 'ok');
    expect(await flagHistory(id)).toEqual(['create: ok', 'event: out_of_sync', 'event: ok']);
  });

  it('is looked at in that key alone: one DescribeKey, none of another', async () => {
    const other = settledKey();
    const { id, arn } = settledKey();
    api.kms.calls.reset();
    await api.kms.operator.disable(arn);
    await flagged(id, 'out_of_sync');
    await quiet();
    expect(api.kms.calls.count({ operation: 'DescribeKey' })).toBe(1);
    expect(await flagHistory(other.id)).toEqual(['create: ok']);
  });

  it.each([
    ['ScheduleKeyDeletion', (arn: string) => api.kms.operator.scheduleDeletion(arn)],
    ['DeleteAlias', (arn: string) => api.kms.operator.deleteAlias(inAws(arn)?.aliases[0] ?? '', arn)],
  ])('is found after %s', async (name, act) => {
    const { id, arn } = settledKey();
    await act(arn);
    await flagged(id, 'out_of_sync');
    expect(seen.at(-1)?.detail['eventName']).toBe(name);
  });

  it('is found when its alias is led to a key of somebody else, which is all that the event names', async () => {
    const { id, arn, label } = settledKey();
    const stranger = api.kms.operator.keys().find((key) => key.arn !== arn && key.region === 'us-east-1');
    await api.kms.operator.moveAlias(`alias/${label}`, stranger?.arn ?? '');
    expect(JSON.stringify(seen.at(-1)?.detail['resources'])).not.toContain(arn);
    await flagged(id, 'out_of_sync');
    expect((await statusOf(id))?.status).toBe('wrong_key');
  });

  it('is found when the key is gone at the end of its waiting period, which KMS itself tells', async () => {
    const { id, arn } = settledKey();
    api.kms.operator.purge(arn);
    events.emit({
      version: '0',
      id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
      'detail-type': 'KMS CMK Deletion',
      source: 'aws.kms',
      account: '111122223333',
      time: '2026-11-22T03:11:54Z',
      region: 'us-east-1',
      resources: [arn],
      detail: { 'key-id': arn.split('/')[1] },
    });
    await flagged(id, 'out_of_sync');
    expect((await statusOf(id))?.status).toBe('not_present');
  });
});

describe('an event', { timeout: 60_000 }, () => {
  it('that comes twice is looked at once', async () => {
    const { id, arn } = settledKey();
    isOpen = false;
    await api.kms.operator.disable(arn);
    const event = seen.at(-1);
    if (event === undefined) throw new Error('Nothing was told.');
    api.kms.calls.reset();
    events.emit(event);
    // Another trail records the same call: another event of EventBridge, the same one of CloudTrail.
    events.emit({ ...event, id: '00000000-0000-4000-8000-000000000001' });
    await flagged(id, 'out_of_sync');
    await events.settled();
    expect(api.kms.calls.count({ operation: 'DescribeKey' })).toBe(1);
    // What was dropped as the same was put on the queue, too.
    looked.push(1);
    await quiet();
  });

  it('of a key that is not ours costs no look and no write', async () => {
    const before = await api.items();
    const stranger = api.kms.operator.keys().find(({ tags }) => tags['shearline:key'] === undefined);
    api.kms.calls.reset();
    const asked = queued.length;
    await api.kms.operator.tag(stranger?.arn ?? '', { team: 'elsewhere' });
    await vi.waitFor(() => {
      expect(queued.length).toBe(asked + 1);
    }, PATIENCE);
    expect(queued.at(-1)).toBe(0);
    expect(api.kms.calls.list()).toEqual([]);
    expect(await api.items()).toEqual(before);
  });

  it('of a call that failed is none', async () => {
    const { arn } = settledKey();
    isOpen = false;
    await api.kms.operator.disable(arn);
    const event = seen.at(-1);
    if (event === undefined) throw new Error('Nothing was told.');
    const asked = queued.length;
    events.emit({ ...event, detail: { ...event.detail, errorCode: 'AccessDenied' } });
    await events.settled();
    expect(queued.slice(asked)).toEqual([0]);
  });

  it('of our own writes is not judged while they settle, and the key is looked at once they have', async () => {
    const { id, arn } = settledKey();
    // KMS shows for a while what was before: who looks too early sees an active key that should be none.
    api.kms.calls.reset();
    const before = looked.length;
    await expectStatus(ada, 200, { method: 'POST', path: `/managed_keys/${id}/deactivate`, ifMatch: '*' });
    const own = api.kms.calls.count({ operation: 'DescribeKey' });
    await events.settled();
    await vi.waitFor(() => {
      expect(looked.slice(before)).toContain(0);
    }, PATIENCE);
    expect(api.kms.calls.count({ operation: 'DescribeKey' })).toBe(own);
    // In between somebody enables it again: the look after settling finds it.
    await api.kms.operator.enable(arn);
    await flagged(id, 'out_of_sync');
    await quiet();
    expect(await flagHistory(id)).toEqual(['create: ok', 'deactivate: ok', 'event: out_of_sync']);
  });

  it('that several keys had at once is one look for each of them', async () => {
    const keys = [settledKey(), settledKey(), settledKey()];
    await Promise.all(keys.map(({ arn }) => api.kms.operator.disable(arn)));
    for (const { id } of keys) await flagged(id, 'out_of_sync');
    await quiet();
    expect(complaints).toEqual([]);
  });
});
