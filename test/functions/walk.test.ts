import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiClient } from '../../sandbox/api-client.ts';
import type { Answer, ApiClient, Json, Request } from '../../sandbox/api-client.ts';
import { startEnvironment } from '../../sandbox/environment.ts';
import type { Environment } from '../../sandbox/environment.ts';
import { ROLES } from '../../sandbox/issuer.ts';
import { readSettings } from '../../sandbox/settings.ts';
import contract from '../wire/uko-api-v4.13.json' with { type: 'json' };
import { keystoreBody, templateBody } from './world.ts';

type Field = readonly [name: string, type: string, presence: 'required' | 'optional', values?: readonly string[]];
const models = contract.models as unknown as Readonly<Record<string, readonly Field[]>>;
const operations = contract.operations as unknown as readonly {
  readonly operation: string;
  readonly method: Request['method'];
  readonly path: string;
  readonly success: number;
  readonly returns?: string;
  readonly if_match?: string;
}[];

/** Models of answers that no keystore of this walk can be the reason for, and fields that Shearline does not use. */
const ELSEWHERE: readonly RegExp[] = [
  // Other clouds' keystores: their fields are held to the contract with their drivers.
  /^(?:KeystoreType|KeyInstance|KeystoresPropertiesCreate)(?:Azure|GoogleKms|IbmCloudKms|Cca)\./,
  // Only keystores of IBM know what their keys protect.
  /^(?:AssociatedResource|ManagedKeyReference|IbmCloudKmsRegistration)\.|^AssociatedResourceList\.next$/,
  /^ErrorModel\.(?:more_info|message_params)$/,
];

/** Which model it is, where the contract has a choice; undefined for those beyond it. */
const CHOICES: Readonly<Record<string, (value: Readonly<Record<string, unknown>>) => string | undefined>> = {
  Keystore: ({ type }) => MODEL_OF_TYPE[String(type)]?.replace(/^/, 'KeystoreType'),
  KeystoresPropertiesCreate: ({ type }) => MODEL_OF_TYPE[String(type)]?.replace(/^/, 'KeystoresPropertiesCreate'),
  KeyInstance: ({ keystore }) =>
    MODEL_OF_TYPE[String((keystore as { readonly type?: string }).type)]?.replace(/^/, 'KeyInstance'),
};
const MODEL_OF_TYPE: Readonly<Record<string, string>> = {
  aws_kms: 'AwsKms',
  azure_key_vault: 'Azure',
  google_kms: 'GoogleKms',
  ibm_cloud_kms: 'IbmCloudKms',
  cca: 'Cca',
};

const called = new Set<string>();
const seenFields = new Set<string>();
const resolved = new Map<string, unknown>();
let environment: Environment;
let client: ApiClient;

beforeAll(async () => {
  environment = await startEnvironment({
    settings: readSettings({ ...process.env, PORT: '0', SEED: 'none' }),
    dataFolder: undefined,
    schedules: false,
    reload: false,
  });
  const token = await environment.mint({ subject: 'walker', roles: ROLES });
  client = apiClient({ api: environment.endpoints.api, token });
}, 120_000);
afterAll(() => environment.stop());

