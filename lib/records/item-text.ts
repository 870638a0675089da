import type { RawItem } from './database.ts';
import { fromWire } from './wire.ts';
import type { WireItem, WireValue } from './wire.ts';

/**
 * An item taken apart as far as its attributes: under each name the JSON of its value as DynamoDB sent it, `{"S":"…"}`. Of a million items
 * nearly all are only compared, and a comparison needs no objects: reading a page whole takes five times as long.
 */
export type ItemText = ReadonlyMap<string, string>;

export interface PageText {
  readonly items: readonly ItemText[];
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
    return { items: Items.map(itemText), ...(LastEvaluatedKey === undefined ? {} : { LastEvaluatedKey }) };
  }
}

/** As it is when it comes in a page. */
export function itemText(item: WireItem): ItemText {
  return new Map(Object.entries(item).map(([name, value]) => [name, JSON.stringify(value)]));
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
  const items: ItemText[] = [];
  let at = found + ITEMS.length;
  while (body.charCodeAt(at) !== LIST_END) {
    const item = new Map<string, string>();
    at = cutItem(body, at, item) + 1;
    items.push(item);
    if (body.charCodeAt(at) === COMMA) at += 1;
    else if (body.charCodeAt(at) !== LIST_END) throw new Unusual();
  }
  const { LastEvaluatedKey } = JSON.parse(`${body.slice(0, found)}${ITEMS}${body.slice(at)}`) as PageText;
  return { items, ...(LastEvaluatedKey === undefined ? {} : { LastEvaluatedKey }) };
}

/** Puts the attributes of the item that begins at `start` into `item`; answers where it ends. */
function cutItem(body: string, start: number, item: Map<string, string>): number {
  if (body.charCodeAt(start) !== OPEN) throw new Unusual();
  if (body.charCodeAt(start + 1) === CLOSE) return start + 1;
  for (let at = start + 1; ; at += 1) {
    if (body.charCodeAt(at) !== QUOTE) throw new Unusual();
    const nameEnd = endOfString(body, at);
    const value = nameEnd + 2;
    if (body.charCodeAt(nameEnd + 1) !== COLON || body.charCodeAt(value) !== OPEN) throw new Unusual();
    const name = body.slice(at + 1, nameEnd);
    if (name.includes('\\')) throw new Unusual();
    const end = endOfObject(body, value);
    item.set(name, body.slice(value, end + 1));
    at = end + 1;
    if (body.charCodeAt(at) === CLOSE) return at;
    if (body.charCodeAt(at) !== COMMA) throw new Unusual();
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
