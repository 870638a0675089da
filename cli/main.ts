import { openApi } from './api.ts';
import type { Api } from './api.ts';
import { CommandProblem, EXIT } from './exit.ts';
import type { ExitCode } from './exit.ts';
import type { Invocation } from './invocation.ts';
import { chooseTarget } from './target.ts';
import type { Target } from './target.ts';
import { openTerminal, styled } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

/** What a command finds around itself. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** All of standard input. */
  readonly input: () => Promise<string>;
}

function ofThisProcess(): Surroundings {
  // `shearline keys list | head -1` closes the pipe early, and means it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  return {
    terminal: openTerminal(),
    environment: process.env,
    folder: process.cwd(),
    input: async () => (await import('node:stream/consumers')).text(process.stdin),
  };
}

/** Runs the command that these words ask for, and answers its exit code. Everything that goes wrong is told to people, on the side channel. */
export async function main(words: readonly string[], around: Surroundings = ofThisProcess()): Promise<ExitCode> {
  let json = words.includes('--json');
  try {
    const { parse } = await import('./program.ts');
    const parsed = await parse(words, VERSION, around.terminal);
    json = parsed.options['json'] === true;
    const call = invocationOf(around, parsed);
    const run = await parsed.command.load();
    return await run(call);
  } catch (error) {
    return told(error, around.terminal, json);
  }
}

function invocationOf(
  around: Surroundings,
  parsed: { readonly arguments: Invocation['arguments']; readonly options: Invocation['options'] },
): Invocation {
  const url = parsed.options['url'];
  let target: Target | undefined;
  let api: Api | undefined;
  const targetOnce = (): Target =>
    (target ??= chooseTarget({ ...around, url: typeof url === 'string' ? url : undefined }));
  return {
    ...around,
    target: targetOnce,
    api: () =>
      (api ??= openApi({
        ...targetOnce(),
        onWait: (says) => {
          around.terminal.err.write(`${says}\n`);
        },
      })),
    arguments: parsed.arguments,
    options: parsed.options,
    json: parsed.options['json'] === true,
  };
}

function told(error: unknown, terminal: Terminal, json: boolean): ExitCode {
  if (error instanceof CommandProblem) {
    const { message, advice, trace, exit, body } = error;
    if (json) {
      const told = { error: message, advice, trace, exit_code: exit, answer: body };
      terminal.err.write(`${JSON.stringify(told, undefined, 2)}\n`);
      return exit;
    }
    const lines = [
      `${styled('red', 'error', terminal.err)}  ${message.split('\n').join('\n       ')}`,
      ...(advice === undefined ? [] : [`       ${advice}`]),
      ...(trace === undefined ? [] : [`       ${styled('dim', `trace ${trace}`, terminal.err)}`]),
    ];
    terminal.err.write(`${lines.join('\n')}\n`);
    return exit;
  }
  if (error instanceof Error && 'exitCode' in error && 'code' in error) {
    // The parser's; it has told it already, but for what our own checks of options threw.
    if (error.code === 'shearline.choice') terminal.err.write(`${error.message}\n`);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof Error && error.name === 'ExitPromptError') return EXIT.interrupted;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.err.write(`This is a fault of the command line itself (version ${VERSION}); please report it.\n${stack}\n`);
  return EXIT.failed;
}
