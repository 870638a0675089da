import { styleText } from 'node:util';
import * as z from 'zod/mini';
import { expectStatus } from './api-client.ts';
import type { ApiClient } from './api-client.ts';

/** What the API says of one key in one keystore. */
export interface FlagRow {
  readonly keyId: string;
  /** The keystore's own id of the key; undefined where it has none. */
  readonly idInKeystore: string | undefined;
  readonly key: string;
  readonly keystore: string;
  readonly status: string;
  readonly flag: string;
  readonly detail: string;
}

const PAGE = z.object({
  total_count: z.number(),
  managed_keys: z.array(
    z.object({
      id: z.string(),
      label: z.string(),
      status_in_keystores: z.array(
        z.object({
          keystore: z.optional(z.object({ name: z.optional(z.string()) })),
          status: z.string(),
          keystore_sync_flag: z.string(),
          keystore_sync_flag_detail: z.string(),
          key_id_in_keystore: z.optional(z.string()),
        }),
      ),
    }),
  ),
});

/** A small fleet fits; of a large one, the first so many keys. */
const KEYS = 200;
const ROWS = 25;

/** The flag of every key in every keystore, those that need somebody's attention first. */
export async function readFlags(client: ApiClient): Promise<{ rows: readonly FlagRow[]; keys: number }> {
  const { body } = await expectStatus(client, 200, { method: 'GET', path: `/managed_keys?limit=${KEYS}&sort=label` });
  const page = PAGE.parse(body);
  const rows = page.managed_keys.flatMap((key) =>
    key.status_in_keystores.map((status) => ({
      keyId: key.id,
      idInKeystore: status.key_id_in_keystore,
      key: key.label,
      keystore: status.keystore?.name ?? '?',
      status: status.status,
      flag: status.keystore_sync_flag,
      detail: status.keystore_sync_flag_detail,
    })),
  );
  const ok = (row: FlagRow) => Number(row.flag === 'ok');
  return { rows: rows.toSorted((one, other) => ok(one) - ok(other)), keys: page.total_count };
}

/** The rows as lines that line up, with a heading; in colour where standard output wants it. */
export function flagTable(rows: readonly FlagRow[]): string[] {
  const shown = rows.slice(0, ROWS);
  const columns = ['key', 'keystore', 'status', 'flag', 'detail'] as const;
  const widths = columns.map((name) => Math.max(name.length, ...shown.map((row) => row[name].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [
    styleText('dim', line(columns)),
    ...shown.map((row) => styleText(colourOf(row.flag), line(columns.map((name) => row[name])))),
    ...(rows.length > shown.length ? [`… and ${rows.length - shown.length} more`] : []),
  ];
}

function colourOf(flag: string): 'green' | 'red' | 'yellow' {
  if (flag === 'ok') return 'green';
  return flag === 'verifying_sync' ? 'yellow' : 'red';
}
