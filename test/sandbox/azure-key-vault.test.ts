import { constants, createHash, createPublicKey, publicEncrypt, randomBytes, verify } from 'node:crypto';
import type { JsonWebKey } from '@azure/keyvault-keys';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AZURE_KEY_RULES } from '../../lib/drivers/azure-key-vault/kind.ts';
import { jwkOf } from '../../lib/drivers/azure-key-vault/private-key.ts';
import { privateKeyOf, publicKeyOf } from '../../lib/drivers/azure-key-vault/public-key.ts';
import { transferBlob } from '../../lib/drivers/azure-key-vault/transfer.ts';
import { startAzureKeyVaultSandbox } from '../../sandbox/azure-key-vault/server.ts';
import { pointSignature, sequenceSignature } from '../../sandbox/azure-key-vault/signature-form.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { startControl } from '../../sandbox/control.ts';
import type { Control } from '../../sandbox/control.ts';
import { makeMaterial } from '../drivers/aws-material.ts';
import { clientOf } from '../drivers/azure-sandbox.ts';
import { APPLICATION, given, HOST, LOOKER, TENANT, useVaults } from './azure-vault.ts';

const vaults = useVaults();
const V = 'api-version=2025-07-01';
const { ask } = vaults;
let count = 0;
const freshName = () => `key-${(count += 1)}-${randomBytes(3).toString('hex')}`;
const create = (name: string, body: unknown = { kty: 'EC', crv: 'P-256' }, host = HOST) =>
  ask('POST', `/keys/${name}/create?${V}`, { body, host });
const attributesOf = (answer: { body: Readonly<Record<string, unknown>> }) =>
  answer.body['attributes'] as Record<string, unknown>;
const keyOf = (answer: { body: Readonly<Record<string, unknown>> }) => answer.body['key'] as Record<string, unknown>;

