import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControl } from '../../sandbox/control.ts';
import type { Control } from '../../sandbox/control.ts';
import type { EventBridgeEvent } from '../../sandbox/aws-kms/server.ts';
import { given, refusal, useKms } from './kms-client.ts';

const kms = useKms();
let control: Control | undefined;
beforeAll(async () => {
  control = await startControl({ clock: kms.clock, sandboxes: { aws_kms: kms.sandbox } });
});
afterAll(async () => {
  await control?.close();
});

async function ask(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`${given(control).endpoint}${path}`, {
    method,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}
const tamper = (body: Record<string, unknown>) => ask('POST', '/aws_kms/tamper', body);

async function newKey(): Promise<string> {
  return given((await kms.client().send(new CreateKeyCommand({}))).KeyMetadata?.KeyId);
}
const describeKey = async (KeyId: string) =>
  given((await kms.client().send(new DescribeKeyCommand({ KeyId }))).KeyMetadata);

describe('the control port', () => {
  it('lists every route with what it does, and an example where it takes a body', async () => {
    const { answer } = await ask('GET', '/');
    const routes = answer['routes'] as { method: string; path: string; summary: string; example?: unknown }[];
    expect(routes.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /',
      'GET /clock',
      'POST /clock',
      'GET /aws_kms/calls',
      'DELETE /aws_kms/calls',
      'GET /aws_kms/faults',
      'POST /aws_kms/faults',
      'DELETE /aws_kms/faults',
      'GET /aws_kms/keys',
      'GET /aws_kms/custom_key_stores',
      'POST /aws_kms/quota',
      'POST /aws_kms/tamper',
    ]);
    expect(routes.filter(({ method }) => method === 'POST').every(({ example }) => example !== undefined)).toBe(true);
  });

  it('moves the clock, and what becomes due has happened when it answers', async () => {
    const KeyId = await newKey();
    await kms.client().send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    const events: string[] = [];
    const stop = kms.sandbox.on('event', (event) => events.push(event['detail-type']));
    const { answer } = await ask('POST', '/clock', { advance_seconds: 7 * 86_400 });
    expect(answer['offset_seconds']).toBe(604_800);
    expect(events).toEqual(['KMS CMK Deletion']);
    expect((await refusal(describeKey(KeyId))).name).toBe('NotFoundException');
    stop();
  });

  it('injects faults and takes them back', async () => {
    const KeyId = await newKey();
    const added = await ask('POST', '/aws_kms/faults', { kind: 'denied', operation: 'DescribeKey', key_id: KeyId });
    expect((await refusal(describeKey(KeyId))).name).toBe('AccessDeniedException');
    const { answer } = await ask('GET', '/aws_kms/faults');
    expect(answer).toEqual({
      faults: [{ id: added.answer['id'], kind: 'denied', operation: 'DescribeKey', key_id: KeyId }],
    });
    await ask('DELETE', `/aws_kms/faults?id=${String(added.answer['id'])}`);
    await expect(describeKey(KeyId)).resolves.toBeDefined();
    expect((await ask('DELETE', '/aws_kms/faults?id=fault-99')).status).toBe(404);
  });

  it('counts calls, and none of its own', async () => {
    await ask('DELETE', '/aws_kms/calls');
    const KeyId = await newKey();
    await tamper({ action: 'disable', key_id: KeyId });
    const { answer } = await ask('GET', '/aws_kms/calls');
    expect(answer).toEqual({
      total: 1,
      calls: [{ region: 'eu-central-1', operation: 'CreateKey', outcome: 'ok', count: 1 }],
    });
  });

  it('enables quotas', async () => {
    expect((await ask('POST', '/aws_kms/quota', { enabled: true })).answer).toEqual({ enabled: true });
    expect(kms.sandbox.quota.enabled).toBe(true);
    await ask('POST', '/aws_kms/quota', { enabled: false });
  });

  it.each([
    ['GET', '/nowhere', undefined, 404, 'There is no /nowhere; GET / lists every route.'],
    ['POST', '/', {}, 405, '/ takes GET, not POST.'],
    ['POST', '/clock', 'no json', 400, 'The body is not JSON.'],
    ['POST', '/clock', { advance_seconds: -1 }, 400, '"advance_seconds": must be at least 0.'],
    ['POST', '/clock', { advance_seconds: 1, typo: 1 }, 400, 'The body: has unknown members typo.'],
    [
      'POST',
      '/aws_kms/tamper',
      { action: 'enable', key_id: 'alias/x' },
      400,
      'NotFoundException: No key is named alias/x',
    ],
  ])('answers %s %s with %s with one clear sentence', async (method, path, body, status, error) => {
    expect(await ask(method, path, body)).toEqual({ status, answer: { error } });
  });

  it('names the actions when it does not know one', async () => {
    const { status, answer } = await tamper({ action: 'explode' });
    expect(status).toBe(400);
    expect(answer['error']).toMatch(/^"action": must be one of disable, enable, /);
  });

  it('serves no other host name than its own', async () => {
    const { hostname, port } = new URL(given(control).endpoint);
    expect(hostname).toBe('127.0.0.1');
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      request({ hostname, port, path: '/', headers: { host: 'rebound.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });
});

describe('an operator', () => {
  it('disables, enables, schedules and cancels as the console would, with its errors and events', async () => {
    const key_id = await newKey();
    const events: EventBridgeEvent[] = [];
    const stop = kms.sandbox.on('event', (event) => events.push(event));
    await tamper({ action: 'disable', key_id });
    expect((await describeKey(key_id)).KeyState).toBe('Disabled');
    await tamper({ action: 'schedule_deletion', key_id, days: 9 });
    const refused = await tamper({ action: 'enable', key_id });
    expect(refused.answer['error']).toMatch(/^KMSInvalidStateException: .* is pending deletion\.$/);
    await tamper({ action: 'cancel_deletion', key_id });
    await tamper({ action: 'enable', key_id });
    expect(events.map(({ detail }) => detail['eventName'])).toEqual([
      'DisableKey',
      'ScheduleKeyDeletion',
      'CancelKeyDeletion',
      'EnableKey',
    ]);
    expect(events[1]?.detail).toMatchObject({
      eventSource: 'kms.amazonaws.com',
      awsRegion: 'eu-central-1',
      requestParameters: { keyId: key_id, pendingWindowInDays: 9 },
      resources: [{ type: 'AWS::KMS::Key', ARN: `arn:aws:kms:eu-central-1:111122223333:key/${key_id}` }],
      readOnly: false,
    });
    stop();
  });

  it('replaces material, moves aliases and purges', async () => {
    const [one, other] = [await newKey(), await newKey()];
    await kms.client().send(new CreateAliasCommand({ AliasName: 'alias/tampered', TargetKeyId: one }));
    const before = (await describeKey(one)).CurrentKeyMaterialId;
    const replaced = await tamper({ action: 'replace_material', key_id: 'alias/tampered' });
    const after = (await describeKey(one)).CurrentKeyMaterialId;
    expect(after).not.toBe(before);
    expect(replaced.answer).toEqual({ key_material_id: after });
    await tamper({ action: 'move_alias', alias_name: 'alias/tampered', key_id: other });
    expect((await describeKey('alias/tampered')).KeyId).toBe(other);
    await tamper({ action: 'purge', key_id: other });
    expect((await refusal(describeKey('alias/tampered'))).name).toBe('NotFoundException');
  });

  it('seeds, breaks and repairs custom key stores, and deletes what backs a key', async () => {
    const seeded = await tamper({ action: 'seed_custom_key_store', region: 'eu-west-1', name: 'hsm' });
    const custom_key_store_id = String(seeded.answer['custom_key_store_id']);
    const client = kms.client('eu-west-1');
    const made = await client.send(
      new CreateKeyCommand({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: custom_key_store_id }),
    );
    const key_id = given(made.KeyMetadata?.KeyId);
    await tamper({ action: 'fail_custom_key_store', custom_key_store_id, connection_error_code: 'NETWORK_ERRORS' });
    const stores = await ask('GET', '/aws_kms/custom_key_stores');
    expect(stores.answer).toMatchObject({
      custom_key_stores: [{ connection_state: 'FAILED', connection_error_code: 'NETWORK_ERRORS' }],
    });
    await tamper({ action: 'connect_custom_key_store', custom_key_store_id });
    await tamper({ action: 'delete_backing_key', key_id });
    const listed = await ask('GET', '/aws_kms/keys?region=eu-west-1');
    expect(listed.answer).toMatchObject({ keys: [{ key_id, state: 'Enabled', has_material: false }] });
  });
});
