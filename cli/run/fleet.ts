import pMap from 'p-map';
import * as z from 'zod/mini';
import { STATUSES, WITH_PLAN } from '../answers.ts';
import type { Key, Planned, Status } from '../answers.ts';
import type { Answer, Json } from '../api.ts';
import { CommandProblem, EXIT, wrongUse } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag, say, text, texts } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { planText } from '../plan.ts';
import { find, idOf, list as listOf, listAt, parsed, read, understood } from '../resources.ts';
import type { Found } from '../resources.ts';
import { facts, progress, styled, table } from '../terminal.ts';
import { KEY } from '../answers.ts';
import { limitOf, shortTime, vaultOf } from './lists.ts';
import { exitOf, statusTable, styleOf, worstFlag } from './statuses.ts';

/** Few enough to leave the deployment, and the limit per caller, to others too. */
const AT_ONCE = 8;
/** More keys than any deployment's list has. */
const EVERY = 10_000_000;

type Reference = Pick<Key, 'id' | 'label'>;

/** The keys that a command is about: those that are named, or those that a filter leads to. */
async function chosenKeys(
  call: Invocation,
  filter: Readonly<Record<string, string>> | undefined,
): Promise<readonly Reference[]> {
  const named = texts(call, 'key');
  const vaultId = await vaultOf(call);
  if (named.length > 0) {
    const unique = [...new Set(named)];
    return await pMap(unique, async (name) => ({ id: await idOf(call.api(), 'key', name, vaultId), label: name }), {
      concurrency: AT_ONCE,
    });
  }
  if (filter === undefined && vaultId === undefined && !flag(call, 'all')) {
    throw wrongUse('Which keys? Name them, or give --vault, or a filter; --help shows what there is.');
  }
  const { items } = await listOf(call.api(), 'key', { sort: 'label', ...filter, 'vault.id': vaultId }, EVERY);
  return items.filter(({ state }) => state !== 'destroyed' || filter !== undefined);
}

const flagged = (call: Invocation): Readonly<Record<string, string>> | undefined =>
  flag(call, 'flagged') ? { 'status_in_keystores[].keystore_sync_flag': 'out_of_sync' } : undefined;

/** What came of one key. */
interface Result {
  readonly id: string;
  readonly label: string;
  readonly statuses: readonly Status[];
  /** Why nothing can be said, or nothing was done. */
  readonly problem: CommandProblem | undefined;
  /** As the API gave it. */
  readonly body: unknown;
}

/** Does something with each key, and goes on where one fails. */
async function forEachKey(
  call: Invocation,
  keys: readonly Reference[],
  doing: string,
  act: (key: Reference) => Promise<Answer>,
): Promise<readonly Result[]> {
  const shown = progress(call.terminal);
  let count = 0;
  const results = await pMap(
    keys,
    async ({ id, label }): Promise<Result> => {
      try {
        const given = await act({ id, label });
        if (given.status === 202) {
          const problem = new CommandProblem(EXIT.waiting, 'waits for a second person: shearline approvals list');
          return { id, label, statuses: [], problem, body: given.body };
        }
        const { status_in_keystores: statuses } = understood(STATUSES, given);
        return { id, label, statuses, problem: undefined, body: given.body };
      } catch (error) {
        // Without the right to it, or without an API, the next one fails the same way.
        if (!(error instanceof CommandProblem) || error.exit === EXIT.denied) throw error;
        return { id, label, statuses: [], problem: error, body: error.body };
      } finally {
        count += 1;
        shown.step(`${doing} ${count} of ${keys.length}  ${label}`);
      }
    },
    { concurrency: AT_ONCE },
  ).finally(() => {
    shown.end();
  });
  return results;
}

/** 1 where something was refused, 3 where something is out of sync, 5 where something could not be asked, 6 where something waits. */
function exitOfAll(results: readonly Result[]): ExitCode {
  const codes = new Set(results.map(({ problem, statuses }) => problem?.exit ?? exitOf(statuses)));
  return [EXIT.failed, EXIT.usage, EXIT.drift, EXIT.unknown, EXIT.waiting].find((code) => codes.has(code)) ?? EXIT.ok;
}

