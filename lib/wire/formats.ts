import * as z from 'zod/mini';
import { OPERATIONS } from './operations.ts';
import type { Operation, OperationId } from './operations.ts';

/** How a list can be asked for: its page as JSON or CSV, or the whole filtered list as a zipped file of either. */
export type ListFormat = 'json' | 'csv' | 'zipped json' | 'zipped csv';

export interface MediaType {
  readonly name: string;
  readonly format: ListFormat;
}

const JSON_TYPE: MediaType = { name: 'application/json', format: 'json' };
const CSV_TYPE: MediaType = { name: 'text/csv', format: 'csv' };

/** The contract's names of the lists that have media types of their own, by the property that holds their items. */
const LIST_NAMES: Readonly<Record<string, string>> = {
  managed_keys: 'managed-key-list',
  templates: 'key-template-list',
  keystores: 'keystore-list',
  vaults: 'vault-list',
};

/** What an operation can answer in, what it prefers first; JSON alone for everything but lists. */
export function mediaTypesOf(operation: OperationId): readonly MediaType[] {
  const items = itemsOf(operation);
  if (items === undefined) return [JSON_TYPE];
  const list = LIST_NAMES[items.property];
  if (list === undefined) return [JSON_TYPE, CSV_TYPE];
  const name = `application/vnd.ibm.uko.${list}.v4.1`;
  return [
    JSON_TYPE,
    { name: `${name}+json`, format: 'json' },
    { name: `${name}.json+zip`, format: 'zipped json' },
    { name: `${name}.csv+zip`, format: 'zipped csv' },
    CSV_TYPE,
  ];
}

/**
 * The media type that an `Accept` header prefers (RFC 9110). The contract knows no 406: what cannot be met, or cannot be read, is answered in
 * JSON.
 */
export function chooseMediaType(operation: OperationId, accept: string | undefined): MediaType {
  const offered = mediaTypesOf(operation);
  const ranges = (accept ?? '*/*').split(',').map(readRange);
  const rated = offered.map((type) => ({ type, ...ratingOf(type.name, ranges) }));
  const [best] = rated
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.position - b.position);
  return best?.type ?? JSON_TYPE;
}

interface Range {
  readonly name: string;
  readonly quality: number;
  readonly position: number;
}

function readRange(text: string, position: number): Range {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  const quality =
    weight === undefined ? 1 : /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(weight) ? Number(weight.slice(2)) : 0;
  return { name, quality, position };
}

/** The most specific range that covers a type says how welcome it is. */
function ratingOf(name: string, ranges: readonly Range[]): { readonly quality: number; readonly position: number } {
  const [type = ''] = name.split('/');
  const covering = [name, `${type}/*`, '*/*'].map((wanted) => ranges.find((range) => range.name === wanted));
  return covering.find((range) => range !== undefined) ?? { quality: 0, position: ranges.length };
}

/** The property of a list's answer that holds its items, and the schema of one; undefined where the answer is no list. */
export function itemsOf(
  operation: OperationId,
): { readonly property: string; readonly item: z.core.$ZodType } | undefined {
  const row: Operation = OPERATIONS[operation];
  if (!row.actions.includes('list')) return undefined;
  const answer = row.answer?.();
  if (!(answer instanceof z.ZodMiniObject)) return undefined;
  for (const [property, schema] of Object.entries(answer.def.shape as Readonly<Record<string, z.core.$ZodType>>)) {
    if (schema instanceof z.ZodMiniArray) return { property, item: schema.def.element };
  }
  return undefined;
}

interface Column {
  readonly name: string;
  readonly path: readonly string[];
}

/** One column for each field, those of objects within under dotted names; of a choice between models, the fields of all. */
function columnsOf(schema: z.core.$ZodType, path: readonly string[] = []): readonly Column[] {
  if (schema instanceof z.ZodMiniOptional) return columnsOf(schema.def.innerType, path);
  if (schema instanceof z.ZodMiniObject) {
    const shape = schema.def.shape as Readonly<Record<string, z.core.$ZodType>>;
    return Object.entries(shape).flatMap(([name, inner]) => columnsOf(inner, [...path, name]));
  }
  // By the classes themselves: reaching through `z.core` would bring all of zod into every function.
  if (schema instanceof z.ZodMiniUnion || schema instanceof z.ZodMiniDiscriminatedUnion) {
    const options = schema.def.options.flatMap((option) => columnsOf(option, path));
    return [...new Map(options.map((column) => [column.name, column])).values()];
  }
  return [{ name: path.join('.'), path }];
}

/**
 * A table of items as CSV (RFC 4180), with a line of names first. The columns depend on the list alone, not on its items. Lists of texts are
 * separated by semicolons, other lists are JSON. No cell can act as a formula where a spreadsheet opens it.
 */
export function csvOf(schema: z.core.$ZodType, items: readonly unknown[]): string {
  const columns = columnsOf(schema);
  const lines = items.map((item) => columns.map(({ path }) => cellOf(path.reduce(property, item))).join(','));
  return [columns.map(({ name }) => cellOf(name)).join(','), ...lines, ''].join('\r\n');
}

function property(object: unknown, name: string): unknown {
  return typeof object === 'object' && object !== null
    ? (object as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** What spreadsheets take for the beginning of a formula, in half and full width. */
const FORMULA = /^[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]/;

function cellOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = textOf(value);
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const texts = Array.isArray(value) && value.every((item) => typeof item === 'string');
  return texts ? value.join(';') : Array.isArray(value) && value.length === 0 ? '' : JSON.stringify(value);
}
