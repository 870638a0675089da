import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { serve } from '../../functions/http.ts';
import type { Answer, Attempt, Call, HttpHandler, Log, Routes, ServeOptions } from '../../functions/http.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import type { KeystoreFaultKind } from '../../lib/drivers/driver.ts';
import { Fault } from '../../lib/fault.ts';
import type { WireApiError } from '../../lib/wire/errors.ts';
import { etagOf, requireMatch } from '../../lib/wire/etag.ts';
import type { WireVault } from '../../lib/wire/vaults.ts';
import { Issuer, signingKey } from '../access/issuer.ts';

const ID = '6f1c1a2e-9b1d-4c58-8a43-0d4a9f4f5a10';
const VAULT: WireVault = {
  id: ID,
  name: 'production',
  description: '',
  keys_count: 0,
  key_templates_count: 0,
  keystores_count: 0,
};

interface Asked {
  readonly route?: string;
  readonly id?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | object | undefined;
  readonly base64?: boolean;
  readonly rawPath?: string;
}

let issuer: Issuer;
let token: string;

beforeAll(async () => {
  issuer = await Issuer.start();
  token = await issuer.token({ roles: ['vault_administrator'] });
});

afterAll(async () => {
  await issuer.stop();
});

const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function handlerOf(routes: Routes, options: Partial<ServeOptions> = {}): HttpHandler {
  return serve(routes, {
    config: { issuer: issuer.url, audience: 'shearline', rolesClaim: 'roles', publicUrl: undefined },
    log: quiet,
    ...options,
  });
}

/** An event as API Gateway makes it: parameters decoded or not, headers in lower case, the query once raw. */
function eventOf({
  route = 'GET /api/v4/vaults/{id}',
  id = ID,
  query = '',
  headers,
  body,
  base64,
  rawPath,
}: Asked): object {
  const [method = '', path = ''] = route.split(' ');
  const text = typeof body === 'object' ? JSON.stringify(body) : body;
  const all: Record<string, string | undefined> = {
    authorization: `Bearer ${token}`,
    host: 'api.example.com',
    'if-match': '*',
    ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
  return {
    version: '2.0',
    routeKey: route,
    rawPath: rawPath ?? path.replace('{id}', id),
    rawQueryString: query,
    headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    ...(path.includes('{id}') ? { pathParameters: { id } } : {}),
    requestContext: {
      domainName: 'abc.execute-api.eu-central-1.amazonaws.com',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'terraform/1' },
      requestId: 'r',
      routeKey: route,
      stage: '$default',
    },
    ...(text === undefined ? {} : { body: text }),
    isBase64Encoded: base64 ?? false,
  };
}

const inTime = (milliseconds: number) => ({ getRemainingTimeInMillis: () => milliseconds }) as Context;

async function ask(handler: HttpHandler, asked: Asked = {}, context = inTime(29_000)) {
  const result = await handler(eventOf(asked), context);
  const json: unknown =
    typeof result.body === 'string' && result.isBase64Encoded !== true ? JSON.parse(result.body) : undefined;
  return { status: result.statusCode, headers: result.headers ?? {}, json, error: json as WireApiError, result };
}

const getVault = () => handlerOf({ GetVault: () => Promise.resolve({ body: VAULT, etag: etagOf(ID, 1) }) });

/** Serves CreateVault and keeps what its route was called with. */
function createVault(options: Partial<ServeOptions> = {}) {
  const calls: Call<'CreateVault'>[] = [];
  const handler = handlerOf(
    {
      CreateVault: (call) => {
        calls.push(call);
        return Promise.resolve({ body: VAULT, etag: etagOf(ID, 1), location: `${call.baseUrl}/api/v4/vaults/${ID}` });
      },
    },
    options,
  );
  return { handler, calls };
}
const CREATE = { route: 'POST /api/v4/vaults', body: { name: 'production' } };

