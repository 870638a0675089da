import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { GoogleAuth } from 'google-auth-library';
import { constants, createHash, createHmac, createPublicKey, publicEncrypt, randomBytes, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wrap } from '../../lib/drivers/google-kms/wrapping.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { crc32c } from '../../sandbox/google-kms/crc32c.ts';
import type { GoogleKmsSandbox } from '../../sandbox/google-kms/server.ts';
import { startGoogleKmsSandbox } from '../../sandbox/google-kms/server.ts';
import { askForToken, googleClient, tokenOf } from '../drivers/google-sandbox.ts';
import { makeMaterial } from '../drivers/aws-material.ts';

const PROJECT = 'shearline-test';
const PARENT = `projects/${PROJECT}/locations/europe-west3`;
const RING = `${PARENT}/keyRings/ring`;
const day = 86_400_000;

const clock = sandboxClock();
let sandbox: GoogleKmsSandbox;
let kms: KeyManagementServiceClient;
let count = 0;

beforeAll(async () => {
  sandbox = await startGoogleKmsSandbox({
    clock,
    serviceAccounts: [{ projectId: PROJECT }, { projectId: 'another' }],
    pendingMs: 20,
  });
  kms = await googleClient(sandbox);
  await kms.createKeyRing({ parent: PARENT, keyRingId: 'ring' });
});
afterAll(async () => {
  await kms.close();
  await sandbox.close();
});
beforeEach(() => {
  sandbox.faults.clear();
  sandbox.calls.reset();
});

type NewKey = NonNullable<Parameters<KeyManagementServiceClient['createCryptoKey']>[0]>['cryptoKey'];

/** Makes a key with Google's own client; answers its name. */
async function made(cryptoKey: NewKey, skip = false): Promise<string> {
  count += 1;
  const cryptoKeyId = `key-${String(count).padStart(5, '0')}`;
  const request = { parent: RING, cryptoKeyId, cryptoKey: cryptoKey ?? {}, skipInitialVersionCreation: skip };
  const [key] = await kms.createCryptoKey(request);
  return key.name ?? '';
}

const symmetric = { purpose: 'ENCRYPT_DECRYPT' } as const;
const stateOf = async (name: string) => (await kms.getCryptoKeyVersion({ name }))[0].state;

