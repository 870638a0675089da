import * as z from 'zod/mini';
import { parseBody } from '../control.ts';
import type { Operator } from './operator.ts';

const text = z.string().check(z.minLength(1));
/** The vault says which, when a name exists in several. A key is given by name, or by the id of a version. */
const key = { key: text, vault: z.optional(text) };
const action = <const A extends string, S extends z.core.$ZodLooseShape>(name: A, shape: S) =>
  z.strictObject({ action: z.literal(name), ...shape });

const tampering = z.discriminatedUnion('action', [
  action('create_key', { key: text, vault: text }),
  action('rotate', key),
  action('enable', key),
  action('disable', key),
  action('set_dates', { ...key, expires: z.optional(text), not_before: z.optional(text) }),
  action('tag', { ...key, tags: z.record(z.string(), z.string()) }),
  action('delete', key),
  action('recover', key),
  action('purge', key),
]);
type Tampering = z.output<typeof tampering>;

/** One action of the operator, asked for in JSON. */
export async function tamper(operator: Operator, body: unknown): Promise<unknown> {
  const given = parseBody(tampering, body);
  await perform(operator, given);
  return { done: given.action };
}

function perform(operator: Operator, given: Tampering): Promise<void> | void {
  switch (given.action) {
    case 'create_key':
      return operator.createKey(given.vault, given.key);
    case 'rotate':
      return operator.rotate(given);
    case 'enable':
      return operator.enable(given);
    case 'disable':
      return operator.disable(given);
    case 'set_dates':
      return operator.setDates(given, { expires: dateOf(given.expires), notBefore: dateOf(given.not_before) });
    case 'tag':
      return operator.tag(given, given.tags);
    case 'delete':
      return operator.delete(given);
    case 'recover':
      return operator.recover(given);
    case 'purge':
      operator.purge(given);
  }
}

const dateOf = (given: string | undefined): Date | undefined => (given === undefined ? undefined : new Date(given));

/** A body for every action, for people to copy from. */
export const tamperExamples: readonly Tampering[] = [
  { action: 'create_key', vault: 'shearline-prod', key: 'orders' },
  { action: 'rotate', key: 'orders' },
  { action: 'enable', key: 'orders' },
  { action: 'disable', key: 'orders', vault: 'shearline-prod' },
  { action: 'set_dates', key: 'orders', expires: '2030-01-01T00:00:00Z' },
  { action: 'tag', key: 'orders', tags: { owner: 'somebody-else' } },
  { action: 'delete', key: 'orders' },
  { action: 'recover', key: 'orders' },
  { action: 'purge', key: 'orders' },
];
