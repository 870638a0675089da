import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { statementsOf } from '../../deploy/privileges.ts';
import type { Statement } from '../../deploy/privileges.ts';
import { ROLES } from '../../lib/access/permissions.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { CUSTODY_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { startApi } from '../functions/api.ts';
import type { TestApi } from '../functions/api.ts';
import { create, keystoreBody, makeWorld, templateBody } from '../functions/world.ts';
import type { World } from '../functions/world.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const SERVICE = z.object({
  functions: z.record(
    z.string(),
    z.object({
      privileges: z.array(z.union([z.string(), z.custom<Statement>()])),
      events: z.array(z.object({ httpApi: z.optional(z.string()) })),
    }),
  ),
});

/** A call that a function makes with its own role: to the table, or with the custody key. */
interface Made {
  readonly function: string;
  readonly action: string;
  /** Partition keys of the table's items, where the call names any. */
  readonly keys: readonly string[];
  /** What the ciphertext is for, where it is one of the custody key. */
  readonly purpose: string | undefined;
}

const within = new AsyncLocalStorage<string>();
const calls: Made[] = [];

const ITEM = z.object({ pk: z.object({ S: z.string() }) });
const WRITE = z.object({ Item: z.optional(ITEM), Key: z.optional(ITEM) });
const BODY = z.object({
  Key: z.optional(ITEM),
  Item: z.optional(ITEM),
  IndexName: z.optional(z.string()),
  ExpressionAttributeValues: z.optional(z.record(z.string(), z.unknown())),
  TransactItems: z.optional(z.array(z.record(z.string(), WRITE))),
  EncryptionContext: z.optional(z.record(z.string(), z.string())),
});
const TRANSACT: Readonly<Record<string, string>> = {
  Put: 'PutItem',
  Update: 'UpdateItem',
  Delete: 'DeleteItem',
  ConditionCheck: 'ConditionCheckItem',
};

function record(by: string, request: ClientRequest, body: string): void {
  const [service = '', operation = ''] = String(request.getHeader('x-amz-target') ?? '').split('.');
  const given = BODY.parse(JSON.parse(body));
  if (service.startsWith('DynamoDB')) {
    if (given.TransactItems !== undefined) {
      for (const item of given.TransactItems) {
        for (const [op, { Item, Key }] of Object.entries(item)) {
          const keys = [(Item ?? Key)?.pk.S ?? ''];
          calls.push({ function: by, action: `dynamodb:${TRANSACT[op] ?? op}`, keys, purpose: undefined });
        }
      }
      return;
    }
    const pk =
      (given.Item ?? given.Key)?.pk.S ?? (given.ExpressionAttributeValues?.[':pk'] as { S?: string } | undefined)?.S;
    calls.push({
      function: by,
      action: `dynamodb:${operation}`,
      keys: pk === undefined ? [] : [pk],
      purpose: undefined,
    });
    return;
  }
  // With the keystores' own access key nothing is asked of the function's role.
  if (service !== 'TrentService' || !String(request.getHeader('authorization')).includes(CUSTODY_ACCOUNT.accessKeyId))
    return;
  const purpose = given.EncryptionContext?.['shearline:purpose'];
  calls.push({ function: by, action: `kms:${operation}`, keys: [], purpose });
}

/** Every request that the SDKs send, with what was asked to do it. Undone by nothing: this file has a process of its own. */
subscribe('http.client.request.created', (message) => {
  const { request } = message as { readonly request: ClientRequest };
  const by = within.getStore();
  if (by === undefined) return;
  const chunks: Buffer[] = [];
  const keep = (chunk: unknown) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const write = request.write.bind(request);
  const end = request.end.bind(request);
  request.write = ((...args: Parameters<typeof write>) => {
    keep(args[0]);
    return write(...args);
  }) as typeof write;
  request.end = ((...args: Parameters<typeof end>) => {
    keep(args[0]);
    if (request.getHeader('x-amz-target') !== undefined) record(by, request, Buffer.concat(chunks).toString());
    return end(...args);
  }) as typeof end;
});

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}

