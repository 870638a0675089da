import { KeyManagementServiceClient } from '@google-cloud/kms';
import { OAuth2Client } from 'google-auth-library';
import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { GoogleKeyRule } from '../../lib/drivers/google-kms/kind.ts';
import { GOOGLE_KEY_RULES, googleKeySort } from '../../lib/drivers/google-kms/kind.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import type { Connection, DriverModule } from '../../lib/drivers/registry.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { FaultKind, GoogleKmsSandbox, MakeWrappingKey } from '../../sandbox/google-kms/server.ts';
import { startGoogleKmsSandbox } from '../../sandbox/google-kms/server.ts';
import { makeMaterial } from './aws-material.ts';
import type { Keystore } from './contract.ts';

export const PROJECT = 'shearline-test';
export const LOCATION = 'europe-west3';
export const KEY_RING = 'contract';
export const RING = `projects/${PROJECT}/locations/${LOCATION}/keyRings/${KEY_RING}`;

export interface GoogleKeystore extends Keystore {
  readonly sandbox: GoogleKmsSandbox;
  readonly clock: SandboxClock;
  /** Google's own client, as somebody else in the project would have it. */
  readonly kms: KeyManagementServiceClient;
  connection(settings?: Connection['settings'], credentials?: Connection['credentials']): Connection;
}

const OPERATIONS = { look: 'GetCryptoKey', create: 'CreateCryptoKey', list: 'ListCryptoKeys' } as const;
const FAULTS = {
  throttled: 'throttle',
  denied: 'denied',
  answer_lost: 'reset_after',
  no_answer: 'reset_before',
} as const satisfies Record<string, FaultKind>;

/** Fresh RSA 4096 keys for every import job would be most of what the tests do. */
const makeWrappingKey: MakeWrappingKey = (bits) => Promise.resolve(Buffer.from(rsaMaterial(String(bits))));

/** Starts a sandbox, makes every driver of this process use it, and opens a keystore on it. */
export async function openGoogleKeystore(module: DriverModule): Promise<GoogleKeystore> {
  const clock = sandboxClock();
  const somebodyElse = 'somebody-else@shearline-test.iam.gserviceaccount.com';
  const sandbox = await startGoogleKmsSandbox({
    clock,
    serviceAccounts: [{ projectId: PROJECT }, { projectId: PROJECT, clientEmail: somebodyElse }],
    pendingMs: 5,
    makeWrappingKey,
  });
  process.env['GOOGLE_KMS_ENDPOINT'] = sandbox.endpoint;
  const kms = await googleClient(sandbox, somebodyElse);
  const connection: GoogleKeystore['connection'] = (changed = {}, credentials) => ({
    keystoreId: 'keystore-1',
    settings: { google_location: LOCATION, google_key_ring: KEY_RING, ...changed },
    credentials: credentials ?? { google_credentials: JSON.stringify(sandbox.credentials(PROJECT)) },
  });
  const encrypted = new Map<string, Uint8Array>();
  return {
    sandbox,
    clock,
    kms,
    connection,
    connect: () => module.connect(connection()),
    now: () => clock.now(),
    strike(during, how, times) {
      sandbox.faults.add({ kind: FAULTS[how], operation: OPERATIONS[during], times });
    },
    mend() {
      sandbox.faults.clear();
      sandbox.calls.reset();
    },
    async takeName(label) {
      await keyRing(kms);
      await kms.createCryptoKey({ parent: RING, cryptoKeyId: label, cryptoKey: { purpose: 'ENCRYPT_DECRYPT' } });
    },
    countOf: (keyId) => Promise.resolve(keysOf(sandbox, keyId)),
    letDeletionsEnd() {
      clock.advance(31 * 86_400_000);
    },
    loseMaterial: (id) => {
      sandbox.operator.destroyNow(id);
      return Promise.resolve();
    },
    // A CryptoKeyVersion takes one material in its life.
    changeMaterial: undefined,
    provesMaterial: (id, spec, material) => proves(kms, encrypted, id, spec, material),
    async close() {
      await kms.close();
      await sandbox.close();
    },
  };
}

/** A client of Google's own library over REST. */
export async function googleClient(sandbox: GoogleKmsSandbox, email?: string): Promise<KeyManagementServiceClient> {
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: await tokenOf(sandbox, email) });
  return new KeyManagementServiceClient({
    fallback: true,
    protocol: 'http',
    apiEndpoint: '127.0.0.1',
    port: sandbox.port,
    authClient,
  });
}

/** An access token, asked for as RFC 7523 has it. */
export async function tokenOf(
  sandbox: GoogleKmsSandbox,
  email?: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const answer = await askForToken(sandbox, email, changes);
  const { access_token: token } = (await answer.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`No token: HTTP ${answer.status}.`);
  return token;
}

