import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { AUDIENCE, ROLES, startIssuer } from '../../sandbox/issuer.ts';
import type { LocalIssuer } from '../../sandbox/issuer.ts';

const TOKENS = z.object({
  access_token: z.string(),
  id_token: z.optional(z.string()),
  refresh_token: z.optional(z.string()),
});
const DISCOVERY = z.object({
  issuer: z.string(),
  jwks_uri: z.string(),
  token_endpoint: z.string(),
  authorization_endpoint: z.string(),
});

let issuer: LocalIssuer;
beforeEach(async () => {
  issuer = await startIssuer();
});
afterEach(async () => {
  await issuer.close();
});

async function verified(token: string, audience = AUDIENCE) {
  const discovery = await discover();
  const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
  return (await jwtVerify(token, keys, { issuer: discovery.issuer, audience })).payload;
}

async function discover() {
  return DISCOVERY.parse(await (await fetch(`${issuer.url}/.well-known/openid-configuration`)).json());
}

async function tokensFor(form: Record<string, string>) {
  const { token_endpoint } = await discover();
  return TOKENS.parse(await (await fetch(token_endpoint, { method: 'POST', body: new URLSearchParams(form) })).json());
}

describe('the local issuer', () => {
  test('is found by its own URL, on the loopback interface', async () => {
    expect(issuer.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await discover()).issuer).toBe(issuer.url);
  });

  test('mints tokens with subject, roles and audience', async () => {
    const token = await issuer.mint({ subject: 'ann', roles: ['reader', 'key_custodian_creator@vault-1'] });
    expect(await verified(token)).toMatchObject({
      sub: 'ann',
      iss: issuer.url,
      roles: ['reader', 'key_custodian_creator@vault-1'],
    });
  });

  test('mints expired tokens on request', async () => {
    const token = await issuer.mint({ subject: 'ann', roles: [], expiresIn: -60 });
    await expect(verified(token)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
  });

  test('client_credentials: the roles of the scope, or all', async () => {
    const some = await tokensFor({
      grant_type: 'client_credentials',
      client_id: 'job',
      scope: 'openid reader manager@v1',
    });
    expect(await verified(some.access_token)).toMatchObject({ sub: 'job', roles: ['reader', 'manager@v1'] });
    const all = await tokensFor({ grant_type: 'client_credentials', client_id: 'job' });
    expect(await verified(all.access_token)).toMatchObject({ roles: [...ROLES] });
  });

  test('authorization code with PKCE: who logged in, with which roles, in both tokens', async () => {
    const verifier = randomBytes(48).toString('base64url');
    const { authorization_endpoint } = await discover();
    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: 'console',
      redirect_uri: 'http://127.0.0.1:9/callback',
      scope: 'openid reader',
      login_hint: 'bob',
      state: 's',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const answer = await fetch(`${authorization_endpoint}?${asked.toString()}`, { redirect: 'manual' });
    const back = new URL(answer.headers.get('location') ?? '');
    expect(back.searchParams.get('state')).toBe('s');
    const form = {
      grant_type: 'authorization_code',
      client_id: 'console',
      redirect_uri: 'http://127.0.0.1:9/callback',
      code: back.searchParams.get('code') ?? '',
      code_verifier: verifier,
    };
    const tokens = await tokensFor(form);
    expect(await verified(tokens.access_token)).toMatchObject({ sub: 'bob', roles: ['reader'] });
    expect(await verified(tokens.id_token ?? '', 'console')).toMatchObject({ sub: 'bob' });
    const again = await tokensFor({
      grant_type: 'refresh_token',
      client_id: 'console',
      refresh_token: tokens.refresh_token ?? '',
    });
    expect(await verified(again.access_token)).toMatchObject({ sub: 'bob', roles: ['reader'] });
  });

  test('its tokens survive a restart with the same key file, which only its owner may read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shearline-issuer-'));
    try {
      const keyFile = join(folder, 'issuer.json');
      await issuer.close();
      issuer = await startIssuer({ keyFile });
      const token = await issuer.mint({ subject: 'ann', roles: ['reader'] });
      const port = Number(new URL(issuer.url).port);
      await issuer.close();
      issuer = await startIssuer({ port, keyFile });
      expect(await verified(token)).toMatchObject({ sub: 'ann' });
      expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
