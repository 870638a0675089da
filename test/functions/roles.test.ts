import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PERMISSIONS, ROLES } from '../../lib/access/permissions.ts';
import type { Role } from '../../lib/access/permissions.ts';
import { CONTRACT_OPERATIONS } from '../../lib/wire/operations.ts';
import type { ContractOperationId } from '../../lib/wire/operations.ts';
import type { ApiClient, Json, Request } from '../../sandbox/api-client.ts';
import { difference, startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, makeWorld, templateBody } from './world.ts';
import type { World } from './world.ts';

/** Who may do what, as the contract has it; on purpose not read from the code that decides. */
const CONTRACT = `
| action | Reader | Custodian Deployer | Custodian Creator | Vault Administrator | Manager |
|---|---|---|---|---|---|
| read one key, keystore, template, vault | ✓ | ✓ | ✓ | ✓ | ✓ |
| list them | | ✓ | ✓ | ✓ | ✓ |
| create a key (generate material), rotate | | | ✓ | | |
| activate a pre-active key, reactivate, deactivate | | ✓ | | | |
| assign to or unlink from keystores, realign, sync | | ✓ | ✓ | | |
| edit key details, dates, tags | | ✓ | ✓ | | |
| destroy a pre-active key | | ✓ | ✓ | | |
| destroy a deactivated key, remove a destroyed key | | | | ✓ | |
| write keystores, delete or disconnect them | | | | ✓ | |
| write templates | | | ✓ | ✓ | |
| delete templates | | | | ✓ | |
| write and delete vaults | | | | ✓ | |
`;
const COLUMNS: Readonly<Record<string, Role>> = {
  Reader: 'reader',
  'Custodian Deployer': 'key_custodian_deployer',
  'Custodian Creator': 'key_custodian_creator',
  'Vault Administrator': 'vault_administrator',
  Manager: 'manager',
};

const [header = [], , ...rows] = CONTRACT.trim()
  .split('\n')
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const ALLOWED = new Map(
  rows.map(([action = '', ...cells]) => [
    action,
    header.slice(1).flatMap((column, index) => (cells[index] === '✓' ? [COLUMNS[column]] : [])),
  ]),
);

const READ = 'read one key, keystore, template, vault';
const LIST = 'list them';
const SYNC = 'assign to or unlink from keystores, realign, sync';
const WRITE_KEYSTORES = 'write keystores, delete or disconnect them';
const WRITE_TEMPLATES = 'write templates';
const WRITE_VAULTS = 'write and delete vaults';
const CHANGE_STATE = 'activate a pre-active key, reactivate, deactivate';

/** One way to ask for an operation. Mutations are dry runs: judged to the end, and repeatable. */
interface Way {
  readonly action: string;
  /** What a caller sends who wants to do it in this world. */
  readonly request: (world: Worlds) => Omit<Request, 'method'>;
}

interface Worlds extends World {
  /** A vault with nothing in it. */
  readonly emptyVault: string;
}

const at = (path: (world: Worlds) => string, action: string, body?: Json): Way => ({
  action,
  request: (world) => ({ path: path(world), ...(body === undefined ? {} : { body }) }),
});
const posted = (path: string, action: string, body: (world: Worlds) => Json): Way => ({
  action,
  request: (world) => ({ path, body: body(world) }),
});

