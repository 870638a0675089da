import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BuildOptions, Metafile } from 'esbuild';
import { noticesOf, packagesIn } from './third-party.ts';

import { PROJECT } from './project.ts';

/** What of the project's package.json is published, as it is. */
const PUBLISHED = ['name', 'version', 'description', 'license', 'type'] as const;
type Manifest = Readonly<Record<string, unknown>>;

export function readManifest(): Manifest {
  return JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as Manifest;
}

/** How the command line is bundled: without dependencies, and in pieces, so that a command loads what it needs. */
export function bundling(outdir: string): BuildOptions & { readonly metafile: true } {
  return {
    absWorkingDir: PROJECT,
    entryPoints: { shearline: 'cli/bin.js' },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    minifySyntax: true,
    minifyWhitespace: true,
    chunkNames: '[name]-[hash]',
    legalComments: 'none',
    define: { SHEARLINE_VERSION: JSON.stringify(readManifest()['version']) },
    // What is CommonJS among the prompts' dependencies asks for Node's own modules by `require`.
    banner: { js: "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);" },
    metafile: true,
    logLevel: 'error',
  };
}

/** The package.json of the published package: nothing is installed with it. */
export function publishedManifest(): Manifest {
  const own = readManifest();
  return {
    ...Object.fromEntries(PUBLISHED.map((name) => [name, own[name]])),
    keywords: [
      'kms',
      'encryption',
      'key management',
      'uko',
      'aws kms',
      'azure key vault',
      'google cloud kms',
      'key protect',
    ],
    bin: { shearline: 'bin/shearline.js' },
    engines: { node: '>=22.18' },
    files: ['bin', 'CHANGELOG.md', 'THIRD-PARTY-NOTICES.md'],
  };
}

/** Makes the package that is published, in this folder, which is emptied first. Answers what is bundled in it. */
export async function makePackage(folder: string): Promise<Metafile> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build(bundling(join(folder, 'bin')));
  chmodSync(join(folder, 'bin', 'shearline.js'), 0o755);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(), undefined, 2)}\n`);
  for (const file of ['LICENSE', 'CHANGELOG.md']) copyFileSync(join(PROJECT, file), join(folder, file));
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.md'), noticesOf(packagesIn({ 'command line': metafile })));
  copyFileSync(join(PROJECT, 'docs', 'cli.md'), join(folder, 'README.md'));
  return metafile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(PROJECT, 'dist', 'npm');
  const { outputs } = await makePackage(folder);
  const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0);
  console.log(`${folder}: ${Object.keys(outputs).length} files, ${Math.round(bytes / 1024)} KB of code`);
}
