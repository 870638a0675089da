import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireApiError } from '../../lib/wire/errors.ts';
import { auditEvent, auditHead, brokenLink, NO_VAULT } from '../../lib/records/audit.ts';
import type { AuditEvent } from '../../lib/records/audit.ts';
import { openDatabase } from '../../lib/records/database.ts';
import type { Database } from '../../lib/records/database.ts';
import { ITEM } from '../../lib/records/table.ts';
import { ROLES } from '../../lib/access/permissions.ts';
import type { Answer, ApiClient, Json, Request } from '../../sandbox/api-client.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let database: Database;
let everybody: ApiClient;
let vault: string;

beforeAll(async () => {
  api = await startApi();
  database = openDatabase({
    table: process.env['TABLE_NAME'] ?? '',
    endpoint: process.env['DYNAMODB_ENDPOINT'] ?? '',
  });
  everybody = api.client(await api.token([...ROLES]));
  vault = await create(everybody, 'vaults', { name: 'Changes' });
});
afterAll(async () => {
  await api.close();
});

const errors = (answer: Answer) => (answer.body as WireApiError).errors;
const get = (path: string) => everybody.send({ method: 'GET', path });
const etagOf = async (path: string) => (await get(path)).etag ?? '';
const patch = (path: string, body: Json, ifMatch: string) => everybody.send({ method: 'PATCH', path, body, ifMatch });
const remove = async (path: string, query = '') =>
  everybody.send({ method: 'DELETE', path: `${path}${query}`, ifMatch: await etagOf(path) });
/** A keystore and a template of a group of their own. */
async function group(name: string): Promise<string> {
  const keystore = await create(everybody, 'keystores', keystoreBody(vault, name, [name]));
  await create(everybody, 'templates', { ...templateBody(vault, name), keystores: [{ type: 'aws_kms', group: name }] });
  return keystore;
}
const keyFrom = (template: string, label: string) =>
  create(everybody, 'managed_keys', { vault: { id: vault }, template_name: template, label });
async function trail(of = vault): Promise<AuditEvent[]> {
  const items = await database.queryAll({ pk: ITEM.auditHead(of).pk, beginsWith: 'EVENT#' });
  return items.map((item) => auditEvent.decode(item));
}

describe('a change under If-Match', () => {
  it('is refused with 428 where there is none, 412 where it is stale; * and the right tag among others will do', async () => {
    const path = `/vaults/${await create(everybody, 'vaults', { name: 'Guarded' })}`;
    const tag = await etagOf(path);
    const missing = await everybody.send({ method: 'PATCH', path, body: { description: 'a' } });
    expect([missing.status, errors(missing)[0]?.code]).toEqual([428, 'precondition_required']);
    expect((await patch(path, { description: 'a' }, tag)).status).toBe(200);
    const stale = await patch(path, { description: 'b' }, tag);
    expect([stale.status, errors(stale)[0]?.target]).toEqual([412, { type: 'header', name: 'If-Match' }]);
    expect((await patch(path, { description: 'c' }, `W/${await etagOf(path)}`)).status).toBe(412);
    expect((await patch(path, { description: 'd' }, `"other", ${await etagOf(path)}`)).status).toBe(200);
    expect((await patch(path, { description: 'e' }, '*')).status).toBe(200);
    expect((await get(path)).body).toMatchObject({ description: 'e' });
  });

  it('of fifty at once with the same tag is made by exactly one', async () => {
    const path = `/vaults/${await create(everybody, 'vaults', { name: 'Contested' })}`;
    const tag = await etagOf(path);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => patch(path, { description: `by ${at}` }, tag)),
    );
    const made = answers.filter(({ status }) => status === 200);
    expect(made).toHaveLength(1);
    expect(answers.filter(({ status }) => status !== 200).map(({ status }) => status)).toEqual(Array(49).fill(412));
    expect((await get(path)).body).toMatchObject({
      description: (made[0]?.body as { description: string }).description,
    });
  });

  it('leaves an answer with the new tag, which the next change can use', async () => {
    const path = `/vaults/${await create(everybody, 'vaults', { name: 'Tagged' })}`;
    let tag = await etagOf(path);
    for (const description of ['one', 'two', 'three']) {
      const answer = await patch(path, { description }, tag);
      expect(answer.status).toBe(200);
      expect(answer.etag).not.toBe(tag);
      tag = answer.etag ?? '';
    }
    expect(await etagOf(path)).toBe(tag);
  });
});

