import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A process that cannot outlive this one. */
export interface Child {
  /** Resolves when the process has ended, in whatever way. */
  readonly exited: Promise<{ readonly code: number | null }>;
  /** Asks it to end, insists after 1.5 s, and resolves when it and its own children are gone. May be called again. */
  stop(): Promise<void>;
}

/*
 * No handler runs when this process is killed with SIGKILL, but its end of a pipe closes all the same: the shell beside the child waits
 * for just that, and then kills everything that the child has started, which is in its process group. Only the shell's own commands are
 * used: nothing else need be on the PATH.
 */
const KEEPER = `
exec 3<&0
"$@" 3<&- </dev/null &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
( trap - TERM INT HUP; while read -r line <&3; do :; done; kill -KILL 0 ) >/dev/null 2>&1 &
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
trap '' TERM
kill -TERM 0
exit "$code"
`;

const PATIENCE_MS = 1_500;

/** Starts a program in a process group of its own, so that Ctrl-C in the terminal reaches only us. `onLine` gets what it prints. */
export function startChild(options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly onLine: (line: string) => void;
}): Child {
  const child = spawn('/bin/sh', ['-c', KEEPER, 'sh', options.command, ...options.args], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    cwd: options.cwd,
  });
  // Writing is never tried, and closing a pipe whose reader has gone is no error of ours.
  child.stdin.on('error', () => undefined);
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', options.onLine);
  const exited = new Promise<{ code: number | null }>((resolve) => {
    child.once('error', (error) => {
      options.onLine(error.message);
      resolve({ code: null });
    });
    child.once('close', (code) => {
      resolve({ code });
    });
  });
  return {
    exited,
    async stop() {
      child.kill('SIGTERM');
      const impatient = setTimeout(() => {
        child.stdin.destroy();
      }, PATIENCE_MS);
      await exited;
      clearTimeout(impatient);
    },
  };
}