async function until<T>(look: () => Promise<T>, done: (seen: T) => boolean): Promise<T> {
  for (;;) {
    const seen = await look();
    if (done(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The status by name, and the message, of a refusal as Google's client shows it. */
async function refusal(work: Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await work;
  } catch (error) {
    return error as { code: number; message: string };
  }
  throw new Error('It succeeded.');
}
const INVALID_ARGUMENT = 400;
const NOT_FOUND = 404;
const CONFLICT = 409;

describe('key rings and keys', () => {
  it('exist once, with names as the documentation has them', async () => {
    const [ring] = await kms.getKeyRing({ name: RING });
    expect(ring.name).toBe(RING);
    expect(await refusal(kms.createKeyRing({ parent: PARENT, keyRingId: 'ring' }))).toMatchObject({
      code: CONFLICT,
      message: expect.stringContaining(`KeyRing ${RING} already exists.`) as string,
    });
    const [rings] = await kms.listKeyRings({ parent: PARENT });
    expect(rings.map((each) => each.name)).toEqual([RING]);
    const location: unknown = await kms.getLocation({ name: PARENT });
    expect(location).toEqual(expect.arrayContaining([expect.objectContaining({ name: PARENT })]));
  });

  it.each([
    [{ parent: RING, cryptoKeyId: 'with.dot', cryptoKey: symmetric }, INVALID_ARGUMENT, 'cryptoKeyId'],
    [{ parent: RING, cryptoKeyId: 'x'.repeat(64), cryptoKey: symmetric }, INVALID_ARGUMENT, 'cryptoKeyId'],
    [{ parent: `${PARENT}/keyRings/none`, cryptoKeyId: 'a', cryptoKey: symmetric }, NOT_FOUND, 'KeyRing'],
    [{ parent: RING, cryptoKeyId: 'a', cryptoKey: {} }, INVALID_ARGUMENT, 'purpose'],
    [{ parent: RING, cryptoKeyId: 'a', cryptoKey: { purpose: 'MAC' } }, INVALID_ARGUMENT, 'algorithm'],
    [
      {
        parent: RING,
        cryptoKeyId: 'a',
        cryptoKey: { purpose: 'MAC', versionTemplate: { algorithm: 'EC_SIGN_P256_SHA256' } },
      },
      INVALID_ARGUMENT,
      'cannot be used',
    ],
    [
      {
        parent: RING,
        cryptoKeyId: 'a',
        cryptoKey: { purpose: 'ASYMMETRIC_SIGN', versionTemplate: { algorithm: 'EC_SIGN_SECP256K1_SHA256' } },
      },
      INVALID_ARGUMENT,
      'protection level',
    ],
    [
      { parent: RING, cryptoKeyId: 'a', cryptoKey: { ...symmetric, importOnly: true } },
      INVALID_ARGUMENT,
      'import_only',
    ],
    [
      { parent: RING, cryptoKeyId: 'a', cryptoKey: { ...symmetric, labels: { Team: 'x' } } },
      INVALID_ARGUMENT,
      'label key',
    ],
    [
      { parent: RING, cryptoKeyId: 'a', cryptoKey: { ...symmetric, labels: { team: 'X' } } },
      INVALID_ARGUMENT,
      'label value',
    ],
    [
      {
        parent: RING,
        cryptoKeyId: 'a',
        cryptoKey: { ...symmetric, labels: Object.fromEntries(Array.from({ length: 65 }, (_e, n) => [`l${n}`, ''])) },
      },
      INVALID_ARGUMENT,
      '64 labels',
    ],
    [
      { parent: RING, cryptoKeyId: 'a', cryptoKey: { ...symmetric, destroyScheduledDuration: { seconds: 60 } } },
      INVALID_ARGUMENT,
      'destroy_scheduled_duration',
    ],
  ] as const)('%# are refused as the documentation says', async (request, code, says) => {
    const refused = await refusal(kms.createCryptoKey(request));
    expect(refused).toMatchObject({ code, message: expect.stringContaining(says) as string });
  });

  it('carry their primary version when they are symmetric, and 30 days until destruction when nothing is said', async () => {
    const [key] = await kms.getCryptoKey({ name: await made({ ...symmetric, labels: { team: 'payments' } }) });
    expect(key).toMatchObject({
      purpose: 'ENCRYPT_DECRYPT',
      primary: { state: 'ENABLED', algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION', protectionLevel: 'SOFTWARE' },
      labels: { team: 'payments' },
      destroyScheduledDuration: { seconds: '2592000' },
    });
  });

  it('change their labels as a whole, and nothing without an update mask', async () => {
    const name = await made({ ...symmetric, labels: { team: 'payments', stage: 'test' } });
    const [key] = await kms.updateCryptoKey({
      cryptoKey: { name, labels: { team: 'cards' } },
      updateMask: { paths: ['labels'] },
    });
    expect(key.labels).toEqual({ team: 'cards' });
    for (const paths of [[], ['purpose'], ['importOnly']]) {
      expect((await refusal(kms.updateCryptoKey({ cryptoKey: { name }, updateMask: { paths } }))).code).toBe(
        INVALID_ARGUMENT,
      );
    }
  });

  it('are listed by name, page by page, also while new ones are added', async () => {
    const parent = `${PARENT}/keyRings/pages`;
    await kms.createKeyRing({ parent: PARENT, keyRingId: 'pages' });
    const add = (cryptoKeyId: string) => kms.createCryptoKey({ parent, cryptoKeyId, cryptoKey: symmetric });
    for (const id of ['c', 'a', 'e', 'b']) await add(id);
    const page = (pageToken: string | null | undefined) =>
      kms.listCryptoKeys({ parent, pageSize: 2, ...(pageToken ? { pageToken } : {}) }, { autoPaginate: false });
    const ids = (keys: readonly { name?: string | null }[]) => keys.map((key) => key.name?.split('/').at(-1));
    const [first, , answer] = await page(undefined);
    await add('aa');
    const [second, , last] = await page(answer.nextPageToken);
    expect([ids(first), ids(second), last.nextPageToken, last.totalSize]).toEqual([['a', 'b'], ['c', 'e'], '', 5]);
    expect(await refusal(page('nonsense'))).toMatchObject({ code: INVALID_ARGUMENT });
    const [all] = await kms.listCryptoKeys({ parent });
    expect(ids(all)).toEqual(['a', 'aa', 'b', 'c', 'e']);
  });
});

describe('versions', () => {
  it('count on from 1, whatever becomes of them, and are made primary by hand', async () => {
    const name = await made(symmetric);
    for (const number of [2, 3]) {
      const [version] = await kms.createCryptoKeyVersion({ parent: name });
      expect(version.name).toBe(`${name}/cryptoKeyVersions/${number}`);
    }
    const [versions] = await kms.listCryptoKeyVersions({ parent: name });
    expect(versions).toHaveLength(3);
    const [key] = await kms.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '3' });
    expect(key.primary?.name).toBe(`${name}/cryptoKeyVersions/3`);
    expect((await refusal(kms.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '9' }))).code).toBe(NOT_FOUND);
  });

  it('of key pairs are PENDING_GENERATION first, and cannot be used or changed then', async () => {
    const versionTemplate = { algorithm: 'EC_SIGN_P256_SHA256' } as const;
    const key = await made({ purpose: 'ASYMMETRIC_SIGN', versionTemplate });
    const name = `${key}/cryptoKeyVersions/1`;
    const [version] = await kms.createCryptoKeyVersion({ parent: key });
    expect(version.state).toBe('PENDING_GENERATION');
    const second = version.name ?? '';
    await until(
      () => stateOf(second),
      (state) => state === 'ENABLED',
    );
    sandbox.operator.hold(second, 'PENDING_GENERATION', 60_000);
    expect((await refusal(kms.destroyCryptoKeyVersion({ name: second }))).message).toContain('PENDING_GENERATION');
    expect((await refusal(kms.getPublicKey({ name: second }))).message).toContain('is not enabled, current state is');
    clock.advance(60_000);
    expect(await stateOf(second)).toBe('ENABLED');
    expect(await stateOf(name)).toBe('ENABLED');
    expect((await refusal(kms.updateCryptoKeyPrimaryVersion({ name: key, cryptoKeyVersionId: '1' }))).code).toBe(
      INVALID_ARGUMENT,
    );
  });

  it('are disabled, enabled, destroyed after their time and restored before it', async () => {
    const key = await made(symmetric);
    const name = `${key}/cryptoKeyVersions/1`;
    const set = (state: 'ENABLED' | 'DISABLED' | 'DESTROYED') =>
      kms.updateCryptoKeyVersion({ cryptoKeyVersion: { name, state }, updateMask: { paths: ['state'] } });
    const [{ ciphertext }] = await kms.encrypt({ name: key, plaintext: Buffer.from('x') });
    await set('DISABLED');
    expect((await refusal(kms.encrypt({ name: key, plaintext: Buffer.from('x') }))).message).toContain('DISABLED');
    await set('ENABLED');
    expect((await refusal(set('DESTROYED'))).code).toBe(INVALID_ARGUMENT);

    const [scheduled] = await kms.destroyCryptoKeyVersion({ name });
    const until30Days = Number(scheduled.destroyTime?.seconds) * 1000 - clock.now().getTime();
    expect([scheduled.state, Math.round(until30Days / day)]).toEqual(['DESTROY_SCHEDULED', 30]);
    expect((await refusal(kms.destroyCryptoKeyVersion({ name }))).message).toContain('has value DESTROY_SCHEDULED');
    expect((await refusal(set('ENABLED'))).message).toContain('has value DESTROY_SCHEDULED');
    const [restored] = await kms.restoreCryptoKeyVersion({ name });
    expect(restored.state).toBe('DISABLED');
    expect((await refusal(kms.restoreCryptoKeyVersion({ name }))).message).toContain('has value DISABLED');

    await kms.destroyCryptoKeyVersion({ name });
    clock.advance(30 * day);
    expect((await kms.getCryptoKeyVersion({ name }))[0]).toMatchObject({ state: 'DESTROYED', reimportEligible: false });
    expect((await refusal(kms.decrypt({ name: key, ciphertext: ciphertext ?? '' }))).message).toContain('DESTROYED');
    expect(sandbox.operator.keys().find((each) => each.name === key)?.versions[0]?.hasMaterial).toBe(false);
  });
});