/** "Authentication, requests and responses"; "Azure Key Vault REST API error codes". */
describe('who may ask', () => {
  it('is asked for a token, with where to get one, before anything else is looked at', async () => {
    const answer = await ask('PUT', '/keys/anything', { authorization: '', body: 'whatever' });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer authorization="https://login.microsoftonline.com/${TENANT}", resource="https://vault.azure.net"`,
    );
    expect(answer.codes[0]).toBe('Unauthorized');
  });

  it.each([
    ['of nobody', 'Bearer nonsense', /AKV10002/],
    ['with claims changed', 'tampered', /AKV10002/],
    ['for another audience', 'graph', /AKV10022/],
  ] as const)('does not with a token %s', async (_name, how, message) => {
    let authorization: string = how;
    if (how === 'tampered') {
      const [header, body = '', mac] = String((await vaults.token()).body['access_token']).split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
      const forged = Buffer.from(JSON.stringify({ ...claims, exp: 9_999_999_999 })).toString('base64url');
      authorization = `Bearer ${String(header)}.${forged}.${String(mac)}`;
    }
    if (how === 'graph') {
      authorization = `Bearer ${String((await vaults.token({ scope: 'https://graph.microsoft.com/.default' })).body['access_token'])}`;
    }
    const answer = await ask('GET', `/keys?${V}`, { authorization });
    expect(answer.status).toBe(401);
    expect((answer.body['error'] as { message: string }).message).toMatch(message);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('does not in a vault of another tenant', async () => {
    const answer = await ask('GET', `/keys?${V}`, { host: 'other-tenant.vault.azure.net' });
    expect((answer.body['error'] as { message: string }).message).toMatch(/AKV10032/);
  });

  it('may do what the permissions say, and learns which one is missing', async () => {
    const token = await vaults.token({ client_id: LOOKER.clientId, client_secret: LOOKER.clientSecret });
    const authorization = `Bearer ${String(token.body['access_token'])}`;
    expect((await ask('GET', `/keys?${V}`, { authorization })).status).toBe(200);
    const refused = await ask('POST', `/keys/x/create?${V}`, { authorization, body: { kty: 'EC' } });
    expect(refused).toMatchObject({ status: 403, codes: ['Forbidden', 'ForbiddenByPolicy'] });
    expect((refused.body['error'] as { message: string }).message).toContain('keys create permission');
  });

  it.each([
    [{ client_secret: 'wrong' }, TENANT, 401, 'invalid_client', 7000215],
    [{ client_id: 'nobody' }, TENANT, 400, 'unauthorized_client', 700016],
    [{}, 'nowhere', 400, 'invalid_request', 90002],
    [{ grant_type: 'password' }, TENANT, 400, 'unsupported_grant_type', 70003],
    [{ scope: 'vault' }, TENANT, 400, 'invalid_scope', 1002012],
  ])('gets no token with %j in %s', async (changes, tenant, status, error, code) => {
    const answer = await vaults.token(changes, tenant);
    expect(answer).toMatchObject({ status, body: { error, error_codes: [code] } });
  });

  it('gets a token for an hour', async () => {
    expect((await vaults.token()).body).toMatchObject({ token_type: 'Bearer', expires_in: 3599 });
  });

  it('finds no vault that does not exist: its name leads nowhere', async () => {
    await expect(ask('GET', `/keys?${V}`, { host: 'nobody.vault.azure.net' })).rejects.toThrow();
  });
});

describe('requests', () => {
  it.each([
    ['GET', '/keys', 400, 'BadParameter'],
    ['GET', '/keys?api-version=1.0', 400, 'BadParameter'],
    ['GET', `/keys?${V}&maxresults=26`, 400, 'BadParameter'],
    ['GET', `/keys?${V}&$skiptoken=nonsense`, 400, 'BadParameter'],
    ['GET', `/keys/under_score?${V}`, 400, 'BadParameter'],
    ['GET', `/keys/x/notaversion?${V}`, 400, 'BadParameter'],
    ['GET', `/keys/nothing?${V}`, 404, 'KeyNotFound'],
    ['GET', `/deletedkeys/nothing?${V}`, 404, 'KeyNotFound'],
    ['GET', `/certificates?${V}`, 404, 'NotFound'],
    ['POST', `/keys/x/create?${V}`, 400, 'BadParameter'],
  ])('%s %s is %i %s', async (method, path, status, code) => {
    const answer = await ask(method, path);
    expect(answer).toMatchObject({ status, codes: [code, undefined] });
    expect(answer.headers.get('x-ms-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each(['7.0', '7.5', '7.6', '2016-10-01', '2025-07-01'])('of the API version %s are answered', async (version) => {
    expect((await ask('GET', `/keys?api-version=${version}`)).status).toBe(200);
  });
});

/** "Create Key", "Get Key", "Update Key", "Get Key Versions" of the REST reference. */
describe('keys', () => {
  it('are made with what was asked for, and Azure’s defaults for the rest', async () => {
    const name = freshName();
    const made = await create(name, { kty: 'RSA', key_size: 2048, tags: { team: 'payments' } });
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({
      key: { kty: 'RSA', key_ops: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'], e: 'AQAB' },
      attributes: { enabled: true, recoverableDays: 90, recoveryLevel: 'Recoverable+Purgeable' },
      tags: { team: 'payments' },
    });
    expect(keyOf(made)['kid']).toMatch(new RegExp(`^https://${HOST}/keys/${name}/[0-9a-f]{32}$`));
    expect(keyOf(made)).not.toHaveProperty('d');
    expect((await ask('GET', `/keys/${name.toUpperCase()}/?${V}`)).body).toEqual(made.body);
  });

  it.each([
    [{ kty: 'oct', key_size: 256 }],
    [{ kty: 'RSA', key_size: 1024 }],
    [{ kty: 'EC', crv: 'P-192' }],
    [{ kty: 'EC', key_ops: ['encrypt'] }],
    [{ kty: 'RSA', key_ops: ['import'] }],
    [{ kty: 'RSA-HSM', key_ops: ['import', 'sign'] }],
    [{ kty: 'EC', tags: Object.fromEntries(Array.from({ length: 16 }, (_each, n) => [`t${n}`, ''])) }],
    [{ kty: 'EC', tags: { long: 'x'.repeat(257) } }],
    [{ kty: 'EC', attributes: { nbf: 2_000_000_000, exp: 1_900_000_000 } }],
  ])('cannot be %j', async (body) => {
    expect(await create(freshName(), body)).toMatchObject({ status: 400, codes: ['BadParameter', undefined] });
  });

  it('of the HSM need a premium vault', async () => {
    const host = 'standard-vault.vault.azure.net';
    expect((await create(freshName(), { kty: 'EC-HSM' }, host)).codes[0]).toBe('BadParameter');
    expect((await create(freshName(), { kty: 'EC' }, host)).status).toBe(200);
  });

  it('get a further version when they are made again; each has a state and tags of its own', async () => {
    const name = freshName();
    const first =
      String(keyOf(await create(name))['kid'])
        .split('/')
        .at(-1) ?? '';
    const second = String(keyOf(await create(name, { kty: 'EC', tags: { n: '2' } }))['kid'])
      .split('/')
      .at(-1);
    const patched = await ask('PATCH', `/keys/${name}/${first}?${V}`, { body: { attributes: { enabled: false } } });
    expect(attributesOf(patched)['enabled']).toBe(false);
    const newest = await ask('GET', `/keys/${name}?${V}`);
    expect(keyOf(newest)['kid']).toContain(second);
    expect(attributesOf(newest)['enabled']).toBe(true);
    const { body } = await ask('GET', `/keys/${name}/versions?${V}`);
    expect((body['value'] as unknown[]).length).toBe(2);
    expect(body['nextLink']).toBeNull();
  });

  it('keep what an update does not name, replace their tags whole, and never lose a date again', async () => {
    const name = freshName();
    await create(name, { kty: 'EC', tags: { a: '1', b: '2' }, attributes: { exp: 1_900_000_000 } });
    const patched = await ask('PATCH', `/keys/${name}?${V}`, { body: { tags: { c: '3' }, attributes: { exp: null } } });
    expect(patched.body).toMatchObject({ tags: { c: '3' }, attributes: { enabled: true, exp: 1_900_000_000 } });
    expect(patched.body['tags']).toEqual({ c: '3' });
  });

  it('are rotated by Azure with the same sort and tags', async () => {
    const name = freshName();
    const before = await create(name, { kty: 'EC', crv: 'P-384', tags: { a: '1' } });
    const after = await ask('POST', `/keys/${name}/rotate?${V}`);
    expect(after.body).toMatchObject({ key: { crv: 'P-384' }, tags: { a: '1' } });
    expect(keyOf(after)['x']).not.toBe(keyOf(before)['x']);
  });

  it('are listed 25 a page, without version and type, in an order that goes on where it stopped', async () => {
    const host = 'standard-vault.vault.azure.net';
    for (let n = 0; n < 30; n += 1) await vaults.sandbox.operator.createKey('standard-vault', `listed-${n}`);
    const first = await ask('GET', `/keys?${V}`, { host });
    const items = first.body['value'] as Record<string, unknown>[];
    expect(items).toHaveLength(25);
    expect(Object.keys(items[0] ?? {}).toSorted()).toEqual(['attributes', 'kid']);
    expect(String(items[0]?.['kid']).split('/')).toHaveLength(5);
    const next = new URL(String(first.body['nextLink']));
    expect(next.host).toBe(host);
    await vaults.sandbox.operator.delete({ key: String(items[24]?.['kid']), vault: 'standard-vault' });
    const second = await ask('GET', `${next.pathname}${next.search}`, { host });
    const rest = second.body['value'] as Record<string, unknown>[];
    const names = new Set([...items, ...rest].map(({ kid }) => kid));
    expect(names.size).toBe(items.length + rest.length);
    expect(second.body['nextLink']).toBeNull();
    const small = await ask('GET', `/keys?${V}&maxresults=3`, { host });
    expect(small.body['value']).toHaveLength(3);
  });
});

