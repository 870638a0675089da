import type { Status } from '../answers.ts';
import { EXIT } from '../exit.ts';
import type { ExitCode } from '../exit.ts';
import { table } from '../terminal.ts';
import type { Stream } from '../terminal.ts';

/** What keystores say of keys, as lines: with the reason below whatever is not ok. */
export function statusTable(
  rows: readonly { readonly key: string; readonly status: Status }[],
  stream: Pick<Stream, 'colour'>,
  withKey = true,
): string {
  const columns = [...(withKey ? ['key'] : []), 'keystore', 'status', 'flag', 'detail'];
  const lines = rows.map(({ key, status }) => [
    ...(withKey ? [key] : []),
    status.keystore?.name ?? '?',
    status.status,
    status.keystore_sync_flag,
    detailOf(status),
  ]);
  const shown = table(columns, lines, stream, (row) => styleOf(row[withKey ? 3 : 2] ?? ''));
  return lines.length === 0 ? 'In no keystore.\n' : shown;
}

/** The reason, where there is something to say; else the contract's word for it. */
function detailOf({
  keystore_sync_flag: flag,
  keystore_sync_flag_detail: detail,
  reason,
  error,
  ...status
}: Status): string {
  const said = flag === 'ok' ? undefined : (error?.errors[0]?.message ?? reason);
  const ends = status.pending_destruction_until;
  return `${said ?? detail}${ends === undefined ? '' : `, gone on ${ends.slice(0, 10)}`}`;
}

export function styleOf(flag: string): 'green' | 'red' | 'yellow' {
  if (flag === 'ok') return 'green';
  return flag === 'verifying_sync' ? 'yellow' : 'red';
}

/** What needs somebody's attention comes first. */
export function worstFlag(statuses: readonly Pick<Status, 'keystore_sync_flag'>[]): string {
  const flags = new Set(statuses.map(({ keystore_sync_flag: flag }) => flag));
  return ['out_of_sync', 'error', 'verifying_sync', 'ok'].find((flag) => flags.has(flag)) ?? '–';
}

/** 3 where something is out of sync; 5 where a keystore could not be asked, which is never taken for in sync. */
export function exitOf(statuses: readonly Pick<Status, 'keystore_sync_flag'>[]): ExitCode {
  const flag = worstFlag(statuses);
  if (flag === 'out_of_sync') return EXIT.drift;
  return flag === 'ok' || flag === '–' ? EXIT.ok : EXIT.unknown;
}