describe('cryptography', () => {
  const message = Buffer.from('The quick brown fox');

  it('encrypts under the primary version and decrypts under all, checksums and additional data included', async () => {
    const name = await made(symmetric);
    const additionalAuthenticatedData = Buffer.from('context');
    const [encrypted] = await kms.encrypt({
      name,
      plaintext: message,
      plaintextCrc32c: { value: crc32c(message) },
      additionalAuthenticatedData,
      additionalAuthenticatedDataCrc32c: { value: crc32c(additionalAuthenticatedData) },
    });
    const ciphertext = Buffer.from(encrypted.ciphertext ?? '');
    expect(encrypted).toMatchObject({ verifiedPlaintextCrc32c: true, verifiedAdditionalAuthenticatedDataCrc32c: true });
    expect(Number(encrypted.ciphertextCrc32c?.value)).toBe(crc32c(ciphertext));
    await kms.createCryptoKeyVersion({ parent: name });
    await kms.updateCryptoKeyPrimaryVersion({ name, cryptoKeyVersionId: '2' });
    const [decrypted] = await kms.decrypt({ name, ciphertext, additionalAuthenticatedData });
    expect([Buffer.from(decrypted.plaintext ?? '').toString(), decrypted.usedPrimary]).toEqual([
      message.toString(),
      false,
    ]);
    expect(Number(decrypted.plaintextCrc32c?.value)).toBe(crc32c(message));
    expect((await refusal(kms.decrypt({ name, ciphertext }))).code).toBe(INVALID_ARGUMENT);
    expect(
      (await refusal(kms.decrypt({ name: await made(symmetric), ciphertext, additionalAuthenticatedData }))).code,
    ).toBe(400);
    expect((await refusal(kms.encrypt({ name, plaintext: message, plaintextCrc32c: { value: 1 } }))).message).toContain(
      'checksum',
    );
  });

  it('knows the check value of CRC-32C', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it.each([
    ['EC_SIGN_P256_SHA256', 'sha256', undefined],
    ['EC_SIGN_P384_SHA384', 'sha384', undefined],
    ['RSA_SIGN_PKCS1_2048_SHA256', 'sha256', constants.RSA_PKCS1_PADDING],
    ['RSA_SIGN_PSS_2048_SHA256', 'sha256', constants.RSA_PKCS1_PSS_PADDING],
  ] as const)('signs with %s what others verify by the public key', async (algorithm, hash, padding) => {
    const name = `${await made({ purpose: 'ASYMMETRIC_SIGN', versionTemplate: { algorithm } })}/cryptoKeyVersions/1`;
    await until(
      () => stateOf(name),
      (state) => state === 'ENABLED',
    );
    const [{ pem, pemCrc32c, name: of, algorithm: shown }] = await kms.getPublicKey({ name });
    expect([of, shown, Number(pemCrc32c?.value)]).toEqual([name, algorithm, crc32c(Buffer.from(pem ?? ''))]);
    const digest = createHash(hash).update(message).digest();
    const [answer] = await kms.asymmetricSign({
      name,
      digest: { [hash]: digest },
      digestCrc32c: { value: crc32c(digest) },
    });
    expect([answer.name, answer.verifiedDigestCrc32c]).toEqual([name, true]);
    const signature = Buffer.from(answer.signature ?? '');
    expect(Number(answer.signatureCrc32c?.value)).toBe(crc32c(signature));
    const key = createPublicKey(pem ?? '');
    expect(verify(hash, message, padding === undefined ? key : { key, padding }, signature)).toBe(true);
    const wrongHash = hash === 'sha256' ? 'sha512' : 'sha256';
    expect((await refusal(kms.asymmetricSign({ name, digest: { [wrongHash]: digest } }))).code).toBe(INVALID_ARGUMENT);
  });

  it('decrypts with a private key what others encrypt, and answers public keys in DER too', async () => {
    const versionTemplate = { algorithm: 'RSA_DECRYPT_OAEP_2048_SHA1' } as const;
    const name = `${await made({ purpose: 'ASYMMETRIC_DECRYPT', versionTemplate })}/cryptoKeyVersions/1`;
    await until(
      () => stateOf(name),
      (state) => state === 'ENABLED',
    );
    const [{ publicKey }] = await kms.getPublicKey({ name, publicKeyFormat: 'DER' });
    const der = Buffer.from(publicKey?.data ?? '');
    expect(Number(publicKey?.crc32cChecksum?.value)).toBe(crc32c(der));
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    const ciphertext = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, message);
    const [answer] = await kms.asymmetricDecrypt({ name, ciphertext, ciphertextCrc32c: { value: crc32c(ciphertext) } });
    expect([Buffer.from(answer.plaintext ?? '').toString(), answer.verifiedCiphertextCrc32c]).toEqual([
      message.toString(),
      true,
    ]);
    expect((await refusal(kms.asymmetricSign({ name, data: message }))).code).toBe(INVALID_ARGUMENT);
  });

  it('makes and verifies MACs', async () => {
    const name = `${await made({ purpose: 'MAC', versionTemplate: { algorithm: 'HMAC_SHA256' } })}/cryptoKeyVersions/1`;
    const [{ mac, macCrc32c }] = await kms.macSign({ name, data: message });
    expect(Number(macCrc32c?.value)).toBe(crc32c(Buffer.from(mac ?? '')));
    expect((await kms.macVerify({ name, data: message, mac: mac ?? '' }))[0].success).toBe(true);
    expect((await kms.macVerify({ name, data: Buffer.from('another'), mac: mac ?? '' }))[0].success).toBe(false);
  });
});