/** "Azure Key Vault soft-delete overview". */
describe('soft delete', () => {
  const remove = (name: string, host = HOST) => ask('DELETE', `/keys/${name}?${V}`, { host });

  it('keeps a key for the vault’s days, and its name with it', async () => {
    const name = freshName();
    await create(name);
    const deleted = await remove(name);
    expect(deleted.body['recoveryId']).toBe(`https://${HOST}/deletedkeys/${name}`);
    const days = (Number(deleted.body['scheduledPurgeDate']) - Number(deleted.body['deletedDate'])) / 86_400;
    expect(days).toBe(90);
    expect((await ask('GET', `/keys/${name}?${V}`)).codes[0]).toBe('KeyNotFound');
    expect((await ask('GET', `/keys/${name}/versions?${V}`)).body['value']).toEqual([]);
    expect((await create(name)).codes).toEqual(['Conflict', 'ObjectIsDeletedButRecoverable']);
    const listed = (await ask('GET', `/deletedkeys?${V}`)).body['value'] as { kid: string }[];
    expect(listed.map(({ kid }) => kid)).toContain(`https://${HOST}/keys/${name}`);
    expect((await remove(name)).codes[0]).toBe('KeyNotFound');
  });

  it('gives the key back with all versions as they were', async () => {
    const name = freshName();
    await create(name);
    const before = await create(name, { kty: 'EC', tags: { a: '1' } });
    await remove(name);
    const back = await ask('POST', `/deletedkeys/${name}/recover?${V}`);
    expect(back.body).toEqual(before.body);
    expect((await ask('GET', `/keys/${name}/versions?${V}`)).body['value']).toHaveLength(2);
    expect((await ask('GET', `/deletedkeys/${name}?${V}`)).codes[0]).toBe('KeyNotFound');
  });

  it('ends with the days, or by a purge where that is allowed', async () => {
    const [one, other] = [freshName(), freshName()];
    const host = 'standard-vault.vault.azure.net';
    await create(one);
    await create(other, { kty: 'EC' }, host);
    await remove(one);
    await remove(other, host);
    expect((await ask('DELETE', `/deletedkeys/${other}?${V}`, { host })).codes[0]).toBe('Forbidden');
    expect((await ask('DELETE', `/deletedkeys/${one}?${V}`)).status).toBe(204);
    expect((await create(one)).status).toBe(200);
    vaults.clock.advance(7 * 86_400_000 + 1000);
    vaults.sandbox.tick();
    expect((await create(other, { kty: 'EC' }, host)).status).toBe(200);
  });

  it('takes its time where it is told to: meanwhile the key is nowhere, and its name is not free', async () => {
    const name = freshName();
    await create(name);
    vaults.sandbox.settle(60_000);
    await remove(name);
    expect((await ask('GET', `/deletedkeys/${name}?${V}`)).codes[0]).toBe('KeyNotFound');
    expect((await create(name)).codes).toEqual(['Conflict', 'ObjectIsBeingDeleted']);
    expect((await remove(name)).codes).toEqual(['Conflict', 'ObjectIsBeingDeleted']);
    vaults.clock.advance(60_000);
    await ask('POST', `/deletedkeys/${name}/recover?${V}`);
    expect((await ask('GET', `/keys/${name}?${V}`)).codes[0]).toBe('KeyNotFound');
    expect((await create(name)).codes).toEqual(['Conflict', 'ObjectIsBeingRecovered']);
    vaults.clock.advance(60_000);
    expect((await ask('GET', `/keys/${name}?${V}`)).status).toBe(200);
  });
});

