import { Fault } from '../fault.ts';
import type { FaultDetail } from '../fault.ts';
import type { Tag } from '../tag.ts';
import type { ManagedKey } from './key.ts';

/** A naming scheme in its parts: fixed text, and placeholders in angle brackets. */
export type SchemePart =
  | { readonly kind: 'text'; readonly text: string }
  /** Gets its value at creation, in `label_tags`. */
  | { readonly kind: 'custom'; readonly name: string }
  | { readonly kind: 'system'; readonly name: string; readonly value: SystemValue };

export type SystemValue = 'active_year' | 'active_year_short' | 'active_month' | 'year' | 'year_short' | 'month';

const SYSTEM: ReadonlyMap<string, SystemValue> = new Map([
  ...['lastActiveYear', 'lay'].flatMap((name): [string, SystemValue][] => [
    [name, 'active_year'],
    [`${name}/yyyy`, 'active_year'],
    [`${name}/4`, 'active_year'],
    [`${name}/yy`, 'active_year_short'],
    [`${name}/2`, 'active_year_short'],
  ]),
  ['lastActiveMonth', 'active_month'],
  ['lam', 'active_month'],
  ['yyyy', 'year'],
  ['yy', 'year_short'],
  ['mm', 'month'],
]);

const RESERVED: ReadonlySet<string> = new Set(
  'SEQUENCENUMBER seqno sqn sequenceNumber SEQNO SQN hierarchy h hier keyType kt institutionId iid'.split(' '),
);

/**
 * Parses a naming scheme: placeholders of 1–20 characters in `<>`, anything else is fixed text. Answers what is wrong as a sentence
 * instead where it is none. Contract: Templates, groups, alignment.
 */
export function parseScheme(scheme: string): readonly SchemePart[] | { readonly wrong: string } {
  const parts: SchemePart[] = [];
  let rest = scheme;
  while (rest !== '') {
    const open = rest.indexOf('<');
    const text = open === -1 ? rest : rest.slice(0, open);
    if (text.includes('>')) return { wrong: 'has a “>” without a “<” before it' };
    if (text !== '') parts.push({ kind: 'text', text });
    if (open === -1) break;
    const close = rest.indexOf('>', open);
    if (close === -1) return { wrong: 'has a “<” without a “>” after it' };
    const name = rest.slice(open + 1, close);
    if (name.length < 1 || name.length > 20 || name.includes('<')) {
      return { wrong: `has a placeholder “<${name}>” that does not have 1 to 20 characters` };
    }
    if (RESERVED.has(name)) return { wrong: `uses the reserved placeholder “<${name}>”` };
    const value = SYSTEM.get(name);
    parts.push(value === undefined ? { kind: 'custom', name } : { kind: 'system', name, value });
    rest = rest.slice(close + 1);
  }
  return parts;
}

/** The scheme back as text; `parseScheme` of it gives the same parts. */
export function schemeText(parts: readonly SchemePart[]): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : `<${part.name}>`)).join('');
}

/** The names of the placeholders that need a value at creation, each once, in order. */
export function customPlaceholders(parts: readonly SchemePart[]): string[] {
  return [...new Set(parts.flatMap((part) => (part.kind === 'custom' ? [part.name] : [])))];
}

/**
 * The label that a scheme gives a key. Throws `invalid_field` naming every placeholder without a value (2 characters or more), and every
 * label tag without a placeholder.
 */
export function renderLabel(
  scheme: string,
  labelTags: readonly Tag[],
  moments: { readonly createdAt: Date; readonly activeAt: Date },
): string {
  const parts = parseScheme(scheme);
  if ('wrong' in parts) throw new Fault('invalid_field', `The template's naming scheme ${parts.wrong}.`);
  const values = new Map(labelTags.map(({ name, value }) => [name, value]));
  const wanted = customPlaceholders(parts);
  const wrong: FaultDetail[] = [];
  for (const name of wanted) {
    if ((values.get(name) ?? '').length < 2) {
      wrong.push({
        message: `label_tags must give a value of at least 2 characters for the placeholder “${name}” of the naming scheme ${scheme}.`,
        target: { type: 'field', name: 'label_tags' },
      });
    }
  }
  for (const [position, { name }] of labelTags.entries()) {
    if (!wanted.includes(name)) {
      wrong.push({
        message: `“${name}” is no placeholder of the naming scheme ${scheme}.`,
        target: { type: 'field', name: `label_tags[${position}].name` },
      });
    }
  }
  if (wrong.length > 0) throw new Fault('invalid_field', wrong);
  return parts
    .map((part) => {
      switch (part.kind) {
        case 'text':
          return part.text;
        case 'custom':
          return values.get(part.name) ?? '';
        case 'system':
          return systemValue(part.value, moments);
      }
    })
    .join('');
}

function systemValue(value: SystemValue, moments: { readonly createdAt: Date; readonly activeAt: Date }): string {
  const year = (moment: Date) => String(moment.getUTCFullYear()).padStart(4, '0');
  const month = (moment: Date) => String(moment.getUTCMonth() + 1).padStart(2, '0');
  switch (value) {
    case 'active_year':
      return year(moments.activeAt);
    case 'active_year_short':
      return year(moments.activeAt).slice(2);
    case 'active_month':
      return month(moments.activeAt);
    case 'year':
      return year(moments.createdAt);
    case 'year_short':
      return year(moments.createdAt).slice(2);
    case 'month':
      return month(moments.createdAt);
  }
}

/** Whether a key can be rotated at all: one named with system placeholders cannot, its name would have to change. */
export function isRotatable(key: Pick<ManagedKey, 'state' | 'namingScheme'>): boolean {
  if (key.namingScheme === undefined) return key.state === 'active';
  const parts = parseScheme(key.namingScheme);
  const named = !('wrong' in parts) && parts.some(({ kind }) => kind === 'system');
  return key.state === 'active' && !named;
}
