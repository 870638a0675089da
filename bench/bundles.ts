import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import type { Benchmark, Figure } from './frame.ts';

const PROJECT = join(import.meta.dirname, '..');
const run = promisify(execFile);
const ROUNDS = 7;
const RECORD_ONLY = new Set(['vaults', 'templates', 'audit', 'not-found']);
const RECORD_ONLY_BYTES = 150 * 1024;

/** As serverless.yml builds a function. */
async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    define: { 'import.meta.url': '__filename' },
    alias: { '@aws-sdk/credential-provider-node': join(PROJECT, 'functions/execution-role.ts') },
    external: ['pkcs11js'],
    absWorkingDir: PROJECT,
    logLevel: 'error',
  });
}

async function importMilliseconds(file: string): Promise<number> {
  const code = `const t=performance.now();require(${JSON.stringify(file)});process.stdout.write(String(performance.now()-t))`;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    times.push(Number((await run(process.execPath, ['-e', code])).stdout));
  return times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

async function kilobytes(file: string): Promise<number> {
  return gzipSync(await readFile(file), { level: 9 }).length;
}

/** Size and load time of every function's bundle, beside a bundle of nothing but the SDK clients that it has. */
export const bundlesBenchmark: Benchmark = {
  name: 'bundles',
  async run(tell) {
    const folder = await mkdtemp(join(tmpdir(), 'shearline-bench-'));
    try {
      const sdk = async (name: string, packages: readonly string[]) => {
        const entry = join(PROJECT, `bench-${name}-${process.pid}.mjs`);
        const file = join(folder, `${name}.cjs`);
        await writeFile(entry, packages.map((each, at) => `export * as p${at} from '${each}';`).join('\n'));
        await bundle(entry, file).finally(() => rm(entry));
        return { name, size: await kilobytes(file), milliseconds: await importMilliseconds(file) };
      };
      const records = await sdk('bare DynamoDB client', ['@aws-sdk/client-dynamodb', '@aws-sdk/lib-dynamodb']);
      const keystores = await sdk('bare DynamoDB + KMS clients', [
        '@aws-sdk/client-dynamodb',
        '@aws-sdk/lib-dynamodb',
        '@aws-sdk/client-kms',
      ]);
      const figures: Figure[] = [];
      const sizes: string[] = [];
      for (const file of await functionFiles()) {
        const name = basename(file, '.ts');
        const out = join(folder, `${name}.cjs`);
        await bundle(file, out);
        const bare = RECORD_ONLY.has(name) ? records : keystores;
        const milliseconds = await importMilliseconds(out);
        const size = await kilobytes(out);
        const over = RECORD_ONLY.has(name) && size > RECORD_ONLY_BYTES ? '  MORE THAN 150 KB' : '';
        sizes.push(
          `${name.padEnd(16)} ${(size / 1024).toFixed(0).padStart(5)} KB gz   bare ${(bare.size / 1024).toFixed(0)} KB gz${over}`,
        );
        figures.push({
          name,
          milliseconds,
          baseline: { name: bare.name, milliseconds: bare.milliseconds },
          ratio: milliseconds / bare.milliseconds,
          goal: 1.3,
        });
      }
      for (const line of sizes) tell(line);
      return figures;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

/** The files that serverless.yml names as handlers. */
async function functionFiles(): Promise<string[]> {
  const text = await readFile(join(PROJECT, 'serverless.yml'), 'utf8');
  const named = new Set([...text.matchAll(/handler: functions\/([a-z0-9-]+)\.handler/g)].map(([, name]) => name));
  const files = await readdir(join(PROJECT, 'functions'));
  return files.filter((file) => named.has(basename(file, '.ts'))).map((file) => join(PROJECT, 'functions', file));
}
