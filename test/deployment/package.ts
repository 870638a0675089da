import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';
import * as z from 'zod/mini';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

const RESOURCE = z.object({
  Type: z.string(),
  Properties: z._default(z.record(z.string(), z.unknown()), {}),
  Condition: z.optional(z.string()),
  DependsOn: z.optional(z.union([z.string(), z.array(z.string())])),
  DeletionPolicy: z.optional(z.string()),
  UpdateReplacePolicy: z.optional(z.string()),
});
export type Resource = z.infer<typeof RESOURCE>;

const TEMPLATE = z.object({
  Conditions: z.record(z.string(), z.unknown()),
  Resources: z.record(z.string(), RESOURCE),
  Outputs: z.record(z.string(), z.object({ Value: z.unknown() })),
});

/** What `npx serverless package` makes: the template, and each function's files. */
export interface Package {
  readonly text: string;
  readonly template: z.infer<typeof TEMPLATE>;
  /** By the name of the function in serverless.yml, then by path. */
  readonly bundles: ReadonlyMap<string, Readonly<Record<string, Uint8Array>>>;
  /** Each bundle in a folder of its name, as Lambda unpacks it, with nothing else near it. */
  readonly folder: string;
  ofType(type: string): readonly (readonly [id: string, resource: Resource])[];
  /** The function's name in serverless.yml, by CloudFormation's. */
  nameOf(functionId: string): string;
  /** A source of a bundle's map, as a path in this project. */
  sourceOf(source: string): string;
  remove(): void;
}

/** Packages the deployment, without credentials and network. Takes some twenty seconds. */
export async function packageDeployment(environment: Readonly<Record<string, string>> = {}): Promise<Package> {
  const folder = mkdtempSync(join(tmpdir(), 'shearline-package-'));
  const buildFolder = `node_modules/.cache/shearline/package-${process.pid}`;
  try {
    const zips = join(folder, 'zips');
    await promisify(execFile)(
      process.execPath,
      [join(PROJECT, 'node_modules/serverless/bin/serverless.js'), 'package', '--package', zips],
      {
        cwd: PROJECT,
        env: {
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          OIDC_ISSUER: 'https://login.example',
          SHEARLINE_BUILD_FOLDER: buildFolder,
          SLS_INTERACTIVE_SETUP_ENABLE: '0',
          ...environment,
        },
      },
    );
    const bundles = new Map<string, Readonly<Record<string, Uint8Array>>>();
    for (const file of readdirSync(zips).filter((each) => each.endsWith('.zip'))) {
      const name = file.slice(0, -'.zip'.length);
      const files = unzipSync(readFileSync(join(zips, file)));
      bundles.set(name, files);
      for (const [path, content] of Object.entries(files)) {
        const target = join(folder, 'bundles', name, path);
        mkdirSync(dirname(target), { recursive: true });
        writeFileSync(target, content);
      }
    }
    const text = readFileSync(join(zips, 'cloudformation-template-update-stack.json'), 'utf8');
    const template = TEMPLATE.parse(JSON.parse(text));
    const resources = Object.entries(template.Resources);
    return {
      text,
      template,
      bundles,
      folder: join(folder, 'bundles'),
      ofType: (type) => resources.filter(([, resource]) => resource.Type === type),
      nameOf: (id) => String(template.Resources[id]?.Properties['FunctionName']).replace(/^shearline-dev-/, ''),
      sourceOf: (source) => relative(PROJECT, resolve(PROJECT, buildFolder, '.build/functions', source)),
      remove: () => {
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(join(PROJECT, buildFolder), { recursive: true, force: true });
  }
}
