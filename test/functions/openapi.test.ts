import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { handler, ROUTES } from '../../functions/openapi.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';

beforeAll(() => {
  vi.stubEnv('OIDC_ISSUER', 'https://login.example');
  vi.stubEnv('OIDC_AUDIENCE', 'shearline');
  vi.stubEnv('CUSTODY_KEY_ID', 'alias/custody');
});

function get(path: string, headers: Readonly<Record<string, string>> = {}, stage = '') {
  return handler({
    routeKey: `GET /api/v4/${path}`,
    rawPath: `${stage}/api/v4/${path}`,
    headers: { Host: 'keys.example.org', ...headers },
    requestContext: { http: { method: 'GET' } },
  });
}

describe('GET openapi.json', () => {
  it('describes every operation, to anybody, at the address that was asked', async () => {
    const { statusCode, headers, body } = await get('openapi.json', {}, '/prod');
    expect([statusCode, headers?.['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
    const document = JSON.parse(body ?? '') as { servers: object; paths: Record<string, object> };
    expect(document.servers).toEqual([{ url: 'https://keys.example.org/prod' }]);
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods) as object[]);
    expect(operations).toHaveLength(Object.keys(OPERATIONS).length);
  });

  it('names the public address where one is configured', async () => {
    vi.stubEnv('PUBLIC_URL', 'https://public.example');
    expect(JSON.parse((await get('openapi.json')).body ?? '')).toMatchObject({
      servers: [{ url: 'https://public.example' }],
    });
    vi.stubEnv('PUBLIC_URL', '');
  });

  it('is compressed for those who take it so, and not sent again to those who have it', async () => {
    const plain = await get('openapi.json');
    const small = await get('openapi.json', { 'Accept-Encoding': 'br, gzip' });
    expect(small.headers?.['content-encoding']).toBe('gzip');
    expect(gunzipSync(Buffer.from(small.body ?? '', 'base64')).toString()).toBe(plain.body);
    const again = await get('openapi.json', { 'If-None-Match': String(plain.headers?.['etag']) });
    expect([again.statusCode, again.body]).toEqual([304, undefined]);
  });
});

describe('GET docs', () => {
  it('is a page that loads only what is served beside it', async () => {
    const { statusCode, headers, body = '' } = await get('docs');
    expect([statusCode, headers?.['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const links = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    const routes = links.filter((link) => link !== 'data:,').map((link) => `GET /api/v4/${link}`);
    expect(routes.length).toBeGreaterThan(2);
    for (const route of routes) expect(Object.keys(ROUTES)).toContain(route);
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style|\bon[a-z]+=|https?:/);
  });

  it('may run nothing inline, load nothing from elsewhere and be framed by nobody', async () => {
    const policy = String((await get('docs')).headers?.['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  it('serves the library that it needs, from its package', async () => {
    const script = await get('docs/swagger-ui-bundle.js');
    expect([script.statusCode, script.headers?.['content-type']]).toEqual([200, 'text/javascript; charset=utf-8']);
    expect(script.body).toContain('SwaggerUIBundle');
    const style = await get('docs/swagger-ui.css');
    expect([style.statusCode, style.headers?.['content-type']]).toEqual([200, 'text/css; charset=utf-8']);
    // An answer of Lambda may have 6 MB.
    expect((script.body ?? '').length).toBeLessThan(5_000_000);
  });

  it('starts the library with the document beside it and tells no validator elsewhere', async () => {
    const { body } = await get('docs/start.js');
    expect(body).toContain("url: 'openapi.json'");
    expect(body).toContain('validatorUrl: null');
  });
});

it('whatever else is asked is the contract’s 404', async () => {
  const answer = await get('docs/../secrets');
  expect([answer.statusCode, JSON.parse(answer.body ?? '')]).toMatchObject([404, { errors: [{ code: 'not_found' }] }]);
  expect((await handler(undefined)).statusCode).toBe(400);
});

describe('GET keystore_types', () => {
  it('needs a token', async () => {
    expect(await get('keystore_types')).toMatchObject({ statusCode: 401 });
  });
});