describe('an Idempotency-Key', () => {
  const post = (key: string, body: Json): Promise<Answer> =>
    everybody.send({ method: 'POST', path: '/vaults', body, headers: { 'idempotency-key': key } });

  it('makes ten requests at once one: the same resource, the same answer, the same tag', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => post('ten', { name: 'Once' })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(new Set(answers.map(({ etag }) => etag)).size).toBe(1);
    expect(answers[0]?.etag).toBeDefined();
  });

  it('with another body is 422, naming the header', async () => {
    expect((await post('body', { name: 'First' })).status).toBe(201);
    const other = await post('body', { name: 'Second' });
    expect([other.status, errors(other)[0]?.code]).toEqual([422, 'idempotency_mismatch']);
    expect(errors(other)[0]?.target).toEqual({ type: 'header', name: 'Idempotency-Key' });
  });

  it('of a request that was refused can be used again', async () => {
    await create(everybody, 'vaults', { name: 'Taken' });
    expect((await post('refused', { name: 'Taken' })).status).toBe(409);
    const path = `/vaults/${((await get('/vaults?name=Taken')).body as { vaults: { id: string }[] }).vaults[0]?.id ?? ''}`;
    await remove(path);
    expect((await post('refused', { name: 'Taken' })).status).toBe(201);
  });

  it('of an action makes it happen once: the second is the first one’s answer, not a conflict', async () => {
    await group('acting');
    const path = `/managed_keys/${await keyFrom('acting', 'acting')}`;
    const request: Request = {
      method: 'POST',
      path: `${path}/deactivate`,
      ifMatch: await etagOf(path),
      headers: { 'idempotency-key': 'deactivate-once' },
    };
    const [first, second] = [await everybody.send(request), await everybody.send(request)];
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body).toEqual(first.body);
  });
});

describe('the audit trail', () => {
  const last = async (operation: string, of = vault) =>
    (await trail(of)).filter((event) => event.operation === operation).at(-1);

  it('has what was changed, by whom, from what to what, and none of what was secret', async () => {
    const id = await create(everybody, 'keystores', keystoreBody(vault, 'audited', ['audited']));
    const path = `/keystores/${id}`;
    await patch(path, { description: 'new', aws_secret_access_key: 'hunter2hunter2' }, await etagOf(path));
    expect(await last('UpdateKeystore')).toMatchObject({
      action: 'target-keystores.write',
      subject: 'ada',
      resourceId: id,
      sourceIp: '203.0.113.7',
      outcome: 'success',
      severity: 'normal',
      before: { description: '' },
      after: { description: 'new', secrets_changed: ['aws_secret_access_key'] },
    });
    const written = JSON.stringify(await trail());
    expect(written).not.toContain('hunter2');
    expect(written).not.toContain(KEYSTORE_ACCOUNT.secretAccessKey);
  });

  it('has refused attempts too, with their reason, in the trail of the vault that they were aimed at', async () => {
    const reader = api.client(await api.token([`reader@${vault}`], { sub: 'eve' }));
    const keystore = `/keystores/${await create(everybody, 'keystores', keystoreBody(vault, 'guarded', ['guarded']))}`;
    expect((await reader.send({ method: 'DELETE', path: keystore, ifMatch: '*' })).status).toBe(403);
    expect(await last('DeleteKeystore')).toMatchObject({
      subject: 'eve',
      outcome: 'refused',
      status: 403,
      severity: 'critical',
      action: 'target-keystores.delete',
    });
    expect((await patch(keystore, { name: 'audited' }, '*')).status).toBe(409);
    expect(await last('UpdateKeystore')).toMatchObject({ outcome: 'refused', status: 409, severity: 'warning' });
    expect((await last('UpdateKeystore'))?.reason).toContain('name_taken');
  });

  it('has attempts without a valid token, and on what does not exist, in a trail of their own', async () => {
    const nobody = api.client('not.a.token');
    const body = { name: 'by-nobody' };
    expect((await nobody.send({ method: 'POST', path: '/vaults', body })).status).toBe(401);
    const events = await trail(NO_VAULT);
    expect(events.at(-1)).toMatchObject({ subject: 'unauthenticated', status: 401, severity: 'critical' });
  });

  it('of every vault is whole', async () => {
    const heads = (await api.items()).flatMap((text) => /"AUDIT#([^"]+)"/.exec(text)?.[1] ?? []);
    expect(new Set(heads).size).toBeGreaterThan(3);
    for (const of of new Set(heads)) {
      const head = auditHead.decode((await database.get(ITEM.auditHead(of))) ?? {});
      expect(brokenLink(await trail(of), head)).toBeUndefined();
    }
  });
});

describe('a keystore’s secrets', () => {
  it('come back as asterisks, are nowhere in the table, and stay what they are when those are sent back', async () => {
    const id = await create(everybody, 'keystores', keystoreBody(vault, 'secretive', ['secretive']));
    const path = `/keystores/${id}`;
    const shown = await get(path);
    expect(shown.body).toMatchObject({
      aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
      aws_secret_access_key: '********',
      status: { health_status: 'ok' },
    });
    const unchanged = await patch(path, { aws_secret_access_key: '********', description: 'x' }, await etagOf(path));
    expect(unchanged.status).toBe(200);
    expect((await get(`${path}/status`)).body).toMatchObject({ health_status: 'ok' });

    const wrong = await patch(path, { aws_secret_access_key: 'wrong' }, await etagOf(path));
    expect(wrong.body).toMatchObject({ aws_secret_access_key: '********' });
    expect((await get(`${path}/status`)).body).toMatchObject({ health_status: 'configuration_error' });
    const secret = KEYSTORE_ACCOUNT.secretAccessKey;
    expect((await patch(path, { aws_secret_access_key: secret }, await etagOf(path))).status).toBe(200);
    expect((await get(`${path}/status`)).body).toMatchObject({ health_status: 'ok' });

    const everything = (await api.items()).join('\n');
    for (const text of [secret, Buffer.from(secret).toString('base64')]) expect(everything).not.toContain(text);
  });

  it('with dry_run=true only test the connection: nothing is kept', async () => {
    const before = await api.items();
    const body = keystoreBody(vault, 'trial', ['trial']);
    const tried = async (more: object) =>
      (await everybody.send({ method: 'POST', path: '/keystores?dry_run=true', body: { ...body, ...more } })).body;
    expect(await tried({})).toMatchObject({ status: { health_status: 'ok' }, aws_secret_access_key: '********' });
    expect(await tried({ aws_secret_access_key: 'wrong' })).toMatchObject({
      status: { health_status: 'configuration_error' },
    });
    expect(await api.items()).toEqual(before);
  });
});

