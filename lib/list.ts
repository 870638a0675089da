import type { Vaults } from './access/permissions.ts';
import { allVaults } from './records/reading.ts';
import type { Database } from './records/database.ts';
import { ordering, pageOf } from './wire/lists.ts';
import type { Range, WirePage } from './wire/lists.ts';

/** What a list was asked for: its parsed query, and the URL that its page links repeat. */
export interface ListCall<Query> {
  readonly query: Query & {
    readonly limit: number;
    readonly offset: number;
    readonly sort?: readonly string[] | undefined;
  };
  readonly url: string;
  readonly baseUrl: string;
}

/** What an item is sorted by, per field of the list's `sort`. Undefined sorts last, whichever way. */
export type SortValues<Item, Field extends string> = Record<Field, (item: Item) => string | number | Date | undefined>;

/** One page of items in a total, stable order (ties by id), with the page links of the contract. */
export function pageFrom<Item, Field extends string>(
  items: Item[],
  call: ListCall<{ readonly sort?: readonly (Field | `-${Field}`)[] | undefined }>,
  values: SortValues<Item, Field>,
  idOf: (item: Item) => string,
  standard: readonly (Field | `-${Field}`)[],
): { readonly page: WirePage; readonly items: Item[] } {
  const { limit, offset } = call.query;
  const order = ordering<Field>(call.query.sort ?? standard);
  const sorted = items
    .map((item) => ({ item, id: idOf(item), values: order.map(({ field }) => sortable(values[field](item))) }))
    .sort((a, b) => {
      for (const [position, { descending }] of order.entries()) {
        const difference = compare(a.values[position], b.values[position], descending);
        if (difference !== 0) return difference;
      }
      return a.id < b.id ? -1 : 1;
    })
    .map(({ item }) => item);
  return { page: pageOf(call.url, { limit, offset }, sorted.length), items: sorted.slice(offset, offset + limit) };
}

function sortable(value: string | number | Date | undefined): string | number | undefined {
  return value instanceof Date ? value.getTime() : value;
}

function compare(a: string | number | undefined, b: string | number | undefined, descending: boolean): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return (a < b ? -1 : 1) * (descending ? -1 : 1);
}

/** Whether a value is among those asked for; anything is when none are. */
export function isAnyOf<T>(wanted: readonly T[] | undefined, value: T): boolean {
  return wanted === undefined || wanted.includes(value);
}

/** Whether a value lies in an inclusive range; a value that is missing lies in none. */
export function isWithin<T extends string | number | Date>(range: Range<T> | undefined, value: T | undefined): boolean {
  if (range === undefined) return true;
  if (value === undefined) return false;
  return (range.from === undefined || value >= range.from) && (range.to === undefined || value <= range.to);
}

/** Whether a text begins as asked, or nothing was asked. Case-sensitive. */
export function beginsWith(wanted: string | undefined, value: string): boolean {
  return wanted === undefined || value.startsWith(wanted);
}

/** Whether a text contains what was asked, or nothing was asked. Case-sensitive. */
export function contains(wanted: string | undefined, value: string): boolean {
  return wanted === undefined || value.includes(wanted);
}

/** The ids of the vaults that a list looks into: those the caller may list, narrowed to those asked for. */
export async function vaultIds(
  database: Database,
  listable: Vaults,
  wanted: readonly string[] | undefined,
): Promise<string[]> {
  const ids = listable === 'all' ? (await allVaults(database)).map(({ id }) => id) : [...listable];
  return ids.filter((id) => isAnyOf(wanted, id));
}
