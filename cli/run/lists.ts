import { wrongUse } from '../exit.ts';
import { answer, text } from '../invocation.ts';
import type { Invocation } from '../invocation.ts';
import { idOf } from '../resources.ts';
import { styled, table } from '../terminal.ts';

export const DEFAULT_LIMIT = 100;

/** `--limit`. */
export function limitOf(call: Invocation, fallback = DEFAULT_LIMIT): number {
  const given = text(call, 'limit');
  if (given === undefined) return fallback;
  if (!/^[1-9]\d{0,6}$/.test(given)) throw wrongUse(`--limit must be a whole number from 1 on, not "${given}".`);
  return Number(given);
}

/** The id of `--vault`. */
export async function vaultOf(call: Invocation): Promise<string | undefined> {
  const vault = text(call, 'vault');
  return vault === undefined ? undefined : await idOf(call.api(), 'vault', vault);
}

/** A list's answer: the rows as a table, or the API's items with their whole count. */
export function answerList(
  call: Invocation,
  property: string,
  { raw, total }: { readonly raw: readonly unknown[]; readonly total: number },
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  styleOf?: Parameters<typeof table>[3],
): void {
  answer(call, { total_count: total, [property]: raw }, () => {
    if (total === 0) return 'None.\n';
    const more = total > raw.length ? `… and ${total - raw.length} more: --limit ${total}\n` : '';
    return table(columns, rows, call.terminal.out, styleOf) + styled('dim', more, call.terminal.out);
  });
}

/** A time of the API, to the second and without its zone, which is always UTC. */
export function shortTime(time: string | undefined): string {
  return time === undefined ? '–' : time.slice(0, 19).replace('T', ' ');
}

/** Words as the API joins several values of a filter. */
export function anyOf(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : values.join(',');
}
