/** `npm test`: types, lint, format, then every test. The last line printed is the count of all of them, alone. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = (name: string): string => join(import.meta.dirname, '..', 'node_modules', '.bin', name);
const report = join(tmpdir(), `shearline-test-${process.pid}.json`);

const CHECKS: readonly (readonly [says: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '-p', '.'],
  ['console', 'tsc', '-p', 'console'],
  ['lint', 'eslint', '.'],
  ['format', 'prettier', '--check', '--log-level', 'warn', '.'],
];

function run(command: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(bin(command), args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
}

/** A file that fails before its first test has no failed test of its own; it must not look like a pass. */
function counts(exitCode: number): { passed: number; failed: number; skipped: number } {
  try {
    const read = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const failed = Math.max(read.numFailedTests, exitCode === 0 ? 0 : 1);
    return { passed: read.numPassedTests, failed, skipped: read.numPendingTests + read.numTodoTests };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(report, { force: true });
  }
}

let passed = 0;
let failed = 0;
for (const [says, command, ...args] of CHECKS) {
  const started = performance.now();
  const code = await run(command, args);
  console.log(
    `${says.padEnd(8)} ${code === 0 ? 'ok' : 'FAILED'}  ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  if (code === 0) passed += 1;
  else failed += 1;
}
const exitCode = await run('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
const tests = counts(exitCode);
passed += tests.passed;
failed += tests.failed;
console.log(`${passed} passed, ${failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
