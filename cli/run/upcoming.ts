import * as z from 'zod/mini';
import { EXIT } from '../exit.ts';
import { text } from '../invocation.ts';
import type { Run } from '../invocation.ts';
import { listAt, parsed } from '../resources.ts';
import { answerList, limitOf, shortTime, vaultOf } from './lists.ts';

const UPCOMING = z.object({
  action: z.string(),
  due_at: z.string(),
  overdue: z.boolean(),
  last_error: z.optional(z.string()),
  key: z.object({ label: z.string() }),
});

export const upcoming: Run = async (call) => {
  const query = { 'vault.id': await vaultOf(call), until: text(call, 'until'), sort: 'due_at' };
  const found = await listAt(call.api(), '/upcoming_changes', 'upcoming_changes', query, limitOf(call));
  const rows = found.raw
    .map((item) => parsed(UPCOMING, item, 'The list of upcoming changes'))
    .map(({ action, due_at: due, overdue, last_error: error, key }) => [
      shortTime(due),
      action,
      key.label,
      overdue ? `overdue${error === undefined ? '' : `: ${error}`}` : '',
    ]);
  answerList(call, 'upcoming_changes', found, ['due (UTC)', 'what', 'key', ''], rows, (row) =>
    row[3] === '' ? undefined : 'red',
  );
  return EXIT.ok;
};
