import { createCipheriv, publicEncrypt, constants, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { startIbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';
import type { IbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';

const INSTANCE = '12e8c9c2-a162-472d-b7d6-8b9a86b815a6';
const HPCS = '6a1f7c54-3d0e-4f5b-9a53-0d8f0f1f9c11';
const KEYS = { manager: 'manager-key', writer: 'writer-key', reader: 'reader-key' } as const;
const KEY_TYPE = 'application/vnd.ibm.kms.key+json';
const GRANT = 'urn:ibm:params:oauth:grant-type:apikey';
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Resource extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly keyVersion: { readonly id: string };
}
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly metadata?: {
      readonly collectionType: string;
      readonly collectionTotal: number;
      readonly totalCount?: number;
    };
    readonly resources?: readonly Resource[];
    readonly [name: string]: unknown;
  };
}

/** A client as IBM's documentation describes it. */
class Client {
  readonly endpoint: string;
  readonly apiKey: string;
  readonly instanceId: string;

  constructor(endpoint: string, apiKey: string = KEYS.manager, instanceId = INSTANCE) {
    this.endpoint = endpoint;
    this.apiKey = apiKey;
    this.instanceId = instanceId;
  }

  async token(): Promise<string> {
    const body = new URLSearchParams({ grant_type: GRANT, apikey: this.apiKey });
    const response = await fetch(`${this.endpoint}/identity/token`, { method: 'POST', body });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  async send(
    method: string,
    path: string,
    { body, headers = {}, token }: { body?: unknown; headers?: Record<string, string>; token?: string } = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.endpoint}/api/v2${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token ?? (await this.token())}`,
        'bluemix-instance': this.instanceId,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as Answer['body'],
    };
  }

  async create(resource: Record<string, unknown> = {}, headers: Record<string, string> = {}): Promise<Answer> {
    const metadata = { collectionType: KEY_TYPE, collectionTotal: 1 };
    const body = { metadata, resources: [{ type: KEY_TYPE, name: 'a key', extractable: false, ...resource }] };
    return this.send('POST', '/keys', { body, headers });
  }

  async made(resource: Record<string, unknown> = {}): Promise<string> {
    return first(await this.create(resource)).id;
  }
}

function first({ status, body }: Answer): Resource {
  const resource = body.resources?.[0];
  if (resource === undefined) throw new Error(`${status} ${JSON.stringify(body)}`);
  return resource;
}

/** Status and IBM's reason code. */
function refusal({ status, body }: Answer): readonly [number, string | undefined] {
  const [resource] = (body.resources ?? []) as unknown as { reasons?: { code: string }[] }[];
  return [status, resource?.reasons?.[0]?.code];
}

let clock: SandboxClock;
let sandbox: IbmCloudKmsSandbox;
let client: Client;

beforeAll(async () => {
  clock = sandboxClock();
  sandbox = await startIbmCloudKmsSandbox({
    clock,
    instances: [
      { instanceId: INSTANCE, variant: 'key_protect' },
      { instanceId: HPCS, variant: 'hpcs' },
    ],
    apiKeys: [
      { apiKey: KEYS.manager },
      { apiKey: KEYS.writer, role: 'Writer' },
      { apiKey: KEYS.reader, role: 'Reader' },
    ],
  });
  client = new Client(sandbox.endpoint);
});
afterAll(() => sandbox.close());
beforeEach(() => {
  sandbox.faults.clear();
  sandbox.calls.reset();
});

describe('the identity service', () => {
  const ask = (form: Record<string, string>) =>
    fetch(`${sandbox.endpoint}/identity/token`, { method: 'POST', body: new URLSearchParams(form) });

  it('gives a bearer token for an hour', async () => {
    const response = await ask({ grant_type: GRANT, apikey: KEYS.manager });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'ibm openid' });
  });

  it('refuses an unknown API key and another grant', async () => {
    const unknown = await ask({ grant_type: GRANT, apikey: 'unknown' });
    expect([unknown.status, await unknown.json()]).toMatchObject([400, { errorCode: 'BXNIM0415E' }]);
    expect((await ask({ grant_type: 'password', apikey: KEYS.manager })).status).toBe(400);
  });

  it('lets tokens run out, and takes no altered ones', async () => {
    const token = await client.token();
    expect((await client.send('GET', '/keys', { token })).status).toBe(200);
    expect((await client.send('GET', '/keys', { token: `${token}x` })).status).toBe(401);
    clock.advance(HOUR);
    expect(refusal(await client.send('GET', '/keys', { token }))).toEqual([401, undefined]);
  });
});

describe('every call', () => {
  it('needs an instance that there is, and a role that may', async () => {
    expect((await client.send('GET', '/keys', { headers: { 'bluemix-instance': '' } })).status).toBe(400);
    const elsewhere = new Client(sandbox.endpoint, KEYS.manager, 'another-instance');
    expect(refusal(await elsewhere.send('GET', '/keys'))).toEqual([401, 'UNAUTHORIZED_ERR']);
    const id = await client.made();
    const reader = new Client(sandbox.endpoint, KEYS.reader);
    expect((await reader.send('GET', `/keys/${id}/metadata`)).status).toBe(200);
    expect(refusal(await reader.create())).toEqual([401, 'UNAUTHORIZED_ERR']);
    const writer = new Client(sandbox.endpoint, KEYS.writer);
    expect((await writer.create()).status).toBe(201);
    expect(refusal(await writer.send('DELETE', `/keys/${id}`))).toEqual([401, 'UNAUTHORIZED_ERR']);
  });

  it('gets its correlation id back', async () => {
    const headers = { 'correlation-id': '5b0a1b5c-58a6-4d3b-9d53-6a5b4ba6a2a1' };
    const answer = await client.send('GET', '/keys', { headers });
    expect(answer.headers.get('correlation-id')).toBe(headers['correlation-id']);
  });
});

describe('keys', () => {
  it('are shown whole, or by their id alone with return=minimal', async () => {
    const whole = await client.create({ name: 'card data', description: 'of cards', tags: ['a'], aliases: ['cards'] });
    expect(whole.status).toBe(201);
    expect(whole.body.metadata).toEqual({ collectionType: KEY_TYPE, collectionTotal: 1 });
    expect(first(whole)).toMatchObject({
      name: 'card data',
      description: 'of cards',
      tags: ['a'],
      aliases: ['cards'],
      state: 1,
      extractable: false,
      imported: false,
      keyRingID: 'default',
      deleted: false,
      crn: expect.stringMatching(new RegExp(`^crn:v1:bluemix:public:kms:us-south:a/\\w+:${INSTANCE}:key:`)) as string,
    });
    expect(first(whole)).not.toHaveProperty('payload');
    const minimal = await client.create({}, { prefer: 'return=minimal' });
    expect(Object.keys(first(minimal))).toEqual(['type', 'id']);
  });

  it('are found by id and by alias; metadata never has material, a standard key itself has', async () => {
    const payload = randomBytes(32).toString('base64');
    const id = await client.made({ extractable: true, payload, aliases: ['a-standard-key'] });
    expect(first(await client.send('GET', '/keys/a-standard-key/metadata')).id).toBe(id);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))).not.toHaveProperty('payload');
    expect(first(await client.send('GET', `/keys/${id}`))['payload']).toBe(payload);
    expect(first(await client.send('GET', `/keys/${await client.made()}`))).not.toHaveProperty('payload');
    expect(refusal(await client.send('GET', '/keys/no-such-key/metadata'))).toEqual([404, 'KEY_NOT_FOUND_ERR']);
  });

  it.each([
    [{ name: 'a' }],
    [{ description: 'd'.repeat(241) }],
    [{ payload: 'not base64!' }],
    [{ payload: randomBytes(20).toString('base64') }],
    [{ aliases: ['1', '2', '3', '4', '5', '6'] }],
    [{ unknown: true }],
  ])('are refused: %j', async (resource) => {
    expect(refusal(await client.create(resource))).toEqual([400, 'BAD_BODY_ERR']);
  });

  it('are listed 200 at a time unless asked otherwise, without deleted ones', async () => {
    const own = new Client(sandbox.endpoint, KEYS.manager, HPCS);
    const ids: string[] = [];
    for (let count = 0; count < 201; count += 1) ids.push(await own.made());
    const page = await own.send('GET', '/keys');
    expect(page.body.metadata?.collectionTotal).toBe(200);
    expect((await own.send('GET', '/keys?offset=200')).body.resources).toHaveLength(1);
    expect((await own.send('GET', '/keys?limit=5000')).body.resources).toHaveLength(201);
    expect((await own.send('GET', '/keys?limit=5001')).status).toBe(400);
    await own.send('DELETE', `/keys/${ids[0] ?? ''}`);
    expect((await own.send('GET', '/keys?limit=5000')).body.resources).toHaveLength(200);
    expect((await own.send('GET', '/keys?state=5')).body.resources).toHaveLength(1);
    expect((await own.send('HEAD', '/keys')).headers.get('key-total')).toBe('200');
  });

  it('live in key rings that must be there', async () => {
    const ring = { 'x-kms-key-ring': 'of-this-test' };
    expect(refusal(await client.create({}, ring))).toEqual([404, 'KEY_RING_NOT_FOUND_ERR']);
    expect((await client.send('POST', '/key_rings/of-this-test')).status).toBe(201);
    expect(refusal(await client.send('POST', '/key_rings/of-this-test'))).toEqual([409, 'KEY_RING_EXISTS_ERR']);
    const { id } = first(await client.create({}, ring));
    expect((await client.send('GET', '/keys', { headers: ring })).body.resources).toMatchObject([{ id }]);
    expect(
      (await client.send('GET', `/keys/${id}/metadata`, { headers: { 'x-kms-key-ring': 'default' } })).status,
    ).toBe(404);
    expect((await client.send('PATCH', `/keys/${id}`, { body: { keyRingID: 'default' } })).status).toBe(200);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))['keyRingID']).toBe('default');
    expect((await client.send('PATCH', `/keys/${id}`, { body: { name: 'renamed' } })).status).toBe(400);
  });
});

describe('states', () => {
  it('move by actions, the way back only half a minute later', async () => {
    const id = await client.made();
    expect((await client.send('POST', `/keys/${id}/actions/disable`)).status).toBe(204);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))['state']).toBe(2);
    expect(refusal(await client.send('POST', `/keys/${id}/actions/disable`))).toEqual([
      409,
      'KEY_ACTION_INVALID_STATE_ERR',
    ]);
    expect(refusal(await client.send('POST', `/keys/${id}/actions/wrap`))).toEqual([
      409,
      'KEY_ACTION_INVALID_STATE_ERR',
    ]);
    expect(refusal(await client.send('POST', `/keys/${id}/actions/enable`))).toEqual([409, 'REQ_TOO_EARLY_ERR']);
    clock.advance(30_000);
    expect((await client.send('POST', `/keys/${id}/actions/enable`)).status).toBe(204);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))['state']).toBe(1);
  });

  it('deactivated comes by itself when the key expires', async () => {
    const expirationDate = new Date(clock.now().getTime() + HOUR).toISOString();
    const id = await client.made({ expirationDate });
    clock.advance(HOUR);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))['state']).toBe(3);
    expect(refusal(await client.send('POST', `/keys/${id}/actions/wrap`))).toEqual([
      409,
      'KEY_ACTION_INVALID_STATE_ERR',
    ]);
  });
});

describe('deletion', () => {
  it('can be undone for 30 days, shows for 90, and frees the alias at the end', async () => {
    const id = await client.made({ aliases: ['deleted-one'] });
    expect((await client.send('DELETE', `/keys/${id}`, { headers: { prefer: 'return=minimal' } })).status).toBe(204);
    expect(refusal(await client.send('GET', `/keys/${id}`))).toEqual([410, 'KEY_DELETED_ERR']);
    expect(first(await client.send('GET', `/keys/${id}/metadata`))).toMatchObject({
      state: 5,
      deleted: true,
      restoreAllowed: true,
      purgeAllowed: false,
    });
    expect(refusal(await client.send('POST', `/keys/${id}/restore`))).toEqual([409, 'REQ_TOO_EARLY_ERR']);
    clock.advance(30 * DAY - 1000);
    expect((await client.send('POST', `/keys/${id}/restore`)).status).toBe(201);
    await client.send('DELETE', `/keys/${id}`);
    clock.advance(30 * DAY);
    expect(refusal(await client.send('POST', `/keys/${id}/restore`))).toEqual([400, 'KEY_RESTORE_EXPIRED']);
    expect(refusal(await client.create({ aliases: ['deleted-one'] }))).toEqual([409, 'KEY_ALIAS_NOT_UNIQUE_ERR']);
    clock.advance(60 * DAY);
    expect((await client.send('GET', `/keys/${id}/metadata`)).status).toBe(404);
    expect((await client.create({ aliases: ['deleted-one'] })).status).toBe(201);
  });

  it('can be made final after four hours', async () => {
    const id = await client.made();
    await client.send('DELETE', `/keys/${id}`);
    expect(refusal(await client.send('DELETE', `/keys/${id}/purge`))).toEqual([409, 'REQ_TOO_EARLY_ERR']);
    clock.advance(4 * HOUR);
    expect((await client.send('DELETE', `/keys/${id}/purge`)).status).toBe(204);
    expect((await client.send('GET', `/keys/${id}/metadata`)).status).toBe(404);
  });

  it('is refused while resources are registered, with force only while none forbids it', async () => {
    const id = await client.made();
    const resourceCrn = 'crn:v1:bluemix:public:cloud-object-storage:global:a/acc:inst:bucket:b';
    sandbox.operator.register(id, { resourceCrn });
    expect(refusal(await client.send('DELETE', `/keys/${id}`))).toEqual([409, 'PROTECTED_RESOURCE_ERR']);
    sandbox.operator.register(id, { resourceCrn: `${resourceCrn}2`, preventKeyDeletion: true });
    expect(refusal(await client.send('DELETE', `/keys/${id}?force=true`))).toEqual([409, 'PREV_KEY_DEL_ERR']);
    const listed = await client.send('GET', `/keys/${id}/registrations?totalCount=true&limit=1`);
    expect(listed.body).toMatchObject({
      metadata: { collectionTotal: 1, totalCount: 2 },
      resources: [{ keyId: id, resourceCrn, preventKeyDeletion: false }],
    });
    expect((await client.send('GET', '/keys/registrations?preventKeyDeletion=true')).body.resources).toHaveLength(1);
    sandbox.operator.unregister(id, `${resourceCrn}2`);
    expect((await client.send('DELETE', `/keys/${id}?force=true`)).status).toBe(200);
  });

  it('takes two people where a policy says so', async () => {
    const id = await client.made();
    expect(refusal(await client.send('POST', `/keys/${id}/actions/setKeyForDeletion`))).toEqual([
      409,
      'NOT_DUAL_AUTH_ERR',
    ]);
    sandbox.operator.setDualAuth(id, true);
    expect(refusal(await client.send('DELETE', `/keys/${id}`))).toEqual([409, 'AUTHORIZATIONS_NOT_MET']);
    await client.send('POST', `/keys/${id}/actions/setKeyForDeletion`);
    expect(refusal(await client.send('DELETE', `/keys/${id}`))).toEqual([409, 'AUTHORIZATIONS_NOT_MET']);
    const writer = new Client(sandbox.endpoint, KEYS.writer);
    expect((await writer.send('POST', `/keys/${id}/actions/setKeyForDeletion`)).status).toBe(204);
    clock.advance(7 * DAY);
    expect(refusal(await client.send('DELETE', `/keys/${id}`))).toEqual([409, 'AUTHORIZATIONS_NOT_MET']);
    await writer.send('POST', `/keys/${id}/actions/setKeyForDeletion`);
    expect((await client.send('DELETE', `/keys/${id}`)).status).toBe(200);
  });
});

describe('wrapping', () => {
  it('really wraps: with the key, its additional data and its versions', async () => {
    const id = await client.made();
    const plaintext = randomBytes(32).toString('base64');
    const act = (action: string, body: unknown, of = id) =>
      client.send('POST', `/keys/${of}/actions/${action}`, { body });
    const { ciphertext, keyVersion } = (await act('wrap', { plaintext, aad: ['a'] })).body;
    expect((await act('unwrap', { ciphertext, aad: ['a'] })).body).toEqual({ plaintext, keyVersion });
    expect(refusal(await act('unwrap', { ciphertext, aad: ['b'] }))).toEqual([422, 'UNPROCESSABLE_CIPHERTEXT_ERR']);
    expect((await act('unwrap', { ciphertext, aad: ['a'] }, await client.made())).status).toBe(422);
    expect((await act('wrap', {})).body['plaintext']).toHaveLength(44);

    expect((await act('rotate', undefined)).status).toBe(204);
    const after = (await act('unwrap', { ciphertext, aad: ['a'] })).body;
    expect(after['plaintext']).toBe(plaintext);
    const again = (await act('unwrap', { ciphertext: after['ciphertext'], aad: ['a'] })).body;
    expect(again['plaintext']).toBe(plaintext);
    expect(again['keyVersion']).not.toEqual(keyVersion);
    expect((await act('rewrap', { ciphertext, aad: ['a'] })).body).toMatchObject({ keyVersion });
  });

  it('is for root keys', async () => {
    const id = await client.made({ extractable: true });
    expect(refusal(await client.send('POST', `/keys/${id}/actions/wrap`, { body: {} }))).toEqual([
      400,
      'KEY_ROOT_REQ_ERR',
    ]);
  });
});

describe('rotation', () => {
  it('is once an hour; imported keys take material, others none', async () => {
    const payload = () => randomBytes(32).toString('base64');
    const rotate = (id: string, body?: unknown) => client.send('POST', `/keys/${id}/actions/rotate`, { body });
    const id = await client.made({ payload: payload() });
    expect(refusal(await rotate(id))).toEqual([400, 'KEY_PAYLOAD_REQ_ERR']);
    expect((await rotate(id, { payload: payload() })).status).toBe(204);
    expect(refusal(await rotate(id, { payload: payload() }))).toEqual([409, 'KEY_ROTATION_NOT_PERMITTED']);
    clock.advance(HOUR);
    expect((await rotate(id, { payload: payload() })).status).toBe(204);
    const versions = await client.send('GET', `/keys/${id}/versions?limit=2`);
    expect(versions.body.metadata).toMatchObject({ collectionTotal: 2, totalCount: 3 });
    expect(first(versions).id).toBe(first(await client.send('GET', `/keys/${id}/metadata`)).keyVersion.id);
    expect(refusal(await rotate(await client.made(), { payload: payload() }))).toEqual([400, 'BAD_BODY_ERR']);
  });
});

describe('import tokens', () => {
  const wrapped = async (on: Client, mode: 'gcm' | 'cbc', material = randomBytes(32)) => {
    const { body } = await on.send('GET', '/import_token');
    const key = Buffer.from(String(body['payload']), 'base64').toString();
    const payload = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, material);
    const nonce = Buffer.from(String(body['nonce']), 'base64');
    const iv = randomBytes(mode === 'gcm' ? 12 : 16);
    const cipher = createCipheriv(`aes-256-${mode}` as 'aes-256-gcm', material, iv);
    const parts = [cipher.update(nonce), cipher.final(), ...(mode === 'gcm' ? [cipher.getAuthTag()] : [])];
    return {
      payload: payload.toString('base64'),
      encryptedNonce: Buffer.concat(parts).toString('base64'),
      iv: iv.toString('base64'),
      encryptionAlgorithm: 'RSAES_OAEP_SHA_256',
    };
  };

  it.each([
    ['Key Protect', INSTANCE, 'gcm', 'cbc'],
    ['HPCS', HPCS, 'cbc', 'gcm'],
  ] as const)(
    'of %s unwrap what was wrapped for them, with a nonce to prove it',
    async (_name, instance, right, wrong) => {
      const own = new Client(sandbox.endpoint, KEYS.manager, instance);
      expect((await own.send('GET', '/import_token')).status).toBe(404);
      const made = await own.send('POST', '/import_token', { body: { expiration: 300, maxAllowedRetrievals: 4 } });
      expect(made.body).toMatchObject({ maxAllowedRetrievals: 4, remainingRetrievals: 4 });
      expect(first(await own.create(await wrapped(own, right)))['imported']).toBe(true);
      expect(refusal(await own.create(await wrapped(own, wrong)))).toEqual([400, 'INCORRECT_NONCE_IV_ERR']);
      const early = await wrapped(own, right);
      const late = await wrapped(own, right);
      expect(refusal(await own.send('GET', '/import_token'))).toEqual([409, 'IMPORT_TOKEN_EXPIRED_ERR']);
      clock.advance(300_000);
      expect(refusal(await own.create(early))).toEqual([409, 'IMPORT_TOKEN_EXPIRED_ERR']);
      await own.send('POST', '/import_token', { body: {} });
      expect(refusal(await own.create(late))).toEqual([400, 'INCORRECT_NONCE_ERR']);
    },
  );
});

describe('aliases', () => {
  it('are unique in the instance, five to a key, and not reserved', async () => {
    const id = await client.made();
    const add = (alias: string, of = id) => client.send('POST', `/keys/${of}/aliases/${alias}`);
    for (const alias of ['a-1', 'a-2', 'a-3', 'a-4', 'a-5']) expect((await add(alias)).status).toBe(201);
    expect((await add('a-6')).status).toBe(409);
    expect(refusal(await add('a-1', await client.made()))).toEqual([409, 'KEY_ALIAS_NOT_UNIQUE_ERR']);
    for (const alias of ['metadata', 'x', 'with.dot', '02fd6835-6001-4482-a892-13bd2085f75d']) {
      expect((await add(alias, await client.made())).status).toBe(400);
    }
  });

  it('are released late when the sandbox is told so', async () => {
    const id = await client.made({ aliases: ['slow'] });
    sandbox.operator.holdAliases(300_000);
    expect((await client.send('DELETE', `/keys/${id}/aliases/slow`)).status).toBe(204);
    expect(refusal(await client.create({ aliases: ['slow'] }))).toEqual([409, 'KEY_ALIAS_NOT_UNIQUE_ERR']);
    clock.advance(300_000);
    expect((await client.create({ aliases: ['slow'] })).status).toBe(201);
    sandbox.operator.holdAliases(0);
  });
});

describe('faults', () => {
  it('strike the operation meant, as often as meant, before or after it happened', async () => {
    const count = () => sandbox.operator.keys().length;
    const before = count();
    sandbox.faults.add({ kind: 'reset_before', operation: 'CreateKey', times: 1 });
    await expect(client.create()).rejects.toThrow('fetch failed');
    expect(count()).toBe(before);
    sandbox.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    await expect(client.create()).rejects.toThrow('fetch failed');
    expect(count()).toBe(before + 1);
    sandbox.faults.add({ kind: 'throttle' });
    expect((await client.send('GET', '/keys', { token: 'any' })).status).toBe(429);
    sandbox.faults.clear();
    expect((await client.create()).status).toBe(201);
    expect(sandbox.calls.count({ operation: 'CreateKey' })).toBe(3);
    expect(sandbox.calls.count({ operation: 'CreateKey', outcome: 'ok' })).toBe(1);
  });
});

describe('the control port', () => {
  it('offers keys, calls, faults and tampering', async () => {
    const id = await client.made({ aliases: ['tampered'] });
    const route = (method: string, path: string) => {
      const found = sandbox.controlRoutes().find((each) => each.method === method && each.path === path);
      return (body?: unknown) => found?.answer(body, new URLSearchParams());
    };
    expect(route('POST', '/tamper')({ action: 'disable', key: 'tampered' })).toEqual({ done: true });
    expect(first(await client.send('GET', `/keys/${id}/metadata`))['state']).toBe(2);
    expect(() => route('POST', '/tamper')({ action: 'disable', key: 'nothing' })).toThrow('There is no key nothing.');
    expect(route('GET', '/keys')()).toMatchObject({
      keys: expect.arrayContaining([expect.objectContaining({ id, state: 2 })]) as unknown,
    });
    expect(route('POST', '/faults')({ kind: 'throttle', times: 1 })).toMatchObject({
      id: expect.any(String) as string,
    });
    expect(route('DELETE', '/faults')()).toEqual({ faults: [] });
    expect(route('GET', '/calls')()).toMatchObject({ total: expect.any(Number) as number });
  });
});

it('keeps everything over a restart, its material encrypted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ibm-sandbox-'));
  const stateFile = join(folder, 'ibm.json');
  const start = () =>
    startIbmCloudKmsSandbox({
      clock,
      stateFile,
      instances: [{ instanceId: INSTANCE, variant: 'key_protect' }],
      apiKeys: [{ apiKey: KEYS.manager }],
    });
  try {
    const before = await start();
    const material = randomBytes(32);
    const earlier = new Client(before.endpoint);
    const id = await earlier.made({ payload: material.toString('base64'), aliases: ['kept'] });
    await earlier.send('POST', '/key_rings/kept-ring');
    await earlier.send('POST', '/import_token', { body: { maxAllowedRetrievals: 2 } });
    const { body } = await earlier.send('POST', `/keys/${id}/actions/wrap`, { body: { plaintext: 'AAAA' } });
    const gone = await earlier.made();
    before.operator.purge(gone);
    await before.close();
    const written = readFileSync(stateFile, 'utf8');
    expect(written).not.toContain(material.toString('base64'));
    expect(statSync(`${stateFile}.key`).mode & 0o777).toBe(0o600);

    const after = await start();
    const later = new Client(after.endpoint);
    const unwrapped = await later.send('POST', '/keys/kept/actions/unwrap', {
      body: { ciphertext: body['ciphertext'] },
    });
    expect(unwrapped.body['plaintext']).toBe('AAAA');
    expect((await later.send('GET', '/import_token')).status).toBe(200);
    expect((await later.create({}, { 'x-kms-key-ring': 'kept-ring' })).status).toBe(201);
    expect((await later.send('GET', `/keys/${gone}/metadata`)).status).toBe(404);
    await after.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
