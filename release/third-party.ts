import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { PROJECT } from './project.ts';

/** A package of others that is handed on within something of ours. */
export interface Bundled {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** The text that must be handed on with it; undefined where the package brings none. */
  readonly text: string | undefined;
  /** What it is in. */
  readonly within: readonly string[];
}

/** Every package of others in what was built, by product: those that something is left of, and those that are named. */
export function packagesIn(
  metafiles: Readonly<Record<string, Metafile>>,
  beside: Readonly<Record<string, readonly string[]>> = {},
): readonly Bundled[] {
  const found = new Map<string, Set<string>>();
  const add = (folder: string, product: string) => {
    found.set(folder, (found.get(folder) ?? new Set()).add(product));
  };
  for (const [product, { outputs }] of Object.entries(metafiles)) {
    // What tree shaking has left nothing of is not handed on.
    for (const { inputs } of Object.values(outputs)) {
      for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
        const folder = packageOf(file);
        if (folder !== undefined && bytesInOutput > 0) add(folder, product);
      }
    }
  }
  for (const [product, names] of Object.entries(beside)) {
    for (const name of names) add(join('node_modules', name), product);
  }
  return [...found]
    .map(([folder, within]) => describe(folder, [...within].sort()))
    .sort((a, b) => (a.name === b.name ? a.version.localeCompare(b.version) : a.name < b.name ? -1 : 1));
}

/** The folder of the package that a file belongs to; undefined for our own. */
function packageOf(file: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
}

function describe(folder: string, within: readonly string[]): Bundled {
  const { name, version, license } = JSON.parse(readFileSync(join(PROJECT, folder, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string | { readonly type: string };
  };
  const files = readdirSync(join(PROJECT, folder));
  const texts = files.filter((file) => /^(?:licen[cs]e|notice|copying)(?:[.-].*)?$/i.test(file)).sort();
  return {
    name,
    version,
    licence: typeof license === 'string' ? license : (license?.type ?? 'unknown'),
    text:
      texts.length === 0
        ? undefined
        : texts
            .map((file) =>
              readFileSync(join(PROJECT, folder, file), 'utf8')
                .replace(/\r\n/g, '\n')
                .trim(),
            )
            .join('\n\n'),
    within,
  };
}

/** THIRD-PARTY-NOTICES.md: who made what is handed on, and under which terms. Equal texts stand once. */
export function noticesOf(packages: readonly Bundled[]): string {
  const width = (index: number, rows: readonly (readonly string[])[]) =>
    Math.max(...rows.map((row) => row[index]?.length ?? 0));
  const rows = [
    ['package', 'version', 'licence', 'in'],
    ...packages.map(({ name, version, licence, within }) => [name, version, licence, within.join(', ')]),
  ];
  const widths = [0, 1, 2, 3].map((index) => width(index, rows));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows.map(line).map((text) => [text]);
  const byText = Map.groupBy(packages, ({ text, licence }) => text ?? `${licence}; the package brings no text of it.`);
  const texts = [...byText].map(([text, those]) => {
    const names = those.map(({ name, version }) => `${name} ${version}`).join(', ');
    return `## ${names}\n\n${fence(text)}text\n${text}\n${fence(text)}\n`;
  });
  return [
    '# Third-party notices',
    '',
    "What others made and is handed on within Shearline's command line, its functions and its console. Made by `npm run notices` from what is",
    'bundled; a test keeps it true.',
    '',
    ...head,
    `| ${widths.map((each) => '-'.repeat(each)).join(' | ')} |`,
    ...body.flat(),
    '',
    texts.join('\n'),
  ].join('\n');
}

function fence(text: string): string {
  return text.includes('```') ? '````' : '```';
}
