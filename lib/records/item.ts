import * as z from 'zod/mini';
import { later } from '../later.ts';
import type { RawItem } from './database.ts';

/** Instants are stored as RFC 3339 UTC strings, which sort as time does. */
export const instant = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/**
 * An attribute that may be missing. Typed as present-or-undefined, so that code which builds a record cannot forget it; zod itself
 * tells these two apart and would refuse the missing attribute of an item.
 */
export function maybe<T extends z.ZodMiniType>(schema: T): z.ZodMiniUnion<[T, z.ZodMiniUndefined]> {
  return z.optional(schema) as unknown as z.ZodMiniUnion<[T, z.ZodMiniUndefined]>;
}

export const tag = z.object({ name: z.string(), value: z.string() });

/** An item that is not of the form this version writes. Never shown to callers. */
export class UnreadableItem extends Error {
  override readonly name = 'UnreadableItem';
}

export interface ItemCodec<T> {
  /** Throws `UnreadableItem`, naming the attributes but not their values. Unknown attributes are passed over. */
  decode(item: RawItem): T;
  /** Attributes under their stored names (snake_case); undefined ones are left out. */
  encode(value: T): RawItem;
}

/**
 * Ties a domain type to its item. The schema speaks of the domain's own names; attributes are the same in snake_case. It is built with the
 * first item: a function reads some kinds of items, and knows all.
 */
export function itemCodec<T extends object>(what: string, build: () => z.ZodMiniType<T>): ItemCodec<T> {
  const schema = later(build);
  return {
    decode(item) {
      const named: RawItem = {};
      for (const [attribute, value] of Object.entries(item)) named[camelCase(attribute)] = value;
      const parsed = z.safeDecode(schema(), named);
      if (parsed.success) return parsed.data;
      const where = parsed.error.issues.map((issue) => `${issue.path.join('.')} (${issue.code})`).join(', ');
      throw new UnreadableItem(`A stored ${what} cannot be read: ${where}.`);
    },
    encode(value) {
      const item: RawItem = {};
      for (const [name, attribute] of Object.entries(z.encode(schema(), value) as RawItem)) {
        if (attribute !== undefined) item[snakeCase(name)] = attribute;
      }
      return item;
    },
  };
}

const camel = new Map<string, string>();
const snake = new Map<string, string>();

function camelCase(name: string): string {
  return remembered(camel, name, () => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
}

/** What an attribute is called where it is stored. */
export function snakeCase(name: string): string {
  return remembered(snake, name, () => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

function remembered(names: Map<string, string>, name: string, make: () => string): string {
  let made = names.get(name);
  if (made === undefined) names.set(name, (made = make()));
  return made;
}