interface Call {
  readonly id?: string;
  readonly query?: string;
  readonly body?: Json;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls an operation as the contract describes it, and checks every field of its answer and whatever the answer links to. */
async function call(operation: string, { id = '', query, body, headers }: Call = {}): Promise<Answered> {
  const row = operations.find((each) => each.operation === operation);
  if (row === undefined) throw new Error(`The contract has no operation ${operation}.`);
  const path = `${row.path.replace('/api/v4', '').replace('{id}', id)}${query === undefined ? '' : `?${query}`}`;
  const answer = await client.send({
    method: row.method,
    path,
    ...(body === undefined ? {} : { body }),
    ...(row.if_match === 'required' ? { ifMatch: '*' } : {}),
    ...(headers === undefined ? {} : { headers }),
  });
  expect(answer.status, `${operation} ${JSON.stringify(answer.body)}`).toBe(row.success);
  expect(answer.headers.get('x-correlation-id'), operation).not.toBeNull();
  called.add(operation);
  if (row.returns === undefined) {
    expect(answer.body, operation).toBeUndefined();
    return answer as Answered;
  }
  expect(answer.headers.get('content-type'), operation).toBe('application/json; charset=utf-8');
  // The status of a keystore is what was observed, and has no version of its own.
  const single = !row.returns.endsWith('List') && row.returns !== 'KeystoreStatus';
  expect(answer.etag === undefined, `${operation} ETag`).toBe(!single);
  if (row.success === 201) expect(answer.headers.get('location'), operation).toBe((answer as Answered).body.href);
  check(operation, row.returns, answer.body);
  // What was changed must be looked at again.
  if (row.method !== 'GET') resolved.clear();
  await resolveAll(answer.body);
  return answer as Answered;
}

type Answered = Answer & {
  readonly body: Readonly<Record<string, unknown>> & { readonly id: string; readonly href: string };
};

/** Asks for what must be refused, and checks the refusal. */
async function refused(status: number, request: Request): Promise<void> {
  const answer = await client.send(request);
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  check(`${request.method} ${request.path}`, 'ApiError', answer.body);
}

/** A value against a model or a type of the contract. */
function check(at: string, type: string, value: unknown, values?: readonly string[]): void {
  const item = /^array of (.+)$/.exec(type)?.[1];
  if (item !== undefined) {
    expect(Array.isArray(value), `${at} is a list`).toBe(true);
    for (const [index, each] of (value as readonly unknown[]).entries()) check(`${at}[${index}]`, item, each, values);
    return;
  }
  const simple = SIMPLE[type];
  if (simple !== undefined) {
    expect(simple(value), `${at} is ${type}: ${JSON.stringify(value)}`).toBe(true);
    // Ours beyond the contract: two more keystore types.
    if (values !== undefined) expect([...values, 'aws_cloudhsm', 'pkcs11'], at).toContain(value);
    return;
  }
  expect(typeof value === 'object' && value !== null, `${at} is an object`).toBe(true);
  const object = value as Readonly<Record<string, unknown>>;
  const model = type in CHOICES ? CHOICES[type]?.(object) : type;
  if (model === undefined) return;
  for (const field of models[model] ?? []) checkField(at, model, object, field);
}

function checkField(at: string, model: string, object: Readonly<Record<string, unknown>>, field: Field): void {
  const [name, type, presence, values] = field;
  const value = object[name];
  // What refers to something must lead there: nothing in a reference is left out.
  const complete = model.endsWith('Reference') || presence === 'required';
  if (complete) expect(value, `${at}.${name} is there`).toBeDefined();
  expect(value, `${at}.${name}`).not.toBeNull();
  if (value === undefined) return;
  seenFields.add(`${model}.${name}`);
  check(`${at}.${name}`, type, value, values);
}

const isText = (value: unknown): value is string => typeof value === 'string';
const SIMPLE: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: isText,
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  date: (value) => isText(value) && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  'date-time': (value) =>
    isText(value) && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/.test(value) && !Number.isNaN(Date.parse(value)),
};

/** GETs whatever an answer links to; a reference must lead to what it names. */
async function resolveAll(value: unknown): Promise<void> {
  if (typeof value !== 'object' || value === null) return;
  const { href, id, name } = value as Readonly<Record<string, unknown>>;
  if (typeof href === 'string') {
    const base = `${environment.endpoints.api}/api/v4`;
    expect(href.startsWith(`${base}/`), href).toBe(true);
    if (!resolved.has(href)) {
      const answer = await client.send({ method: 'GET', path: href.slice(base.length) });
      expect(answer.status, href).toBe(200);
      resolved.set(href, answer.body);
    }
    if (id !== undefined)
      expect(resolved.get(href), href).toMatchObject({ id, ...(name === undefined ? {} : { name }) });
  }
  for (const inner of Object.values(value)) await resolveAll(inner);
}

