import * as z from 'zod/mini';
import { later } from '../later.ts';
import { hrefObject } from './fields.ts';
import type { WireHref } from './fields.ts';

// Every schema of a parameter takes all its occurrences, decoded and in order.
type Occurrences = readonly string[];

const once = z.transform((given: Occurrences | undefined, payload) => {
  // A parameter that is required and was left out comes as no list at all.
  if (given === undefined) {
    payload.issues.push({ code: 'custom', message: 'is required', input: given });
    return '';
  }
  const [value] = given;
  if (given.length === 1 && value !== undefined) return value;
  payload.issues.push({ code: 'custom', message: 'may be given only once', input: given });
  return '';
});

const each = z.transform((given: Occurrences) => given.flatMap((value) => value.split(',')));

/** Exactly one value, judged by a schema of text. */
export function oneText<Schema extends z.ZodMiniType<unknown, string>>(schema: Schema) {
  return singly(schema);
}

function singly<Schema extends z.ZodMiniType<unknown, string>>(schema: Schema) {
  return z.pipe(once, schema);
}

/** Any of several values: comma-separated, or the parameter repeated, or both. */
export function anyOf<Schema extends z.ZodMiniType<unknown, string>>(schema: Schema) {
  return z.optional(z.pipe(each, z.array(schema)));
}

/** One value of text, commas and all. */
export const containing = later(() => z.optional(singly(z.string().check(z.minLength(1, 'must not be empty')))));

export function oneOf<const Values extends readonly string[]>(values: Values) {
  return z.optional(singly(z.enum(values)));
}

export const flag = later(() =>
  z.optional(
    singly(
      z.pipe(
        z.enum(['true', 'false']),
        z.pipe(
          z.transform((value: 'true' | 'false') => value === 'true'),
          z.boolean(),
        ),
      ),
    ),
  ),
);

/** One whole number in a range. */
export function whole(minimum: number, maximum: number) {
  const says = `must be a whole number from ${minimum} to ${maximum}`;
  return singly(
    z.pipe(
      z.string().check(z.regex(/^\d{1,10}$/, says)),
      z.pipe(z.transform(Number), z.int().check(z.gte(minimum, says), z.lte(maximum, says))),
    ),
  );
}

export const MAXIMUM_LIMIT = 1000;

/** `limit`, `offset` and `sort` of a list that can be sorted by `fields`. */
export function paging<const Fields extends readonly string[]>(fields: Fields) {
  return {
    limit: z._default(whole(1, MAXIMUM_LIMIT), 20),
    offset: z._default(whole(0, 2_147_483_647), 0),
    sort: anyOf(z.enum(fields.flatMap((field: Fields[number]) => [field, `-${field}` as const] as const))),
  };
}

/** What to order by, first things first. `['-size', 'label']` → size descending, then label. */
export function ordering<Field extends string>(
  sort: readonly (Field | `-${Field}`)[] | undefined,
): readonly { readonly field: Field; readonly descending: boolean }[] {
  return (sort ?? []).map((entry) =>
    entry.startsWith('-')
      ? { field: entry.slice(1) as Field, descending: true }
      : { field: entry as Field, descending: false },
  );
}

const day = later(() => singly(z.iso.date('must be a date of the calendar, written YYYY-MM-DD')));

// A plain day is taken too: people filter by days more than by milliseconds.
const INSTANT = /^\d{4}-\d{2}-\d{2}(?:[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2}))?$/;
const instant = later(() =>
  singly(
    z.string().check(
      z.refine(
        (value) => instantsOf(value) !== undefined,
        'must be a time such as 2026-01-31T08:00:00Z, or a date written YYYY-MM-DD',
      ),
      z.describe('A time such as 2026-01-31T08:00:00Z, or a date, which stands for the whole day in UTC.'),
    ),
  ),
);

const bits = later(() => whole(1, 100_000));

/** `name`, `name_min` and `name_max`, each a day. */
export function days<Name extends string>(name: Name) {
  return between(name, z.optional(day()));
}

/** `name`, `name_min` and `name_max`, each a time or a whole day. */
export function instants<Name extends string>(name: Name) {
  return { [name]: z.optional(instant()), ...bounds(name, z.optional(instant())) } as Record<
    Name | `${Name}_min` | `${Name}_max`,
    z.ZodMiniOptional<ReturnType<typeof instant>>
  >;
}