describe('deleting a keystore', () => {
  const stateInKms = (key: string) => api.kms.operator.keys().find(({ tags }) => tags['shearline:key'] === key)?.state;
  async function keystoreWithKey(name: string): Promise<{ path: string; key: string }> {
    const keystore = await group(name);
    return { path: `/keystores/${keystore}`, key: await keyFrom(name, name) };
  }

  it('is refused while it holds keys, also when no mode is given', async () => {
    const { path, key } = await keystoreWithKey('restricted');
    for (const mode of ['', '?mode=restrict']) {
      const refused = await remove(path, mode);
      expect([refused.status, errors(refused)[0]?.code]).toEqual([409, 'in_use']);
    }
    expect(stateInKms(key)).toBe('Enabled');
    expect((await get(path)).status).toBe(200);
  });

  it.each([
    ['deactivate', 'Disabled'],
    ['destroy', 'PendingDeletion'],
    ['disconnect', 'Enabled'],
  ])('with mode=%s leaves its copies %s, and the key lives on without it', async (mode, state) => {
    const { path, key } = await keystoreWithKey(`mode-${mode}`);
    expect((await remove(path, `?mode=${mode}`)).status).toBe(204);
    expect(stateInKms(key)).toBe(state);
    expect((await get(path)).status).toBe(404);
    expect((await get(`/managed_keys/${key}`)).body).toMatchObject({
      state: 'active',
      referenced_keystores: [],
      status_in_keystores: [],
    });
  });

  it('that does not answer stays connected, with the keys named, and can be repeated', async () => {
    const { path, key } = await keystoreWithKey('silent');
    api.kms.faults.add({ kind: 'unreachable', region: 'us-east-1' });
    const failed = await remove(path, '?mode=destroy');
    api.kms.faults.clear();
    expect(failed.status).toBe(503);
    expect(errors(failed)[0]?.message).toContain('silent');
    expect((await get(path)).status).toBe(200);
    expect((await remove(path, '?mode=destroy')).status).toBe(204);
    expect(stateInKms(key)).toBe('PendingDeletion');
  });

  it('gives its name and its place in the vault free', async () => {
    const before = ((await get(`/vaults/${vault}`)).body as { keystores_count: number }).keystores_count;
    const id = await create(everybody, 'keystores', keystoreBody(vault, 'free', ['free']));
    expect((await remove(`/keystores/${id}`)).status).toBe(204);
    expect((await get(`/vaults/${vault}`)).body).toMatchObject({ keystores_count: before });
    await create(everybody, 'keystores', keystoreBody(vault, 'free', ['free']));
  });
});

describe('what is in use', () => {
  it('stays: a vault with something in it, and a template with keys', async () => {
    await group('in-use');
    await keyFrom('in-use', 'in-use');
    const { templates } = (await get(`/templates?name=in-use&vault.id=${vault}`)).body as {
      templates: { id: string }[];
    };
    const template = `/templates/${templates[0]?.id ?? ''}`;
    expect((await get(template)).body).toMatchObject({ keys_count: 1 });
    for (const path of [template, `/vaults/${vault}`]) {
      const refused = await remove(path);
      expect([refused.status, errors(refused)[0]?.code]).toEqual([409, 'in_use']);
    }
  });

  it('is counted exactly, for however many keys made at once', async () => {
    await group('counted');
    const labels = Array.from({ length: 8 }, (_, at) => `counted-${at}`);
    await Promise.all(labels.map((label) => keyFrom('counted', label)));
    const { templates } = (await get(`/templates?name=counted&vault.id=${vault}`)).body as {
      templates: { keys_count: number }[];
    };
    expect(templates[0]?.keys_count).toBe(8);
  });

  it('has its name once: of ten keys of one label made at once, one is made', async () => {
    await group('named');
    const body = { vault: { id: vault }, template_name: 'named', label: 'the-only-one' };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => everybody.send({ method: 'POST', path: '/managed_keys', body })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(new Set(refused.map((answer) => `${answer.status} ${errors(answer)[0]?.code ?? ''}`))).toEqual(
      new Set(['409 name_taken']),
    );
    expect(api.kms.operator.keys().filter(({ tags }) => tags['shearline:label'] === 'the-only-one')).toHaveLength(1);
  });
});
