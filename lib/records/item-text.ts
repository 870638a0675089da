import type { RawItem } from './database.ts';
import { fromWire } from './wire.ts';
import type { WireItem, WireValue } from './wire.ts';

/*
 * Of a million items nearly all are only compared, and a comparison needs no objects: reading a page whole takes five times as long, most of it
 * for objects that are still there when garbage is looked for. So a page is cut into items, and each item, when its turn comes, into attributes.
 */

/** An item taken apart as far as its attributes: under each name the JSON of its value as DynamoDB sent it, `{"S":"…"}`. */
export type ItemText = ReadonlyMap<string, string>;

export interface PageText {
  /** The JSON of each. */
  readonly items: readonly string[];
  readonly LastEvaluatedKey?: WireItem;
}

/** JSON of another form than DynamoDB writes, which JSON.parse still reads. */
class Unusual extends Error {}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const LIST_END = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;
/** Text inside a string has its quotes escaped, so this can be nothing but the page's own member. */
const ITEMS = '"Items":[';

/** The body of the answer to a query. Throws a `SyntaxError` for what is no JSON. */
export function pageText(body: string): PageText {
  try {
    return cut(body);
  } catch (error) {
    if (!(error instanceof Unusual)) throw error;
    const { Items = [], LastEvaluatedKey } = JSON.parse(body) as { Items?: WireItem[]; LastEvaluatedKey?: WireItem };
    const items = Items.map((item) => JSON.stringify(item));
    return { items, ...(LastEvaluatedKey === undefined ? {} : { LastEvaluatedKey }) };
  }
}

/** The JSON of an item, taken apart. Throws a `SyntaxError` for what is no JSON. */
export function itemText(json: string): ItemText {
  try {
    return cutItem(json);
  } catch (error) {
    if (!(error instanceof Unusual)) throw error;
    const item = JSON.parse(json) as WireItem;
    return new Map(Object.entries(item).map(([name, value]) => [name, JSON.stringify(value)]));
  }
}

/** The same item as `Database` reads it. */
export function fromText(item: ItemText): RawItem {
  return fromWire(Object.fromEntries([...item].map(([name, value]) => [name, JSON.parse(value) as WireValue])));
}

const STRING = '{"S":';

/** The string that an attribute is; undefined for none and for every other type. It holds on to nothing of the page. */
export function stringIn(value: string | undefined): string | undefined {
  return value?.startsWith(STRING) === true ? (JSON.parse(value.slice(STRING.length, -1)) as string) : undefined;
}

function cut(body: string): PageText {
  const found = body.indexOf(ITEMS);
  if (found === -1) throw new Unusual();
  const items: string[] = [];
  let at = found + ITEMS.length;
  while (body.charCodeAt(at) !== LIST_END) {
    if (body.charCodeAt(at) !== OPEN) throw new Unusual();
    const end = endOfObject(body, at) + 1;
    items.push(body.slice(at, end));
    at = end;
    if (body.charCodeAt(at) === COMMA) at += 1;
    else if (body.charCodeAt(at) !== LIST_END) throw new Unusual();
  }
  const { LastEvaluatedKey } = JSON.parse(`${body.slice(0, found)}${ITEMS}${body.slice(at)}`) as PageText;
  return { items, ...(LastEvaluatedKey === undefined ? {} : { LastEvaluatedKey }) };
}

function cutItem(json: string): ItemText {
  const item = new Map<string, string>();
  if (json === '{}') return item;
  if (json.charCodeAt(0) !== OPEN) throw new Unusual();
  for (let at = 1; ; at += 1) {
    if (json.charCodeAt(at) !== QUOTE) throw new Unusual();
    const nameEnd = endOfString(json, at);
    const value = nameEnd + 2;
    if (json.charCodeAt(nameEnd + 1) !== COLON || json.charCodeAt(value) !== OPEN) throw new Unusual();
    const name = json.slice(at + 1, nameEnd);
    if (name.includes('\\')) throw new Unusual();
    const end = endOfObject(json, value);
    item.set(name, json.slice(value, end + 1));
    at = end + 1;
    if (json.charCodeAt(at) === CLOSE) return item;
    if (json.charCodeAt(at) !== COMMA) throw new Unusual();
  }
}

function endOfObject(body: string, start: number): number {
  let depth = 0;
  for (let at = start; at < body.length; at += 1) {
    const code = body.charCodeAt(at);
    if (code === QUOTE) at = endOfString(body, at);
    else if (code === OPEN) depth += 1;
    else if (code === CLOSE) {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  throw new Unusual();
}

function endOfString(body: string, start: number): number {
  for (let at = body.indexOf('"', start + 1); at !== -1; at = body.indexOf('"', at + 1)) {
    let escapes = 0;
    while (body.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  throw new Unusual();
}
