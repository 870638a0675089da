import * as z from 'zod/mini';
import { EXIT } from '../exit.ts';
import { answer, required, texts } from '../invocation.ts';
import type { Run } from '../invocation.ts';
import { idOf, list as listOf, listAt, parsed, understood } from '../resources.ts';
import { answerList, anyOf, limitOf, shortTime, vaultOf } from './lists.ts';

const OPEN_WORK = z.object({
  key: z.object({ label: z.string(), version: z.number() }),
  keystore: z.object({ id: z.string() }),
  state: z.string(),
  cause: z.string(),
  since: z.string(),
  attempts: z.number(),
  due_at: z.string(),
  last_error: z.optional(z.string()),
});

export const list: Run = async (call) => {
  const query = { 'vault.id': await vaultOf(call), state: anyOf(texts(call, 'state')) };
  const found = await listAt(call.api(), '/open_work', 'open_work', query, limitOf(call));
  const keystores = new Map<string, string>();
  if (found.raw.length > 0 && !call.json) {
    const { items } = await listOf(call.api(), 'keystore', {});
    for (const { id, name } of items) keystores.set(id, name);
  }
  const rows = found.raw
    .map((item) => parsed(OPEN_WORK, item, 'The list of open work'))
    .map((work) => [
      work.key.label,
      keystores.get(work.keystore.id) ?? work.keystore.id,
      work.state,
      work.cause,
      shortTime(work.since),
      String(work.attempts),
      shortTime(work.due_at),
      work.last_error ?? '',
    ]);
  const columns = ['key', 'keystore', 'state', 'because of', 'since (UTC)', 'attempts', 'next (UTC)', 'last error'];
  answerList(call, 'open_work', found, columns, rows, (row) => (row[2] === 'given_up' ? 'red' : undefined));
  return EXIT.ok;
};

export const redrive: Run = async (call) => {
  const id = await idOf(call.api(), 'vault', required(call, 'vault'));
  const given = await call.api().send({ method: 'POST', path: '/open_work/redrive', body: { vault: { id } } });
  const { redriven } = understood(z.object({ redriven: z.number() }), given);
  answer(call, given.body, () => `${redriven} to be tried again.\n`);
  return EXIT.ok;
};
