import { createWriteStream, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { LOOPBACK } from './ports.ts';
import { PROJECT } from './project.ts';
import { StartProblem } from './start-problem.ts';

/** Not `.esbuild`: packaging a deployment empties that, and a start may be running meanwhile. */
const BUILD_FOLDERS = 'node_modules/.cache/shearline';

export interface LocalFunctions {
  /** Invokes a function as the Lambda API does; answers its result, throws what it threw. */
  invoke(name: string, event: unknown): Promise<unknown>;
  /** Resolves with what it said last when it ends, in whatever way. */
  readonly exited: Promise<string>;
  close(): Promise<void>;
}

/**
 * Starts every function of serverless.yml behind serverless-offline and waits until they can be called. `environment` is all that they
 * and the framework get to see. What they print goes to `logFile`; only errors are handed to `complain`.
 */
export async function startFunctions(options: {
  readonly port: number;
  readonly invokePort: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Build and restart functions when their source changes. */
  readonly reload: boolean;
  readonly logFile: string | undefined;
  readonly complain: (line: string) => void;
  /** Gives up while they are starting. */
  readonly signal: AbortSignal;
}): Promise<LocalFunctions> {
  const buildFolder = join(BUILD_FOLDERS, `run-${process.pid}-${options.port}`);
  removeAbandonedBuilds();
  const log = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { mode: 0o600 });
  const last: string[] = [];
  const showErrors = errorFilter(options.complain);
  let ready = (): void => undefined;
  const listening = new Promise<'listening'>((resolve) => {
    ready = () => {
      resolve('listening');
    };
  });
  const child = startChild({
    command: process.execPath,
    args: [
      join(PROJECT, 'node_modules/serverless/bin/serverless.js'),
      'offline',
      '--httpPort',
      String(options.port),
      '--lambdaPort',
      String(options.invokePort),
      '--noSponsor',
    ],
    cwd: PROJECT,
    env: {
      ...options.environment,
      SHEARLINE_BUILD_FOLDER: buildFolder,
      ...(options.reload ? {} : { SHEARLINE_WATCH: 'nothing' }),
      SHEARLINE_BUNDLES: 'without_sdks',
      SLS_INTERACTIVE_SETUP_ENABLE: '0',
      NO_COLOR: '1',
    },
    onLine: (line) => {
      log?.write(`${line}\n`);
      last.push(line);
      if (last.length > 30) last.shift();
      if (line.includes('Server ready:')) ready();
      else showErrors(line);
    },
  });
  const exited = child.exited.then(() => {
    log?.end();
    rmSync(join(PROJECT, buildFolder), { recursive: true, force: true });
    return last.filter((line) => line.trim() !== '').join('\n');
  });
  const close = async (): Promise<void> => {
    await child.stop();
    await exited;
  };
  options.signal.addEventListener('abort', () => void close());
  const outcome = await Promise.race([listening, child.exited, wait(READY_WITHIN_MS, 'late' as const, { ref: false })]);
  if (outcome === 'late') {
    await close();
    throw new StartProblem(
      `The functions were not ready after ${READY_WITHIN_MS / 1000} s; serverless-offline said:\n${await exited}`,
    );
  }
  if (outcome !== 'listening') {
    throw new StartProblem(`The functions did not start; serverless-offline said:\n${await exited}`);
  }
  return {
    exited,
    close,
    invoke: (name, event) => invokeFunction(`http://${LOOPBACK}:${options.invokePort}`, name, event),
  };
}

/** Far more than a busy machine needs: longer means that it never will be. */
const READY_WITHIN_MS = 90_000;

/** Invokes one of the functions behind `endpoint`. Answers its result; throws what the function threw. */
export async function invokeFunction(endpoint: string, name: string, event: unknown): Promise<unknown> {
  const response = await fetch(`${endpoint}/2015-03-31/functions/shearline-dev-${name}/invocations`, {
    method: 'POST',
    body: JSON.stringify(event),
  });
  const text = await response.text();
  const result: unknown = text === '' ? undefined : JSON.parse(text);
  if (!response.ok || response.headers.has('x-amz-function-error')) {
    const message =
      typeof result === 'object' && result !== null && 'errorMessage' in result ? String(result.errorMessage) : text;
    throw new Error(`The function ${name} failed: ${message}`);
  }
  return result;
}

/** Hands on what the framework marks as an error (with the lines that belong to it) and what functions log as one. */
function errorFilter(complain: (line: string) => void): (line: string) => void {
  let within = false;
  return (line) => {
    if (line.startsWith('{')) {
      const logged = loggedError(line);
      if (logged !== undefined) complain(logged);
      within = false;
      return;
    }
    within = line.startsWith('× ') || (within && line.startsWith('  '));
    if (within) complain(line);
  };
}

function loggedError(line: string): string | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    if (typeof entry !== 'object' || entry === null || !('level' in entry)) return undefined;
    if (entry.level !== 'ERROR' && entry.level !== 'CRITICAL') return undefined;
    return line;
  } catch {
    return undefined;
  }
}

/** A start that was killed could not clean up behind it. */
function removeAbandonedBuilds(): void {
  const folder = join(PROJECT, BUILD_FOLDERS);
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    const pid = /^run-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