/** Whether a statement speaks of this call, by its action and its condition. */
function covers({ Action, Condition }: Statement, call: Made): boolean {
  if (![Action].flat().includes(call.action)) return false;
  const conditions = (Condition ?? {}) as Readonly<
    Record<string, Readonly<Record<string, string | readonly string[]>>>
  >;
  return Object.entries(conditions).every(([operator, wanted]) =>
    Object.entries(wanted).every(([name, values]) => {
      const patterns = [values].flat();
      if (name === 'kms:EncryptionContext:shearline:purpose') return patterns.includes(call.purpose ?? '');
      if (name !== 'dynamodb:LeadingKeys') return true;
      const fits = (key: string) => patterns.some((pattern) => matches(pattern, key));
      return operator.startsWith('ForAnyValue') ? call.keys.some(fits) : call.keys.every(fits);
    }),
  );
}

describe('each function', () => {
  let api: TestApi;
  let world: World;
  let granted: ReadonlyMap<string, readonly Statement[]>;
  let functionOf: (method: string, path: string) => string;
  let client: ApiClient;

  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(PROJECT, 'node_modules/serverless/bin/serverless.js'), 'print', '--format', 'json'],
      {
        cwd: PROJECT,
        env: { PATH: process.env['PATH'], HOME: process.env['HOME'], OIDC_ISSUER: 'https://login.example' },
        maxBuffer: 50_000_000,
      },
    );
    const { functions } = SERVICE.parse(JSON.parse(stdout));
    granted = new Map(
      Object.entries(functions).map(([name, { privileges }]) => [
        name,
        statementsOf(privileges, { current: 'custody', earlier: [] }, name),
      ]),
    );
    const routes = Object.entries(functions).flatMap(([name, { events }]) =>
      events.flatMap(({ httpApi }) => {
        if (httpApi === undefined || httpApi === '*') return [];
        const [method = '', path = ''] = httpApi.split(' ');
        return [{ name, method, pattern: new RegExp(`^${path.replace('{id}', '[^/]+').replace('{path+}', '.+')}$`) }];
      }),
    );
    functionOf = (method, path) => {
      const found = routes.find((route) => route.method === method && route.pattern.test(`/api/v4${path}`));
      if (found === undefined) throw new Error(`No function has the route ${method} ${path}.`);
      return found.name;
    };
    api = await startApi({ RATE_LIMIT_PER_MINUTE: '100000' });
    const sending = api.client(await api.token([...ROLES]));
    client = {
      send: (request) =>
        within.run(functionOf(request.method, request.path.replace(/\?.*$/, '')), () => sending.send(request)),
    };
    world = await makeWorld(client, 'privileges');
    await everythingElse(client, world, api);
  }, 120_000);
  afterAll(() => api.close());

  test('makes no call that its role does not allow', () => {
    const refused = calls.filter((call) => {
      const statements = granted.get(call.function) ?? [];
      return (
        !statements.some((each) => each.Effect === 'Allow' && covers(each, call)) ||
        statements.some((each) => each.Effect === 'Deny' && covers(each, call))
      );
    });
    const told = refused.map(
      (call) => `${call.function}: ${call.action} ${call.purpose ?? call.keys.join().replace(/#.*/, '#…')}`,
    );
    expect([...new Set(told)]).toEqual([]);
  });

  test('was called, and was seen to call', () => {
    const served = new Set(
      Object.values(OPERATIONS).map(({ method, path }) =>
        functionOf(method, path.slice('/api/v4'.length).replace('{id}', 'id')),
      ),
    );
    const idle = [...served].filter((name) => !calls.some((call) => call.function === name));
    // It answers from what it was built with.
    expect(idle).toEqual(['openapi']);
    expect(calls.length).toBeGreaterThan(500);
  });

  // Opening credentials is not seen here: this process keeps what it has opened, for all functions.
  test('that may write does write, and that may make or seal does so', () => {
    const needless = [...granted].flatMap(([name, statements]) => {
      const made = calls.filter((call) => call.function === name);
      if (made.length === 0) return [];
      return statements
        .filter(
          ({ Effect, Action }) =>
            Effect === 'Allow' && Action.some((each) => /:(?:PutItem|GenerateDataKey)$/.test(each)),
        )
        .filter((statement) => !made.some((call) => covers(statement, call)))
        .map(({ Action, Condition }) => `${name}: ${Action.join(', ')} ${JSON.stringify(Condition ?? '')}`);
    });
    expect(needless).toEqual([]);
  });

  test('would be caught at a call too many', () => {
    const call = { function: 'audit', action: 'dynamodb:PutItem', keys: ['VAULT#1'], purpose: undefined };
    expect((granted.get('audit') ?? []).some((each) => covers(each, call))).toBe(false);
    const counting = { ...call, action: 'dynamodb:UpdateItem' };
    expect((granted.get('audit') ?? []).some((each) => covers(each, counting))).toBe(false);
    expect((granted.get('audit') ?? []).some((each) => covers(each, { ...counting, keys: ['RATE#x'] }))).toBe(true);
    const altering = { ...counting, function: 'vaults', keys: ['AUDIT#1'] };
    expect((granted.get('vaults') ?? []).some((each) => each.Effect === 'Deny' && covers(each, altering))).toBe(true);
  });
});

