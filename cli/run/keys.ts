import * as z from 'zod/mini';
import { KEY } from '../answers.ts';
import type { Key } from '../answers.ts';
import type { Json } from '../api.ts';
import { answerPlan, change } from '../change.ts';
import type { Change } from '../change.ts';
import { EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, pairs, required, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { find, idOf, list as listOf, listAt, parsed, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts, table } from '../terminal.ts';
import { readJson } from './input.ts';
import { answerList, anyOf, limitOf, shortTime, vaultOf } from './lists.ts';
import { statusTable, styleOf, worstFlag } from './statuses.ts';

const COLUMNS = ['key', 'version', 'state', 'flag', 'vault', 'template', 'keystores', 'algorithm', 'expires'];

export const list: Run = async (call) => {
  const api = call.api();
  const keystore = text(call, 'keystore');
  const vaultId = await vaultOf(call);
  const filters = {
    state: anyOf(texts(call, 'state')),
    label: text(call, 'label'),
    'template.name': text(call, 'template'),
    'status_in_keystores[].keystore_sync_flag': anyOf(texts(call, 'flag')),
    'template.alignment_status': flag(call, 'unaligned') ? 'unaligned' : undefined,
    sort: text(call, 'sort') ?? 'label',
  };
  if (keystore !== undefined) {
    const id = await idOf(api, 'keystore', keystore, vaultId);
    const found = await listAt(api, `/keystores/${id}/managed_keys`, 'managed_keys', filters, limitOf(call));
    showList(
      call,
      found.raw.map((item) => parsed(KEY, item, 'The list of keys')),
      found,
    );
    return EXIT.ok;
  }
  const query = { ...filters, 'vault.id': vaultId, 'referenced_keystores[].type': text(call, 'type') };
  const found = await listOf(api, 'key', query, limitOf(call));
  showList(call, found.items, found);
  return EXIT.ok;
};

function showList(
  call: Invocation,
  items: readonly Key[],
  found: { readonly raw: readonly unknown[]; readonly total: number },
): void {
  const rows = items.map((key) => [
    key.label,
    String(key.version ?? 1),
    key.state,
    worstFlag(key.status_in_keystores),
    key.vault?.name ?? '–',
    templateText(key),
    String(key.status_in_keystores.length),
    `${key.algorithm} ${key.size ?? ''}`.trim(),
    key.expiration_date ?? '–',
  ]);
  answerList(call, 'managed_keys', found, COLUMNS, rows, (row) =>
    row[3] === 'ok' ? undefined : styleOf(row[3] ?? ''),
  );
}

function templateText({ template }: Key): string {
  if (template === undefined) return '–';
  return `${template.name ?? '–'}${template.alignment_status === 'unaligned' ? ' (unaligned)' : ''}`;
}

export const show: Run = async (call) => {
  const found = await findKey(call);
  showKey(call, found.value, found.body);
  return EXIT.ok;
};

/** A key and what each keystore says of it. */
export function showKey(call: Invocation, key: Key, body: unknown): void {
  answer(call, body, () =>
    [
      facts([
        ['key', key.label],
        ['id', key.id],
        ['state', key.state],
        ['version', String(key.version ?? 1)],
        ['vault', key.vault?.name],
        ['template', templateText(key)],
        ['algorithm', `${key.algorithm} ${key.size ?? ''}`.trim()],
        ['material', key.material === 'native' ? 'native: each keystore has its own' : key.material],
        ['description', key.description],
        ['activated', key.activation_date],
        ['expires', key.expiration_date],
        ['rotated', key.rotated_at === undefined ? undefined : shortTime(key.rotated_at)],
        ['created', `${shortTime(key.created_at)} by ${key.created_by ?? '?'}`],
        ['tags', key.tags?.map(({ name, value }) => `${name}=${value}`).join(' ')],
      ]),
      statusTable(
        key.status_in_keystores.map((status) => ({ key: key.label, status })),
        call.terminal.out,
        false,
      ),
    ].join('\n'),
  );
}

const LEFT_OUT = 'is missing; give it as an option, or call this on a terminal to be asked.';

export const create: Run = async (call) => {
  const file = text(call, 'file');
  const body = file === undefined ? await bodyOfCreate(call) : await readJson(call, file);
  const dryRun = flag(call, 'dryRun');
  const given = await call.api().send({
    method: 'POST',
    path: '/managed_keys',
    query: dryRun ? { dry_run: 'true' } : {},
    body,
  });
  if (dryRun) answerPlan(call, given);
  else showKey(call, understood(KEY, given), given.body);
  return EXIT.ok;
};

async function bodyOfCreate(call: Invocation): Promise<Json> {
  const api = call.api();
  const vaultId = (await vaultOf(call)) ?? (await askedVault(call));
  const template = text(call, 'template') ?? (await askedTemplate(call, vaultId));
  const labelTags = pairs(call, 'labelTag');
  let label = text(call, 'label');
  if (label === undefined && labelTags.length === 0 && call.terminal.asks) {
    const { items } = await listOf(api, 'template', { name: template, 'vault.id': vaultId });
    const scheme = items.find(({ name }) => name === template)?.naming_scheme;
    const { typed } = await import('../ask.ts');
    if (scheme === undefined) label = await typed('Label of the key:', call.terminal);
  }
  const description = text(call, 'description');
  const tags = pairs(call, 'tag');
  return {
    vault: { id: vaultId },
    template_name: template,
    ...(label === undefined ? {} : { label }),
    ...(description === undefined ? {} : { description }),
    ...(labelTags.length === 0 ? {} : { label_tags: labelTags }),
    ...(tags.length === 0 ? {} : { tags }),
  };
}

async function askedVault(call: Invocation): Promise<string> {
  const { items } = await listOf(call.api(), 'vault', { sort: 'name' });
  const [only, ...more] = items;
  if (only === undefined) throw wrongUse('There is no vault yet.', 'shearline vaults create <name> makes one.');
  if (more.length === 0) return only.id;
  if (!call.terminal.asks) throw wrongUse(`--vault ${LEFT_OUT}`);
  const { chosen } = await import('../ask.ts');
  return chosen(
    'In which vault?',
    items.map(({ id, name, description }) => ({ value: id, name, description })),
    call.terminal,
  );
}

async function askedTemplate(call: Invocation, vaultId: string): Promise<string> {
  if (!call.terminal.asks) throw wrongUse(`--template ${LEFT_OUT}`);
  const { items } = await listOf(call.api(), 'template', { 'vault.id': vaultId, state: 'unarchived', sort: 'name' });
  const named = items.flatMap(({ name, description }) =>
    name === undefined ? [] : [{ name, value: name, description }],
  );
  if (named.length === 0)
    throw wrongUse('The vault has no template yet.', 'shearline templates create --file … makes one.');
  const { chosen } = await import('../ask.ts');
  return chosen('From which template?', named, call.terminal);
}

export const edit: Run = async (call) => {
  const found = await findKey(call);
  const keystores = texts(call, 'keystore');
  const tags = pairs(call, 'tag');
  const fields: Readonly<Record<string, Json | undefined>> = {
    label: text({ options: call.options, arguments: {} }, 'label'),
    description: text(call, 'description'),
    activation_date: text(call, 'activationDate'),
    expiration_date: text(call, 'expirationDate'),
    tags: tags.length === 0 ? undefined : tags,
    referenced_keystores:
      keystores.length === 0
        ? undefined
        : await Promise.all(
            keystores.map(async (name) => ({ id: await idOf(call.api(), 'keystore', name, found.value.vault?.id) })),
          ),
  };
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  if (Object.keys(body).length === 0)
    throw wrongUse('Nothing to change was given.', 'shearline keys edit --help shows what there is.');
  return await act(call, found, { method: 'PATCH', body, confirmation: 'nothing', verb: 'change' });
};

type Wanted = Omit<Change<'key'>, 'kind'>;

export const activate = commanded({ method: 'POST', action: '/activate', confirmation: 'nothing', verb: 'activate' });
export const deactivate = commanded({ method: 'POST', action: '/deactivate', confirmation: 'yes', verb: 'deactivate' });
export const rotate = commanded({ method: 'POST', action: '/rotate', confirmation: 'terminal', verb: 'rotate' });
export const destroy = commanded({ method: 'POST', action: '/destroy', confirmation: 'name', verb: 'destroy' });
export const remove = commanded({ method: 'DELETE', confirmation: 'name', verb: 'remove' });

function commanded(wanted: Wanted): Run {
  return async (call) => await act(call, await findKey(call), wanted);
}

async function act(call: Invocation, found: Found<'key'>, wanted: Wanted): Promise<ExitCode> {
  const done = await change(call, found, { kind: 'key', ...wanted });
  if ('exit' in done) return done.exit;
  if (done.given.body === undefined) answer(call, { removed: found.id }, () => `${found.name} is removed.\n`);
  else showKey(call, understood(KEY, done.given), done.given.body);
  return EXIT.ok;
}

export const versions: Run = async (call) => {
  const { path } = await findKey(call);
  const found = await listAt(call.api(), `${path}/versions`, 'managed_keys', { sort: '-version' }, limitOf(call));
  const rows = found.raw
    .map((item) => parsed(KEY, item, 'The list of versions'))
    .map((key) => [
      String(key.version ?? 1),
      key.state,
      worstFlag(key.status_in_keystores),
      key.status_in_keystores.map(({ keystore }) => keystore?.name ?? '?').join(' '),
      shortTime(key.created_at),
    ]);
  answerList(call, 'managed_keys', found, ['version', 'state', 'flag', 'keystores', 'created'], rows);
  return EXIT.ok;
};

const HISTORY = z.object({
  entries: z.array(z.looseObject({ kind: z.string(), at: z.string() })),
  next: z.optional(z.object({ href: z.optional(z.string()) })),
});
const FLAG_ENTRY = z.object({
  from: z.optional(z.object({ keystore_sync_flag: z.string() })),
  to: z.object({ keystore_sync_flag: z.string() }),
  reason: z.string(),
  cause: z.string(),
});
const WORK_ENTRY = z.object({
  work: z.string(),
  cause: z.string(),
  attempts: z.number(),
  last_error: z.optional(z.string()),
});
const DECISION_ENTRY = z.object({ operation: z.string(), subject: z.string(), waits_for_approval: z.boolean() });

export const history: Run = async (call) => {
  const { path } = await findKey(call);
  const query = { kind: anyOf(texts(call, 'kind')), limit: String(limitOf(call, 20)) };
  const given = await call.api().send({ method: 'GET', path: `${path}/history`, query });
  const { entries, next } = understood(HISTORY, given);
  answer(call, given.body, () => {
    const rows = entries.map((entry) => [shortTime(entry.at), entry.kind, told(entry)]);
    if (rows.length === 0) return 'Nothing yet.\n';
    return (
      table(['when (UTC)', 'what', ''], rows, call.terminal.out) + (next === undefined ? '' : '… and older: --limit\n')
    );
  });
  return EXIT.ok;
};

function told(entry: Readonly<Record<string, unknown>>): string {
  const change = FLAG_ENTRY.safeParse(entry);
  if (change.success) {
    const { from, to, reason, cause } = change.data;
    return `${from?.keystore_sync_flag ?? 'never asked'} → ${to.keystore_sync_flag} (${cause}): ${reason}`;
  }
  const work = WORK_ENTRY.safeParse(entry);
  if (work.success) {
    const { work: state, cause, attempts, last_error: error } = work.data;
    return `${state} (${cause}), attempt ${attempts}${error === undefined ? '' : `: ${error}`}`;
  }
  const decision = DECISION_ENTRY.safeParse(entry);
  if (decision.success) {
    const { operation, subject, waits_for_approval: waits } = decision.data;
    return `${operation} by ${subject}${waits ? ', waits for approval' : ''}`;
  }
  return '';
}

export const resources: Run = async (call) => {
  const { path } = await findKey(call);
  await showResources(call, path);
  return EXIT.ok;
};

const ASSOCIATED = z.object({
  name: z.string(),
  type: z.string(),
  key_id_in_keystore: z.string(),
  managed_key: z.optional(z.object({ label: z.string() })),
  referenced_keystore: z.optional(z.object({ name: z.optional(z.string()) })),
  com_ibm_cloud_kms_registration: z.optional(
    z.object({ prevents_key_deletion: z.boolean(), service_name: z.string() }),
  ),
});

/** What keys protect, of a key or a keystore. */
export async function showResources(call: Invocation, path: string): Promise<void> {
  const found = await listAt(call.api(), `${path}/associated_resources`, 'associated_resources', {}, limitOf(call));
  const rows = found.raw
    .map((item) => parsed(ASSOCIATED, item, 'The list of associated resources'))
    .map(({ name, managed_key: key, referenced_keystore: keystore, com_ibm_cloud_kms_registration: registration }) => [
      name,
      registration?.service_name ?? '–',
      key?.label ?? '–',
      keystore?.name ?? '–',
      registration?.prevents_key_deletion === true ? 'yes' : 'no',
    ]);
  answerList(call, 'associated_resources', found, ['resource', 'service', 'key', 'keystore', 'forbids deletion'], rows);
}

async function findKey(call: Invocation): Promise<Found<'key'>> {
  return await find(call.api(), 'key', required(call, 'key'), await vaultOf(call));
}