const idOf = async (answer: Promise<Answered>): Promise<string> => (await answer).body.id;

describe('a client that calls every operation of the running functions', () => {
  it('gets complete answers, from empty lists to the last delete', { timeout: 120_000 }, async () => {
    for (const list of ['ListVaults', 'ListKeyTemplates', 'ListKeystores', 'ListManagedKeys']) {
      expect((await call(list)).body).toMatchObject({ total_count: 0 });
    }
    const vault = await idOf(call('CreateVault', { body: { name: 'Walked' } }));
    const bare = await idOf(call('CreateVault', { body: { name: 'Bare', description: 'x', recovery_key_label: 'r' } }));
    await call('GetVault', { id: vault });
    await call('UpdateVault', { id: vault, body: { description: 'now with one' } });

    const keystore = await idOf(
      call('CreateKeystore', {
        body: { ...keystoreBody(vault, 'plain'), description: 'first', tls_proxy: 'https://proxy.example' },
      }),
    );
    const hsm = { type: 'aws_cloudhsm', aws_custom_key_store_id: environment.customKeyStoreId ?? '' };
    await call('CreateKeystore', { body: { ...keystoreBody(vault, 'hsm', []), ...hsm } });
    const spare = await idOf(call('CreateKeystore', { body: keystoreBody(vault, 'spare', []) }));
    await call('GetKeystore', { id: keystore });
    await call('GetKeystoreStatus', { id: keystore });
    await call('UpdateKeystore', { id: spare, body: { name: 'renamed', aws_secret_access_key: '********' } });
    await call('ListManagedKeysFromKeystore', { id: keystore });
    await call('ListAssociatedResourcesForTargetKeystore', { id: keystore });

    const template = await idOf(call('CreateKeyTemplate', { body: templateBody(vault, 'plain', 'pre_activation') }));
    await call('CreateKeyTemplate', {
      body: {
        ...templateBody(vault, 'named'),
        naming_scheme: 'pay-<owner>',
        description: 'with a scheme',
        state: 'unarchived',
      },
    });
    const pair = {
      ...templateBody(vault, '').key,
      algorithm: 'ec',
      size: '256',
      expiration_date: 'P1Y',
      material: 'imported',
    };
    await call('CreateKeyTemplate', {
      body: {
        ...templateBody(vault, 'pair'),
        key: pair,
        keystores: [{ type: 'aws_kms', group: 'Production', naming_scheme: '<owner>' }],
      },
    });
    await call('GetKeyTemplate', { id: template });
    await call('UpdateKeyTemplate', { id: template, body: { description: 'changed' } });
    await call('ArchiveKeyTemplate', { id: template });
    await call('UnarchiveKeyTemplate', { id: template });

    const key = (template_name: string, more: Readonly<Record<string, Json>>) =>
      idOf(
        call('CreateManagedKey', {
          body: { vault: { id: vault }, template_name, ...more },
          headers: { 'uko-vault': vault },
        }),
      );
    const plain = await key('plain', { label: 'walked', tags: [{ name: 'a', value: 'b' }], description: 'described' });
    await key('named', { label_tags: [{ name: 'owner', value: 'ada' }] });
    const signing = await key('pair', { label_tags: [{ name: 'owner', value: 'bob' }] });
    await call('GetManagedKey', { id: plain });
    await call('UpdateManagedKey', {
      id: plain,
      body: { expiration_date: '2040-01-31', activation_date: '2026-01-31' },
    });
    await call('ActivateManagedKey', { id: plain });
    await call('GetKeyDistributionStatusForKeystores', { id: plain });
    await call('SyncManagedKey', { id: plain });
    await call('UpdateManagedKeyFromTemplate', { id: plain, query: 'dry_run=true' });
    await call('UpdateManagedKeyFromTemplate', { id: plain });
    await call('RotateManagedKey', { id: signing });
    await call('ListManagedKeyVersions', { id: signing, query: 'limit=1&offset=1' });
    await call('ListAssociatedResourcesForManagedKey', { id: plain, query: 'offset=1' });

    environment.kms?.faults.add({ kind: 'unreachable' });
    await call('GetKeyDistributionStatusForKeystores', { id: plain });
    environment.kms?.faults.clear();

    await call('DeactivateManagedKey', { id: plain });
    const shadow = await call('CreateManagedKey', {
      body: { vault: { id: vault }, label: 'own', key: templateBody(vault, '').key, keystores: [{ id: keystore }] },
    });
    const { id: shadowTemplate } = shadow.body['template'] as { readonly id: string };
    await call('ExposeKeyTemplate', { id: shadowTemplate });
    for (const list of ['ListVaults', 'ListKeyTemplates', 'ListKeystores', 'ListManagedKeys']) {
      for (const query of ['limit=1', 'limit=1&offset=1']) await call(list, { query });
    }

    await call('DestroyManagedKey', { id: plain });
    await call('DeleteManagedKey', { id: plain });
    await call('DeleteKeyTemplate', { id: template });
    await call('DeleteKeystore', { id: spare, query: 'mode=disconnect' });
    await call('DeleteVault', { id: bare });

    await refused(404, { method: 'GET', path: `/managed_keys/${plain}` });
    await refused(400, { method: 'POST', path: '/vaults', body: { name: '', colour: 'red' } });
    await refused(428, { method: 'DELETE', path: `/vaults/${vault}` });
    await refused(409, { method: 'DELETE', path: `/vaults/${vault}`, ifMatch: '*' });
    await refused(404, { method: 'GET', path: '/nowhere' });
  });

  it('has called every operation, and seen and checked every field that an answer can have', () => {
    expect(operations.map(({ operation }) => operation).filter((operation) => !called.has(operation))).toEqual([]);
    const unseen = answerFields().filter(
      (field) => !seenFields.has(field) && !ELSEWHERE.some((pattern) => pattern.test(field)),
    );
    expect(unseen).toEqual([]);
    console.log(
      `Walked: ${called.size} operations, ${seenFields.size} fields, ${answerFields().length - seenFields.size} elsewhere`,
    );
  });
});