describe('a success', () => {
  it('carries the body, its ETag, the correlation id, and headers that keep it out of caches', async () => {
    const { status, headers, json } = await ask(getVault());
    expect(status).toBe(200);
    expect(json).toEqual(VAULT);
    expect(headers).toEqual({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      etag: etagOf(ID, 1),
      'x-correlation-id': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
  });

  it('has the status of its operation, and the location of what was created', async () => {
    const { status, headers } = await ask(createVault().handler, CREATE);
    expect(status).toBe(201);
    expect(headers['location']).toBe(`https://api.example.com/api/v4/vaults/${ID}`);
  });

  it('may be empty', async () => {
    const handler = handlerOf({ DeleteVault: () => Promise.resolve({}) });
    const { status, result } = await ask(handler, { route: 'DELETE /api/v4/vaults/{id}' });
    expect(status).toBe(204);
    expect(result.body).toBeUndefined();
    expect(result.headers?.['content-type']).toBeUndefined();
  });

  it('may be something else than JSON, text or bytes', async () => {
    const answers: Answer<'ListVaults'>[] = [
      { body: 'id,name\n', contentType: 'text/csv; charset=utf-8' },
      { body: new Uint8Array([0x50, 0x4b, 0xff]), contentType: 'application/zip' },
    ];
    const handler = handlerOf({ ListVaults: (call) => Promise.resolve(answers[call.query.offset] ?? {}) });
    const csv = await handler(eventOf({ route: 'GET /api/v4/vaults' }), inTime(29_000));
    expect([csv.body, csv.headers?.['content-type']]).toEqual(['id,name\n', 'text/csv; charset=utf-8']);
    const zip = await handler(eventOf({ route: 'GET /api/v4/vaults', query: 'offset=1' }), inTime(29_000));
    expect([zip.body, zip.isBase64Encoded, zip.headers?.['content-type']]).toEqual(['UEv/', true, 'application/zip']);
  });

  it('that Lambda could not deliver asks for a smaller limit', async () => {
    const vaults = [{ ...VAULT, description: 'x'.repeat(5_000_000) }];
    const page = { total_count: 1, limit: 20, offset: 0 };
    const { status, error } = await ask(
      handlerOf({ ListVaults: () => Promise.resolve({ body: { ...page, vaults } }) }),
      {
        route: 'GET /api/v4/vaults',
      },
    );
    expect(status).toBe(400);
    expect(error.errors[0]?.target).toEqual({ type: 'parameter', name: 'limit' });
  });
});

describe('a call', () => {
  it('has everything of the request, typed and checked', async () => {
    const { handler, calls } = createVault();
    await ask(handler, {
      ...CREATE,
      headers: {
        'Idempotency-Key': 'abc',
        'UKO-Vault': ID.toUpperCase(),
        Accept: 'text/csv',
        'X-Correlation-ID': 'trace-1',
      },
      rawPath: '/stage/api/v4/vaults',
    });
    expect(calls[0]).toMatchObject({
      operation: 'CreateVault',
      caller: { subject: 'ada', roles: [{ role: 'vault_administrator', vaultId: undefined }] },
      id: undefined,
      query: {},
      body: { name: 'production' },
      idempotencyKey: 'abc',
      vaultHeader: ID,
      dryRun: false,
      accept: 'text/csv',
      correlationId: 'trace-1',
      origin: { ip: '203.0.113.7', userAgent: 'terraform/1' },
      baseUrl: 'https://api.example.com/stage',
      url: 'https://api.example.com/stage/api/v4/vaults',
    });
    expect(calls[0]?.signal.aborted).toBe(false);
  });

  it('has a fingerprint that only the same request has', async () => {
    const { handler, calls } = createVault();
    await ask(handler, CREATE);
    await ask(handler, CREATE);
    await ask(handler, { ...CREATE, body: { name: 'other' } });
    const prints = calls.map(({ fingerprint }) => fingerprint);
    expect(prints[0]).toBe(prints[1]);
    expect(prints[2]).not.toBe(prints[0]);
  });

  it('knows a dry run', async () => {
    const seen: boolean[] = [];
    const handler = handlerOf({
      UpdateManagedKeyFromTemplate: (call) => {
        seen.push(call.dryRun);
        throw new Fault('template_archived', 'Archived.');
      },
    });
    const route = 'POST /api/v4/managed_keys/{id}/update_from_template';
    for (const query of ['', 'dry_run=false', 'dry_run=true']) await ask(handler, { route, query });
    expect(seen).toEqual([false, false, true]);
  });

  it('reads the id once decoded and in lower case; what is no UUID does not exist', async () => {
    const ids: string[] = [];
    const handler = handlerOf({
      GetVault: (call) => {
        ids.push(call.id);
        return Promise.resolve({ body: VAULT });
      },
    });
    await ask(handler, { id: ID.toUpperCase() });
    await ask(handler, { id: ID.replace('6', '%36') });
    expect(ids).toEqual([ID, ID]);
    for (const id of ['1', '', '%', '..%2f..', `${ID}x`, '%2536f1c1a2e-9b1d-4c58-8a43-0d4a9f4f5a10']) {
      expect((await ask(handler, { id })).status, id).toBe(404);
    }
  });

  it.each([
    ['api.example.com', 'https://api.example.com'],
    ['localhost:3000', 'http://localhost:3000'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['evil.example/x?', 'https://abc.execute-api.eu-central-1.amazonaws.com'],
    [undefined, 'https://abc.execute-api.eu-central-1.amazonaws.com'],
  ])('asked at host %s has the base %s', async (host, expected) => {
    const { handler, calls } = createVault();
    await ask(handler, { ...CREATE, headers: { host } });
    expect(calls[0]?.baseUrl).toBe(expected);
  });

  it('has the configured public URL as its base, where there is one', async () => {
    const { handler, calls } = createVault({
      config: { issuer: issuer.url, audience: 'shearline', rolesClaim: 'roles', publicUrl: 'https://keys.example' },
    });
    await ask(handler, CREATE);
    expect(calls[0]?.url).toBe('https://keys.example/api/v4/vaults');
  });

  it('takes a query from its raw string, not from the joined parameters', async () => {
    const handler = handlerOf({
      ListVaults: (call) =>
        Promise.resolve({
          body: { total_count: 0, limit: 20, offset: 0, vaults: [{ ...VAULT, name: call.query.name ?? '' }] },
        }),
    });
    const { json } = await ask(handler, { route: 'GET /api/v4/vaults', query: 'name=a%2Cb' });
    expect(json).toMatchObject({ vaults: [{ name: 'a,b' }] });
  });
});

describe('an error', () => {
  it('has the body of the contract, with the trace of its header', async () => {
    const handler = handlerOf({ GetVault: () => Promise.reject(new Fault('not_found', 'No such vault.')) });
    const { status, headers, json } = await ask(handler, { headers: { 'X-Correlation-ID': 'a.b_c-1' } });
    expect(status).toBe(404);
    expect(json).toEqual({
      status_code: 404,
      trace: 'a.b_c-1',
      errors: [{ code: 'not_found', message: 'No such vault.' }],
    });
    expect(headers).toMatchObject({
      'x-correlation-id': 'a.b_c-1',
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
    });
  });

  it.each(['', 'a b', 'x'.repeat(129), 'a\nb', '<script>'])('has a new trace in place of %j', async (given) => {
    const { headers } = await ask(getVault(), { headers: { 'X-Correlation-ID': given } });
    expect(headers['x-correlation-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('tells every invalid and unknown field, each with its own code', async () => {
    const { status, error } = await ask(createVault().handler, {
      ...CREATE,
      body: { name: '', description: 7, colour: 'red' },
    });
    expect(status).toBe(400);
    expect(error.errors.map(({ code, target }) => [code, target?.type, target?.name])).toEqual([
      ['invalid_field', 'field', 'name'],
      ['invalid_field', 'field', 'description'],
      ['unknown_field', 'field', 'colour'],
    ]);
  });

  it('of a query names the parameter', async () => {
    const { status, error } = await ask(getVault(), { query: 'x=1' });
    expect(status).toBe(400);
    expect(error.errors).toEqual([
      {
        code: 'unknown_parameter',
        message: 'x is not a query parameter of this request.',
        target: { type: 'parameter', name: 'x' },
      },
    ]);
  });

  it('that nobody foresaw is 500 and tells nothing; the log has it with its stack', async () => {
    const error = vi.fn();
    const broken = new TypeError('cannot read secret of undefined');
    const handler = handlerOf({ GetVault: () => Promise.reject(broken) }, { log: { ...quiet, error } });
    const { status, json, result } = await ask(handler);
    expect(status).toBe(500);
    expect(json).toMatchObject({ status_code: 500, errors: [{ code: 'internal' }] });
    expect(result.body).not.toContain('secret');
    expect(error).toHaveBeenCalledWith('request', expect.objectContaining({ error: broken, status: 500 }));
  });

  it('thrown at once, or no error at all, is answered the same', async () => {
    const handler = handlerOf({
      GetVault: () => {
        throw new Error('at once');
      },
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what a library may do
      DeleteVault: () => Promise.reject('a text'),
    });
    expect((await ask(handler)).status).toBe(500);
    expect((await ask(handler, { route: 'DELETE /api/v4/vaults/{id}' })).status).toBe(500);
  });

  it.each<[KeystoreFaultKind, number]>([
    ['denied', 502],
    ['not_found', 502],
    ['conflict', 502],
    ['broken', 502],
    ['unsupported', 422],
    ['throttled', 503],
    ['unreachable', 503],
    ['unavailable', 503],
  ])('of a keystore (%s) is %i', async (kind, expected) => {
    const handler = handlerOf({ GetVault: () => Promise.reject(new KeystoreFault(kind, 'AWS KMS says no.')) });
    const { status, headers, error } = await ask(handler);
    expect(status).toBe(expected);
    expect(error.errors[0]?.message).toBe('AWS KMS says no.');
    expect(headers['retry-after']).toBe(expected === 503 ? '5' : undefined);
  });

  it('says when to ask again, if it is known, and with 429 and 503 always', async () => {
    const faults = [
      new Fault('too_often', 'Once an hour.', { retryAfter: 1234.5 }),
      new Fault('too_often', 'Once an hour.'),
      new Fault('busy', 'Later.'),
      new Fault('being_changed', 'Someone else is at it.'),
    ];
    const after: unknown[] = [];
    for (const fault of faults) {
      after.push((await ask(handlerOf({ GetVault: () => Promise.reject(fault) }))).headers['retry-after']);
    }
    expect(after).toEqual(['1235', '60', '5', undefined]);
  });

  it('of an unknown path or method is 404, without a token too', async () => {
    for (const route of ['$default', 'PUT /api/v4/vaults/{id}', '', 'toString']) {
      const { status, error } = await ask(getVault(), { route, headers: { authorization: undefined } });
      expect([status, error.errors[0]?.code]).toEqual([404, 'not_found']);
    }
  });

  it('of something that is no request of an HTTP API is an answer, not a crash', async () => {
    for (const event of [
      undefined,
      null,
      {},
      'text',
      { routeKey: 'GET /api/v4/vaults/{id}' },
      { requestContext: {} },
      { headers: null },
    ]) {
      const result = await getVault()(event);
      expect(result.statusCode).toBe(400);
      expect(JSON.parse(result.body ?? '')).toMatchObject({ errors: [{ code: 'malformed' }] });
    }
  });
});

describe('authentication', () => {
  it('asks for a token, before anything else about the request', async () => {
    const { status, headers, error } = await ask(createVault().handler, {
      ...CREATE,
      body: 'not even JSON',
      headers: { authorization: undefined },
    });
    expect(status).toBe(401);
    expect(error.errors[0]?.code).toBe('unauthenticated');
    expect(headers['www-authenticate']).toBe('Bearer');
  });

  it('refuses a token that another key signed', async () => {
    const forged = await issuer.token({}, await signingKey('first'));
    const { status, headers } = await ask(getVault(), { headers: { authorization: `Bearer ${forged}` } });
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  it('refuses a token that names nobody', async () => {
    const nobody = await issuer.token({ sub: undefined } as unknown as Record<string, string>);
    expect((await ask(getVault(), { headers: { authorization: `Bearer ${nobody}` } })).status).toBe(401);
  });

  it('answers 503 when the issuer cannot be asked', async () => {
    const verify = () => Promise.reject(new Fault('busy', 'The issuer is away.', { retryAfter: 5 }));
    const { status, headers } = await ask(handlerOf({ GetVault: () => Promise.resolve({ body: VAULT }) }, { verify }));
    expect([status, headers['retry-after']]).toEqual([503, '5']);
  });
});

describe('conditions', () => {
  const update = (seen: unknown[] = []) =>
    handlerOf({
      UpdateVault: (call) => {
        seen.push(call.ifMatch);
        requireMatch(call.ifMatch, etagOf(ID, 1));
        return Promise.resolve({ body: VAULT });
      },
    });
  const UPDATE = { route: 'PATCH /api/v4/vaults/{id}', body: { name: 'new' } };

  it('are required where the contract says so: 428, before the body is judged, after the token', async () => {
    const headers = { 'if-match': undefined };
    const { status, error } = await ask(update(), { ...UPDATE, body: 'not JSON', headers });
    expect(status).toBe(428);
    expect(error.errors[0]?.target).toEqual({ type: 'header', name: 'If-Match' });
    expect((await ask(update(), { ...UPDATE, headers: { ...headers, authorization: undefined } })).status).toBe(401);
  });

  it('that no longer hold are 412', async () => {
    const seen: unknown[] = [];
    expect((await ask(update(seen), { ...UPDATE, headers: { 'if-match': etagOf(ID, 1) } })).status).toBe(200);
    expect((await ask(update(seen), { ...UPDATE, headers: { 'if-match': '*' } })).status).toBe(200);
    expect((await ask(update(seen), { ...UPDATE, headers: { 'if-match': `W/${etagOf(ID, 1)}` } })).status).toBe(412);
    expect((await ask(update(seen), { ...UPDATE, headers: { 'if-match': '"old", "older"' } })).status).toBe(412);
    expect(seen).toEqual([[etagOf(ID, 1)], '*', [], ['"old"', '"older"']]);
  });

  it('that cannot be read are 400', async () => {
    const { status, error } = await ask(update(), { ...UPDATE, headers: { 'if-match': 'v1' } });
    expect([status, error.errors[0]?.code]).toEqual([400, 'invalid_header']);
  });

  it('and an Idempotency-Key must be readable', async () => {
    for (const key of ['', 'a b', 'x'.repeat(129), 'ä']) {
      const { status, error } = await ask(createVault().handler, { ...CREATE, headers: { 'idempotency-key': key } });
      expect([status, error.errors[0]?.code]).toEqual([400, 'invalid_header']);
    }
  });
});

describe('a body', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/merge-patch+json',
    'APPLICATION/JSON;charset="UTF-8"',
  ])('may be %s', async (type) => {
    expect((await ask(createVault().handler, { ...CREATE, headers: { 'content-type': type } })).status).toBe(201);
  });

  it.each([
    undefined,
    '',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=utf-16',
    'text/json+x',
  ])('may not be %s: 415', async (type) => {
    expect((await ask(createVault().handler, { ...CREATE, headers: { 'content-type': type } })).status).toBe(415);
  });

  it('is not needed by a DELETE, with or without a type', async () => {
    const handler = handlerOf({ DeleteVault: () => Promise.resolve({}) });
    const route = 'DELETE /api/v4/vaults/{id}';
    expect((await ask(handler, { route })).status).toBe(204);
    expect((await ask(handler, { route, headers: { 'content-type': 'application/json' } })).status).toBe(204);
    expect((await ask(handler, { route, body: {} })).status).toBe(204);
    expect((await ask(handler, { route, body: { force: true } })).status).toBe(400);
  });

  it('that is missing is 400', async () => {
    const { status, error } = await ask(createVault().handler, { route: CREATE.route });
    expect([status, error.errors[0]?.code, error.errors[0]?.message]).toEqual([
      400,
      'malformed',
      'This request needs a JSON body.',
    ]);
  });

  it('is read from base64', async () => {
    const { handler, calls } = createVault();
    const body = Buffer.from('{"name":"production","description":"für Ädä"}').toString('base64');
    expect((await ask(handler, { ...CREATE, body, base64: true })).status).toBe(201);
    expect(calls[0]?.body.description).toBe('für Ädä');
  });

  it.each([
    ['malformed JSON', '{"name":', 400],
    ['two values', '{} {}', 400],
    ['an array', '[]', 400],
    ['null', 'null', 400],
    ['nested too deep', '['.repeat(40) + ']'.repeat(40), 400],
    ['with __proto__', '{"name":"v","__proto__":{"x":1}}', 400],
    ['with constructor', '{"name":"v","constructor":{"prototype":{}}}', 400],
    ['over 1 MB', JSON.stringify({ name: 'v', description: 'x'.repeat(1_048_576) }), 413],
  ])('that is %s is refused', async (_name, body, expected) => {
    const { status, error } = await ask(createVault().handler, { ...CREATE, body });
    expect(status).toBe(expected);
    expect(error.errors).toHaveLength(1);
  });

  it('that is no UTF-8 is refused', async () => {
    const body = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString('base64');
    const { status, error } = await ask(createVault().handler, { ...CREATE, body, base64: true });
    expect([status, error.errors[0]?.message]).toEqual([400, 'The body is not valid UTF-8.']);
  });

  it('of a GET is nobody’s business', async () => {
    expect((await ask(getVault(), { body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(200);
  });
});

describe('a header or body of the greatest size there may be', () => {
  it('is taken, and one byte or character more is not', async () => {
    const { handler, calls } = createVault();
    const sent = async (headers: Record<string, string>, body: Asked['body'] = CREATE.body) =>
      (await ask(handler, { ...CREATE, headers, body })).status;
    const bodyOf = (bytes: number) => JSON.stringify({ name: 'v' }).padEnd(bytes, ' ');
    expect(await sent({}, bodyOf(1_048_576))).toBe(201);
    expect(await sent({}, bodyOf(1_048_577))).toBe(413);
    expect(await sent({ 'idempotency-key': 'k'.repeat(128) })).toBe(201);
    expect(await sent({ 'idempotency-key': 'k'.repeat(129) })).toBe(400);
    const authorization = `Bearer ${token}`;
    expect(await sent({ authorization: authorization.replace(' ', ' '.repeat(8193 - authorization.length)) })).toBe(
      201,
    );
    expect(await sent({ authorization: authorization.replace(' ', ' '.repeat(8194 - authorization.length)) })).toBe(
      401,
    );
    expect(await sent({ 'if-match': '"a"'.padEnd(10_240) })).toBe(201);
    expect(await sent({ 'if-match': '"a"'.padEnd(10_241) })).toBe(400);
    expect(calls).toHaveLength(4);
  });

  it('of a correlation id is carried on; of a longer one nothing is', async () => {
    const { handler, calls } = createVault();
    for (const size of [128, 129]) await ask(handler, { ...CREATE, headers: { 'x-correlation-id': 'c'.repeat(size) } });
    expect(calls.map(({ correlationId }) => correlationId.startsWith('ccc'))).toEqual([true, false]);
  });
});

describe('the deadline', () => {
  it('aborts the signal while there is time to answer, with a fault as its reason', async () => {
    const handler = handlerOf({
      GetVault: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    });
    const { status, error, headers } = await ask(handler, {}, inTime(1550));
    expect([status, error.errors[0]?.code, headers['retry-after']]).toEqual([503, 'busy', '10']);
  });

  it('answers even for a handler that does not listen', async () => {
    const handler = handlerOf({ GetVault: () => new Promise<never>(() => undefined) });
    expect((await ask(handler, {}, inTime(450))).status).toBe(503);
  });

  it('takes an aborted call for late, not for broken', async () => {
    const handler = handlerOf({
      GetVault: async ({ signal }) => {
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
        throw new DOMException('This operation was aborted', 'AbortError');
      },
    });
    expect((await ask(handler, {}, inTime(1550))).status).toBe(503);
  });
});

describe('the attempt', () => {
  function recording(routes: Routes = {}) {
    const attempts: Attempt[] = [];
    const handler = handlerOf(routes, {
      onAttempt: (attempt) => {
        attempts.push(attempt);
        return Promise.resolve();
      },
    });
    return { handler, attempts };
  }
  const DELETE = { route: 'DELETE /api/v4/vaults/{id}' };

  it('is told once for each finished mutating request, whatever became of it', async () => {
    const { handler, attempts } = recording({
      DeleteVault: () => Promise.reject(new Fault('in_use', 'It has keys.')),
      CreateVault: () => Promise.resolve({ body: VAULT }),
      UpdateVault: () => Promise.reject(new Error('broken')),
    });
    await ask(handler, { ...DELETE, headers: { authorization: undefined } });
    await ask(handler, { ...DELETE, headers: { 'if-match': undefined } });
    await ask(handler, { ...DELETE, headers: { 'x-correlation-id': 'trace-1', 'uko-vault': 'other' } });
    await ask(handler, CREATE);
    await ask(handler, { route: 'PATCH /api/v4/vaults/{id}', body: {} });
    expect(attempts.map(({ operation, outcome, status, fault }) => [operation, outcome, status, fault?.code])).toEqual([
      ['DeleteVault', 'refused', 401, 'unauthenticated'],
      ['DeleteVault', 'refused', 428, 'precondition_required'],
      ['DeleteVault', 'refused', 409, 'in_use'],
      ['CreateVault', 'success', 201, undefined],
      ['UpdateVault', 'failed', 500, 'internal'],
    ]);
    expect(attempts[0]).toMatchObject({ caller: undefined, origin: { ip: '203.0.113.7' } });
    expect(attempts[2]).toMatchObject({
      caller: { subject: 'ada' },
      id: ID,
      correlationId: 'trace-1',
      vaultHeader: 'other',
      dryRun: false,
    });
  });

  it('is not told of reads and of unknown paths', async () => {
    const { handler, attempts } = recording({ GetVault: () => Promise.resolve({ body: VAULT }) });
    await ask(handler);
    await ask(handler, { route: '$default' });
    expect(attempts).toEqual([]);
  });

  it('that cannot be recorded is logged and changes no answer', async () => {
    const error = vi.fn();
    const onAttempt = () => Promise.reject(new Error('no table'));
    const { handler } = createVault({ onAttempt, log: { ...quiet, error } });
    expect((await ask(handler, CREATE)).status).toBe(201);
    expect(error).toHaveBeenCalledOnce();
  });
});

describe('the log', () => {
  it('has one line a request, without query values, bodies and tokens', async () => {
    const lines: unknown[] = [];
    const write = (message: string, fields: unknown) => lines.push([message, fields]);
    const { handler } = createVault({ log: { info: write, warn: write, error: write } });
    await ask(handler, {
      ...CREATE,
      query: 'secret=hunter2',
      body: { name: 'hunter2' },
      headers: { 'x-correlation-id': 't' },
    });
    expect(lines).toEqual([
      [
        'request',
        {
          operation: 'CreateVault',
          status: 400,
          duration_ms: expect.any(Number) as number,
          subject: 'ada',
          fault: 'unknown_parameter',
          correlation_id: 't',
        },
      ],
    ]);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(JSON.stringify(lines)).not.toContain(token);
  });

  it('is Powertools’ own where none is handed in', async () => {
    const written = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const handler = serve(
      { GetVault: () => Promise.resolve({ body: VAULT }) },
      { config: { issuer: issuer.url, audience: 'shearline', rolesClaim: 'roles', publicUrl: undefined } },
    );
    expect((await ask(handler)).status).toBe(200);
    const [line] = written.mock.calls.map(([text]) => String(text)).filter((text) => text.startsWith('{'));
    expect(JSON.parse(line ?? '')).toMatchObject({
      level: 'INFO',
      message: 'request',
      service: 'shearline',
      operation: 'GetVault',
      status: 200,
    });
  });
});

describe('the environment', () => {
  it('that is not usable is our fault, answered and logged, and looked at again next time', async () => {
    const error = vi.fn();
    const handler = serve({ GetVault: () => Promise.resolve({ body: VAULT }) }, { log: { ...quiet, error } });
    vi.stubEnv('OIDC_ISSUER', '');
    expect((await ask(handler)).status).toBe(500);
    expect(String((error.mock.calls[0]?.[1] as { error: unknown }).error)).toContain('OIDC_ISSUER must be set');
    vi.stubEnv('OIDC_ISSUER', issuer.url);
    vi.stubEnv('OIDC_AUDIENCE', 'shearline');
    vi.stubEnv('CUSTODY_KEY_ID', 'alias/custody');
    expect((await ask(handler)).status).toBe(200);
    vi.unstubAllEnvs();
  });
});
