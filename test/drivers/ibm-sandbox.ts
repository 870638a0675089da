import { createDecipheriv, randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { connect } from '../../lib/drivers/ibm-cloud-kms/driver.ts';
import { aliasOf, descriptionOf } from '../../lib/drivers/ibm-cloud-kms/names.ts';
import type { KeySpec, KeystoreDriver, Step } from '../../lib/drivers/driver.ts';
import type { Connection } from '../../lib/drivers/registry.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { startIbmCloudKmsSandbox } from '../../sandbox/ibm-cloud-kms/server.ts';
import type { FaultKind, IbmCloudKmsSandbox, KeyListing } from '../../sandbox/ibm-cloud-kms/server.ts';
import type { Keystore } from './contract.ts';
import { newKey } from './contract.ts';

export const INSTANCES = {
  key_protect: '12e8c9c2-a162-472d-b7d6-8b9a86b815a6',
  hpcs: '6a1f7c54-3d0e-4f5b-9a53-0d8f0f1f9c11',
  /** Without import tokens. */
  plain: '9c7d1f0a-5b43-4c1e-8a55-2f7f3d2a9e77',
} as const;
export const API_KEY = 'sandbox-api-key-that-opens-nothing';
export const READER_API_KEY = 'sandbox-api-key-that-only-reads';

export interface IbmKeystore extends Keystore {
  readonly sandbox: IbmCloudKmsSandbox;
  readonly clock: SandboxClock;
  connection(settings?: Connection['settings'], credentials?: Connection['credentials']): Connection;
  /** Speaks to the API as somebody else would. */
  call(
    method: string,
    path: string,
    body?: unknown,
    instanceId?: string,
    keyRing?: string,
  ): Promise<{ status: number; body: unknown }>;
  listing(idInKeystore: string | undefined): KeyListing | undefined;
}

const OPERATIONS = { look: 'GetKeyMetadata', create: 'CreateKey', list: 'GetKeys' } as const;
const FAULTS = {
  throttled: 'throttle',
  denied: 'denied',
  answer_lost: 'reset_after',
  no_answer: 'reset_before',
} as const satisfies Record<string, FaultKind>;

const wrapped = z.object({ plaintext: z.string(), ciphertext: z.string() });
const envelope = z.object({ ciphertext: z.string(), iv: z.string() });
const tokenAnswer = z.object({ access_token: z.string() });

/** Starts a sandbox and opens a keystore on it. Between steps half a minute passes, which IBM wants to see before some of them. */
export async function openIbmKeystore(
  variant: 'key_protect' | 'hpcs' = 'key_protect',
  settings: Connection['settings'] = {},
): Promise<IbmKeystore> {
  process.env['ALLOW_INSECURE_KEYSTORE_ENDPOINTS'] = 'true';
  const clock = sandboxClock();
  const sandbox = await startIbmCloudKmsSandbox({
    clock,
    instances: [
      { instanceId: INSTANCES.key_protect, variant: 'key_protect' },
      { instanceId: INSTANCES.hpcs, variant: 'hpcs' },
      { instanceId: INSTANCES.plain, variant: 'key_protect', importTokens: false },
    ],
    apiKeys: [{ apiKey: API_KEY }, { apiKey: READER_API_KEY, role: 'Reader' }],
  });
  const connection: IbmKeystore['connection'] = (changed = {}, credentials = { ibm_api_key: API_KEY }) => ({
    keystoreId: 'keystore-1',
    settings: {
      ibm_variant: variant,
      ibm_api_endpoint: sandbox.endpoint,
      ibm_iam_endpoint: sandbox.endpoint,
      ibm_instance_id: INSTANCES[variant],
      ...settings,
      ...changed,
    },
    credentials,
  });
  const call: IbmKeystore['call'] = async (method, path, body, instanceId = INSTANCES[variant], keyRing) => {
    const form = new URLSearchParams({ grant_type: 'urn:ibm:params:oauth:grant-type:apikey', apikey: API_KEY });
    const token = await fetch(`${sandbox.endpoint}/identity/token`, { method: 'POST', body: form });
    const { access_token } = z.parse(tokenAnswer, await token.json());
    const response = await fetch(`${sandbox.endpoint}/api/v2${path}`, {
      method,
      headers: {
        authorization: `Bearer ${access_token}`,
        'bluemix-instance': instanceId,
        ...(keyRing === undefined ? {} : { 'x-kms-key-ring': keyRing }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  };
  const listing: IbmKeystore['listing'] = (id) => sandbox.operator.keys().find(({ crn }) => crn === id);
  return {
    sandbox,
    clock,
    connection,
    call,
    listing,
    connect: () => unhurried(connect(connection()), clock),
    now: () => clock.now(),
    strike(during, how, times) {
      sandbox.faults.add({ kind: FAULTS[how], operation: OPERATIONS[during], times });
    },
    mend() {
      sandbox.faults.clear();
      sandbox.calls.reset();
    },
    async takeName(label) {
      const type = 'application/vnd.ibm.kms.key+json';
      const resource = { type, name: 'somebody else', extractable: false, aliases: [aliasOf(label)] };
      const metadata = { collectionType: type, collectionTotal: 1 };
      const { status } = await call('POST', '/keys', { metadata, resources: [resource] });
      if (status !== 201) throw new Error(`The name could not be taken: ${status}`);
    },
    async makeForeign(name) {
      const type = 'application/vnd.ibm.kms.key+json';
      const metadata = { collectionType: type, collectionTotal: 1 };
      const named = connection().settings['ibm_key_ring'];
      const ring = typeof named === 'string' ? named : undefined;
      if (ring !== undefined) await call('POST', `/key_rings/${ring}`);
      const body = { metadata, resources: [{ type, name, extractable: false }] };
      const { status } = await call('POST', '/keys', body, INSTANCES[variant], ring);
      if (status !== 201) throw new Error(`The key could not be made: ${status}`);
    },
    countOf(keyId) {
      const spec: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
      const mark = descriptionOf(newKey(spec, clock.now(), { keyId, description: '' }), undefined).slice(
        0,
        -'1]'.length,
      );
      return Promise.resolve(sandbox.operator.keys().filter(({ description }) => description.includes(mark)).length);
    },
    letDeletionsEnd() {
      clock.advance(31 * 86_400_000);
    },
    loseMaterial: undefined,
    changeMaterial: (id) => {
      sandbox.operator.rotate(id);
      return Promise.resolve();
    },
    // IBM keeps the form of what it wraps to itself; the sandbox uses AES-GCM, so that the very bytes can be shown to have wrapped it.
    provesMaterial: async (id, _spec, material) => {
      const keyId = id.slice(id.lastIndexOf(':') + 1);
      const dek = randomBytes(32).toString('base64');
      const { body } = await call('POST', `/keys/${keyId}/actions/wrap`, { plaintext: dek });
      const { ciphertext } = z.parse(z.partial(wrapped), body);
      const sealed = z.parse(envelope, JSON.parse(Buffer.from(ciphertext ?? '', 'base64').toString()));
      const bytes = Buffer.from(sealed.ciphertext, 'base64');
      const name = `aes-${material.length * 8}-gcm` as 'aes-256-gcm';
      const decipher = createDecipheriv(name, material, Buffer.from(sealed.iv, 'base64'));
      decipher.setAuthTag(bytes.subarray(-16));
      const plain = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
      if (plain.toString('base64') !== dek) throw new Error('The material is another.');
    },
    close: () => sandbox.close(),
  };
}

/** The driver, with half a minute before each of its steps. */
export function unhurried(driver: KeystoreDriver, clock: SandboxClock): KeystoreDriver {
  const steps = Object.entries(driver.steps).map(([name, step]): [string, Step] => [
    name,
    (key, context) => {
      clock.advance(31_000);
      return step(key, context);
    },
  ]);
  return { ...driver, steps: Object.fromEntries(steps) };
}
