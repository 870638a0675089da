import * as z from 'zod/mini';
import { parseBody } from '../control.ts';
import type { Operator } from './operator.ts';
import { connectionErrorCodes } from './world.ts';

const text = z.string().check(z.minLength(1));
/** Region and account say which, when an alias exists in several. */
const key = { key_id: text, region: z.optional(text), account_id: z.optional(text) };
const store = { custom_key_store_id: text };
const action = <const A extends string, S extends z.core.$ZodLooseShape>(name: A, shape: S) =>
  z.strictObject({ action: z.literal(name), ...shape });

const tampering = z.discriminatedUnion('action', [
  action('disable', key),
  action('enable', key),
  action('schedule_deletion', { ...key, days: z.optional(z.int().check(z.minimum(7), z.maximum(30))) }),
  action('cancel_deletion', key),
  action('purge', key),
  action('delete_backing_key', key),
  action('lose_material', { ...key, key_material_id: z.optional(text) }),
  action('replace_material', key),
  action('move_alias', { ...key, alias_name: text }),
  action('delete_alias', { ...key, alias_name: text }),
  action('tag', { ...key, tags: z.record(z.string(), z.string()) }),
  action('untag', { ...key, tag_keys: z.array(text) }),
  action('hold', { ...key, state: z.enum(['Creating', 'Updating']), ms: z.int().check(z.minimum(0)) }),
  action('disconnect_custom_key_store', store),
  action('connect_custom_key_store', store),
  action('fail_custom_key_store', { ...store, connection_error_code: z.enum(connectionErrorCodes) }),
  action('seed_custom_key_store', { region: text, account_id: z.optional(text), name: text }),
]);
type Tampering = z.output<typeof tampering>;
type Action = Tampering['action'];
type Given<A extends Action> = Extract<Tampering, { action: A }>;

const target = (given: { key_id: string; region?: string | undefined; account_id?: string | undefined }) => ({
  key: given.key_id,
  region: given.region,
  accountId: given.account_id,
});

type Handlers = { [A in Action]: (operator: Operator, given: Given<A>, account: string) => unknown };

const handlers: Handlers = {
  disable: (operator, given) => operator.disable(target(given)),
  enable: (operator, given) => operator.enable(target(given)),
  schedule_deletion: (operator, given) => operator.scheduleDeletion(target(given), given.days),
  cancel_deletion: (operator, given) => operator.cancelDeletion(target(given)),
  purge: (operator, given) => {
    operator.purge(target(given));
  },
  delete_backing_key: (operator, given) => {
    operator.deleteBackingKey(target(given));
  },
  lose_material: (operator, given) => {
    operator.loseMaterial(target(given), given.key_material_id);
  },
  replace_material: async (operator, given) => ({ key_material_id: await operator.replaceMaterial(target(given)) }),
  move_alias: (operator, given) => operator.moveAlias(given.alias_name, target(given)),
  delete_alias: (operator, given) => operator.deleteAlias(given.alias_name, target(given)),
  tag: (operator, given) => operator.tag(target(given), given.tags),
  untag: (operator, given) => operator.untag(target(given), given.tag_keys),
  hold: (operator, given) => {
    operator.hold(target(given), given.state, given.ms);
  },
  disconnect_custom_key_store: (operator, given) => {
    operator.disconnectCustomKeyStore(given.custom_key_store_id);
  },
  connect_custom_key_store: (operator, given) => {
    operator.connectCustomKeyStore(given.custom_key_store_id);
  },
  fail_custom_key_store: (operator, given) => {
    operator.failCustomKeyStore(given.custom_key_store_id, given.connection_error_code);
  },
  seed_custom_key_store: (operator, given, account) => ({
    custom_key_store_id: operator.seedCustomKeyStore(given.region, given.account_id ?? account, given.name),
  }),
};

/** One action of the operator, asked for in JSON. */
export async function tamper(operator: Operator, body: unknown, standardAccount: string): Promise<unknown> {
  const given = parseBody(tampering, body);
  const handle = handlers[given.action] as (operator: Operator, given: Tampering, account: string) => unknown;
  return (await handle(operator, given, standardAccount)) ?? { done: given.action };
}

/** A body for every action, for people to copy from. */
export const tamperExamples: readonly Tampering[] = [
  { action: 'disable', key_id: 'alias/orders', region: 'eu-central-1' },
  { action: 'enable', key_id: 'alias/orders' },
  { action: 'schedule_deletion', key_id: 'alias/orders', days: 7 },
  { action: 'cancel_deletion', key_id: 'alias/orders' },
  { action: 'purge', key_id: 'alias/orders' },
  { action: 'delete_backing_key', key_id: 'alias/orders' },
  { action: 'lose_material', key_id: 'alias/orders' },
  { action: 'replace_material', key_id: 'alias/orders' },
  { action: 'move_alias', alias_name: 'alias/orders', key_id: '1234abcd-12ab-34cd-56ef-1234567890ab' },
  { action: 'delete_alias', alias_name: 'alias/orders', key_id: '1234abcd-12ab-34cd-56ef-1234567890ab' },
  { action: 'tag', key_id: 'alias/orders', tags: { owner: 'somebody-else' } },
  { action: 'untag', key_id: 'alias/orders', tag_keys: ['owner'] },
  { action: 'hold', key_id: 'alias/orders', state: 'Creating', ms: 5000 },
  { action: 'disconnect_custom_key_store', custom_key_store_id: 'cks-1234567890abcdef0' },
  { action: 'connect_custom_key_store', custom_key_store_id: 'cks-1234567890abcdef0' },
  {
    action: 'fail_custom_key_store',
    custom_key_store_id: 'cks-1234567890abcdef0',
    connection_error_code: 'INVALID_CREDENTIALS',
  },
  { action: 'seed_custom_key_store', region: 'eu-central-1', name: 'payments-hsm' },
];
