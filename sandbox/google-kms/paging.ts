import type { Answer, Call } from './call.ts';
import { invalid } from './error.ts';

const STANDARD = 100;
const MOST = 1000;

/** One page of named things that are sorted by name. A token says after which name to go on, so it stays right while things are added. */
export function pageOf<T extends { readonly name: string }>(
  { query }: Call,
  items: readonly T[],
  member: string,
  show: (item: T) => Answer,
): Answer {
  if (query.get('filter')) throw invalid('The sandbox knows no filters.');
  if (query.get('orderBy')) throw invalid('The sandbox knows no orders.');
  const size = sizeOf(query.get('pageSize'));
  const after = tokenOf(query.get('pageToken'));
  const start = after === undefined ? 0 : firstAfter(items, after);
  const page = items.slice(start, start + size);
  const more = start + size < items.length;
  return {
    ...(page.length === 0 ? {} : { [member]: page.map(show) }),
    ...(more ? { nextPageToken: Buffer.from(`after:${page.at(-1)?.name ?? ''}`).toString('base64url') } : {}),
    totalSize: items.length,
  };
}

function sizeOf(text: string | null): number {
  const size = text === null ? 0 : Number(text);
  if (!Number.isInteger(size) || size < 0) throw invalid('The page size must not be negative.');
  return size === 0 ? STANDARD : Math.min(size, MOST);
}

function tokenOf(text: string | null): string | undefined {
  if (text === null || text === '') return undefined;
  const decoded = Buffer.from(text, 'base64url').toString();
  if (!decoded.startsWith('after:')) throw invalid('Invalid page token.');
  return decoded.slice('after:'.length);
}

function firstAfter(items: readonly { readonly name: string }[], name: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((items[middle]?.name ?? '') > name) high = middle;
    else low = middle + 1;
  }
  return low;
}
