import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BuildOptions, Metafile } from 'esbuild';
import { bundling } from './command-line.ts';
import { PROJECT } from './project.ts';
import { noticesOf, packagesIn } from './third-party.ts';
import type { Bundled } from './third-party.ts';

const functions = readdirSync(join(PROJECT, 'functions'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => join('functions', file))
  .filter((file) => /^export (?:async )?(?:const|function) handler\b/m.test(readFileSync(join(PROJECT, file), 'utf8')));

/** Everything that is built and handed on, and how. */
const PRODUCTS: Readonly<Record<string, BuildOptions>> = {
  'command line': bundling('/dev/null/command-line'),
  functions: {
    absWorkingDir: PROJECT,
    entryPoints: functions,
    outdir: '/dev/null/functions',
    bundle: true,
    // All of them at once, so that what they share is looked at once; what is in them is the same.
    splitting: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    alias: {
      '@aws-sdk/credential-provider-node': './functions/execution-role.ts',
      '@smithy/core/event-streams': './functions/no-event-streams.ts',
    },
    external: ['pkcs11js'],
    define: { 'import.meta.url': '__filename' },
    logLevel: 'error',
  },
  console: {
    absWorkingDir: PROJECT,
    entryPoints: ['console/main.tsx'],
    outdir: '/dev/null/console',
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    loader: { '.scss': 'empty', '.svg': 'empty', '.css': 'empty' },
    define: { 'process.env.NODE_ENV': '"production"', 'import.meta.env': '{}' },
    logLevel: 'error',
  },
};

/** What is not imported but copied in, or compiled into what is: esbuild does not see it. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  functions: ['swagger-ui-dist', 'pkcs11js'],
  console: ['@carbon/styles'],
};

/** Every package of others in what is built, by name and version. */
export async function bundledPackages(): Promise<readonly Bundled[]> {
  const metafiles: Record<string, Metafile> = {};
  for (const [product, how] of Object.entries(PRODUCTS)) {
    const { metafile } = await build({ ...how, write: false, metafile: true });
    metafiles[product] = metafile;
  }
  return packagesIn(metafiles, BESIDE);
}

export const NOTICES = join(PROJECT, 'THIRD-PARTY-NOTICES.md');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const packages = await bundledPackages();
  const before = existsSync(NOTICES) ? readFileSync(NOTICES, 'utf8') : '';
  const text = noticesOf(packages);
  writeFileSync(NOTICES, text);
  console.log(`THIRD-PARTY-NOTICES.md: ${packages.length} packages${before === text ? ', as it was' : ''}`);
}
