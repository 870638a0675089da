import * as z from 'zod/mini';
import { KEY } from '../answers.ts';
import { answerPlan } from '../change.ts';
import { EXIT } from '../exit.ts';
import { answer, flag, pairs, required, text } from '../invocation.ts';
import type { Run } from '../invocation.ts';
import { find, understood } from '../resources.ts';
import { progress, table } from '../terminal.ts';
import { showKey } from './keys.ts';
import { limitOf, vaultOf } from './lists.ts';

const UNMANAGED = z.object({
  next: z.optional(z.object({ href: z.optional(z.string()) })),
  unmanaged_keys: z.array(
    z.looseObject({
      key_id_in_keystore: z.string(),
      names: z.array(z.string()),
      state: z.optional(z.string()),
      age_days: z.optional(z.number()),
      provider_type: z.optional(z.string()),
      adoptable: z.boolean(),
      reason: z.optional(z.string()),
    }),
  ),
});
/** As many as the API gives at once. */
const PAGE = 100;

export const list: Run = async (call) => {
  const { path } = await find(call.api(), 'keystore', required(call, 'keystore'), await vaultOf(call));
  const limit = limitOf(call);
  const shown = progress(call.terminal);
  const keys: z.infer<typeof UNMANAGED>['unmanaged_keys'] = [];
  let after: string | undefined;
  do {
    const query = { limit: String(Math.min(PAGE, limit - keys.length)), after };
    const page = understood(UNMANAGED, await call.api().send({ method: 'GET', path: `${path}/unmanaged_keys`, query }));
    keys.push(...page.unmanaged_keys);
    // Looking at each key takes time; a page may be empty and still have a next one.
    shown.step(`${keys.length} found`);
    const href = page.next?.href;
    after = href === undefined ? undefined : (new URL(href).searchParams.get('after') ?? undefined);
  } while (after !== undefined && keys.length < limit);
  shown.end();
  answer(call, { unmanaged_keys: keys, more: after !== undefined }, () => {
    if (keys.length === 0) return 'None.\n';
    const rows = keys.map((key) => [
      key.names.join(', ') || '–',
      key.state ?? '–',
      key.age_days === undefined ? '–' : `${key.age_days} days`,
      key.provider_type ?? '–',
      key.adoptable ? 'can be adopted' : (key.reason ?? 'cannot be adopted'),
      key.key_id_in_keystore,
    ]);
    const more = after === undefined ? '' : '… and more: --limit\n';
    return table(['called', 'state', 'age', 'type', '', 'id in keystore'], rows, call.terminal.out) + more;
  });
  return EXIT.ok;
};

export const adopt: Run = async (call) => {
  const { path } = await find(call.api(), 'keystore', required(call, 'keystore'), await vaultOf(call));
  const label = text(call, 'label');
  const description = text(call, 'description');
  const tags = pairs(call, 'tag');
  const dryRun = flag(call, 'dryRun');
  const given = await call.api().send({
    method: 'POST',
    path: `${path}/unmanaged_keys/adopt`,
    query: dryRun ? { dry_run: 'true' } : {},
    body: {
      key_id_in_keystore: required(call, 'id'),
      ...(label === undefined ? {} : { label }),
      ...(description === undefined ? {} : { description }),
      ...(tags.length === 0 ? {} : { tags }),
    },
  });
  if (dryRun) answerPlan(call, given);
  else showKey(call, understood(KEY, given), given.body);
  return EXIT.ok;
};
