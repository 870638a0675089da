import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK } from 'jose';
import type { CryptoKey } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tokenVerifier } from '../../lib/access/token.ts';
import type { TokenRules, TokenVerifier } from '../../lib/access/token.ts';
import { Fault } from '../../lib/fault.ts';
import { Issuer, signingKey } from './issuer.ts';

let issuer: Issuer;
let verify: TokenVerifier;

function verifier(rules: Partial<TokenRules> = {}): TokenVerifier {
  return tokenVerifier({ issuer: issuer.url, audience: 'shearline', clock: () => new Date(), ...rules });
}

beforeEach(async () => {
  issuer = await Issuer.start();
  verify = verifier();
});

afterEach(async () => {
  await issuer.stop();
});

async function refusal(authorization: string | undefined, by: TokenVerifier = verify): Promise<Fault> {
  try {
    await by(authorization);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('The token was taken.');
}

const bearer = (token: string) => `Bearer ${token}`;
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe('a good token', () => {
  it('answers its claims', async () => {
    expect(await verify(bearer(await issuer.token({ roles: ['manager'] })))).toMatchObject({
      sub: 'ada',
      roles: ['manager'],
    });
  });

  it.each(['RS256', 'PS384', 'ES384', 'EdDSA'])('may be signed with %s', async (alg) => {
    const key = await signingKey('k', alg);
    issuer.keys = [key];
    await expect(verify(bearer(await issuer.token({}, key)))).resolves.toMatchObject({ sub: 'ada' });
  });

  it('may name several audiences, and the scheme in any case', async () => {
    await expect(verify(`bearer ${await issuer.token({ aud: ['other', 'shearline'] })}`)).resolves.toBeDefined();
  });

  it('may be a minute off', async () => {
    await expect(verify(bearer(await issuer.token({ exp: inSeconds(-50) })))).resolves.toBeDefined();
    await expect(verify(bearer(await issuer.token({ nbf: inSeconds(50) })))).resolves.toBeDefined();
  });

  it('costs the issuer one discovery and one fetch of keys in all', async () => {
    const token = bearer(await issuer.token());
    await Promise.all([verify(token), verify(token), verify(token)]);
    await verify(token);
    expect(issuer.asked).toEqual({ discovery: 1, keys: 1 });
  });
});

describe('a bad token is unauthenticated:', () => {
  it.each([
    ['none', undefined],
    ['empty', ''],
    ['another scheme', 'Basic YWRhOmxvdmVsYWNl'],
    ['no token', 'Bearer'],
    ['no JWT', 'Bearer abc'],
    ['an encrypted one', 'Bearer a.b.c.d.e'],
    ['two', 'Bearer a.b.c d.e.f'],
    ['oversized', `Bearer ${'a'.repeat(8200)}.b.c`],
    ['garbage in the shape of one', 'Bearer e30.e30.e30'],
  ])('%s', async (_name, authorization) => {
    expect((await refusal(authorization)).code).toBe('unauthenticated');
    expect(issuer.asked).toEqual({ discovery: 0, keys: 0 });
  });

  it('not signed at all (alg none)', async () => {
    const claims = part({ iss: issuer.url, aud: 'shearline', sub: 'eve', exp: inSeconds(60) });
    for (const token of [`${part({ alg: 'none' })}.${claims}.`, `${part({ alg: 'none' })}.${claims}.e30`]) {
      expect((await refusal(bearer(token))).code).toBe('unauthenticated');
    }
  });

  it('signed with HS256 and the public key as the secret', async () => {
    const publicKey = (await importJWK({ ...issuer.key.jwk, ext: true }, 'ES256')) as CryptoKey;
    const secret = await exportSPKI(publicKey);
    const head = part({ alg: 'HS256', kid: 'first' });
    const signed = `${head}.${part({ iss: issuer.url, aud: 'shearline', sub: 'eve', exp: inSeconds(60) })}`;
    const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
    expect((await refusal(bearer(token))).message).toMatch(/algorithm/);
  });

  it('changed after it was signed', async () => {
    const [head = '', , signature = ''] = (await issuer.token()).split('.');
    const claims = part({ iss: issuer.url, aud: 'shearline', sub: 'eve', exp: inSeconds(60) });
    expect((await refusal(bearer(`${head}.${claims}.${signature}`))).message).toMatch(/signature/);
  });

  it('signed with a key of its own that it brings along', async () => {
    const own = await signingKey('first');
    expect((await refusal(bearer(await issuer.token({}, own)))).message).toMatch(/signature/);
    const stranger = await signingKey('stranger');
    expect((await refusal(bearer(await issuer.token({}, stranger)))).message).toMatch(/does not list/);
  });

  it.each([
    ['of another issuer', { iss: 'https://evil.example' }, /another issuer/],
    ['for another audience', { aud: 'other' }, /another audience/],
    ['without audience', { aud: undefined }, /another audience/],
    ['expired', { exp: inSeconds(-61) }, /expired/],
    ['without expiry', { exp: undefined }, /no expiry/],
    ['not valid yet', { nbf: inSeconds(90) }, /not valid yet/],
  ])('%s', async (_name, claims, message) => {
    const fault = await refusal(bearer(await issuer.token(claims as Record<string, string>)));
    expect(fault.code).toBe('unauthenticated');
    expect(fault.message).toMatch(message);
    // Neither what was expected nor the token itself.
    expect(fault.message).not.toContain(issuer.url);
    expect(fault.cause).toBeUndefined();
  });

  it('judged by the clock that was handed in', async () => {
    const token = bearer(await issuer.token());
    const later = verifier({ clock: () => new Date(Date.now() + 2 * 3600 * 1000) });
    expect((await refusal(token, later)).message).toMatch(/expired/);
  });
});

describe('keys that rotate', () => {
  it('are fetched again for a key id not known yet', async () => {
    verify = verifier({ cooldown: 0 });
    await verify(bearer(await issuer.token()));
    const second = await signingKey('second');
    issuer.keys = [second];
    await expect(verify(bearer(await issuer.token({}, second)))).resolves.toBeDefined();
    expect(issuer.asked.keys).toBe(2);
  });

  it('make forged key ids cost the issuer one fetch in a cooldown', async () => {
    await verify(bearer(await issuer.token()));
    for (const kid of ['x1', 'x2', 'x3']) await refusal(bearer(await issuer.token({}, await signingKey(kid))));
    expect(issuer.asked.keys).toBe(1);
  });

  it('stop being good when the cache has aged', async () => {
    verify = verifier({ cooldown: 0, cacheMaxAge: 0 });
    const token = bearer(await issuer.token());
    await verify(token);
    issuer.keys = [await signingKey('second')];
    expect((await refusal(token)).code).toBe('unauthenticated');
  });
});

describe('an issuer that cannot be asked', () => {
  it('is our trouble, not the token’s: 503 with Retry-After', async () => {
    const token = bearer(await issuer.token());
    issuer.down = true;
    const fault = await refusal(token);
    expect([fault.code, fault.status, fault.retryAfter]).toEqual(['busy', 503, 5]);
  });

  it('is not asked again at once, and is found again when it is back', async () => {
    verify = verifier({ cooldown: 30 });
    const token = bearer(await issuer.token());
    issuer.down = true;
    await refusal(token);
    issuer.down = false;
    expect((await refusal(token)).code).toBe('busy');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await expect(verify(token)).resolves.toBeDefined();
  });

  it('does not lock out tokens whose keys are known, whatever forgers send', async () => {
    verify = verifier({ cooldown: 0 });
    const good = bearer(await issuer.token());
    await verify(good);
    issuer.down = true;
    expect((await refusal(bearer(await issuer.token({}, await signingKey('forged'))))).code).toBe('busy');
    await expect(verify(good)).resolves.toBeDefined();
  });

  it.each([
    ['is of another issuer', { issuer: 'https://evil.example', jwks_uri: 'https://evil.example/jwks' }],
    ['has no keys', {}],
    ['leads elsewhere than to the web', { jwks_uri: 'file:///etc/passwd' }],
  ])('as one whose discovery %s', async (_name, discovery) => {
    issuer.discovery = { issuer: issuer.url, ...discovery };
    expect((await refusal(bearer(await issuer.token()))).code).toBe('busy');
  });
});
