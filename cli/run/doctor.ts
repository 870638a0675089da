import * as z from 'zod/mini';
import { CommandProblem, EXIT } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { answer, flag } from '../invocation.ts';
import type { Invocation, Run } from '../invocation.ts';
import { understood } from '../resources.ts';
import { printable, styled, table } from '../terminal.ts';
import { VERSION } from '../version.ts';

const FINDING = z.object({
  subject: z.string(),
  name: z.string(),
  check: z.string(),
  verdict: z.string(),
  message: z.string(),
  advice: z.optional(z.string()),
});
type Finding = z.infer<typeof FINDING>;

const DIAGNOSIS = z.object({ checked_at: z.string(), findings: z.array(FINDING) });

export const doctor: Run = async (call) => {
  const own = await examineThisMachine(call);
  const given = own.reached ? await examineDeployment(call) : undefined;
  const findings = [...own.findings, ...(given ?? [])];
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  answer(call, { findings }, () => text(call, findings));
  return exitOf(verdicts);
};

/** Whether this machine gets through, and as whom: what goes wrong before the deployment can say anything. */
async function examineThisMachine(
  call: Invocation,
): Promise<{ readonly reached: boolean; readonly findings: readonly Finding[] }> {
  const about = { subject: 'this machine', name: `shearline ${VERSION}` };
  try {
    const { url, from } = call.target();
    const began = Date.now();
    const { date } = await call.api().send({ method: 'GET', path: '/keystore_types' });
    const findings: Finding[] = [
      {
        ...about,
        check: 'API',
        verdict: 'ok',
        message: `${url} answers, in ${Date.now() - began} ms (known from ${from}).`,
      },
    ];
    const skew = date === undefined ? undefined : Math.round((Date.now() - date.getTime()) / 1000);
    if (skew !== undefined) {
      const off = Math.abs(skew) > 60;
      findings.push({
        ...about,
        check: 'clock',
        verdict: off ? 'warning' : 'ok',
        message: `${Math.abs(skew)} s ${off ? `${skew > 0 ? 'ahead of' : 'behind'} the deployment` : 'from the deployment’s'}.`,
        ...(off ? { advice: 'Set this machine’s clock right: logins seem to end early, or late.' } : {}),
      });
    }
    return { reached: true, findings };
  } catch (error) {
    if (!(error instanceof CommandProblem)) throw error;
    const { message, advice } = error;
    const finding = { ...about, check: 'API', verdict: 'failed', message, ...(advice === undefined ? {} : { advice }) };
    return { reached: false, findings: [finding] };
  }
}

async function examineDeployment(call: Invocation): Promise<readonly Finding[]> {
  try {
    return understood(DIAGNOSIS, await call.api().send({ method: 'GET', path: '/doctor' })).findings;
  } catch (error) {
    if (!(error instanceof CommandProblem)) throw error;
    const { message, advice, trace } = error;
    return [
      {
        subject: 'deployment',
        name: call.target().url,
        check: 'examination',
        verdict: error.exit === EXIT.denied ? 'unknown' : 'failed',
        message: trace === undefined ? message : `${message} (trace ${trace})`,
        ...(advice === undefined ? {} : { advice }),
      },
    ];
  }
}

const STYLES: Readonly<Record<string, 'green' | 'red' | 'yellow'>> = {
  ok: 'green',
  warning: 'yellow',
  failed: 'red',
  unknown: 'yellow',
};

function text(call: Invocation, findings: readonly Finding[]): string {
  const { out } = call.terminal;
  const shown = flag(call, 'problems') ? findings.filter(({ verdict }) => verdict !== 'ok') : findings;
  const rows = shown.map(({ subject, name, check, verdict, message }) => [
    verdict,
    subject.replaceAll('_', ' '),
    name,
    check,
    message,
  ]);
  const advice = shown.flatMap(({ name, check, advice: todo }) =>
    todo === undefined ? [] : [`  ${printable(`${name}, ${check}`)}\n    ${printable(todo)}\n`],
  );
  return [
    rows.length === 0
      ? 'All is well.\n'
      : table(['', 'what', 'which', 'check', 'found'], rows, out, ([verdict = '']) => STYLES[verdict]),
    ...(advice.length === 0 ? [] : [`\n${styled('bold', 'What to do', out)}\n`, ...advice]),
  ].join('');
}

function exitOf(verdicts: ReadonlySet<string>): ExitCode {
  if (verdicts.has('failed')) return EXIT.failed;
  return verdicts.has('unknown') ? EXIT.unknown : EXIT.ok;
}
