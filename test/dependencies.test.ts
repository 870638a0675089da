import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';

/*
 * What others have written and we hand on or run. Everything is told by package.json, the lock file and what is installed: no network.
 */

const PROJECT = join(import.meta.dirname, '..');
const REGISTRY = 'https://registry.npmjs.org/';

const versions = z.record(z.string(), z.string());
const MANIFEST = z.object({
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
  allowScripts: z.record(z.string(), z.boolean()),
});
const LOCKED = z.object({
  version: z.optional(z.string()),
  resolved: z.optional(z.string()),
  integrity: z.optional(z.string()),
  license: z.optional(z.string()),
  link: z.optional(z.boolean()),
  optional: z.optional(z.boolean()),
  hasInstallScript: z.optional(z.boolean()),
  dependencies: z.optional(versions),
  devDependencies: z.optional(versions),
  optionalDependencies: z.optional(versions),
  peerDependencies: z.optional(versions),
});
type Locked = z.infer<typeof LOCKED>;
const LOCK = z.object({ lockfileVersion: z.literal(3), packages: z.record(z.string(), LOCKED) });

/** Of what is handed on: in the bundles of the functions, and in what the console has a browser load. */
const LICENCES_TO_HAND_ON = new Set([
  '(MIT AND Zlib)',
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
]);
/** Of fonts, which the console also has a browser load. */
const LICENCES_OF_FONTS = new Set(['OFL-1.1']);
/** Of what only builds and tests with: also weak copyleft, as nothing of it is handed on. */
const LICENCES_TO_USE = new Set([
  ...LICENCES_TO_HAND_ON,
  ...LICENCES_OF_FONTS,
  '(MIT OR Apache-2.0)',
  '(MIT OR CC0-1.0)',
  '(MIT OR GPL-3.0-or-later)',
  'MPL-2.0',
  'PSF-2.0',
  'Python-2.0',
]);

const read = <T>(file: string, shape: z.ZodType<T>): T =>
  shape.parse(JSON.parse(readFileSync(join(PROJECT, file), 'utf8')));
const manifest = read('package.json', MANIFEST);
const { packages } = read('package-lock.json', LOCK);
const locked = Object.entries(packages).filter(([path]) => path.startsWith('node_modules/'));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

describe('dependencies', () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;

  it('are named with one exact version each', () => {
    const exact = /^(?:npm:(?:@[a-z0-9-]+\/)?[a-z0-9.-]+@)?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/;
    const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(all.length).toBeGreaterThan(30);
    expect(all.filter(([, version]) => !exact.test(version))).toEqual([]);
  });

  it('are those of the lock file', () => {
    const root = packages[''];
    expect(root?.dependencies).toEqual(dependencies);
    expect(root?.devDependencies).toEqual(devDependencies);
    expect(root?.optionalDependencies).toEqual(optionalDependencies);
    const named = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    for (const [name, version] of named) {
      expect(packages[`node_modules/${name}`]?.version, name).toBe(version.slice(version.lastIndexOf('@') + 1));
    }
  });

  it('are installed as the lock file says', () => {
    const installed = read('node_modules/.package-lock.json', LOCK).packages;
    const differing = locked.filter(([path, { version, integrity, optional }]) => {
      const found = installed[path];
      // Those for other platforms stay away.
      if (found === undefined) return optional !== true;
      return found.version !== version || found.integrity !== integrity;
    });
    expect(differing.map(([path]) => path)).toEqual([]);
    expect(Object.keys(installed).filter((path) => packages[path] === undefined)).toEqual([]);
  });

  it('come from the registry and from nowhere else, each with the hash of what it is', () => {
    const isElsewhere = ({ resolved, link, integrity }: Locked) =>
      link === true || resolved?.startsWith(REGISTRY) === false || integrity?.startsWith('sha512-') !== true;
    expect(locked.filter(([, each]) => isElsewhere(each)).map(([path]) => path)).toEqual([]);
    const ranges = locked.flatMap(([path, each]) =>
      Object.entries({ ...each.dependencies, ...each.optionalDependencies }).map(([name, range]) => ({
        path,
        name,
        range,
      })),
    );
    expect(ranges.filter(({ range }) => /^(?:git|https?|file|github)[:+]|^[\w-]+\/[\w-]+/.test(range))).toEqual([]);
  });

  it('run nothing when they are installed, but for those that were looked at and allowed', () => {
    const scripted = new Set(
      locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path)),
    );
    const allowed = Object.entries(manifest.allowScripts).filter(([, allows]) => allows);
    // npm runs what nobody has decided about: each is named, with yes or no.
    expect([...scripted].toSorted()).toEqual(Object.keys(manifest.allowScripts).toSorted());
    expect(allowed.map(([name]) => name).toSorted()).toEqual(['esbuild', 'node', 'pkcs11js']);
  });

  it('have licences under which they may be used', () => {
    const others = locked.filter(([, { license }]) => !LICENCES_TO_USE.has(license ?? 'none'));
    expect(others.map(([path, { license }]) => `${path}: ${license ?? 'none'}`)).toEqual([]);
  });
});

