import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROLES } from '../../lib/access/permissions.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { Answer, ApiClient, Request } from '../../sandbox/api-client.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { act, create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let client: ApiClient;
let vault: string;

beforeAll(async () => {
  api = await startApi();
  client = api.client(await api.token([...ROLES]));
  vault = await create(client, 'vaults', { name: 'counted' });
  await create(client, 'keystores', keystoreBody(vault, 'first'));
  await create(client, 'templates', templateBody(vault, 'first', 'pre_activation'));
  await create(client, 'templates', templateBody(vault, 'second', 'pre_activation'));
});
afterAll(() => api.close());

const KINDS = { managed_keys: 'keys_count', templates: 'key_templates_count', keystores: 'keystores_count' } as const;
type Kind = keyof typeof KINDS;

interface Counted {
  readonly id: string;
  readonly name?: string;
  readonly type?: readonly string[] | string;
  readonly keys_count?: number;
}

async function list(kind: Kind): Promise<readonly Counted[]> {
  const answer = await expectStatus(client, 200, { method: 'GET', path: `/${kind}?vault.id=${vault}&limit=1000` });
  return (answer.body as Record<string, readonly Counted[]>)[kind] ?? [];
}

/** The counts that the vault and its templates tell are those of what there is. */
async function requireExact(): Promise<void> {
  const { body } = await expectStatus(client, 200, { method: 'GET', path: `/vaults/${vault}` });
  const listed = await expectStatus(client, 200, { method: 'GET', path: '/vaults?name=counted' });
  for (const [kind, count] of Object.entries(KINDS) as [Kind, string][]) {
    const there = await list(kind);
    // A shadow template belongs to its key and is counted all the same: it is listed.
    expect(body, kind).toMatchObject({ [count]: there.length });
    expect(listed.body, kind).toMatchObject({ vaults: [{ [count]: there.length }] });
  }
  for (const { id, name = '', keys_count: count } of await list('templates')) {
    const path = `/managed_keys?template.id=${id}&limit=1`;
    const keys = await expectStatus(client, 200, { method: 'GET', path });
    expect(keys.body, name).toMatchObject({ total_count: count });
    const one = await expectStatus(client, 200, { method: 'GET', path: `/templates/${id}` });
    expect(one.body, name).toMatchObject({ keys_count: count });
  }
}

const post = (kind: Kind, body: NonNullable<Request['body']>): Request => ({ method: 'POST', path: `/${kind}`, body });
const remove = (kind: Kind, id: string): Request => ({ method: 'DELETE', path: `/${kind}/${id}`, ifMatch: '*' });
const key = (template: string, label: string) =>
  post('managed_keys', { vault: { id: vault }, template_name: template, label });

/** All at once; every answer must be one of these statuses. */
async function allAtOnce(requests: readonly Request[], statuses: readonly number[]): Promise<readonly Answer[]> {
  const answers = await Promise.all(requests.map((request) => client.send(request)));
  for (const [at, { status, body }] of answers.entries()) {
    expect(statuses, `${JSON.stringify(requests[at])}: ${status} ${JSON.stringify(body)}`).toContain(status);
  }
  return answers;
}
const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const done = (answers: readonly Answer[]) => answers.filter(({ status }) => status < 300).length;

it('counts stay exact while keys, templates and keystores are made at once, some twice', async () => {
  const answers = await allAtOnce(
    [
      ...many(20, (at) => key(at % 2 === 0 ? 'first' : 'second', `key-${at % 15}`)),
      ...many(12, (at) => post('templates', templateBody(vault, `template-${at % 8}`))),
      ...many(6, (at) => post('keystores', keystoreBody(vault, `keystore-${at % 4}`, ['Elsewhere']))),
    ],
    // What is made twice is refused once; what comes into too many others' way may be told to repeat.
    [201, 409, 503],
  );
  expect(done(answers)).toBeGreaterThanOrEqual(15);
  await requireExact();
});

it('counts stay exact while some are removed and others made, and when removals are refused', async () => {
  const keys = await list('managed_keys');
  for (const { id } of keys) await act(client, `managed_keys/${id}/destroy`);
  const templates = (await list('templates')).filter(({ name }) => name?.startsWith('template-') === true);
  const keystores = (await list('keystores')).filter(({ name }) => name !== 'first');
  const used = (await list('templates')).filter(({ name }) => name === 'first' || name === 'second');
  const answers = await allAtOnce(
    [
      ...keys.flatMap(({ id }) => [remove('managed_keys', id), remove('managed_keys', id)]),
      ...many(10, (at) => key('first', `later-${at}`)),
      ...templates.map(({ id }) => remove('templates', id)),
      ...many(4, (at) => post('templates', templateBody(vault, `later-${at}`))),
      ...keystores.map(({ id }) => remove('keystores', id)),
      ...used.map(({ id }) => remove('templates', id)),
    ],
    [201, 204, 404, 409, 412, 503],
  );
  expect(done(answers)).toBeGreaterThan(keys.length);
  await requireExact();
});

it('counts go down to nothing, and the vault can go', async () => {
  for (const { id } of await list('managed_keys')) {
    await client.send({ method: 'POST', path: `/managed_keys/${id}/destroy`, ifMatch: '*' });
    await expectStatus(client, 204, remove('managed_keys', id));
  }
  for (const kind of ['templates', 'keystores'] as const) {
    for (const { id } of await list(kind)) await expectStatus(client, 204, remove(kind, id));
  }
  await requireExact();
  const { body } = await expectStatus(client, 200, { method: 'GET', path: `/vaults/${vault}` });
  expect(body).toMatchObject({ keys_count: 0, key_templates_count: 0, keystores_count: 0 });
  await expectStatus(client, 204, { method: 'DELETE', path: `/vaults/${vault}`, ifMatch: '*' });
});