describe('import', () => {
  const importOnly = { purpose: 'MAC', importOnly: true, versionTemplate: { algorithm: 'HMAC_SHA256' } } as const;

  async function job(
    importMethod: 'RSA_OAEP_3072_SHA256_AES_256' | 'RSA_OAEP_4096_SHA256_AES_256',
    protectionLevel: 'SOFTWARE' | 'HSM' = 'SOFTWARE',
  ) {
    count += 1;
    const [started] = await kms.createImportJob({
      parent: RING,
      importJobId: `job-${count}`,
      importJob: { importMethod, protectionLevel },
    });
    expect(started).toMatchObject({ state: 'PENDING_GENERATION', publicKey: null });
    const name = started.name ?? '';
    const [ready] = await until(
      () => kms.getImportJob({ name }),
      ([{ state }]) => state === 'ACTIVE',
    );
    return { name, pem: ready.publicKey?.pem ?? '', ready };
  }

  it('really unwraps what was wrapped under the job, and is PENDING_IMPORT meanwhile', async () => {
    const { name: importJob, pem, ready } = await job('RSA_OAEP_4096_SHA256_AES_256');
    expect(createPublicKey(pem).asymmetricKeyDetails?.modulusLength).toBe(4096);
    expect(Number(ready.expireTime?.seconds) - Number(ready.createTime?.seconds)).toBe(3 * 86_400);
    const parent = await made(importOnly, true);
    const material = randomBytes(32);
    const [version] = await kms.importCryptoKeyVersion({
      parent,
      algorithm: 'HMAC_SHA256',
      importJob,
      wrappedKey: wrap(material, pem),
    });
    expect(version).toMatchObject({ name: `${parent}/cryptoKeyVersions/1`, state: 'PENDING_IMPORT', importJob });
    const name = version.name ?? '';
    await until(
      () => stateOf(name),
      (state) => state === 'ENABLED',
    );
    const [{ mac }] = await kms.macSign({ name, data: Buffer.from('x') });
    expect(Buffer.from(mac ?? '')).toEqual(createHmac('sha256', material).update('x').digest());
    expect((await refusal(kms.createCryptoKeyVersion({ parent }))).message).toContain('import only');
  });

  it('ends in IMPORT_FAILED with the reason, and takes the same version again', async () => {
    const { name: importJob, pem } = await job('RSA_OAEP_3072_SHA256_AES_256');
    const parent = await made(importOnly, true);
    const bring = (wrappedKey: Uint8Array, more = {}) =>
      kms.importCryptoKeyVersion({ parent, algorithm: 'HMAC_SHA256', importJob, wrappedKey, ...more });
    const [version] = await bring(randomBytes(424));
    const name = version.name ?? '';
    const [failed] = await until(
      () => kms.getCryptoKeyVersion({ name }),
      ([{ state }]) => state === 'IMPORT_FAILED',
    );
    expect([failed.importFailureReason, failed.reimportEligible]).toEqual([
      'The key material could not be unwrapped',
      true,
    ]);
    const material = randomBytes(32);
    await bring(wrap(material, pem), { cryptoKeyVersion: name });
    await until(
      () => stateOf(name),
      (state) => state === 'ENABLED',
    );
    expect((await refusal(bring(wrap(material, pem), { cryptoKeyVersion: name }))).message).toContain(
      'has value ENABLED',
    );

    sandbox.operator.destroyNow(name);
    expect((await kms.getCryptoKeyVersion({ name }))[0].reimportEligible).toBe(true);
    await bring(wrap(randomBytes(32), pem), { cryptoKeyVersion: name });
    const [other] = await until(
      () => kms.getCryptoKeyVersion({ name }),
      ([{ state }]) => state === 'IMPORT_FAILED',
    );
    expect(other.importFailureReason).toContain('does not match the original');
    await bring(wrap(material, pem), { cryptoKeyVersion: name });
    await until(
      () => stateOf(name),
      (state) => state === 'ENABLED',
    );
  });

  it('of a symmetric key does not make it the primary one', async () => {
    const { name: importJob, pem } = await job('RSA_OAEP_3072_SHA256_AES_256');
    const parent = await made({ ...symmetric, importOnly: true }, true);
    const wrappedKey = wrap(randomBytes(32), pem);
    await kms.importCryptoKeyVersion({ parent, algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION', importJob, wrappedKey });
    expect((await refusal(kms.encrypt({ name: parent, plaintext: Buffer.from('x') }))).message).toContain('primary');
  });

  it('refuses jobs of another protection level, expired ones, and material of another kind', async () => {
    const { name: importJob, pem } = await job('RSA_OAEP_3072_SHA256_AES_256', 'HSM');
    const parent = await made(importOnly, true);
    const wrappedKey = wrap(randomBytes(32), pem);
    const request = { parent, algorithm: 'HMAC_SHA256', importJob, wrappedKey } as const;
    expect((await refusal(kms.importCryptoKeyVersion(request))).message).toContain('protection level');
    expect((await refusal(kms.importCryptoKeyVersion({ ...request, algorithm: 'EC_SIGN_P256_SHA256' }))).code).toBe(
      INVALID_ARGUMENT,
    );

    const versionTemplate = { algorithm: 'EC_SIGN_SECP256K1_SHA256', protectionLevel: 'HSM' } as const;
    const curve = await made({ purpose: 'ASYMMETRIC_SIGN', importOnly: true, versionTemplate }, true);
    const wrong = wrap(makeMaterial({ algorithm: 'ec', size: '256' }), pem);
    const [version] = await kms.importCryptoKeyVersion({
      parent: curve,
      algorithm: versionTemplate.algorithm,
      importJob,
      wrappedKey: wrong,
    });
    const [failed] = await until(
      () => kms.getCryptoKeyVersion({ name: version.name ?? '' }),
      ([{ state }]) => state === 'IMPORT_FAILED',
    );
    expect(failed.importFailureReason).toContain('not that of a EC_SIGN_SECP256K1_SHA256 key');

    clock.advance(3 * day);
    expect((await kms.getImportJob({ name: importJob }))[0]).toMatchObject({ state: 'EXPIRED', publicKey: null });
    expect((await refusal(kms.importCryptoKeyVersion(request))).message).toContain(
      'has value EXPIRED in field import_job.state',
    );
  });
});

describe('who may call', () => {
  const get = (path: string, token?: string) =>
    fetch(
      `${sandbox.endpoint}/v1/${path}`,
      token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    );

  it("takes tokens that Google's own library asks for", async () => {
    const { token_uri, ...file } = sandbox.credentials(PROJECT);
    const auth = new GoogleAuth({ credentials: file, scopes: ['https://www.googleapis.com/auth/cloudkms'] });
    const client = await auth.getClient();
    client.transporter.interceptors.request.add({
      resolved: (options) => {
        options.url = new URL(token_uri);
        return Promise.resolve(options);
      },
    });
    const { token } = await client.getAccessToken();
    expect((await get(RING, token ?? '')).status).toBe(200);
  });

  it.each([
    [{ iss: 'nobody@nowhere' }, 'invalid_grant', 'account not found'],
    [{ aud: 'https://elsewhere.example' }, 'invalid_grant', 'audience'],
    [{ exp: Math.floor(Date.now() / 1000) - 1 }, 'invalid_grant', 'short-lived'],
    [{ exp: Math.floor(Date.now() / 1000) + 7200 }, 'invalid_grant', 'short-lived'],
    [{ scope: 'https://www.googleapis.com/auth/drive' }, 'invalid_scope', 'scope'],
  ])('gives no token for an assertion with %j', async (changes, error, says) => {
    const answer = await askForToken(sandbox, undefined, changes);
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error, error_description: expect.stringContaining(says) as string },
    ]);
  });

  it('gives no token for a signature by another key, or another grant', async () => {
    const send = (body: Record<string, string>) =>
      fetch(`${sandbox.endpoint}/token`, { method: 'POST', body: new URLSearchParams(body) }).then((answer) =>
        answer.json(),
      );
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: sandbox.credentials(PROJECT).client_email };
    const assertion = `${part({ alg: 'RS256' })}.${part(claims)}.${randomBytes(256).toString('base64url')}`;
    expect(await send({ grant_type, assertion })).toMatchObject({
      error: 'invalid_grant',
      error_description: 'Invalid JWT Signature.',
    });
    expect(await send({ grant_type, assertion: `${part({ alg: 'none' })}.${part(claims)}.` })).toMatchObject({
      error: 'invalid_grant',
    });
    expect(await send({ grant_type: 'password', assertion })).toMatchObject({ error: 'unsupported_grant_type' });
  });

  it('answers 401 without a token or with a worthless one, 403 elsewhere, 404 for what is not there', async () => {
    expect(await (await get(RING)).json()).toMatchObject({
      error: { code: 401, status: 'UNAUTHENTICATED', details: [{ reason: 'CREDENTIALS_MISSING' }] },
    });
    expect((await get(RING, 'worthless')).status).toBe(401);
    const token = await tokenOf(sandbox);
    const denied = await get(RING.replace(PROJECT, 'another'), token);
    expect([denied.status, await denied.json()]).toMatchObject([
      403,
      { error: { status: 'PERMISSION_DENIED', details: [{ reason: 'IAM_PERMISSION_DENIED' }] } },
    ]);
    expect((await get(`${RING}/cryptoKeys/none`, token)).status).toBe(404);
    expect((await get('nonsense', token)).status).toBe(404);
    sandbox.operator.revokeTokens();
    expect((await get(RING, token)).status).toBe(401);
    kms = await googleClient(sandbox);
  });

  it('lets a service account do only what it was granted', async () => {
    const email = sandbox.credentials(PROJECT).client_email;
    sandbox.operator.grant(email, ['cloudkms.keyRings.get']);
    const token = await tokenOf(sandbox);
    expect([(await get(RING, token)).status, (await get(`${RING}/cryptoKeys`, token)).status]).toEqual([200, 403]);
    sandbox.operator.grant(email, undefined);
  });
});