/** "Key types, algorithms, and operations"; "Date-time controlled operations". */
describe('cryptography', () => {
  const DATA = Buffer.from('what is signed');
  const digest = (bits: number) => createHash(`sha${bits}`).update(DATA).digest();
  const publicKey = async (name: string) => given(publicKeyOf((await vaults.client.getKey(name)).key ?? {}));

  it('of RSA keys is that of Node', async () => {
    const name = freshName();
    await vaults.client.createRsaKey(name, { keySize: 2048 });
    const key = await publicKey(name);
    const cryptography = vaults.client.getCryptographyClient(name);
    for (const [algorithm, padding, oaepHash] of [
      ['RSA1_5', constants.RSA_PKCS1_PADDING, undefined],
      ['RSA-OAEP', constants.RSA_PKCS1_OAEP_PADDING, 'sha1'],
      ['RSA-OAEP-256', constants.RSA_PKCS1_OAEP_PADDING, 'sha256'],
    ] as const) {
      const ciphertext = publicEncrypt({ key, padding, ...(oaepHash === undefined ? {} : { oaepHash }) }, DATA);
      expect(Buffer.from((await cryptography.decrypt({ algorithm, ciphertext })).result)).toEqual(DATA);
      expect(Buffer.from((await cryptography.unwrapKey(algorithm, ciphertext)).result)).toEqual(DATA);
      const { result } = await cryptography.wrapKey(algorithm, DATA);
      expect(Buffer.from((await cryptography.decrypt({ algorithm, ciphertext: result })).result)).toEqual(DATA);
    }
    for (const bits of [256, 384, 512]) {
      for (const [prefix, padding] of [
        ['RS', constants.RSA_PKCS1_PADDING],
        ['PS', constants.RSA_PKCS1_PSS_PADDING],
      ] as const) {
        const { result } = await cryptography.sign(`${prefix}${bits}`, digest(bits));
        const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
        expect(verify(`sha${bits}`, DATA, { key, padding, saltLength }, result)).toBe(true);
        expect((await cryptography.verify(`${prefix}${bits}`, digest(bits), result)).result).toBe(true);
      }
    }
  });

  it.each([
    ['P-256', 'ES256', 256],
    ['P-256K', 'ES256K', 256],
    ['P-384', 'ES384', 384],
    ['P-521', 'ES512', 512],
  ] as const)('of %s keys is %s, with r and s side by side', async (curve, algorithm, bits) => {
    const name = freshName();
    await vaults.client.createEcKey(name, { curve });
    const cryptography = vaults.client.getCryptographyClient(name);
    const { result } = await cryptography.sign(algorithm, digest(bits));
    const key = await publicKey(name);
    expect(verify(`sha${bits}`, DATA, { key, dsaEncoding: 'ieee-p1363' }, result)).toBe(true);
    expect((await cryptography.verify(algorithm, digest(bits), result)).result).toBe(true);
    expect((await cryptography.verify(algorithm, createHash(`sha${bits}`).digest(), result)).result).toBe(false);
    await expect(cryptography.sign('RS256', digest(256))).rejects.toMatchObject({ code: 'BadParameter' });
  });

  it('writes short numbers of a signature with zeros in front', () => {
    const point = Buffer.concat([Buffer.alloc(31), Buffer.from([5]), Buffer.alloc(30), Buffer.from([0x80, 9])]);
    expect(pointSignature(sequenceSignature(point), 'A'.repeat(43))).toEqual(point);
  });

  it.each([
    ['disabled', { attributes: { enabled: false } }, ['KeyDisabled', 'KeyDisabled']],
    ['expired', { attributes: { exp: 1_500_000_000 } }, ['KeyExpired', undefined]],
    ['not yet valid', { attributes: { nbf: 4_000_000_000 } }, ['KeyNotYetValid', undefined]],
    ['without the operation', { key_ops: ['verify', 'decrypt'] }, ['KeyOperationForbidden', undefined]],
  ] as const)('is refused to a key that is %s, but decryption outside its dates', async (_name, change, codes) => {
    const name = freshName();
    await create(name, { kty: 'RSA' });
    const value = Buffer.alloc(32, 1).toString('base64url');
    const encrypted = await ask('POST', `/keys/${name}/encrypt?${V}`, { body: { alg: 'RSA-OAEP-256', value } });
    await ask('PATCH', `/keys/${name}?${V}`, { body: change });
    const signed = await ask('POST', `/keys/${name}/sign?${V}`, { body: { alg: 'RS256', value } });
    expect(signed.codes[1]).toBe(codes[0]);
    const decrypted = await ask('POST', `/keys/${name}/decrypt?${V}`, {
      body: { alg: 'RSA-OAEP-256', value: encrypted.body['value'] },
    });
    expect(decrypted.codes[1]).toBe(codes[1]);
    if (codes[1] === undefined) expect(decrypted.body['value']).toBe(value);
  });

  it('by another key fails', async () => {
    const [one, other] = [freshName(), freshName()];
    await create(one, { kty: 'RSA' });
    await create(other, { kty: 'RSA' });
    const value = Buffer.from('hello').toString('base64url');
    const encrypted = await ask('POST', `/keys/${one}/encrypt?${V}`, { body: { alg: 'RSA-OAEP', value } });
    const wrong = await ask('POST', `/keys/${other}/decrypt?${V}`, {
      body: { alg: 'RSA-OAEP', value: encrypted.body['value'] },
    });
    expect(wrong.codes[0]).toBe('BadParameter');
  });
});

