import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readManifest } from './command-line.ts';
import { PROJECT } from './project.ts';

/** What npm's own SBOM has that is looked at here. */
export interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Readonly<Record<string, unknown>> };
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly purl: string;
    readonly scope: string;
    readonly properties?: readonly { readonly name: string; readonly value: string }[];
  }[];
}

/** The bill of materials of the lock file, by npm, in CycloneDX. What only builds and tests is marked as `cdx:npm:package:development`. */
export async function makeSbom(): Promise<Sbom> {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'],
    { cwd: PROJECT, maxBuffer: 64 * 1024 * 1024 },
  );
  const sbom = JSON.parse(stdout) as Sbom;
  // npm calls a project after its folder.
  const component = { ...sbom.metadata.component, name: readManifest()['name'] };
  return { ...sbom, metadata: { ...sbom.metadata, component } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(PROJECT, 'dist', 'sbom.cdx.json');
  mkdirSync(join(PROJECT, 'dist'), { recursive: true });
  const sbom = await makeSbom();
  writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`);
  console.log(`${file}: CycloneDX ${sbom.specVersion}, ${sbom.components.length} components`);
}