describe('faults, rates and counts', () => {
  it.each([
    ['throttle', 429],
    ['denied', 403],
    ['internal', 500],
    ['unavailable', 503],
    ['precondition', 400],
  ] as const)('%s is HTTP %d, as often as said, on that method only', async (kind, status) => {
    sandbox.faults.add({ kind, operation: 'GetKeyRing', location: 'europe-west3', times: 1 });
    const headers = { authorization: `Bearer ${await tokenOf(sandbox)}` };
    const ask = async (path: string) => (await fetch(`${sandbox.endpoint}/v1/${path}`, { headers })).status;
    expect([await ask(PARENT), await ask(RING), await ask(RING)]).toEqual([200, status, 200]);
  });

  it.each(['reset_before', 'reset_after', 'unreachable'] as const)('%s cuts the connection', async (kind) => {
    sandbox.faults.add({ kind, operation: 'CreateKeyRing', times: 1 });
    const headers = { authorization: `Bearer ${await tokenOf(sandbox)}` };
    const url = `${sandbox.endpoint}/v1/${PARENT}/keyRings?keyRingId=${kind}`;
    await expect(fetch(url, { method: 'POST', headers })).rejects.toThrow('fetch failed');
    expect((await fetch(url, { method: 'POST', headers })).status).toBe(kind === 'reset_after' ? 409 : 200);
    expect(sandbox.calls.list().find((each) => each.outcome === kind)).toMatchObject({
      operation: 'CreateKeyRing',
      count: 1,
    });
  });

  it("admits no more writes a minute than Google's default", async () => {
    sandbox.quota.enabled = true;
    const headers = { authorization: `Bearer ${await tokenOf(sandbox)}` };
    let admitted = 0;
    const write = async (id: string) => {
      const url = `${sandbox.endpoint}/v1/projects/${PROJECT}/locations/us-east1/keyRings?keyRingId=${id}`;
      return (await fetch(url, { method: 'POST', headers })).status;
    };
    let last = await write('first');
    while (admitted < 600 && last === 200) {
      admitted += 1;
      last = await write(`r${admitted}`);
    }
    sandbox.quota.enabled = false;
    // The bucket fills by one a second meanwhile.
    expect(admitted).toBeGreaterThanOrEqual(60);
    expect(last).toBe(429);
  });
});