const WAYS: Readonly<Record<ContractOperationId, readonly Way[]>> = {
  ListManagedKeys: [at(({ vault }) => `/managed_keys?vault.id=${vault}`, LIST)],
  CreateManagedKey: [
    posted('/managed_keys', 'create a key (generate material), rotate', ({ vault, templateName }) => ({
      vault: { id: vault },
      template_name: templateName,
      label: 'another',
    })),
    posted('/managed_keys', 'create a key (generate material), rotate', ({ vault, keystore }) => ({
      vault: { id: vault },
      key: templateBody(vault, '').key,
      keystores: [{ id: keystore }],
      label: 'another',
    })),
  ],
  GetManagedKey: [at(({ keys }) => `/managed_keys/${keys.active}`, READ)],
  UpdateManagedKey: [
    at(({ keys }) => `/managed_keys/${keys.active}`, 'edit key details, dates, tags', { description: 'changed' }),
  ],
  DeleteManagedKey: [
    at(({ keys }) => `/managed_keys/${keys.destroyed}`, 'destroy a deactivated key, remove a destroyed key'),
  ],
  ListAssociatedResourcesForManagedKey: [at(({ keys }) => `/managed_keys/${keys.active}/associated_resources`, LIST)],
  ListManagedKeyVersions: [at(({ keys }) => `/managed_keys/${keys.active}/versions`, LIST)],
  GetKeyDistributionStatusForKeystores: [at(({ keys }) => `/managed_keys/${keys.active}/status_in_keystores`, READ)],
  UpdateManagedKeyFromTemplate: [at(({ keys }) => `/managed_keys/${keys.active}/update_from_template`, SYNC)],
  ActivateManagedKey: [
    at(({ keys }) => `/managed_keys/${keys.preActive}/activate`, CHANGE_STATE),
    at(({ keys }) => `/managed_keys/${keys.deactivated}/activate`, CHANGE_STATE),
  ],
  DeactivateManagedKey: [at(({ keys }) => `/managed_keys/${keys.active}/deactivate`, CHANGE_STATE)],
  DestroyManagedKey: [
    at(({ keys }) => `/managed_keys/${keys.preActive}/destroy`, 'destroy a pre-active key'),
    at(({ keys }) => `/managed_keys/${keys.deactivated}/destroy`, 'destroy a deactivated key, remove a destroyed key'),
  ],
  SyncManagedKey: [at(({ keys }) => `/managed_keys/${keys.active}/sync_status_in_keystores`, SYNC)],
  RotateManagedKey: [
    at(({ keys }) => `/managed_keys/${keys.active}/rotate`, 'create a key (generate material), rotate'),
  ],
  ListKeyTemplates: [at(({ vault }) => `/templates?vault.id=${vault}`, LIST)],
  CreateKeyTemplate: [posted('/templates', WRITE_TEMPLATES, ({ vault }) => templateBody(vault, 'another'))],
  GetKeyTemplate: [at(({ template }) => `/templates/${template}`, READ)],
  UpdateKeyTemplate: [at(({ template }) => `/templates/${template}`, WRITE_TEMPLATES, { description: 'changed' })],
  DeleteKeyTemplate: [at(({ templateWithoutKeys }) => `/templates/${templateWithoutKeys}`, 'delete templates')],
  ArchiveKeyTemplate: [at(({ template }) => `/templates/${template}/archive`, WRITE_TEMPLATES)],
  UnarchiveKeyTemplate: [at(({ archivedTemplate }) => `/templates/${archivedTemplate}/unarchive`, WRITE_TEMPLATES)],
  ExposeKeyTemplate: [at(({ shadowTemplate }) => `/templates/${shadowTemplate}/expose`, WRITE_TEMPLATES)],
  ListKeystores: [at(({ vault }) => `/keystores?vault.id=${vault}`, LIST)],
  CreateKeystore: [posted('/keystores', WRITE_KEYSTORES, ({ vault }) => keystoreBody(vault, 'another'))],
  GetKeystore: [at(({ keystore }) => `/keystores/${keystore}`, READ)],
  UpdateKeystore: [at(({ keystore }) => `/keystores/${keystore}`, WRITE_KEYSTORES, { description: 'changed' })],
  DeleteKeystore: ['restrict', 'deactivate', 'destroy', 'disconnect'].map((mode) =>
    at(({ emptyKeystore }) => `/keystores/${emptyKeystore}?mode=${mode}`, WRITE_KEYSTORES),
  ),
  GetKeystoreStatus: [at(({ keystore }) => `/keystores/${keystore}/status`, READ)],
  ListAssociatedResourcesForTargetKeystore: [at(({ keystore }) => `/keystores/${keystore}/associated_resources`, LIST)],
  ListManagedKeysFromKeystore: [at(({ keystore }) => `/keystores/${keystore}/managed_keys`, LIST)],
  // Lists of vaults cannot be narrowed by id: a name does.
  ListVaults: [at(({ templateName }) => `/vaults?name=${templateName.replace(/-active$/, '')}`, LIST)],
  CreateVault: [posted('/vaults', WRITE_VAULTS, () => ({ name: 'another' }))],
  GetVault: [at(({ vault }) => `/vaults/${vault}`, READ)],
  UpdateVault: [at(({ vault }) => `/vaults/${vault}`, WRITE_VAULTS, { description: 'changed' })],
  DeleteVault: [at(({ emptyVault }) => `/vaults/${emptyVault}`, WRITE_VAULTS)],
};