function showResults(call: Invocation, results: readonly Result[]): void {
  const json = results.map(({ id, label, problem, body }) => ({
    id,
    label,
    ...(problem === undefined ? {} : { problem: problem.message }),
    answer: body ?? null,
  }));
  answer(call, { keys: json }, () => {
    const rows = results.flatMap(({ label, statuses }) => statuses.map((status) => ({ key: label, status })));
    const problems = results.flatMap(({ label, problem }) =>
      problem === undefined
        ? []
        : [`${styled('red', label, call.terminal.out)}  ${problem.message}${trace(problem)}\n`],
    );
    return (rows.length === 0 && problems.length > 0 ? '' : statusTable(rows, call.terminal.out)) + problems.join('');
  });
}

const trace = ({ trace: id }: CommandProblem): string => (id === undefined ? '' : ` (trace ${id})`);

const verified = (call: Invocation, keys: readonly Reference[]): Promise<readonly Result[]> =>
  forEachKey(call, keys, 'Verifying', ({ id }) =>
    call.api().send({ method: 'GET', path: `/managed_keys/${id}/status_in_keystores` }),
  );

export const verify: Run = async (call) => {
  const results = await verified(call, await chosenKeys(call, flagged(call)));
  showResults(call, results);
  return exitOfAll(results);
};

export const sync: Run = async (call) => {
  const keys = await chosenKeys(call, flagged(call));
  const wanted = texts(call, 'keystore');
  const vaultId = await vaultOf(call);
  const keystores = await Promise.all(
    wanted.map(async (name) => ({ id: await idOf(call.api(), 'keystore', name, vaultId) })),
  );
  return await changeEach(call, keys, {
    verb: 'Sync',
    doing: 'Syncing',
    action: 'sync_status_in_keystores',
    body: keystores.length === 0 ? undefined : { keystores },
  });
};

export const realign: Run = async (call) => {
  const filter = flag(call, 'unaligned') ? { 'template.alignment_status': 'unaligned' } : undefined;
  const keys = await chosenKeys(call, filter);
  return await changeEach(call, keys, {
    verb: 'Realign',
    doing: 'Realigning',
    action: 'update_from_template',
    body: undefined,
  });
};

interface EachChange {
  readonly verb: string;
  readonly doing: string;
  readonly action: string;
  readonly body: Json | undefined;
}

/** Shows the plan of all, asks once where somebody can be asked, and does it to each under the ETag that was read. */
async function changeEach(call: Invocation, keys: readonly Reference[], wanted: EachChange): Promise<ExitCode> {
  if (keys.length === 0) {
    answer(call, { keys: [] }, () => 'There is nothing to do.\n');
    return EXIT.ok;
  }
  const found = await pMap(keys, ({ id }) => read(call.api(), 'key', id), { concurrency: AT_ONCE });
  const dryRun = flag(call, 'dryRun');
  if (dryRun || (call.terminal.asks && !flag(call, 'yes'))) {
    const rehearsals = await rehearsed(call, found, wanted);
    const plan = together(rehearsals.flatMap(({ plan }) => (plan === undefined ? [] : [plan])));
    const refused = rehearsals.filter(({ problem }) => problem !== undefined);
    if (dryRun) {
      answer(
        call,
        { keys: rehearsals.map(({ found: { id, name }, body }) => ({ id, label: name, answer: body })) },
        () => {
          const { out } = call.terminal;
          const told = refused.map(
            ({ found: { name }, problem }) => `${styled('red', name, out)}  ${problem?.message ?? ''}\n`,
          );
          return `${planText(plan, out)}${told.join('')}\n${styled('dim', 'A dry run: nothing was changed.', out)}\n`;
        },
      );
      return refused.length > 0 ? EXIT.failed : EXIT.ok;
    }
    const { err } = call.terminal;
    err.write(`${planText(plan, err)}\n`);
    for (const {
      found: { name },
      problem,
    } of refused)
      err.write(`${styled('red', name, err)}  ${problem?.message ?? ''}\n`);
    if (refused.length === found.length) throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
    const { confirm } = await import('../ask.ts');
    const what = found.length === 1 ? (found[0]?.name ?? '') : `${found.length} keys`;
    if (!(await confirm(`${wanted.verb} ${what} at ${call.api().url}?`, call.terminal))) {
      throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
    }
  }
  const byId = new Map(found.map((each) => [each.id, each]));
  const results = await forEachKey(
    call,
    found.map(({ id, name }) => ({ id, label: name })),
    wanted.doing,
    ({ id }) => post(call, byId.get(id), wanted, {}),
  );
  showResults(call, results);
  const stale = results.some(
    ({ problem }) => z.object({ status_code: z.literal(412) }).safeParse(problem?.body).success,
  );
  if (stale) say(call, 'What was changed by somebody meanwhile was left alone: look at it, and repeat the command.');
  return exitOfAll(results);
}