/** "Import Key"; "Bring your own key specification". */
describe('imports', () => {
  const P256 = given(AZURE_KEY_RULES.find(({ curve, protection }) => curve === 'P-256' && protection === 'software'));
  const kek = async (name: string, keyOps: ('import' | 'wrapKey')[] = ['import']) => {
    const made = await vaults.client.createRsaKey(name, { keySize: 2048, hsm: true, keyOps });
    return { id: given(made.id), publicKey: given(publicKeyOf(made.key ?? {})) };
  };
  const bring = (jwk: JsonWebKey, name = freshName()) =>
    vaults.client.importKey(name, { keyOps: ['sign', 'verify'], ...jwk }, { hardwareProtected: jwk.t !== undefined });

  it('of an HSM key unwrap the transfer blob and nothing else', async () => {
    const material = makeMaterial(P256);
    const name = freshName();
    const exchange = await kek(freshName());
    await bring({ kty: 'EC-HSM', crv: 'P-256', t: transferBlob(material, exchange) }, name);
    const { result } = await vaults.client.getCryptographyClient(name).signData('ES256', Buffer.from('x'));
    const key = createPublicKey(privateKeyOf(material));
    expect(verify('sha256', Buffer.from('x'), { key, dsaEncoding: 'ieee-p1363' }, result)).toBe(true);
  });

  it.each([
    ['no blob', () => Promise.resolve(Buffer.from('not a blob'))],
    [
      'another key’s wrapping',
      async () => {
        const [one, other] = [await kek(freshName()), await kek(freshName())];
        return transferBlob(makeMaterial(P256), { id: one.id, publicKey: other.publicKey });
      },
    ],
    [
      'a key exchange key that is none',
      async () => transferBlob(makeMaterial(P256), await kek(freshName(), ['wrapKey'])),
    ],
    [
      'one of another vault',
      async () => {
        const { publicKey } = await kek(freshName());
        return transferBlob(makeMaterial(P256), { id: 'https://elsewhere.vault.azure.net/keys/a/b', publicKey });
      },
    ],
    ['no key inside', async () => transferBlob(Buffer.from('no key at all..'), await kek(freshName()))],
  ] as const)('of an HSM key refuse %s', async (_name, blob) => {
    const t = await blob();
    await expect(bring({ kty: 'EC-HSM', crv: 'P-256', t })).rejects.toMatchObject({ code: 'BadParameter' });
  });

  it('of an HSM key take no plain JWK, and no P-256K', async () => {
    const jwk = jwkOf(makeMaterial(P256), P256);
    await expect(bring({ ...jwk, kty: 'EC-HSM' })).rejects.toMatchObject({ code: 'BadParameter' });
    const t = transferBlob(makeMaterial({ algorithm: 'ec', size: '256K' }), await kek(freshName()));
    await expect(bring({ kty: 'EC-HSM', crv: 'P-256K', t })).rejects.toMatchObject({ code: 'BadParameter' });
  });

  it('of a software key take a whole private key only', async () => {
    const jwk = jwkOf(makeMaterial(P256), P256);
    const { d, ...publicOnly } = jwk;
    expect(d).toBeDefined();
    await expect(bring(publicOnly)).rejects.toMatchObject({ code: 'BadParameter' });
    await expect(bring({ ...jwk, x: Buffer.alloc(32, 7) })).rejects.toMatchObject({ code: 'BadParameter' });
    const made = await bring(jwk);
    expect(made.keyType).toBe('EC');
    expect(made.key?.d).toBeUndefined();
  });
});