const SCOPES = ['for all vaults', 'for one vault', 'for another vault', 'none'] as const;
type Scope = (typeof SCOPES)[number];

interface Case {
  readonly operation: ContractOperationId;
  readonly way: number;
  readonly role: Role;
  readonly scope: Scope;
}

const CASES: readonly Case[] = (Object.keys(CONTRACT_OPERATIONS) as ContractOperationId[]).flatMap((operation) =>
  WAYS[operation].flatMap((_, way) =>
    ROLES.flatMap((role) => SCOPES.map((scope): Case => ({ operation, way, role, scope }))),
  ),
);

type Outcome = 'done' | 'forbidden' | 'not found' | 'nothing listed';

function wayOf({ operation, way }: Case): Way {
  const found = WAYS[operation][way];
  if (found === undefined) throw new Error(`${operation} has no way ${way}.`);
  return found;
}

/** What the contract says about a case: the role's cell, and that what may not be seen does not exist. */
function expected(of: Case): Outcome {
  const { operation, role, scope } = of;
  const allowed = ALLOWED.get(wayOf(of).action)?.includes(role) === true;
  const { path } = CONTRACT_OPERATIONS[operation];
  // A list of everything is about no vault: who may list at all gets what there is for them, which may be nothing.
  if (CONTRACT_OPERATIONS[operation].method === 'GET' && !path.includes('{id}')) {
    if (scope === 'none' || !allowed) return 'forbidden';
    return scope === 'for another vault' ? 'nothing listed' : 'done';
  }
  // A vault that does not exist yet is in nobody's scope but that of all vaults.
  if (operation === 'CreateVault') return allowed && scope === 'for all vaults' ? 'done' : 'forbidden';
  if (scope === 'none' || scope === 'for another vault') return 'not found';
  return allowed ? 'done' : 'forbidden';
}

let api: TestApi;
let worlds: readonly [Worlds, Worlds];
/** By role, scope and the vault that is asked about. */
const tokens = new Map<string, string>();

beforeAll(async () => {
  api = await startApi();
  const everybody = api.client(await api.token([...ROLES]));
  worlds = [await worldOf(everybody, 'ours'), await worldOf(everybody, 'theirs')];
});
afterAll(() => api.close());

async function worldOf(client: ApiClient, name: string): Promise<Worlds> {
  return { ...(await makeWorld(client, name)), emptyVault: await create(client, 'vaults', { name: `empty-${name}` }) };
}

async function tokenFor(role: Role, scope: Scope, own: readonly string[], other: readonly string[]): Promise<string> {
  const roles = {
    'for all vaults': [role],
    'for one vault': own.map((vault) => `${role}@${vault}`),
    'for another vault': other.map((vault) => `${role}@${vault}`),
    none: [],
  }[scope];
  const name = roles.join();
  const token = tokens.get(name) ?? (await api.token(roles));
  tokens.set(name, token);
  return token;
}