describe('the control port', () => {
  const route = (method: string, path: string) => {
    const found = sandbox.controlRoutes().find((each) => each.method === method && each.path === path);
    if (found === undefined) throw new Error(`There is no ${method} ${path}.`);
    return (body?: unknown, query = '') => found.answer(body, new URLSearchParams(query));
  };

  it('shows keys, counts, faults and credentials', async () => {
    const name = await made({ ...symmetric, labels: { team: 'x' } });
    expect(await route('GET', '/keys')()).toMatchObject({
      keys: expect.arrayContaining([
        expect.objectContaining({
          name,
          versions: [expect.objectContaining({ state: 'ENABLED', has_material: true })],
        }),
      ]) as unknown,
    });
    expect(await route('GET', '/calls')()).toMatchObject({
      total: 1,
      calls: [{ location: 'europe-west3', operation: 'CreateCryptoKey' }],
    });
    expect(
      await route('POST', '/faults')({ kind: 'latency', operation: 'GetCryptoKey', latency_ms: 5 }),
    ).toHaveProperty('id');
    expect(await route('GET', '/faults')()).toMatchObject({ faults: [{ kind: 'latency', latency_ms: 5 }] });
    expect(await route('DELETE', '/faults')()).toEqual({ faults: [] });
    expect(await route('DELETE', '/calls')()).toMatchObject({ total: 0 });
    expect(await route('GET', '/credentials')(undefined, 'project=another')).toMatchObject({
      type: 'service_account',
      project_id: 'another',
    });
    expect(() => route('GET', '/credentials')(undefined, 'project=none')).toThrow('none');
  });

  it('tampers as an operator would', async () => {
    const key = await made(symmetric);
    const version = `${key}/cryptoKeyVersions/1`;
    const tamper = route('POST', '/tamper');
    await tamper({ action: 'disable', version });
    expect(await stateOf(version)).toBe('DISABLED');
    await tamper({ action: 'enable', version });
    await tamper({ action: 'hold', version, state: 'PENDING_IMPORT', ms: 1000 });
    expect(await stateOf(version)).toBe('PENDING_IMPORT');
    clock.advance(1000);
    expect(await stateOf(version)).toBe('ENABLED');
    await tamper({ action: 'schedule_destruction', version });
    await tamper({ action: 'restore', version });
    await tamper({ action: 'label', key, labels: { owner: 'me' } });
    await tamper({ action: 'label', key, labels: { owner: null, team: 'x' } });
    expect((await kms.getCryptoKey({ name: key }))[0].labels).toEqual({ team: 'x' });
    const { version: second } = (await tamper({ action: 'add_version', key })) as { version: string };
    await tamper({ action: 'set_primary', version: second });
    expect((await kms.getCryptoKey({ name: key }))[0].primary?.name).toBe(second);
    await tamper({ action: 'fail', version: second, state: 'GENERATION_FAILED', reason: 'x' });
    expect(await stateOf(second)).toBe('GENERATION_FAILED');
    await tamper({ action: 'destroy_now', version });
    expect(await stateOf(version)).toBe('DESTROYED');
    await tamper({ action: 'expire_import_jobs' });
    expect(() => tamper({ action: 'restore', version })).toThrow('FAILED_PRECONDITION');
    expect(() => tamper({ action: 'explode' })).toThrow('must be');
  });
});