/** Every field of every model that answers lead to. */
function answerFields(): string[] {
  const found = new Set<string>();
  const enter = (model: string): void => {
    const members = Object.keys(models).filter((name) => MEMBERS[model]?.test(name));
    for (const member of members) enter(member);
    for (const [name, type] of models[model] ?? []) {
      if (found.has(`${model}.${name}`)) continue;
      found.add(`${model}.${name}`);
      enter(type.replace('array of ', ''));
    }
  };
  for (const { returns } of operations) enter(returns ?? 'ApiError');
  return [...found];
}
const MEMBERS: Readonly<Record<string, RegExp>> = {
  Keystore: /^KeystoreType/,
  KeyInstance: /^KeyInstance/,
  KeystoresPropertiesCreate: /^KeystoresPropertiesCreate/,
};

describe('the running functions', () => {
  it.each(['openapi.json', 'docs', 'docs/start.js', 'docs/swagger-ui-bundle.js', 'docs/swagger-ui.css'])(
    'serve /api/v4/%s to anybody',
    async (path) => {
      const answer = await fetch(`${environment.endpoints.api}/api/v4/${path}`);
      expect(answer.status).toBe(200);
      expect((await answer.text()).length).toBeGreaterThan(100);
    },
  );

  it('give a list as a zipped file, byte for byte', async () => {
    const accept = 'application/vnd.ibm.uko.vault-list.v4.1.csv+zip';
    const answer = await fetch(`${environment.endpoints.api}/api/v4/vaults`, {
      headers: { accept, authorization: `Bearer ${await environment.mint({ subject: 'walker', roles: ROLES })}` },
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, accept]);
    expect(new TextDecoder('latin1').decode(await answer.arrayBuffer()).slice(0, 4)).toBe('PK\u0003\u0004');
  });
});
