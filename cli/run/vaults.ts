import { VAULT } from '../answers.ts';
import type { Vault } from '../answers.ts';
import type { Json } from '../api.ts';
import { answerPlan, change } from '../change.ts';
import type { Change } from '../change.ts';
import { EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, required, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { find, list as listOf, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts } from '../terminal.ts';
import { answerList, limitOf } from './lists.ts';

export const list: Run = async (call) => {
  const query = { name: text(call, 'name'), sort: text(call, 'sort') ?? 'name' };
  const found = await listOf(call.api(), 'vault', query, limitOf(call));
  const rows = found.items.map((vault) => [
    vault.name,
    String(vault.keys_count),
    String(vault.key_templates_count),
    String(vault.keystores_count),
    vault.approval_required_for?.join(', ') ?? '',
    vault.description,
  ]);
  answerList(
    call,
    'vaults',
    found,
    ['vault', 'keys', 'templates', 'keystores', 'second person for', 'description'],
    rows,
  );
  return EXIT.ok;
};

export const show: Run = async (call) => {
  const found = await findVault(call);
  showVault(call, found.value, found.body);
  return EXIT.ok;
};

function showVault(call: Invocation, vault: Vault, body: unknown): void {
  answer(call, body, () =>
    facts([
      ['vault', vault.name],
      ['id', vault.id],
      ['description', vault.description],
      ['keys', String(vault.keys_count)],
      ['templates', String(vault.key_templates_count)],
      ['keystores', String(vault.keystores_count)],
      ['second person for', vault.approval_required_for?.join(', ')],
    ]),
  );
}

const fields = (call: Invocation): Readonly<Record<string, Json>> => {
  const description = text(call, 'description');
  const subjects = texts(call, 'approvalFor');
  return {
    ...(description === undefined ? {} : { description }),
    ...(subjects.length === 0 ? {} : { approval_required_for: subjects }),
  };
};

export const create: Run = async (call) => {
  const dryRun = flag(call, 'dryRun');
  const given = await call.api().send({
    method: 'POST',
    path: '/vaults',
    query: dryRun ? { dry_run: 'true' } : {},
    body: { name: required(call, 'name'), ...fields(call) },
  });
  if (dryRun) answerPlan(call, given);
  else showVault(call, understood(VAULT, given), given.body);
  return EXIT.ok;
};

export const edit: Run = async (call) => {
  const found = await findVault(call);
  const name = text(call, 'name');
  const body = { ...fields(call), ...(name === undefined ? {} : { name }) };
  if (Object.keys(body).length === 0)
    throw wrongUse('Nothing to change was given.', 'shearline vaults edit --help shows what there is.');
  return await done(call, found, { method: 'PATCH', body, confirmation: 'nothing', verb: 'change' });
};

export const remove: Run = async (call) =>
  await done(call, await findVault(call), { method: 'DELETE', confirmation: 'name', verb: 'delete' });

async function done(call: Invocation, found: Found<'vault'>, wanted: Omit<Change<'vault'>, 'kind'>): Promise<ExitCode> {
  const result = await change(call, found, { kind: 'vault', ...wanted });
  if ('exit' in result) return result.exit;
  if (result.given.body === undefined) answer(call, { removed: found.id }, () => `${found.name} is deleted.\n`);
  else showVault(call, understood(VAULT, result.given), result.given.body);
  return EXIT.ok;
}

async function findVault(call: Invocation): Promise<Found<'vault'>> {
  return await find(call.api(), 'vault', required(call, 'vault'));
}