async function ask(of: Case, world: Worlds, other: Worlds, headers: Readonly<Record<string, string>> = {}) {
  const { operation, role, scope } = of;
  const token = await tokenFor(role, scope, [world.vault, world.emptyVault], [other.vault, other.emptyVault]);
  const { method } = CONTRACT_OPERATIONS[operation];
  const { path, ...rest } = wayOf(of).request(world);
  const dry = method === 'GET' ? path : `${path}${path.includes('?') ? '&' : '?'}dry_run=true`;
  return await api.client(token).send({ method, path: dry, ...rest, ifMatch: '*', headers });
}

function outcome(answer: Awaited<ReturnType<typeof ask>>): string {
  if (answer.status === 403) return 'forbidden';
  if (answer.status === 404) return 'not found';
  const { status, body } = answer;
  if (status !== 200) return `${status} ${JSON.stringify(body)}`;
  const listed = typeof body === 'object' && body !== null && 'total_count' in body && body.total_count === 0;
  return listed && !('associated_resources' in body) ? 'nothing listed' : 'done';
}

const name = ({ operation, way, role, scope }: Case): string => `${operation} ${way} as ${role} ${scope}`;

/** What a scan or a look into a keystore writes is no change. */
const seenOnly = ({ sk }: { readonly sk: string }) => sk.startsWith('OBSERVED#') || sk === 'HEALTH';

describe('the role table of the contract', () => {
  it('is that of the code, action by action', () => {
    // These are beyond the contract.
    const { read_audit: audit, diagnose: doctor, write_subscription: subscriptions, ...contract } = PERMISSIONS;
    expect([audit.roles, doctor.roles]).toEqual([
      ['vault_administrator', 'manager'],
      ['vault_administrator', 'manager'],
    ]);
    expect(subscriptions.roles).toEqual(['vault_administrator']);
    const own = Object.values(contract).map(({ roles }) => ROLES.filter((role) => roles.some((is) => is === role)));
    const theirs = [...ALLOWED.values()].map((roles) => ROLES.filter((role) => roles.includes(role)));
    expect(own).toEqual(theirs);
  });

  it.each(Object.keys(CONTRACT_OPERATIONS) as ContractOperationId[])(
    'names for %s the roles that its row in the table allows',
    (id) => {
      const roles = (of: readonly (Role | undefined)[]) => ROLES.filter((role) => of.includes(role)).join();
      const own = new Set(CONTRACT_OPERATIONS[id].actions.map((action) => roles(PERMISSIONS[action].roles)));
      expect(own).toEqual(new Set(WAYS[id].map(({ action }) => roles(ALLOWED.get(action) ?? []))));
    },
  );
});

describe('the matrix of operations, roles and vaults', () => {
  it('holds in every case, and changes nothing', { timeout: 90_000 }, async () => {
    const before = await api.items(seenOnly);
    const wrong: string[] = [];
    const counts = new Map<string, number>();
    for (const of of CASES) {
      for (const [own, foreign] of [worlds, worlds.toReversed() as [Worlds, Worlds]]) {
        const is = outcome(await ask(of, own, foreign));
        counts.set(is, (counts.get(is) ?? 0) + 1);
        if (is !== expected(of)) wrong.push(`${name(of)}: expected ${expected(of)}, is ${is}`);
      }
    }
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    console.log(
      `Role matrix: ${total} requests: ${Object.keys(CONTRACT_OPERATIONS).length} operations in ${CASES.length / ROLES.length / SCOPES.length} ways`,
      `× ${ROLES.length} roles × ${SCOPES.length} scopes × 2 vaults:`,
      [...counts].map(([is, count]) => `${count} ${is}`).join(', '),
    );
    expect(wrong).toEqual([]);
    expect(difference(before, await api.items(seenOnly))).toEqual([]);
  });
});