describe('after a restart', () => {
  it('everything is as it was, with no key material readable on disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'google-kms-sandbox-'));
    const stateFile = join(folder, 'state.jsonl');
    const start = () =>
      startGoogleKmsSandbox({ clock, stateFile, pendingMs: 0, serviceAccounts: [{ projectId: PROJECT }] });
    let now = await start();
    let client = await googleClient(now);
    const credentials = now.credentials(PROJECT);
    await client.createKeyRing({ parent: PARENT, keyRingId: 'ring' });
    const [key] = await client.createCryptoKey({
      parent: RING,
      cryptoKeyId: 'kept',
      cryptoKey: { ...symmetric, labels: { a: 'b' } },
    });
    const name = key.name ?? '';
    const [{ ciphertext }] = await client.encrypt({ name, plaintext: Buffer.from('kept') });
    const pair = { purpose: 'ASYMMETRIC_SIGN', versionTemplate: { algorithm: 'RSA_SIGN_PSS_3072_SHA256' } } as const;
    await client.createCryptoKey({ parent: RING, cryptoKeyId: 'pair', cryptoKey: pair });
    const importJob = { importMethod: 'RSA_OAEP_3072_SHA256_AES_256', protectionLevel: 'SOFTWARE' } as const;
    const [job] = await client.createImportJob({ parent: RING, importJobId: 'job', importJob });
    await until(
      () => client.getImportJob({ name: job.name ?? '' }),
      ([{ state }]) => state === 'ACTIVE',
    );
    const [{ publicKey }] = await client.getImportJob({ name: job.name ?? '' });
    const material = randomBytes(32);
    const parent = `${RING}/cryptoKeys/imported`;
    await client.createCryptoKey({
      parent: RING,
      cryptoKeyId: 'imported',
      skipInitialVersionCreation: true,
      cryptoKey: { ...symmetric, importOnly: true },
    });
    const bring = {
      parent,
      algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
      importJob: job.name ?? '',
      wrappedKey: wrap(material, publicKey?.pem ?? ''),
    } as const;
    await client.importCryptoKeyVersion(bring);
    const [doomed] = await client.destroyCryptoKeyVersion({ name: `${name}/cryptoKeyVersions/1` });
    expect(doomed.state).toBe('DESTROY_SCHEDULED');
    await client.close();
    await now.close();

    const onDisk = readFileSync(stateFile, 'utf8');
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const)
      expect(onDisk).not.toContain(material.toString(form));
    expect(onDisk).not.toContain('PRIVATE KEY');

    now = await start();
    client = await googleClient(now);
    expect(now.credentials(PROJECT).private_key).toBe(credentials.private_key);
    await client.restoreCryptoKeyVersion({ name: `${name}/cryptoKeyVersions/1` });
    const cryptoKeyVersion = { name: `${name}/cryptoKeyVersions/1`, state: 'ENABLED' } as const;
    await client.updateCryptoKeyVersion({ cryptoKeyVersion, updateMask: { paths: ['state'] } });
    const [opened] = await client.decrypt({ name, ciphertext: ciphertext ?? '' });
    expect(Buffer.from(opened.plaintext ?? '').toString()).toBe('kept');
    expect((await client.getCryptoKey({ name }))[0].labels).toEqual({ a: 'b' });
    await until(
      () => client.getCryptoKeyVersion({ name: `${RING}/cryptoKeys/pair/cryptoKeyVersions/1` }),
      ([{ state }]) => state === 'ENABLED',
    );
    now.operator.destroyNow(`${parent}/cryptoKeyVersions/1`);
    await client.importCryptoKeyVersion({ ...bring, cryptoKeyVersion: `${parent}/cryptoKeyVersions/1` });
    await until(
      () => client.getCryptoKeyVersion({ name: `${parent}/cryptoKeyVersions/1` }),
      ([{ state }]) => state === 'ENABLED',
    );
    await client.close();
    await now.close();
    rmSync(folder, { recursive: true });
  });
});