describe('faults and limits', () => {
  it('strike the calls that they name, as often as they say', async () => {
    const name = freshName();
    await create(name);
    vaults.sandbox.faults.add({ kind: 'throttle', operation: 'GetKey', key: name, times: 1 });
    const throttled = await ask('GET', `/keys/${name}?${V}`);
    expect(throttled).toMatchObject({ status: 429, codes: ['Throttled', undefined] });
    expect(throttled.headers.get('retry-after')).toBe('10');
    expect((await ask('GET', `/keys/${name}?${V}`)).status).toBe(200);
    expect(vaults.sandbox.calls.count({ operation: 'GetKey' })).toBe(2);
    expect(vaults.sandbox.calls.count({ operation: 'GetKey', outcome: 'Throttled' })).toBe(1);
  });

  it.each([
    ['denied', 403],
    ['internal', 500],
    ['unavailable', 503],
  ] as const)('of %s are %i', async (kind, status) => {
    vaults.sandbox.faults.add({ kind, vault: 'test-vault' });
    expect((await ask('GET', `/keys?${V}`)).status).toBe(status);
  });

  it.each([
    ['reset_before', 0],
    ['reset_after', 1],
  ] as const)('of %s cut the connection, and the key is made %i times', async (kind, made) => {
    const name = freshName();
    vaults.sandbox.faults.add({ kind, operation: 'CreateKey' });
    await expect(create(name)).rejects.toThrow();
    vaults.sandbox.faults.clear();
    const { body } = await ask('GET', `/keys/${name}/versions?${V}`);
    expect(body['value']).toHaveLength(made);
  });

  it('make a vault unreachable, and another not', async () => {
    vaults.sandbox.faults.add({ kind: 'unreachable', vault: 'test-vault' });
    await expect(ask('GET', `/keys?${V}`)).rejects.toThrow();
    expect((await ask('GET', `/keys?${V}`, { host: 'standard-vault.vault.azure.net' })).status).toBe(200);
    expect(() => vaults.sandbox.faults.add({ kind: 'unreachable', operation: 'GetKey' })).toThrow();
  });

  it('delay with latency', async () => {
    vaults.sandbox.faults.add({ kind: 'latency', latencyMs: 80 });
    const started = performance.now();
    await ask('GET', `/keys?${V}`);
    expect(performance.now() - started).toBeGreaterThan(75);
  });

  it('are Azure’s own once the quota is on: 10 new HSM keys in 10 seconds', async () => {
    vaults.sandbox.quota.enabled = true;
    try {
      const statuses: number[] = [];
      for (let n = 0; n < 12; n += 1) statuses.push((await create(freshName(), { kty: 'EC-HSM' })).status);
      expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
      expect(statuses.at(-1)).toBe(429);
      expect((await create(freshName())).status).toBe(200);
    } finally {
      vaults.sandbox.quota.enabled = false;
    }
  });
});

