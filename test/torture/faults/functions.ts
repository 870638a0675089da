import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RawRequest } from '../../functions/deliver.ts';
import type { WireAnswer } from '../../wire/answers.ts';

/** The functions in a process of their own. */
export interface FunctionProcess {
  /** The answer, or undefined when the process was killed before it gave one. */
  send(request: RawRequest | string, remainingMs: number): Promise<WireAnswer | undefined>;
  /** SIGKILL: no handler runs. */
  kill(): void;
  readonly isAlive: boolean;
  readonly ended: Promise<void>;
}

const SCRIPT = fileURLToPath(new URL('function-process.ts', import.meta.url));

/**
 * Starts it with nothing of this process's environment but what a program needs to run. `said` gets everything that it prints. `compiled` is
 * a folder in which what was compiled once is kept for the next, which starts in two thirds of the time.
 */
export async function startFunctions(
  environment: Readonly<Record<string, string>>,
  compiled: string,
  said: (text: string) => void,
): Promise<FunctionProcess> {
  const child: ChildProcess = fork(SCRIPT, [], {
    execPath: process.execPath,
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: compiled,
      ...environment,
    },
  });
  let last = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      last = chunk.toString();
      said(last);
    });
  }
  let isAlive = true;
  const ended = once(child, 'exit').then(() => {
    isAlive = false;
  });
  const first = await Promise.race([once(child, 'message'), ended]);
  if (first === undefined) throw new Error(`The functions did not start: ${last}`);
  return {
    async send(request, remainingMs) {
      const answered = once(child, 'message') as Promise<[WireAnswer | { readonly broken: string }]>;
      if (isAlive) child.send({ request, remainingMs });
      const [answer] = (await Promise.race([answered, ended])) ?? [];
      if (answer !== undefined && 'broken' in answer) throw new Error(`A function threw: ${answer.broken}`);
      return answer;
    },
    kill: () => {
      child.kill('SIGKILL');
    },
    get isAlive() {
      return isAlive;
    },
    ended,
  };
}
