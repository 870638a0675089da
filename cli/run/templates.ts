import { TEMPLATE } from '../answers.ts';
import type { Template } from '../answers.ts';
import type { Json } from '../api.ts';
import { answerPlan, change } from '../change.ts';
import type { Change } from '../change.ts';
import { EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, required, text } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { find, list as listOf, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts } from '../terminal.ts';
import { readJson } from './input.ts';
import { answerList, limitOf, vaultOf } from './lists.ts';

export const list: Run = async (call) => {
  const query = {
    'vault.id': await vaultOf(call),
    name: text(call, 'name'),
    state: text(call, 'state'),
    'keystores[].type': text(call, 'type'),
    sort: text(call, 'sort') ?? 'name',
  };
  const found = await listOf(call.api(), 'template', query, limitOf(call));
  const rows = found.items.map((template) => [
    template.name ?? '–',
    String(template.version ?? 1),
    template.state,
    template.vault?.name ?? '–',
    `${template.key.algorithm} ${template.key.size}`,
    template.keystores[0]?.type ?? '–',
    template.keystores.map(({ group }) => group ?? '–').join(', '),
    String(template.keys_count),
  ]);
  const columns = ['template', 'version', 'state', 'vault', 'algorithm', 'keystore type', 'group', 'keys'];
  answerList(call, 'templates', found, columns, rows);
  return EXIT.ok;
};

export const show: Run = async (call) => {
  const found = await findTemplate(call);
  showTemplate(call, found.value, found.body);
  return EXIT.ok;
};

function showTemplate(call: Invocation, template: Template, body: unknown): void {
  answer(call, body, () =>
    facts([
      ['template', template.name],
      ['id', template.id],
      ['version', String(template.version ?? 1)],
      ['state', template.state],
      ['type', template.type.join(', ')],
      ['vault', template.vault?.name],
      ['description', template.description],
      ['names', template.naming_scheme],
      ['algorithm', `${template.key.algorithm} ${template.key.size}`],
      ['material', template.key.material],
      ['begins as', template.key.state],
      ['activation', template.key.activation_date],
      ['expiration', template.key.expiration_date],
      ['keystores', template.keystores.map(({ type, group }) => `${type} in ${group ?? '–'}`).join(', ')],
      ['keys', String(template.keys_count)],
    ]),
  );
}

export const create: Run = async (call) => {
  const file = text(call, 'file');
  if (file === undefined)
    throw wrongUse('--file is missing: the template as JSON, - for standard input.', 'docs/api.md has one.');
  const vault = await vaultOf(call);
  const dryRun = flag(call, 'dryRun');
  const given = await call.api().send({
    method: 'POST',
    path: '/templates',
    query: dryRun ? { dry_run: 'true' } : {},
    body: { ...(await readJson(call, file)), ...(vault === undefined ? {} : { vault: { id: vault } }) },
  });
  if (dryRun) answerPlan(call, given);
  else showTemplate(call, understood(TEMPLATE, given), given.body);
  return EXIT.ok;
};

export const edit: Run = async (call) => {
  const found = await findTemplate(call);
  const file = text(call, 'file');
  const fields: Readonly<Record<string, Json | undefined>> = {
    ...(file === undefined ? {} : await readJson(call, file)),
    name: text(call, 'name'),
    description: text(call, 'description'),
  };
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  if (Object.keys(body).length === 0)
    throw wrongUse('Nothing to change was given.', 'shearline templates edit --help shows what there is.');
  return await done(call, found, { method: 'PATCH', body, confirmation: 'nothing', verb: 'change' });
};

type Wanted = Omit<Change<'template'>, 'kind'>;

export const archive = commanded({ method: 'POST', action: '/archive', confirmation: 'nothing', verb: 'archive' });
export const unarchive = commanded({
  method: 'POST',
  action: '/unarchive',
  confirmation: 'nothing',
  verb: 'unarchive',
});
export const expose = commanded({ method: 'POST', action: '/expose', confirmation: 'nothing', verb: 'expose' });
export const remove = commanded({ method: 'DELETE', confirmation: 'name', verb: 'delete' });

function commanded(wanted: Wanted): Run {
  return async (call) => await done(call, await findTemplate(call), wanted);
}

async function done(call: Invocation, found: Found<'template'>, wanted: Wanted): Promise<ExitCode> {
  const result = await change(call, found, { kind: 'template', ...wanted });
  if ('exit' in result) return result.exit;
  if (result.given.body === undefined) answer(call, { removed: found.id }, () => `${found.name} is deleted.\n`);
  else showTemplate(call, understood(TEMPLATE, result.given), result.given.body);
  return EXIT.ok;
}

async function findTemplate(call: Invocation): Promise<Found<'template'>> {
  return await find(call.api(), 'template', required(call, 'template'), await vaultOf(call));
}
