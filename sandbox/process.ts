import { styleText } from 'node:util';
import { messageOf, StartProblem } from './start-problem.ts';

/** Stopping may take this long before the process ends anyway; what it started cannot outlive it. */
const STOP_WITHIN_MS = 2_500;

/** At the first signal stops what is running and ends; at a second one ends at once. */
export function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const end = (code: number) => {
    if (stopping) process.exit(code);
    stopping = true;
    setTimeout(() => process.exit(code), STOP_WITHIN_MS);
    stop().then(
      () => process.exit(code),
      () => process.exit(code),
    );
  };
  // The usual way out is no failure.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      end(0);
    });
  }
  endWithNpm(() => {
    end(1);
  });
}

/** Ends the process in failure: with a sentence for what a user can mend, with the stack for what is our fault. */
export function exitWith(error: unknown): never {
  const sentence = error instanceof StartProblem || !(error instanceof Error) ? messageOf(error) : error.stack;
  console.error(styleText('red', sentence ?? messageOf(error), { stream: process.stderr }));
  process.exit(1);
}

/** A killed npm tells nobody; whoever it has started would go on without a terminal and keep the ports. */
function endWithNpm(end: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) end();
  }, 1_000).unref();
}