describe('what a caller may not see', () => {
  const withId = CASES.filter(
    ({ operation, role, scope }) =>
      CONTRACT_OPERATIONS[operation].path.includes('{id}') &&
      role === 'vault_administrator' &&
      scope === 'for another vault',
  );

  it('cannot be told from what does not exist', async () => {
    for (const of of withId) {
      const [own, foreign] = worlds;
      const hidden = await ask(of, own, foreign);
      const absent = JSON.parse(
        JSON.stringify(own).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '00000000-0000-4000-8000-000000000000'),
      ) as Worlds;
      const none = await ask(of, absent, foreign);
      expect(withoutTrace(hidden), name(of)).toEqual(withoutTrace(none));
    }
  });

  it('is as absent for the UKO-Vault header of another vault, whatever roles the caller has', async () => {
    const [own, foreign] = worlds;
    for (const of of CASES.filter(({ scope }) => scope === 'for all vaults')) {
      if (!CONTRACT_OPERATIONS[of.operation].path.includes('{id}') || expected(of) !== 'done') continue;
      const vault = of.operation === 'DeleteVault' ? foreign.emptyVault : foreign.vault;
      expect(outcome(await ask(of, own, foreign, { 'uko-vault': vault })), name(of)).toBe('not found');
    }
  });

  it('is in no list, no count and no reference of a list', async () => {
    const [own, foreign] = worlds;
    const token = await tokenFor('manager', 'for one vault', [own.vault], []);
    const ours = await tokenFor('manager', 'for all vaults', [], []);
    for (const list of ['managed_keys', 'templates', 'keystores', 'vaults']) {
      const seen = await api.client(token).send({ method: 'GET', path: `/${list}?limit=1000` });
      const text = JSON.stringify(seen.body);
      const all = await api.client(ours).send({ method: 'GET', path: `/${list}?limit=1000` });
      expect(text, list).toContain(own.vault);
      expect(text, list).not.toMatch(idsOf(foreign));
      expect(JSON.stringify(all.body), list).toMatch(idsOf(foreign));
      const items = (seen.body as Record<string, readonly unknown[]>)[list] ?? [];
      expect(seen.body, list).toMatchObject({ total_count: items.length });
    }
  });

  it('cannot be found by a filter, nor used in a request', async () => {
    const [own, foreign] = worlds;
    const roles = ROLES.map((role) => `${role}@${own.vault}`);
    const client = api.client(await api.token(roles));
    for (const path of [
      `/managed_keys?vault.id=${foreign.vault}`,
      `/managed_keys?template.id=${foreign.template}`,
      `/managed_keys?template.name=theirs`,
      `/managed_keys?referenced_keystores[].name=theirs-keystore`,
      `/managed_keys?label=theirs`,
      `/templates?name=theirs`,
      `/keystores?name=theirs`,
      `/vaults?name=theirs`,
    ]) {
      expect((await client.send({ method: 'GET', path })).body, path).toMatchObject({ total_count: 0 });
    }
    const vault = { id: own.vault };
    const body = { vault, template_name: foreign.templateName, label: 'mine' };
    expect((await client.send({ method: 'POST', path: '/managed_keys', body })).status).toBe(404);
    const borrowed = { vault, key: templateBody('', '').key, keystores: [{ id: foreign.keystore }], label: 'mine' };
    const refused = await client.send({ method: 'POST', path: '/managed_keys', body: borrowed });
    expect([refused.status, refused.body]).toMatchObject([400, { errors: [{ target: { name: 'keystores[0].id' } }] }]);
    const assigned = await client.send({
      method: 'PATCH',
      path: `/managed_keys/${own.keys.active}`,
      ifMatch: '*',
      body: { referenced_keystores: [{ id: foreign.keystore }] },
    });
    expect(assigned.status).toBe(400);
  });
});

function withoutTrace({ status, body }: { readonly status: number; readonly body: unknown }) {
  return { status, body: { ...(body as object), trace: '' } };
}

function idsOf(world: Worlds): RegExp {
  return new RegExp(
    Object.values({ ...world, ...world.keys })
      .filter((id) => typeof id === 'string')
      .join('|'),
  );
}
