import * as z from 'zod/mini';
import { EXIT, wrongUse } from '../exit.ts';
import { answer, text } from '../invocation.ts';
import type { Run } from '../invocation.ts';
import { list as listOf, understood } from '../resources.ts';
import { table } from '../terminal.ts';
import { vaultOf } from './lists.ts';

const REPORT = z.object({
  trails: z.array(
    z.object({
      vault_id: z.string(),
      events: z.number(),
      intact: z.boolean(),
      broken: z.optional(z.string()),
      head: z.string(),
    }),
  ),
});

export const verify: Run = async (call) => {
  const given = await call
    .api()
    .send({ method: 'GET', path: '/audit/verify', query: { 'vault.id': await vaultOf(call) } });
  const { trails } = understood(REPORT, given);
  const names = new Map<string, string>([['-', '(no vault)']]);
  if (!call.json) for (const { id, name } of (await listOf(call.api(), 'vault', {})).items) names.set(id, name);
  answer(call, given.body, () =>
    table(
      ['trail', 'events', 'state', 'head'],
      trails.map(({ vault_id: id, events, intact, broken, head }) => [
        names.get(id) ?? id,
        String(events),
        intact ? 'intact' : (broken ?? 'broken'),
        head,
      ]),
      call.terminal.out,
      (row) => (row[2] === 'intact' ? 'green' : 'red'),
    ),
  );
  return trails.every(({ intact }) => intact) ? EXIT.ok : EXIT.failed;
};

const SEQUENCE = z.object({ sequence: z.number() });
const PAGE = 1000;

export const exportEvents: Run = async (call) => {
  const given = text(call, 'after') ?? '0';
  if (!/^\d{1,9}$/.test(given)) throw wrongUse(`--after must be a sequence number, not "${given}".`);
  const vault = (await vaultOf(call)) ?? '-';
  for (let after = Number(given); ;) {
    const query = { 'vault.id': vault, after: String(after), limit: String(PAGE) };
    const { body } = await call.api().send({ method: 'GET', path: '/audit/events', query });
    // One event alone is JSON as a whole, and was read as such.
    const lines = typeof body === 'string' ? body : body === undefined ? '' : `${JSON.stringify(body)}\n`;
    call.terminal.out.write(lines);
    const events = lines.split('\n').filter((line) => line !== '');
    const last = events.at(-1);
    if (last === undefined || events.length < PAGE) return EXIT.ok;
    after = SEQUENCE.parse(JSON.parse(last)).sequence;
  }
};