/** What making a world leaves out: imported material, rotation, repair, lists, edits, approvals, ends. Refusals are calls too. */
async function everythingElse(client: ApiClient, world: World, api: TestApi): Promise<void> {
  const vault = { id: world.vault };
  const act = (path: string, body?: object) =>
    client.send({
      method: 'POST',
      path: `/${path}`,
      ifMatch: '*',
      ...(body === undefined ? {} : { body: body as never }),
    });
  await create(client, 'templates', {
    ...templateBody(world.vault, 'imported'),
    key: { ...templateBody(world.vault, '').key, material: 'imported' },
  });
  const imported = await create(client, 'managed_keys', { vault, template_name: 'imported', label: 'imported/one' });
  await act(`managed_keys/${imported}/rotate`);
  await act(`managed_keys/${imported}/deactivate`);
  await act(`managed_keys/${imported}/activate`);
  // A keystore that joins: its copy is made by realigning, with the material there is.
  await create(client, 'keystores', { ...keystoreBody(world.vault, 'joins'), aws_region: 'eu_central_1' });
  await act(`managed_keys/${imported}/update_from_template`);
  await act(`managed_keys/${imported}/sync_status_in_keystores`);
  await client.send({
    method: 'PATCH',
    path: `/managed_keys/${imported}`,
    ifMatch: '*',
    body: { label: 'imported/two' },
  });
  await client.send({
    method: 'PATCH',
    path: `/managed_keys/${imported}`,
    ifMatch: '*',
    body: { referenced_keystores: [{ id: world.keystore }] },
  });
  await client.send({
    method: 'PATCH',
    path: `/keystores/${world.keystore}`,
    ifMatch: '*',
    body: { description: 'Changed', aws_secret_access_key: keystoreBody('', '').aws_secret_access_key },
  });
  await client.send({
    method: 'PATCH',
    path: `/templates/${world.template}`,
    ifMatch: '*',
    body: { description: 'Changed' },
  });
  await client.send({
    method: 'PATCH',
    path: `/vaults/${world.vault}`,
    ifMatch: '*',
    body: { description: 'Changed', approval_required_for: ['destroy'] },
  });
  const waiting = await act(`managed_keys/${world.keys.deactivated}/destroy`);
  const { id: approval = '' } = (waiting.body ?? {}) as { id?: string };
  await act(`approvals/${approval}/approve`);
  await act('open_work/redrive', { vault });
  const ids: Readonly<Record<string, string>> = {
    managed_keys: imported,
    keystores: world.keystore,
    templates: world.template,
    vaults: world.vault,
    approvals: approval,
    notification_subscriptions: world.subscription,
  };
  // Something for a verify to find.
  for (const { arn, state } of api.kms.operator.keys()) if (state === 'Enabled') await api.kms.operator.disable(arn);
  for (const { method, path } of Object.values(OPERATIONS)) {
    const list = path.split('/')[3] ?? '';
    const target = path.slice('/api/v4'.length).replace('{id}', ids[list] ?? '');
    if (method === 'GET') await client.send({ method, path: target });
  }
  for (const { method, path } of Object.values(OPERATIONS)) {
    const list = path.split('/')[3] ?? '';
    const target = path.slice('/api/v4'.length).replace('{id}', ids[list] ?? '');
    // Whatever they make of an empty body: a refusal is written down, too.
    if (method !== 'GET' && !/\/(?:templates|managed_keys|keystores|vaults)$/.test(target)) {
      if (method !== 'DELETE') await client.send({ method, path: target, ifMatch: '*', body: {} });
    }
  }
  await client.send({ method: 'DELETE', path: `/managed_keys/${world.keys.destroyed}`, ifMatch: '*' });
  await client.send({ method: 'DELETE', path: `/keystores/${world.emptyKeystore}`, ifMatch: '*' });
  await client.send({ method: 'DELETE', path: `/keystores/${world.keystore}?mode=deactivate`, ifMatch: '*' });
  await client.send({ method: 'DELETE', path: `/templates/${world.templateWithoutKeys}`, ifMatch: '*' });
}