describe('what is handed on', () => {
  let inFunctions: readonly string[];

  beforeAll(async () => {
    const functions = readdirSync(join(PROJECT, 'functions')).filter((file) => file.endsWith('.ts'));
    const { metafile } = await build({
      entryPoints: functions.map((file) => join(PROJECT, 'functions', file)),
      outdir: 'unused',
      write: false,
      bundle: true,
      platform: 'node',
      format: 'esm',
      splitting: true,
      external: ['pkcs11js'],
      absWorkingDir: PROJECT,
      logLevel: 'error',
      metafile: true,
    });
    const paths = Object.keys(metafile.inputs).filter((input) => input.startsWith('node_modules/'));
    inFunctions = [...new Set(paths.map(packageOf))].toSorted();
  }, 60_000);

  it('in the functions is what package.json names as dependencies, and what these need', () => {
    expect(inFunctions.length).toBeGreaterThan(20);
    const needed = closureOf(Object.keys(manifest.dependencies));
    // `debug`, which the Azure SDK brings, takes these two wherever it finds them.
    const taken = ['node_modules/has-flag', 'node_modules/supports-color'];
    expect(inFunctions.filter((path) => !needed.has(path) && !taken.includes(path))).toEqual([]);
  });

  it('in the functions has licences under which it may be handed on', () => {
    expect(inFunctions.filter((path) => !LICENCES_TO_HAND_ON.has(licenceOf(path)))).toEqual([]);
  });

  it('with the function for HSMs has one, too: its native library is packed beside the bundle', () => {
    expect(LICENCES_TO_HAND_ON).toContain(licenceOf('node_modules/pkcs11js'));
  });

  it('in the console has licences under which it may be handed on', () => {
    const files = readdirSync(join(PROJECT, 'console'), { recursive: true, encoding: 'utf8' });
    const sources = files.filter((file) => /\.(?:tsx?|scss)$/.test(file) && !/^(?:dist|build\.|vite)/.test(file));
    const text = sources.map((file) => readFileSync(join(PROJECT, 'console', file), 'utf8')).join('\n');
    const imported = [...text.matchAll(/(?:from|import|@use|@forward) ['"]((?:@[\w-]+\/)?[\w-]+)/g)]
      .map(([, name = '']) => name)
      .filter((name) => !isBuiltin(name) && packages[`node_modules/${name}`] !== undefined);
    const paths = [...closureOf(imported)];
    expect(paths.length).toBeGreaterThan(10);
    const others = paths.filter(
      (path) => !LICENCES_TO_HAND_ON.has(licenceOf(path)) && !LICENCES_OF_FONTS.has(licenceOf(path)),
    );
    expect(others.map((path) => `${path}: ${licenceOf(path)}`)).toEqual([]);
  });
});

/** Where the package is that a bundled file belongs to. */
function packageOf(file: string): string {
  const [, path = file] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file) ?? [];
  return path;
}

/** As the package itself says it, where it is installed. */
function licenceOf(path: string): string {
  const file = join(path, 'package.json');
  if (!existsSync(join(PROJECT, file))) return packages[path]?.license ?? 'none';
  return read(file, z.object({ license: z.optional(z.string()) })).license ?? 'none';
}

/** Every package that these need, themselves included, by where it is installed. */
function closureOf(names: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const waiting = names.map((name) => ({ name, from: '' }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const path = whereIs(next.name, next.from);
    if (path === undefined || found.has(path)) continue;
    found.add(path);
    const { dependencies, optionalDependencies, peerDependencies } = packages[path] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      waiting.push({ name, from: path });
    }
  }
  return found;
}

/** Which of several installed versions a package gets: the nearest. Undefined for one that is not installed (an optional peer). */
function whereIs(name: string, from: string): string | undefined {
  for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
    const path = `${place === '' ? '' : `${place}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (place === '') return undefined;
  }
}
