import { readFileSync } from 'node:fs';
import { text as textOf } from 'node:stream/consumers';
import type { Json } from '../api.ts';
import { wrongUse } from '../exit.ts';

/** The JSON object in this file; `-` is standard input. Throws a wrong use that repeats nothing of the content: it may hold secrets. */
export async function readJson(file: string): Promise<Readonly<Record<string, Json>>> {
  let content: string;
  try {
    content = file === '-' ? await textOf(process.stdin) : readFileSync(file, 'utf8');
  } catch (error) {
    throw wrongUse(`${file} cannot be read: ${(error as { readonly code?: string }).code ?? 'no answer'}.`);
  }
  const from = file === '-' ? 'Standard input' : file;
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw wrongUse(`${from} is not JSON.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrongUse(`${from} is not a JSON object.`);
  return value as Readonly<Record<string, Json>>;
}
