import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Json } from '../api.ts';
import { wrongUse } from '../exit.ts';
import type { Invocation } from '../invocation.ts';

/** The JSON object in this file; `-` is standard input. Throws a wrong use that repeats nothing of the content: it may hold secrets. */
export async function readJson(
  call: Pick<Invocation, 'input' | 'folder'>,
  file: string,
): Promise<Readonly<Record<string, Json>>> {
  let content: string;
  try {
    content = file === '-' ? await call.input() : readFileSync(resolve(call.folder, file), 'utf8');
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