describe('the control port', () => {
  let control: Control | undefined;
  beforeAll(async () => {
    control = await startControl({ clock: vaults.clock, sandboxes: { azure_key_vault: vaults.sandbox } });
  });
  afterAll(() => control?.close());

  async function steer(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; answer: Record<string, unknown> }> {
    const response = await fetch(`${given(control).endpoint}/azure_key_vault${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
  }
  const tamper = (body: Record<string, unknown>) => steer('POST', '/tamper', body);

  it('changes keys as an operator would, and shows them', async () => {
    const name = freshName();
    const state = async () => {
      const { answer } = await steer('GET', '/keys?vault=test-vault');
      return (answer['keys'] as { name: string; state: string; versions: unknown[] }[]).find(
        (key) => key.name === name,
      );
    };
    await tamper({ action: 'create_key', vault: 'test-vault', key: name });
    expect(await state()).toMatchObject({ state: 'enabled', versions: [{}] });
    await tamper({ action: 'disable', key: name });
    expect((await state())?.state).toBe('disabled');
    await tamper({ action: 'enable', key: name });
    await tamper({ action: 'rotate', key: name });
    expect((await state())?.versions).toHaveLength(2);
    await tamper({ action: 'tag', key: name, tags: { owner: 'x' } });
    await tamper({ action: 'set_dates', key: name, expires: '2030-01-01T00:00:00Z' });
    expect(await vaults.client.getKey(name)).toMatchObject({
      properties: { tags: { owner: 'x' }, expiresOn: new Date('2030-01-01T00:00:00Z') },
    });
    await tamper({ action: 'delete', key: name });
    expect(await state()).toMatchObject({ state: 'deleted' });
    await tamper({ action: 'recover', key: name });
    await tamper({ action: 'purge', key: name });
    expect(await state()).toBeUndefined();
    expect(await tamper({ action: 'disable', key: name })).toMatchObject({
      status: 400,
      answer: { error: expect.stringContaining('KeyNotFound') as string },
    });
  });

  it('injects faults, counts calls, and says what it takes', async () => {
    const { answer } = await steer('POST', '/faults', { kind: 'denied', operation: 'GetKeys', latency_ms: 1 });
    expect((await ask('GET', `/keys?${V}`)).status).toBe(403);
    expect((await steer('GET', '/faults')).answer).toEqual({
      faults: [{ id: answer['id'], kind: 'denied', operation: 'GetKeys', latency_ms: 1 }],
    });
    await steer('DELETE', `/faults?id=${String(answer['id'])}`);
    expect((await steer('GET', '/calls')).answer['calls']).toContainEqual({
      vault: 'test-vault',
      operation: 'GetKeys',
      outcome: 'ForbiddenByRbac',
      count: 1,
    });
    expect((await steer('DELETE', '/calls')).answer).toEqual({ total: 0, calls: [] });
    expect((await steer('POST', '/quota', { enabled: false })).answer).toEqual({ enabled: false });
    expect((await steer('POST', '/faults', { kind: 'flood' })).status).toBe(400);
    expect((await steer('DELETE', '/faults?id=none')).status).toBe(404);
    expect((await steer('POST', '/tamper', { action: 'explode', key: 'x' })).status).toBe(400);
  });
});

describe('on disk', () => {
  it('everything survives a restart, the material only sealed, and a torn last line is forgotten', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'azure-'));
    const stateFile = join(folder, 'azure.json');
    const clock = sandboxClock();
    const start = () =>
      startAzureKeyVaultSandbox({
        clock,
        stateFile,
        vaults: [{ name: 'test-vault', tenantId: TENANT }],
        applications: [APPLICATION],
      });
    try {
      const rule = given(AZURE_KEY_RULES.find(({ bits, protection }) => bits === 2048 && protection === 'software'));
      const material = makeMaterial(rule);
      const one = await start();
      const before = clientOf(one.endpoint, 'test-vault', APPLICATION);
      const jwk = jwkOf(material, rule);
      const kept = await before.importKey('kept', jwk, { tags: { a: '1' } });
      await before.createEcKey('deleted');
      await before.beginDeleteKey('deleted');
      await before.createEcKey('purged');
      one.operator.purge('purged');
      await one.close();

      const content = readFileSync(stateFile, 'utf8');
      expect(content).not.toContain(
        Buffer.from(jwk.d ?? [])
          .toString('base64url')
          .slice(0, 40),
      );
      expect(content).not.toContain(Buffer.from(material).subarray(30, 80).toString('base64').slice(4, 40));
      expect(statSync(`${stateFile}.key`).mode & 0o077).toBe(0);
      appendFileSync(stateFile, '{"vault":"test-vault');

      const two = await start();
      const after = clientOf(two.endpoint, 'test-vault', APPLICATION);
      expect((await after.getKey('kept')).id).toBe(kept.id);
      const ciphertext = publicEncrypt(
        { key: createPublicKey(privateKeyOf(material)), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
        Buffer.from('still here'),
      );
      const { result } = await after.getCryptographyClient('kept').decrypt({ algorithm: 'RSA-OAEP', ciphertext });
      expect(Buffer.from(result).toString()).toBe('still here');
      expect((await after.getDeletedKey('deleted')).name).toBe('deleted');
      await expect(after.getKey('purged')).rejects.toMatchObject({ code: 'KeyNotFound' });
      await two.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
