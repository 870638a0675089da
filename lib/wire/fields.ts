import * as z from 'zod/mini';
import { later } from '../later.ts';

/** What a schema's value looks like to code that only reads it. */
export type Wire<Schema extends z.ZodMiniType | Later> = Frozen<
  z.output<Schema extends Later ? ReturnType<Schema> : Schema>
>;

type Later = () => z.ZodMiniType;

type Frozen<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : { readonly [Key in keyof T]: Frozen<T[Key]> };

interface TextRule {
  readonly minimum: number;
  readonly maximum: number;
  readonly pattern?: RegExp;
  /** The whole rule in words, read after the field's name: “must have 1 to 30 …”. */
  readonly says: string;
}

const wellFormed = z.refine<string>((value) => value.isWellFormed(), 'must be well-formed Unicode');

/** A string with one rule, told as a whole whichever part of it is broken. Every pattern must match in linear time. */
export function text({ minimum, maximum, pattern, says }: TextRule): z.ZodMiniString<string> {
  const limits = [z.minLength(minimum, says), z.maxLength(maximum, says)];
  // A pattern names the characters it allows; without one, half a surrogate pair would be stored as another character.
  return z.string().check(...limits, pattern === undefined ? wellFormed : z.regex(pattern, says));
}

/** Runs a check of several fields together even when single fields are at fault, so that all is told at once. */
export const alsoWhenOthersFail = (payload: { value: unknown }): boolean =>
  typeof payload.value === 'object' && payload.value !== null;

const UUID = /^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$/;

/** Ids are lower case in records; a caller may write them either way. */
export function parseId(value: string): string | undefined {
  return UUID.test(value) ? value.toLowerCase() : undefined;
}

export const id = later(() => z.string().check(z.regex(UUID, 'must be a UUID'), z.toLowerCase()));

/** The name of a keystore or of a subscription. */
export const plainName = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9][A-Za-z0-9 ._-]*$/,
    says: 'must have 1 to 100 letters, digits, spaces and the characters . _ -, and start with a letter or digit',
  }),
);

export const description = later(() => text({ minimum: 0, maximum: 200, says: 'must have at most 200 characters' }));

/** A day of the calendar, `YYYY-MM-DD`. */
export const date = later(() => z.iso.date('must be a date of the calendar, written YYYY-MM-DD'));

/** RFC 3339 in UTC, as answers carry it. */
export const dateTime = later(() => z.iso.datetime('must be a time in UTC, as in 2026-01-31T08:00:00Z'));

/** A period from the key's creation (`P1Y2M1W4D`); empty for none: the field itself is required in a template. */
export const period = later(() =>
  text({
    minimum: 0,
    maximum: 30,
    pattern: /^(?:P(?=\d)(?:\d{1,4}Y)?(?:\d{1,4}M)?(?:\d{1,4}W)?(?:\d{1,5}D)?)?$/,
    says: 'must be an ISO 8601 period of years, months, weeks and days such as P1Y2M1W4D, or empty for none',
  }),
);

export const group = later(() =>
  text({
    minimum: 1,
    maximum: 200,
    pattern: /^[A-Za-z0-9][A-Za-z0-9_ -]+$/,
    says: 'must have 2 to 200 letters, digits, hyphens, underscores and spaces, and start with a letter or digit',
  }),
);

export const groups = later(() =>
  z.array(group()).check(
    z.maxLength(128, 'may have at most 128 groups'),
    unique((value) => value, 'repeats a group'),
  ),
);

/** Refuses a second item with the same key, naming the item. */
export function unique<Item>(key: (item: Item) => string, says: string): z.core.$ZodCheck<Item[]> {
  return z.check((payload) => {
    const seen = new Set<string>();
    for (const [index, item] of payload.value.entries()) {
      const of = key(item);
      if (seen.has(of)) payload.issues.push({ code: 'custom', path: [index], message: says, input: item });
      seen.add(of);
    }
  });
}

/** The label of a key. Keystore types narrow it further. */
export const label = later(() =>
  text({
    minimum: 1,
    maximum: 255,
    pattern: /^[A-Za-z0-9._ /-]+$/,
    says: 'must have 1 to 255 letters, digits, spaces and the characters . _ / -',
  }),
);

/** Fixed text and placeholders in `<>`; whether the placeholders make sense is judged with the template. */
export const namingScheme = later(() =>
  text({
    minimum: 1,
    maximum: 500,
    pattern: /^[A-Za-z0-9._ /<>-]+$/,
    says: 'must have 1 to 500 letters, digits, spaces and the characters . _ / -, with placeholders in < and >',
  }),
);

/** A link in a list's answer. */
export const hrefObject = later(() => z.strictObject({ href: z.optional(z.string()) }));
export type WireHref = Wire<typeof hrefObject>;