function post(
  call: Invocation,
  found: Found<'key'> | undefined,
  { action, body }: EachChange,
  query: Readonly<Record<string, string>>,
): Promise<Answer> {
  if (found === undefined) throw new Error('A key that was read is missing.');
  const path = `${found.path}/${action}`;
  return call.api().send({ method: 'POST', path, query, ifMatch: found.etag, ...(body === undefined ? {} : { body }) });
}

async function rehearsed(call: Invocation, found: readonly Found<'key'>[], wanted: EachChange) {
  const shown = progress(call.terminal);
  let count = 0;
  return await pMap(
    found,
    async (key) => {
      try {
        const given = await post(call, key, wanted, { dry_run: 'true' });
        return { found: key, plan: understood(WITH_PLAN, given).planned_changes, problem: undefined, body: given.body };
      } catch (error) {
        if (!(error instanceof CommandProblem) || error.exit === EXIT.denied) throw error;
        return { found: key, plan: undefined, problem: error, body: error.body };
      } finally {
        count += 1;
        shown.step(`Planning ${count} of ${found.length}`);
      }
    },
    { concurrency: AT_ONCE },
  ).finally(() => {
    shown.end();
  });
}

/** The plans of several keys as one. They are worked on side by side, in keystores that share one quota: the sum is what it takes at most. */
function together(plans: readonly Planned[]): Planned {
  const [only] = plans;
  return {
    changes: [],
    ...(plans.length === 1 ? { differences: only?.differences } : {}),
    keystores: plans.flatMap(({ keystores }) => keystores),
    estimated_seconds: plans.reduce((sum, plan) => sum + plan.estimated_seconds, 0),
  };
}

export const scan: Run = async (call) => {
  const began = performance.now();
  const keystore = text(call, 'keystore');
  const vaultId = await vaultOf(call);
  let keys: readonly Reference[];
  if (keystore === undefined) {
    keys = (await listOf(call.api(), 'key', { sort: 'label', 'vault.id': vaultId }, EVERY)).items;
  } else {
    const { path } = await find(call.api(), 'keystore', keystore, vaultId);
    const { raw } = await listAt(call.api(), `${path}/managed_keys`, 'managed_keys', { sort: 'label' }, EVERY);
    keys = raw.map((item) => parsed(KEY, item, 'The list of keys'));
  }
  const results = await verified(call, keys);
  const seconds = (performance.now() - began) / 1000;
  const rows = results.flatMap(({ label, statuses }) => statuses.map((status) => ({ key: label, status })));
  const byKeystore = Map.groupBy(rows, ({ status }) => status.keystore?.name ?? '?');
  const summary = [...byKeystore].sort().map(([name, all]) => {
    const count = (flag: string) => all.filter(({ status }) => status.keystore_sync_flag === flag).length;
    return {
      keystore: name,
      keys: all.length,
      ok: count('ok'),
      out_of_sync: count('out_of_sync'),
      error: count('error'),
    };
  });
  const problems = results.flatMap(({ id, label, problem }) =>
    problem === undefined ? [] : [{ id, label, problem: problem.message }],
  );
  const notOk = rows.filter(({ status }) => status.keystore_sync_flag !== 'ok');
  answer(call, { keys: results.length, seconds, keystores: summary, not_ok: notOk, problems }, () => {
    const { out } = call.terminal;
    const shown = summary.map((row) => [row.keystore, row.keys, row.ok, row.out_of_sync, row.error].map(String));
    return [
      table(['keystore', 'keys', 'ok', 'out of sync', 'error'], shown, out, ([, all, ok]) =>
        all === ok ? 'green' : 'red',
      ),
      ...(notOk.length === 0 ? [] : ['\n', statusTable(notOk, out)]),
      ...problems.map(({ label, problem }) => `${styled('red', label, out)}  ${problem}\n`),
      styled('dim', `${results.length} keys in ${seconds.toFixed(1)} s.`, out),
      '\n',
    ].join('');
  });
  return exitOfAll(results);
};

