import * as z from 'zod/mini';
import { VAULT } from '../answers.ts';
import type { Vault } from '../answers.ts';
import type { Answer, Json } from '../api.ts';
import { answerPlan, change } from '../change.ts';
import type { Change } from '../change.ts';
import { CommandProblem, EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, required, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { duration } from '../plan.ts';
import { find, idOf, list as listOf, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts, styled, table } from '../terminal.ts';
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
      ['auto-repair', vault.auto_repair === undefined ? undefined : policyText(vault.auto_repair)],
    ]),
  );
}

const fields = (call: Invocation): Readonly<Record<string, Json>> => {
  const description = text(call, 'description');
  const subjects = texts(call, 'approvalFor');
  const repair = policyOf(call);
  return {
    ...(description === undefined ? {} : { description }),
    ...(subjects.length === 0 ? {} : { approval_required_for: subjects }),
    ...(Object.keys(repair).length === 0 ? {} : { auto_repair: repair }),
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

/** What of an auto-repair policy was given. */
function policyOf(call: Invocation): Readonly<Record<string, string | number>> {
  const number = (name: string): number | undefined => {
    const given = text(call, name);
    if (given === undefined) return undefined;
    if (!/^[1-9]\d{0,4}$/.test(given)) throw wrongUse(`A whole number is needed, not "${given}".`);
    return Number(given);
  };
  const [policy, cap, stop] = [text(call, 'policy'), number('maximumPerSweep'), number('stopAtPercent')];
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(cap === undefined ? {} : { maximum_per_sweep: cap }),
    ...(stop === undefined ? {} : { stop_at_percent: stop }),
  };
}

function policyText({
  policy,
  maximum_per_sweep: cap,
  stop_at_percent: stop,
}: NonNullable<Vault['auto_repair']>): string {
  return policy === 'flag'
    ? 'none: drift waits for people'
    : `${policy}, at most ${cap} a sweep, none above ${stop} % drift`;
}

const REPAIR = z.object({
  key: z.object({ label: z.string() }),
  keystore: z.object({ id: z.string(), name: z.optional(z.string()) }),
  steps: z.array(z.string()),
  reason: z.string(),
});
const PREVIEW = z.object({
  policy: z.object({ policy: z.string(), maximum_per_sweep: z.number(), stop_at_percent: z.number() }),
  held: z.optional(z.object({ since: z.optional(z.string()), reason: z.string() })),
  repaired_in_this_sweep: z.number(),
  would_repair: z.array(REPAIR),
  left_to_people: z.array(REPAIR),
  estimated_seconds: z.number(),
  complete: z.boolean(),
});

export const autoRepair: Run = async (call) => {
  const id = await idOf(call.api(), 'vault', required(call, 'vault'));
  const query = Object.fromEntries(Object.entries(policyOf(call)).map(([name, value]) => [name, String(value)]));
  showPreview(call, await call.api().send({ method: 'GET', path: `/vaults/${id}/auto_repair`, query }));
  return EXIT.ok;
};

export const resumeAutoRepair: Run = async (call) => {
  const { id, name } = await findVault(call);
  if (!flag(call, 'yes')) {
    const held = understood(PREVIEW, await call.api().send({ method: 'GET', path: `/vaults/${id}/auto_repair` })).held;
    if (!call.terminal.asks) {
      throw new CommandProblem(EXIT.usage, held?.reason ?? `Nothing is held in ${name}.`, {
        advice: 'Nothing was changed. --yes has it repaired.',
      });
    }
    const { confirm } = await import('../ask.ts');
    call.terminal.err.write(`${held?.reason ?? 'Nothing is held.'}\n`);
    if (!(await confirm(`Have it repaired in ${name}, without people?`, call.terminal))) {
      throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
    }
  }
  showPreview(call, await call.api().send({ method: 'POST', path: `/vaults/${id}/auto_repair/resume` }));
  return EXIT.ok;
};

function showPreview(call: Invocation, given: Answer): void {
  const {
    policy,
    held,
    repaired_in_this_sweep: repaired,
    would_repair: would,
    left_to_people: left,
    estimated_seconds: seconds,
    complete,
  } = understood(PREVIEW, given);
  answer(call, given.body, () => {
    const { out } = call.terminal;
    const shown = (title: string, rows: typeof would): string =>
      rows.length === 0
        ? ''
        : `\n${title}\n${table(
            ['key', 'keystore', 'steps', 'because'],
            rows.map(({ key, keystore, steps, reason }) => [
              key.label,
              keystore.name ?? keystore.id,
              steps.join(', ') || '–',
              reason,
            ]),
            out,
          )}`;
    return [
      facts([
        ['policy', policyText(policy)],
        ['repaired in this sweep', String(repaired)],
      ]),
      held === undefined ? '' : `${styled('red', 'held', out)}  ${held.reason}\n`,
      shown('Would be repaired now', would),
      would.length === 0 ? '' : `About ${duration(seconds)}, as the keystores' quotas and the policy have it.\n`,
      shown('Left to people', left),
      complete ? '' : '… and there is more drift than was looked into.\n',
    ].join('');
  });
}
