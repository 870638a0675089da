import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePackage, readManifest } from '../../release/command-line.ts';
import { bundledPackages, NOTICES } from '../../release/notices.ts';
import { PROJECT } from '../../release/project.ts';
import { makeSbom } from '../../release/sbom.ts';
import { noticesOf } from '../../release/third-party.ts';
import { CUSTODY_ACCOUNT, KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';

const run = promisify(execFile);
const version = String(readManifest()['version']);

describe('the published package', () => {
  let folder: string;
  let files: Map<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'shearline-pack-'));
    await makePackage(join(folder, 'package'));
    await run('npm', ['pack', './package', '--pack-destination', '.'], { cwd: folder });
    files = contentsOf(readFileSync(join(folder, `shearline-${version}.tgz`)));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('holds the bundled command line, its manual, the changelog, the licence and the notices, and nothing else', () => {
    const others = [...files.keys()].filter((name) => !/^bin\/[a-z-]+(?:-[A-Z0-9]{8})?\.js$/.test(name));
    expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.md', 'package.json']);
  });

  it('installs nothing else, runs no script, and is of the version of this project', () => {
    const manifest = JSON.parse(files.get('package.json') ?? '') as Record<string, unknown>;
    expect(Object.keys(manifest).sort()).toEqual(
      ['bin', 'description', 'engines', 'files', 'keywords', 'license', 'name', 'type', 'version'].sort(),
    );
    expect(manifest['version']).toBe(version);
  });

  it('holds no sandbox, no test, no token and no path of this machine', () => {
    for (const [name, content] of files) {
      for (const secret of [
        KEYSTORE_ACCOUNT.secretAccessKey,
        CUSTODY_ACCOUNT.secretAccessKey,
        PROJECT,
        'oauth2-mock',
      ]) {
        expect(content.includes(secret), `${secret} in ${name}`).toBe(false);
      }
    }
  });

  it('is small', () => {
    const bytes = [...files.values()].reduce((sum, content) => sum + content.length, 0);
    expect(bytes).toBeLessThan(600 * 1024);
  });

  it('runs from its own folder, without this project', async () => {
    const bin = join(folder, 'package', 'bin', 'shearline.js');
    const { stdout } = await run(process.execPath, [bin, '--version'], { cwd: folder });
    expect(stdout.trim()).toBe(version);
    const { stdout: help } = await run(process.execPath, [bin, 'keys', '--help'], { cwd: folder });
    expect(help).toContain('Give a key new material');
    const wrong = await run(process.execPath, [bin, 'keys', 'list'], { cwd: folder, env: { HOME: folder } }).catch(
      (error: unknown) => error as { readonly code: number; readonly stderr: string },
    );
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain('No deployment is named');
  });

  it('carries the notices of what is bundled in it', () => {
    const notices = files.get('THIRD-PARTY-NOTICES.md') ?? '';
    for (const name of ['commander', 'oauth4webapi', '@inquirer/core', 'zod', 'p-map'])
      expect(notices).toContain(`| ${name} `);
    expect(notices).not.toContain('@aws-sdk');
  });

  it('is not made by packing the project itself', async () => {
    await expect(run('npm', ['pack', '--dry-run'], { cwd: PROJECT })).rejects.toMatchObject({
      stderr: expect.stringContaining('npm run package') as unknown,
    });
  });
});

describe('a release', () => {
  it('has its version in the changelog, or what is to come under Unreleased', () => {
    const changelog = readFileSync(join(PROJECT, 'CHANGELOG.md'), 'utf8');
    const [first = '', ...others] = [...changelog.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
    const released = [first, ...others].filter((heading) => heading !== 'Unreleased');
    for (const heading of released) expect(heading).toMatch(/^\[?\d+\.\d+\.\d+\]? - \d{4}-\d{2}-\d{2}$/);
    const newest = /\d+\.\d+\.\d+/.exec(released[0] ?? '')?.[0];
    // Before the first release there is none to agree with.
    expect(newest ?? version).toBe(version);
    expect(first === 'Unreleased' || newest === version).toBe(true);
  });

  it('has a lock file of the same version', () => {
    const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8')) as { readonly version: string };
    expect(lock.version).toBe(version);
  });

  it('tells of every package of others in its bundles: npm run notices, after a change', async () => {
    expect(readFileSync(NOTICES, 'utf8') === noticesOf(await bundledPackages())).toBe(true);
  });

  it('has a bill of materials in CycloneDX, by npm, with every package that is bundled', async () => {
    const sbom = await makeSbom();
    expect([sbom.bomFormat, sbom.metadata.component['name'], sbom.metadata.component['version']]).toEqual([
      'CycloneDX',
      'shearline',
      version,
    ]);
    const listed = new Set(sbom.components.map((each) => `${each.name} ${each.version}`));
    const table = readFileSync(NOTICES, 'utf8').matchAll(/^\| (\S+) +\| (\d\S*) +\|/gm);
    const missing = [...table].map((row) => `${row[1] ?? ''} ${row[2] ?? ''}`).filter((each) => !listed.has(each));
    expect(missing).toEqual([]);
  });
});

/** The files of a tarball of npm (POSIX tar, gzip), without the folder they are in. */
function contentsOf(tarball: Buffer): Map<string, string> {
  const tar = gunzipSync(tarball);
  const files = new Map<string, string>();
  for (let at = 0; at < tar.length && tar[at] !== 0;) {
    const text = (start: number, length: number) =>
      tar.toString('utf8', at + start, at + start + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    files.set(text(0, 100).replace(/^package\//, ''), tar.toString('utf8', at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