const DRIFT = z.object({
  since: z.string(),
  next: z.optional(z.object({ href: z.optional(z.string()) })),
  summary: z.optional(
    z.object({
      flagged: z.number(),
      complete: z.boolean(),
      keystores: z.array(
        z.object({
          name: z.string(),
          id: z.string(),
          health_status: z.string(),
          message: z.optional(z.string()),
          last_heartbeat: z.optional(z.string()),
          flags: z.array(
            z.object({
              keystore_sync_flag: z.string(),
              keystore_sync_flag_detail: z.string(),
              status: z.string(),
              count: z.number(),
            }),
          ),
        }),
      ),
    }),
  ),
  changes: z.array(
    z.object({
      at: z.string(),
      key: z.object({ id: z.string(), label: z.optional(z.string()) }),
      keystore: z.object({ id: z.string() }),
      from: z.optional(z.object({ keystore_sync_flag: z.string() })),
      to: z.object({ keystore_sync_flag: z.string() }),
      cause: z.string(),
      reason: z.string(),
    }),
  ),
});

export const drift: Run = async (call) => {
  const keystore = text(call, 'keystore');
  const vaultId = await vaultOf(call);
  const query = {
    'vault.id': vaultId,
    'keystore.id': keystore === undefined ? undefined : await idOf(call.api(), 'keystore', keystore, vaultId),
    since: text(call, 'since'),
    limit: String(limitOf(call, 20)),
  };
  const given = await call.api().send({ method: 'GET', path: '/drift', query });
  const { summary, changes, since, next } = understood(DRIFT, given);
  const names = new Map(summary?.keystores.map(({ id, name }) => [id, name]));
  answer(call, given.body, () => {
    const { out } = call.terminal;
    const standing = (summary?.keystores ?? []).map(
      ({ name, health_status: health, last_heartbeat: beat, flags, message }) => {
        const said = flags.map((each) => `${each.count} ${each.keystore_sync_flag} (${each.status})`);
        return [name, health, shortTime(beat), said.join(', ') || (health === 'ok' ? 'all in sync' : (message ?? ''))];
      },
    );
    const rows = changes.map(({ at, key, keystore: { id }, from, to, cause, reason }) => [
      shortTime(at),
      key.label ?? key.id,
      names.get(id) ?? id,
      `${from?.keystore_sync_flag ?? 'never asked'} → ${to.keystore_sync_flag}`,
      cause,
      reason,
    ]);
    return [
      facts([['not ok now', `${summary?.complete === false ? 'at least ' : ''}${summary?.flagged ?? 0}`]]),
      '\n',
      table(['keystore', 'health', 'last heartbeat (UTC)', 'now'], standing, out, (row) =>
        row[3] === 'all in sync' ? 'green' : 'red',
      ),
      `\nChanges since ${shortTime(since)} UTC\n`,
      rows.length === 0
        ? 'None.\n'
        : table(['when (UTC)', 'key', 'keystore', 'flag', 'cause', 'reason'], rows, out, (row) =>
            row[3]?.endsWith(' ok') === true ? undefined : styleOf(row[3]?.split(' → ')[1] ?? ''),
          ),
      next === undefined ? '' : styled('dim', '… and more: --limit\n', out),
    ].join('');
  });
  const flags = (summary?.keystores ?? []).flatMap(({ flags: all, health_status: health }) => [
    ...all.filter(({ count }) => count > 0),
    ...(health === 'ok' ? [] : [{ keystore_sync_flag: 'error' }]),
  ]);
  return worstFlag(flags) === '–' ? EXIT.ok : exitOf(flags);
};
