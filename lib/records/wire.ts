import type { RawItem } from './database.ts';

/** An attribute's value as DynamoDB sends it: one member, named after its type. */
export interface WireValue {
  readonly S?: string;
  readonly N?: string;
  readonly BOOL?: boolean;
  readonly NULL?: boolean;
  readonly B?: string;
  readonly M?: WireItem;
  readonly L?: readonly WireValue[];
  readonly SS?: readonly string[];
  readonly NS?: readonly string[];
}

/** An item as DynamoDB sends it. Looked into only by those who read so many that taking them apart would be most of the work. */
export type WireItem = Readonly<Record<string, WireValue>>;

/** The same item as `Database` reads it. */
export function fromWire(item: WireItem): RawItem {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, valueFrom(value)]));
}

function valueFrom(value: WireValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.M !== undefined) return fromWire(value.M);
  if (value.L !== undefined) return value.L.map(valueFrom);
  if (value.B !== undefined) return new Uint8Array(Buffer.from(value.B, 'base64'));
  if (value.NULL === true) return null;
  if (value.SS !== undefined) return new Set(value.SS);
  if (value.NS !== undefined) return new Set(value.NS.map(Number));
  throw new TypeError(`DynamoDB sent an attribute of an unknown type: ${Object.keys(value).join(', ')}.`);
}
