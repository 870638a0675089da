import * as z from 'zod/mini';
import { HEALTH, KEYSTORE } from '../answers.ts';
import type { Keystore } from '../answers.ts';
import type { Json } from '../api.ts';
import { change } from '../change.ts';
import { EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, required, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { find, list as listOf, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts, table } from '../terminal.ts';
import { readJson } from './input.ts';
import { showResources } from './keys.ts';
import { answerList, limitOf, shortTime, vaultOf } from './lists.ts';

export const list: Run = async (call) => {
  const query = {
    'vault.id': await vaultOf(call),
    type: text(call, 'type'),
    group: text(call, 'group'),
    sort: text(call, 'sort') ?? 'name',
  };
  const found = await listOf(call.api(), 'keystore', query, limitOf(call));
  const rows = found.items.map((keystore) => [
    keystore.name,
    keystore.type,
    keystore.location,
    keystore.vault?.name ?? '–',
    keystore.groups.join(', '),
    keystore.status.health_status ?? '–',
    shortTime(keystore.status.last_heartbeat),
  ]);
  const columns = ['keystore', 'type', 'location', 'vault', 'groups', 'health', 'last heartbeat (UTC)'];
  answerList(call, 'keystores', found, columns, rows, (row) => (row[5] === 'ok' ? undefined : 'red'));
  return EXIT.ok;
};

export const show: Run = async (call) => {
  const found = await findKeystore(call);
  showKeystore(call, found.value, found.body);
  return EXIT.ok;
};

const SHOWN_APART = new Set([
  'vault',
  'id',
  'name',
  'location',
  'description',
  'groups',
  'type',
  'status',
  'href',
  'planned_changes',
]);

function showKeystore(call: Invocation, keystore: Keystore, body: unknown): void {
  const settings = Object.entries(body as Readonly<Record<string, unknown>>).filter(
    ([name, value]) => !SHOWN_APART.has(name) && ['string', 'number', 'boolean'].includes(typeof value),
  );
  answer(call, body, () =>
    facts([
      ['keystore', keystore.name],
      ['id', keystore.id],
      ['type', keystore.type],
      ['location', keystore.location],
      ['vault', keystore.vault?.name],
      ['groups', keystore.groups.join(', ')],
      ['description', keystore.description],
      ['health', keystore.status.health_status],
      ['', keystore.status.message],
      ['heartbeat', shortTime(keystore.status.last_heartbeat)],
      ...settings.map(([name, value]): [string, string] => [name, String(value)]),
    ]),
  );
}

export const status: Run = async (call) => {
  const { path, name } = await findKeystore(call);
  const given = await call.api().send({ method: 'GET', path: `${path}/status` });
  const health = understood(HEALTH, given);
  answer(call, given.body, () =>
    facts([
      ['keystore', name],
      ['health', health.health_status],
      ['message', health.message],
      ['heartbeat', shortTime(health.last_heartbeat)],
    ]),
  );
  return health.health_status === 'ok' ? EXIT.ok : EXIT.unknown;
};

const TYPES = z.object({
  keystore_types: z.array(
    z.object({
      type: z.string(),
      connectable: z.boolean(),
      reason: z.optional(z.string()),
      pending_deletion_days: z.optional(z.number()),
      key_can_be_renamed: z.boolean(),
      capabilities: z.array(
        z.object({
          algorithm: z.string(),
          size: z.string(),
          protection_levels: z.array(z.string()),
          materials: z.array(z.string()),
          provider_name: z.string(),
          operations: z.array(z.string()),
        }),
      ),
    }),
  ),
});

export const types: Run = async (call) => {
  const given = await call.api().send({ method: 'GET', path: '/keystore_types' });
  const { keystore_types: all } = understood(TYPES, given);
  const type = text(call, 'type');
  answer(call, given.body, () => {
    if (type !== undefined) {
      const rows = (all.find((each) => each.type === type)?.capabilities ?? []).map((sort) => [
        `${sort.algorithm} ${sort.size}`,
        sort.provider_name,
        sort.protection_levels.join(', '),
        sort.materials.join(', '),
        sort.operations.join(', '),
      ]);
      return table(['key', 'the provider calls it', 'protection', 'material', 'operations'], rows, call.terminal.out);
    }
    const rows = all.map((each) => [
      each.type,
      [...new Set(each.capabilities.map(({ algorithm }) => algorithm))].join(', ') || '–',
      each.pending_deletion_days === undefined ? '–' : `${each.pending_deletion_days} days`,
      each.key_can_be_renamed ? 'yes' : 'no',
      each.connectable ? '' : (each.reason ?? 'cannot be connected'),
    ]);
    return table(['type', 'keys', 'deletion waits', 'renames', ''], rows, call.terminal.out);
  });
  return EXIT.ok;
};

export const connect: Run = async (call) => {
  const file = text(call, 'file');
  if (file === undefined)
    throw wrongUse(
      '--file is missing: the keystore as JSON, - for standard input.',
      'docs/keystores has one for each type.',
    );
  const body = await readJson(call, file);
  const vault = await vaultOf(call);
  const dryRun = flag(call, 'dryRun');
  const given = await call.api().send({
    method: 'POST',
    path: '/keystores',
    query: dryRun ? { dry_run: 'true' } : {},
    body: { ...body, ...(vault === undefined ? {} : { vault: { id: vault } }) },
  });
  const made = understood(z.object({ name: z.string(), status: HEALTH }), given);
  if (dryRun) {
    answer(call, given.body, () =>
      facts([
        ['keystore', `${made.name}, not connected: a dry run`],
        ['health', made.status.health_status],
        ['message', made.status.message],
      ]),
    );
    return made.status.health_status === 'ok' ? EXIT.ok : EXIT.unknown;
  }
  showKeystore(call, understood(KEYSTORE, given), given.body);
  return EXIT.ok;
};

export const edit: Run = async (call) => {
  const found = await findKeystore(call);
  const file = text(call, 'file');
  const groups = texts(call, 'group');
  const fields: Readonly<Record<string, Json | undefined>> = {
    ...(file === undefined ? {} : await readJson(call, file)),
    name: text(call, 'name'),
    description: text(call, 'description'),
    groups: groups.length === 0 ? undefined : groups,
  };
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  if (Object.keys(body).length === 0)
    throw wrongUse('Nothing to change was given.', 'shearline keystores edit --help shows what there is.');
  return await done(call, found, { method: 'PATCH', body, confirmation: 'nothing', verb: 'change' });
};

export const remove: Run = async (call) =>
  await done(call, await findKeystore(call), {
    method: 'DELETE',
    query: { mode: text(call, 'mode') },
    confirmation: 'name',
    verb: 'disconnect',
  });

async function done(
  call: Invocation,
  found: Found<'keystore'>,
  wanted: Omit<Parameters<typeof change<'keystore'>>[2], 'kind'>,
): Promise<ExitCode> {
  const result = await change(call, found, { kind: 'keystore', ...wanted });
  if ('exit' in result) return result.exit;
  if (result.given.body === undefined) answer(call, { removed: found.id }, () => `${found.name} is disconnected.\n`);
  else showKeystore(call, understood(KEYSTORE, result.given), result.given.body);
  return EXIT.ok;
}

export const resources: Run = async (call) => {
  await showResources(call, (await findKeystore(call)).path);
  return EXIT.ok;
};

async function findKeystore(call: Invocation): Promise<Found<'keystore'>> {
  return await find(call.api(), 'keystore', required(call, 'keystore'), await vaultOf(call));
}
