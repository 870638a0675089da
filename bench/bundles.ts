import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import type { BuildOptions, Metafile } from 'esbuild';
import type { Benchmark, Figure } from './frame.ts';
import { median } from './frame.ts';

const PROJECT = join(import.meta.dirname, '..');
const run = promisify(execFile);
const ROUNDS = 9;
/** Functions that only read and write records must stay this small, zipped. */
const RECORD_ONLY = new Set(['vaults', 'templates', 'audit', 'not-found']);
const RECORD_ONLY_BYTES = 150 * 1024;

/** As serverless.yml builds a function: only the SDK's ES modules, without its many ways to find credentials. */
const AS_DEPLOYED: BuildOptions = {
  mainFields: ['module', 'main'],
  alias: {
    '@aws-sdk/credential-provider-node': join(PROJECT, 'functions/execution-role.ts'),
    '@smithy/core/event-streams': join(PROJECT, 'functions/no-event-streams.ts'),
  },
};
/** As anybody gets it who writes `esbuild --bundle --minify --platform=node`. */
const AS_IT_COMES: BuildOptions = {};

async function bundle(entry: string, outfile: string, how: BuildOptions): Promise<Metafile> {
  const { metafile } = await build({
    ...how,
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    define: { 'import.meta.url': '__filename' },
    external: ['pkcs11js'],
    absWorkingDir: PROJECT,
    logLevel: 'error',
    metafile: true,
  });
  return metafile;
}

/** User and system time of loading a file in a process of its own: other work on the machine lengthens it less than the time on the wall. */
async function cpuMilliseconds(file: string): Promise<number> {
  const code =
    `const before=process.cpuUsage();require(${JSON.stringify(file)});const used=process.cpuUsage(before);` +
    'process.stdout.write(String((used.user+used.system)/1000))';
  return Number((await run(process.execPath, ['-e', code])).stdout);
}

async function zippedBytes(file: string): Promise<number> {
  return gzipSync(await readFile(file), { level: 9 }).length;
}

/** What a function without SDK is measured against. */
const LEAST = ['@aws-sdk/client-dynamodb', '@aws-sdk/lib-dynamodb'];
const SDK = /node_modules\/(@aws-sdk\/(?:client-[a-z0-9-]+|lib-dynamodb))\//;

/** The SDK packages that loading a bundle loads; those behind an `import()` wait for their first use. */
function sdkPackagesOf({ inputs }: Metafile, entry: string): readonly string[] {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const name = SDK.exec(path)?.[1];
    if (name !== undefined) packages.add(name);
    for (const { path: next, kind, external } of inputs[path]?.imports ?? [])
      if (kind !== 'dynamic-import' && external !== true) visit(next);
  };
  visit(entry);
  return [...packages].sort();
}

interface Bundle {
  readonly file: string;
  readonly bytes: number;
  readonly times: number[];
}

interface Measured {
  readonly name: string;
  readonly own: Bundle;
  readonly bare: Bundle;
  readonly trimmed: Bundle;
  readonly packages: readonly string[];
}

/** Size and load time of every function's bundle, beside a bundle of nothing but the SDK packages that it loads. */
export const bundlesBenchmark: Benchmark = {
  name: 'bundles',
  async run(tell) {
    const folder = await mkdtemp(join(tmpdir(), 'shearline-bench-'));
    const made = new Map<string, Bundle>();
    const sdk = async (packages: readonly string[], how: BuildOptions) => {
      const name = `${how === AS_DEPLOYED ? 'trimmed' : 'bare'}-${packages.map((each) => basename(each)).join('-')}`;
      const known = made.get(name);
      if (known !== undefined) return known;
      const entry = join(PROJECT, `bench-${name}-${process.pid}.mjs`);
      const file = join(folder, `${name}.cjs`);
      await writeFile(entry, packages.map((each, at) => `export * as p${at} from '${each}';`).join('\n'));
      await bundle(entry, file, how).finally(() => rm(entry));
      const bundled = { file, bytes: await zippedBytes(file), times: [] };
      made.set(name, bundled);
      return bundled;
    };
    try {
      const measured: Measured[] = [];
      for (const path of await functionFiles()) {
        const name = basename(path, '.ts');
        const file = join(folder, `${name}.cjs`);
        const loaded = sdkPackagesOf(await bundle(path, file, AS_DEPLOYED), `functions/${name}.ts`);
        const packages = loaded.length === 0 ? LEAST : loaded;
        const own = { file, bytes: await zippedBytes(file), times: [] };
        made.set(`own ${name}`, own);
        measured.push({
          name,
          own,
          packages,
          bare: await sdk(packages, AS_IT_COMES),
          trimmed: await sdk(packages, AS_DEPLOYED),
        });
      }
      // In turns, so that whatever else the machine does befalls all of them.
      for (let round = 0; round < ROUNDS; round += 1)
        for (const { file, times } of made.values()) times.push(await cpuMilliseconds(file));
      tell('CPU time of loading. “bare”: the same SDK packages as esbuild bundles them; “trimmed”: bundled as ours.');
      for (const { name, own, trimmed, packages } of measured) {
        const over = RECORD_ONLY.has(name) && own.bytes > RECORD_ONLY_BYTES ? '  MORE THAN 150 KB' : '';
        const clients = packages.map((each) => each.replace(/^@aws-sdk\/(?:client-)?/, '')).join(' + ');
        tell(
          `${name.padEnd(16)} ${kilobytes(own)} gz   ${clients}: ${kilobytes(trimmed)} gz, ` +
            `${(median(own.times) / median(trimmed.times)).toFixed(2)} × trimmed${over}`,
        );
      }
      return measured.map(({ name, own, bare }): Figure => {
        const [milliseconds, baseline] = [median(own.times), median(bare.times)];
        return {
          name,
          milliseconds,
          baseline: { name: 'bare SDK', milliseconds: baseline },
          ratio: milliseconds / baseline,
          goal: 1.3,
        };
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const kilobytes = ({ bytes }: Bundle): string => `${(bytes / 1024).toFixed(0).padStart(4)} KB`;

/** The files that serverless.yml names as handlers. */
async function functionFiles(): Promise<string[]> {
  const text = await readFile(join(PROJECT, 'serverless.yml'), 'utf8');
  const named = new Set([...text.matchAll(/handler: functions\/([a-z0-9-]+)\.handler/g)].map(([, name]) => name));
  const files = await readdir(join(PROJECT, 'functions'));
  return files.filter((file) => named.has(basename(file, '.ts'))).map((file) => join(PROJECT, 'functions', file));
}
