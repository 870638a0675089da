import * as z from 'zod/mini';
import { KEY, KEYSTORE, SUBSCRIPTION, TEMPLATE, VAULT } from './answers.ts';
import type { Key, Keystore, Subscription, Template, Vault } from './answers.ts';
import type { Answer, Api } from './api.ts';
import { CommandProblem, EXIT } from './exit.ts';

/** What has a list, an id, and a name that people use. */
interface Resources {
  readonly key: Key;
  readonly keystore: Keystore;
  readonly template: Template;
  readonly vault: Vault;
  readonly subscription: Subscription;
}
export type ResourceKind = keyof Resources;
export type ResourceOf<Kind extends ResourceKind> = Resources[Kind];

const RESOURCES: {
  readonly [Kind in ResourceKind]: {
    readonly path: string;
    readonly property: string;
    /** The field that people know it by. */
    readonly named: 'label' | 'name';
    readonly schema: z.ZodMiniType<ResourceOf<Kind>>;
    /** Left out where the list can be asked for a name. */
    readonly hasNoNameFilter?: true;
  };
} = {
  key: { path: '/managed_keys', property: 'managed_keys', named: 'label', schema: KEY },
  keystore: { path: '/keystores', property: 'keystores', named: 'name', schema: KEYSTORE },
  template: { path: '/templates', property: 'templates', named: 'name', schema: TEMPLATE },
  vault: { path: '/vaults', property: 'vaults', named: 'name', schema: VAULT },
  subscription: {
    path: '/notification_subscriptions',
    property: 'notification_subscriptions',
    named: 'name',
    schema: SUBSCRIPTION,
    hasNoNameFilter: true,
  },
};

/** Where the command is called otherwise than the list of the API. */
const LISTS: Readonly<Partial<Record<ResourceKind, string>>> = { key: 'keys', subscription: 'notifications' };

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A resource as it was read. */
export interface Found<Kind extends ResourceKind> {
  readonly kind: Kind;
  readonly id: string;
  /** Its label or name. */
  readonly name: string;
  readonly path: string;
  readonly etag: string | undefined;
  readonly value: ResourceOf<Kind>;
  /** As the API gave it. */
  readonly body: unknown;
}

/** The resource with this id, or with exactly this label or name. Throws when there is none, or more than one. */
export async function find<Kind extends ResourceKind>(
  api: Api,
  kind: Kind,
  nameOrId: string,
  vaultId?: string,
): Promise<Found<Kind>> {
  const id = UUID.test(nameOrId) ? nameOrId.toLowerCase() : await idOf(api, kind, nameOrId, vaultId);
  return await read(api, kind, id);
}

/** Reads a resource again, or for the first time. */
export async function read<Kind extends ResourceKind>(api: Api, kind: Kind, id: string): Promise<Found<Kind>> {
  const { path: list, schema, named } = RESOURCES[kind];
  const path = `${list}/${id}`;
  const got = await api.send({ method: 'GET', path });
  const value = understood(schema, got);
  const name = (value as Readonly<Record<string, unknown>>)[named];
  return { kind, id, name: typeof name === 'string' ? name : id, path, etag: got.etag, value, body: got.body };
}

/** As `find`, for what is only referred to. */
export async function idOf(api: Api, kind: ResourceKind, nameOrId: string, vaultId?: string): Promise<string> {
  if (UUID.test(nameOrId)) return nameOrId.toLowerCase();
  const { named, property, hasNoNameFilter } = RESOURCES[kind];
  const { items } = await list(api, kind, {
    ...(hasNoNameFilter === true ? {} : { [named]: nameOrId }),
    ...(vaultId === undefined ? {} : { 'vault.id': vaultId }),
  });
  const same = items.filter((item) => (item as Readonly<Record<string, unknown>>)[named] === nameOrId);
  const [only, ...others] = same;
  if (only === undefined) {
    throw new CommandProblem(EXIT.failed, `There is no ${kind} ${nameOrId}, or you may not see it.`, {
      advice: `shearline ${LISTS[kind] ?? property} list shows those that there are.`,
    });
  }
  if (others.length > 0) {
    const where = same
      .map((item) => `${item.id}${'vault' in item ? `  in ${item.vault?.name ?? '?'}` : ''}`)
      .join('\n  ');
    throw new CommandProblem(EXIT.usage, `There are ${same.length} of the name ${nameOrId}:\n  ${where}`, {
      advice: kind === 'vault' ? 'Give the id.' : 'Give the id, or the vault with --vault.',
    });
  }
  return only.id;
}

const PAGE = z.object({ total_count: z.number() });
const MOST = 1000;

/** The first `limit` items of a list, over as many pages as it takes. */
export async function list<Kind extends ResourceKind>(
  api: Api,
  kind: Kind,
  query: Readonly<Record<string, string | undefined>>,
  limit = MOST,
): Promise<{ readonly items: readonly ResourceOf<Kind>[]; readonly raw: readonly unknown[]; readonly total: number }> {
  const { path, property, schema } = RESOURCES[kind];
  const all = await listAt(api, path, property, query, limit);
  return { ...all, items: all.raw.map((item) => parsed(schema, item, path)) };
}

/** As `list`, of any list of the API. */
export async function listAt(
  api: Api,
  path: string,
  property: string,
  query: Readonly<Record<string, string | undefined>>,
  limit = MOST,
): Promise<{ readonly raw: readonly unknown[]; readonly total: number }> {
  const raw: unknown[] = [];
  for (;;) {
    const page = String(Math.min(MOST, limit - raw.length));
    const { body } = await api.send({
      method: 'GET',
      path,
      query: { ...query, limit: page, offset: String(raw.length) },
    });
    const { total_count: total } = parsed(PAGE, body, path);
    const items = parsed(z.array(z.unknown()), (body as Readonly<Record<string, unknown>>)[property], path);
    raw.push(...items);
    if (items.length === 0 || raw.length >= Math.min(limit, total)) return { raw, total };
  }
}

/** The body of an answer as a command understands it. */
export function understood<Value>(schema: z.ZodMiniType<Value>, given: Answer): Value {
  return parsed(schema, given.body, 'The API');
}

export function parsed<Value>(schema: z.ZodMiniType<Value>, value: unknown, from: string): Value {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CommandProblem(
    EXIT.failed,
    `${from} answered what this version does not understand${issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`}.`,
    { advice: 'Use the command line of the version that is deployed.', cause: result.error },
  );
}
