import * as z from 'zod/mini';
import { APPROVAL, WITH_PLAN } from './answers.ts';
import type { Answer, Json } from './api.ts';
import { CommandProblem, EXIT } from './exit.ts';
import type { ExitCode } from './exit.ts';
import { answer, flag, say, text } from './invocation.ts';
import type { Invocation } from './invocation.ts';
import { planText, valueText } from './plan.ts';
import { read } from './resources.ts';
import type { Found, ResourceKind } from './resources.ts';
import { styled, table } from './terminal.ts';

/**
 * How sure a change wants the user to be. `nothing`: it is done. `terminal`: asked where somebody sits at a terminal. `yes`: asked, and
 * elsewhere refused without `--yes`. `name`: the name must be typed, or given with `--yes`.
 */
export type Confirmation = 'nothing' | 'terminal' | 'yes' | 'name';

export interface Change<Kind extends ResourceKind> {
  readonly kind: Kind;
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  /** After the resource's own path: `/rotate`. */
  readonly action?: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: Json;
  readonly confirmation: Confirmation;
  /** The API has no dry run of it. */
  readonly hasNoRehearsal?: true;
  /** What will be done, for the question: `destroy`. */
  readonly verb: string;
}

/**
 * A change of a resource, done as carefully as the user wants: what would happen is shown first, the ETag of what was read is sent, and where
 * somebody was quicker, what they changed is shown before it is asked again. Undefined: it was a dry run, or it waits for a second person.
 */
export async function change<Kind extends ResourceKind>(
  call: Invocation,
  found: Found<Kind>,
  wanted: Change<Kind>,
): Promise<{ readonly given: Answer } | { readonly exit: ExitCode }> {
  const dryRun = flag(call, 'dryRun');
  const asksNobody = wanted.confirmation === 'nothing' || (wanted.confirmation === 'terminal' && !call.terminal.asks);
  if (dryRun || (!asksNobody && !isConfirmed(call, found, wanted))) {
    const rehearsed = wanted.hasNoRehearsal === true ? undefined : await send(call, found, wanted, { dry_run: 'true' });
    if (dryRun && rehearsed !== undefined) {
      answerPlan(call, rehearsed);
      return { exit: EXIT.ok };
    }
    await ask(call, found, wanted, rehearsed);
  }
  let at = found;
  for (;;) {
    try {
      const given = await send(call, at, wanted, {});
      return given.status === 202 ? { exit: waits(call, given) } : { given };
    } catch (error) {
      if (!isStale(error) || !call.terminal.asks) throw error;
      at = await askAboutTheChange(call, at, wanted);
    }
  }
}

async function send<Kind extends ResourceKind>(
  call: Invocation,
  { path, etag }: Found<Kind>,
  { method, action = '', query = {}, body }: Change<Kind>,
  more: Readonly<Record<string, string>>,
): Promise<Answer> {
  return await call.api().send({
    method,
    path: `${path}${action}`,
    query: { ...query, ...more },
    ...(body === undefined ? {} : { body }),
    ifMatch: etag,
  });
}

/** Shows what a dry run answered. */
export function answerPlan(call: Invocation, rehearsed: Answer): void {
  const parsed = WITH_PLAN.safeParse(rehearsed.body);
  answer(call, rehearsed.body ?? null, () => {
    const shown = parsed.success ? planText(parsed.data.planned_changes, call.terminal.out) : 'It would be done.\n';
    return `${shown}\n${styled('dim', 'A dry run: nothing was changed.', call.terminal.out)}\n`;
  });
}

/** Throws a wrong use where `--yes` names another resource. */
function isConfirmed<Kind extends ResourceKind>(call: Invocation, found: Found<Kind>, wanted: Change<Kind>): boolean {
  if (wanted.confirmation !== 'name') return flag(call, 'yes');
  const name = text(call, 'yes');
  if (name === undefined) return false;
  if (name === found.name) return true;
  throw new CommandProblem(EXIT.usage, `--yes names "${name}", but this would ${wanted.verb} ${found.name}.`, {
    advice: 'Nothing was changed. Give the name of what you mean.',
  });
}

async function ask<Kind extends ResourceKind>(
  call: Invocation,
  found: Found<Kind>,
  wanted: Change<Kind>,
  rehearsed: Answer | undefined,
): Promise<void> {
  const { err, asks } = call.terminal;
  const byName = wanted.confirmation === 'name';
  if (!asks) {
    throw new CommandProblem(EXIT.usage, `This would ${wanted.verb} ${found.name}, and nobody can be asked here.`, {
      advice: `Nothing was changed. ${rehearsed === undefined ? '' : '--dry-run shows what would happen; '}${byName ? `--yes '${found.name}'` : '--yes'} confirms it.`,
    });
  }
  const parsed = WITH_PLAN.safeParse(rehearsed?.body);
  if (parsed.success) err.write(`${planText(parsed.data.planned_changes, err)}\n`);
  const { confirm, typed } = await import('./ask.ts');
  const at = `at ${call.api().url}`;
  const agreed = byName
    ? (await typed(`To ${wanted.verb} it ${at}, type its name (${found.name}):`, call.terminal)) === found.name
    : await confirm(`${capital(wanted.verb)} ${found.name} ${at}?`, call.terminal);
  if (!agreed) throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
}

function isStale(error: unknown): boolean {
  if (!(error instanceof CommandProblem)) return false;
  const status = z.object({ status_code: z.literal(412) }).safeParse(error.body);
  return status.success;
}

/** What others did since it was read is shown; who goes on has seen it. */
async function askAboutTheChange<Kind extends ResourceKind>(
  call: Invocation,
  before: Found<Kind>,
  wanted: Change<Kind>,
): Promise<Found<Kind>> {
  const now = await read(call.api(), before.kind, before.id);
  const { err } = call.terminal;
  const rows = differences(before.body, now.body);
  err.write(`${before.name} was changed by somebody since it was read:\n`);
  err.write(`${table(['property', 'was', 'is'], rows, err)}\n`);
  const { confirm } = await import('./ask.ts');
  if (!(await confirm(`${capital(wanted.verb)} it as it is now?`, call.terminal))) {
    throw new CommandProblem(EXIT.failed, 'Nothing was changed.');
  }
  return now;
}

function differences(before: unknown, now: unknown): string[][] {
  const [was, is] = [before, now].map((body) => (typeof body === 'object' && body !== null ? body : {})) as [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]))
    .map((name) => [name, valueText(was[name]), valueText(is[name])]);
}

function waits(call: Invocation, given: Answer): ExitCode {
  const parsed = APPROVAL.safeParse(given.body);
  answer(call, given.body, () => '');
  if (parsed.success) {
    const { id, expires_at: until } = parsed.data;
    say(call, `This waits for a second person, until ${until}. They run: shearline approvals approve ${id}`);
  }
  return EXIT.waiting;
}

function capital(verb: string): string {
  return verb.charAt(0).toUpperCase() + verb.slice(1);
}
