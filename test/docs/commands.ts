import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const PROJECT = join(import.meta.dirname, '..', '..');

/** A command that a document tells its readers to run. */
export interface Told {
  /** From the project's folder. */
  readonly document: string;
  readonly line: number;
  /** Without its comment; continued lines are one. */
  readonly command: string;
  /** What the comment says that it ends with: `# exit code 3`; `# 412` for a refusal that curl shows. */
  readonly exits: number;
}

/** Every document that is written for users and contributors. */
export function documents(): readonly string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(PROJECT, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? below(path) : entry.name.endsWith('.md') ? [path] : [];
    });
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...below('docs').sort()];
}

/** What curl ends with where it was told to fail at a refusal. */
const REFUSED_BY_CURL = 22;
const SHELL = /^(?:sh|bash|zsh|shell|console)$/;

/** The commands in the fenced shell blocks of a document, in order. Here-documents belong to their command. */
export function commandsIn(document: string): readonly Told[] {
  const told: Told[] = [];
  let fence: string | undefined;
  let isShell = false;
  let pending: { line: number; text: string; until: string | undefined } | undefined;
  for (const [index, text] of readFileSync(join(PROJECT, document), 'utf8').split('\n').entries()) {
    const mark = /^ *(`{3,})(\w*) *$/.exec(text);
    if (mark !== null && (fence === undefined || mark[1] === fence)) {
      isShell = fence === undefined && SHELL.test(mark[2] ?? '');
      fence = fence === undefined ? mark[1] : undefined;
      continue;
    }
    if (fence === undefined || !isShell) continue;
    if (pending === undefined && (text.trim() === '' || text.trim().startsWith('#'))) continue;
    pending = {
      line: pending?.line ?? index + 1,
      text: pending === undefined ? text.trim() : `${pending.text}\n${text}`,
      until: pending?.until,
    };
    pending.until ??= /<<'?(\w+)'?/.exec(text)?.[1];
    const goesOn = text.endsWith('\\') || hasOpenQuote(pending.text);
    if (pending.until === undefined ? goesOn : text.trim() !== pending.until) continue;
    const hash = pending.text.indexOf(' # ');
    const [command, comment] = hash < 0 ? [pending.text, ''] : [pending.text.slice(0, hash), pending.text.slice(hash)];
    told.push({
      document,
      line: pending.line,
      command: command.replace(/ *\\\n */g, ' ').trim(),
      exits: / # [45]\d\d\b/.test(comment) ? REFUSED_BY_CURL : Number(/exit code (\d+)/.exec(comment)?.[1] ?? 0),
    });
    pending = undefined;
  }
  return told;
}

/** Single quotes are what examples put JSON in; an apostrophe in a comment is none. */
function hasOpenQuote(text: string): boolean {
  const hash = text.indexOf(' # ');
  return (hash < 0 ? text : text.slice(0, hash)).split("'").length % 2 === 0;
}
