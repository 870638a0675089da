import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const BUILDS = join(PROJECT, 'node_modules/.cache/shearline');
/** Beside the newest, that many stay: another start may still serve one. */
const KEPT = 3;

/** Where the build of the present source is, or will be. A folder that is there is whole. */
export function consoleFolder(): string {
  return join(BUILDS, `console-${sourceHash()}`);
}

/** Makes a folder of `consoleFolder`, unless it is there. May run several times at once. Answers whether there was something to do. */
export async function buildConsole(folder: string, signal?: AbortSignal): Promise<boolean> {
  if (existsSync(folder)) return false;
  const unfinished = `${folder}.${process.pid}`;
  try {
    await vite(unfinished, signal);
    try {
      renameSync(unfinished, folder);
    } catch (error) {
      // Somebody else has built the same meanwhile.
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  removeOld();
  return true;
}

function vite(folder: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const child = spawn(
      process.execPath,
      [join(PROJECT, 'node_modules/vite/bin/vite.js'), 'build', join(PROJECT, 'console'), '--outDir', folder],
      {
        cwd: PROJECT,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NO_COLOR: '1', NODE_ENV: 'production' },
        signal,
      },
    );
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`The console could not be built:\n${said.join('')}`));
    });
  });
}

/** Of everything that can be in a build: the console's own files, the modules of lib that they import, and the packages. */
function sourceHash(): string {
  const files = new Set([
    ...filesOf(join(PROJECT, 'console')),
    join(PROJECT, 'package-lock.json'),
    join(PROJECT, 'tsconfig.json'),
  ]);
  // A set hands out what is added to it on the way.
  for (const file of files) {
    if (!/\.tsx?$/.test(file)) continue;
    for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(IMPORT)) files.add(join(dirname(file), from));
  }
  const hash = createHash('sha256').update(process.version);
  for (const file of [...files].toSorted()) {
    if (existsSync(file)) hash.update(relative(PROJECT, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

/** What is imported to run; types leave nothing in a build. */
const IMPORT = /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gm;

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .toSorted()
    .filter((name) => name !== 'dist')
    .flatMap((name) => filesOf(join(path, name)));
}

function removeOld(): void {
  const builds = readdirSync(BUILDS)
    .filter((name) => /^console-[0-9a-f]{16}$/.test(name))
    .map((name) => ({ path: join(BUILDS, name), at: statSync(join(BUILDS, name)).mtimeMs }))
    .toSorted((a, b) => b.at - a.at);
  for (const { path } of builds.slice(1 + KEPT)) rmSync(path, { recursive: true, force: true });
}

// `npm run build`: for a deployment.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = consoleFolder();
  await buildConsole(folder);
  const deployed = join(PROJECT, 'console/dist');
  rmSync(deployed, { recursive: true, force: true });
  cpSync(folder, deployed, { recursive: true });
}