export function askForToken(
  sandbox: GoogleKmsSandbox,
  email?: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<Response> {
  const file = sandbox.credentials(PROJECT, email);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: file.client_email,
    scope: 'https://www.googleapis.com/auth/cloud-platform',
    aud: file.token_uri,
    iat: now,
    exp: now + 3600,
    ...changes,
  };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${part({ alg: 'RS256', typ: 'JWT', kid: file.private_key_id })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(head), file.private_key).toString('base64url');
  return fetch(file.token_uri, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: `${head}.${signature}`,
    }),
  });
}

/** Makes the key ring of the tests, where it is missing. */
export async function keyRing(kms: KeyManagementServiceClient): Promise<void> {
  try {
    await kms.createKeyRing({ parent: `projects/${PROJECT}/locations/${LOCATION}`, keyRingId: KEY_RING });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('already exists'))) throw error;
  }
}

/** How many keys carry the managed key's id; of several versions in one, those that could be used. */
function keysOf(sandbox: GoogleKmsSandbox, keyId: string): number {
  return sandbox.operator
    .keys()
    .filter((key) => key.labels['shearline_key'] === keyId)
    .reduce((sum, key) => sum + Math.max(1, key.versions.filter((version) => version.hasMaterial).length), 0);
}

/** Every sort of key that Google Cloud KMS takes imported material for. */
export const GOOGLE_IMPORTS = GOOGLE_KEY_RULES.map((rule) => ({
  spec: specOf(rule, 'imported'),
  makeMaterial: () => (rule.algorithm === 'rsa' ? rsaMaterial(rule.size) : makeMaterial(rule)),
}));

const rsa = new Map<string, Uint8Array>();

/** One key of each size does for all that sign and decrypt with that size. */
function rsaMaterial(size: string): Uint8Array {
  const made = rsa.get(size) ?? makeMaterial({ algorithm: 'rsa', size });
  rsa.set(size, made);
  return made;
}

export function specOf(rule: GoogleKeyRule, material: KeySpec['material']): KeySpec {
  return { algorithm: rule.algorithm, size: rule.size, material, properties: { google_kms_algorithm: rule.value } };
}

const MESSAGE = Buffer.from('what only this material can make or read');

async function proves(
  kms: KeyManagementServiceClient,
  encrypted: Map<string, Uint8Array>,
  id: string,
  spec: KeySpec,
  material: Uint8Array,
): Promise<void> {
  const sort = googleKeySort(spec);
  if ('why' in sort) throw new Error(sort.why);
  const { rule } = sort;
  const cryptoKey = id.slice(0, id.indexOf('/cryptoKeyVersions/'));
  switch (rule.purpose) {
    case 'encrypt_decrypt': {
      // Google keeps the form of its ciphertext to itself: what was encrypted before must be readable after.
      const before = encrypted.get(id);
      if (before !== undefined) {
        const [answer] = await kms.decrypt({ name: cryptoKey, ciphertext: before });
        same(answer.plaintext, MESSAGE);
      }
      const [answer] = await kms.encrypt({ name: cryptoKey, plaintext: MESSAGE });
      if (answer.name !== id) throw new Error(`${cryptoKey} encrypts with ${answer.name ?? 'nothing'}.`);
      encrypted.set(id, Buffer.from(answer.ciphertext ?? ''));
      return;
    }
    case 'mac': {
      const [answer] = await kms.macSign({ name: id, data: MESSAGE });
      same(answer.mac, createHmac('sha256', material).update(MESSAGE).digest());
      return;
    }
    case 'asymmetric_decrypt': {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      const ciphertext = publicEncrypt({ key: publicKeyOf(material), padding, oaepHash: rule.digest ?? '' }, MESSAGE);
      const [answer] = await kms.asymmetricDecrypt({ name: id, ciphertext });
      same(answer.plaintext, MESSAGE);
      return;
    }
    case 'asymmetric_sign':
      await provesBySigning(kms, id, rule, publicKeyOf(material));
  }
}

async function provesBySigning(
  kms: KeyManagementServiceClient,
  id: string,
  { value, digest }: GoogleKeyRule,
  key: KeyObject,
): Promise<void> {
  if (digest === undefined) {
    const info = Buffer.concat([
      Buffer.from('3031300d060960864801650304020105000420', 'hex'),
      createHash('sha256').update(MESSAGE).digest(),
    ]);
    const [raw] = await kms.asymmetricSign({ name: id, data: info });
    if (!verify('sha256', MESSAGE, key, Buffer.from(raw.signature ?? ''))) throw new Error('Signed by other material.');
    return;
  }
  const [answer] = await kms.asymmetricSign({
    name: id,
    digest: { [digest]: createHash(digest).update(MESSAGE).digest() },
  });
  const options = value.includes('_pss_')
    ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : key;
  if (!verify(digest, MESSAGE, options, Buffer.from(answer.signature ?? '')))
    throw new Error('Signed by other material.');
}

function publicKeyOf(material: Uint8Array): KeyObject {
  return createPublicKey(createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }));
}

function same(actual: Uint8Array | string | null | undefined, expected: Uint8Array): void {
  if (actual === null || actual === undefined || Buffer.compare(Buffer.from(actual), expected) !== 0) {
    throw new Error('The material is another.');
  }
}
