import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS, GROUPS } from '../cli/commands.ts';
import type { Command, Option } from '../cli/commands.ts';
import { PROJECT } from './project.ts';

export const MANUAL = join(PROJECT, 'docs', 'cli.md');

const [BEGIN, END] = ['<!-- What follows is made by npm run manual from cli/commands.ts. -->', '<!-- Made so far. -->'];

/** The manual with its reference as the command table has it. */
export function withReference(manual: string): string {
  const [before = '', rest = ''] = manual.split(BEGIN);
  const after = rest.split(END)[1];
  if (after === undefined) throw new Error('docs/cli.md has lost the marks between which the reference stands.');
  return `${before}${BEGIN}\n\n${reference()}\n${END}${after}`;
}

function reference(): string {
  const sections = Map.groupBy(COMMANDS, ({ path: [first, second] }) => (second === undefined ? '' : first));
  return [...sections]
    .map(([group, commands]) => {
      const heading = group === '' ? '### Of its own' : `### ${group}: ${GROUPS[group] ?? group}`;
      return `${heading}\n\n${commands.map(entry).join('\n')}\n`;
    })
    .join('\n');
}

function entry({ path, summary, arguments: given = [], options = [] }: Command): string {
  const words = given.map(({ name, optional, many }) => {
    const shape = `${name}${many === true ? '...' : ''}`;
    return optional === true ? `[${shape}]` : `<${shape}>`;
  });
  const head = `- \`${['shearline', ...path, ...words].join(' ')}\`: ${summary.charAt(0).toLowerCase()}${summary.slice(1)}`;
  return options.length === 0 ? head : `${head}. ${options.map(shown).join(', ')}`;
}

function shown({ name, value }: Option): string {
  return value === undefined ? `\`--${name}\`` : `\`--${name} <${value}>\``;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(MANUAL, withReference(readFileSync(MANUAL, 'utf8')));
  console.log(`${MANUAL}: ${COMMANDS.length} commands`);
}