/** `name_min` and `name_max` of a time that has no exact filter. */
export function instantBounds<Name extends string>(name: Name) {
  return bounds(name, z.optional(instant()));
}

/** `name` (any of several sizes), `name_min` and `name_max` in bits. */
export function sizes<Name extends string>(name: Name) {
  const exact = anyOf(z.string().check(z.regex(/^[A-Za-z0-9_-]{1,20}$/, 'must be a key size such as 256 or 2048')));
  return { ...({ [name]: exact } as Record<Name, typeof exact>), ...bounds(name, z.optional(bits())) };
}

function between<Name extends string, Schema>(name: Name, schema: Schema) {
  return { [name]: schema, ...bounds(name, schema) } as Record<Name | `${Name}_min` | `${Name}_max`, Schema>;
}

function bounds<Name extends string, Schema>(name: Name, schema: Schema) {
  return { [`${name}_min`]: schema, [`${name}_max`]: schema } as Record<`${Name}_min` | `${Name}_max`, Schema>;
}

/** A range whose ends both belong to it; an end that is undefined is open. */
export interface Range<Value> {
  readonly from: Value | undefined;
  readonly to: Value | undefined;
}

/**
 * The days that `name`, `name_min` and `name_max` of a parsed query select together; undefined when none is given. Days compare as
 * strings.
 */
export function dayRange<Name extends string>(
  query: Readonly<Partial<Record<Name | `${Name}_min` | `${Name}_max`, string | undefined>>>,
  name: Name,
): Range<string> | undefined {
  const exact = query[name];
  const from = exact ?? query[`${name}_min`];
  const to = exact ?? query[`${name}_max`];
  return from === undefined && to === undefined ? undefined : { from, to };
}

/** As `dayRange`, for times. A day, and a time without fractions, stand for all the milliseconds in them. */
export function instantRange<Name extends string>(
  query: Readonly<Partial<Record<Name | `${Name}_min` | `${Name}_max`, string | undefined>>>,
  name: Name,
): Range<Date> | undefined {
  const days = dayRange(query, name);
  if (days === undefined) return undefined;
  return {
    from: days.from === undefined ? undefined : instantsOf(days.from)?.from,
    to: days.to === undefined ? undefined : instantsOf(days.to)?.to,
  };
}

function instantsOf(value: string): { from: Date; to: Date } | undefined {
  if (!INSTANT.test(value)) return undefined;
  const from = new Date(value);
  const time = from.getTime();
  // `new Date` rolls 31 February over into March; a day that does not come back as it went in is none.
  const day = new Date(`${value.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(time) || Number.isNaN(day.getTime()) || !day.toISOString().startsWith(value.slice(0, 10))) {
    return undefined;
  }
  const width = value.length === 10 ? 86_400_000 : value.includes('.') ? 1 : 1000;
  return { from, to: new Date(time + width - 1) };
}

/** The fields of a list's answer beside its items. */
export const page = later(() => ({
  total_count: z.int(),
  limit: z.int(),
  offset: z.int(),
  first: z.optional(hrefObject()),
  last: z.optional(hrefObject()),
  previous: z.optional(hrefObject()),
  next: z.optional(hrefObject()),
}));

export interface WirePage {
  readonly total_count: number;
  readonly limit: number;
  readonly offset: number;
  readonly first: WireHref;
  readonly last: WireHref;
  readonly previous?: WireHref;
  readonly next?: WireHref;
}

/**
 * The page part of a list's answer. `url` is the absolute URL that was asked, its other parameters are kept; `previous` and `next`
 * are absent where there is none.
 */
export function pageOf(
  url: string,
  query: { readonly limit: number; readonly offset: number },
  total: number,
): WirePage {
  const { limit, offset } = query;
  const at = (start: number): WireHref => {
    const to = new URL(url);
    to.searchParams.set('limit', String(limit));
    to.searchParams.set('offset', String(start));
    return { href: to.href };
  };
  const last = total === 0 ? 0 : Math.floor((total - 1) / limit) * limit;
  return {
    total_count: total,
    limit,
    offset,
    first: at(0),
    ...(offset > 0 ? { previous: at(Math.max(0, Math.min(offset - limit, last))) } : {}),
    ...(offset + limit < total ? { next: at(offset + limit) } : {}),
    last: at(last),
  };
}
