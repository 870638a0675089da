import { KmsError } from './error.ts';
import type { Ordered } from './ordered.ts';

/** Markers name the last sequence given out, so pages stay right while things come and go between them. */
export function readMarker(marker: string | undefined): number {
  if (marker === undefined) return 0;
  const sequence = /^page-(\d+)$/.exec(Buffer.from(marker, 'base64url').toString())?.[1];
  if (sequence === undefined) throw new KmsError('InvalidMarkerException', 'Invalid marker');
  return Number(sequence);
}

const writeMarker = (sequence: number): string => Buffer.from(`page-${sequence}`).toString('base64url');

interface Numbered {
  readonly sequence: number;
}

/** One page of an ordered set, with the members that AWS pages carry. */
export function pageOf<T extends Numbered>(
  source: Ordered<T>,
  name: string,
  request: { Marker?: string | undefined; Limit?: number | undefined },
  standard: number,
  show: (item: T) => Record<string, unknown> | undefined,
): Record<string, unknown> {
  const { page, more } = source.after(readMarker(request.Marker), request.Limit ?? standard);
  return answer(name, page.map(show), page.at(-1)?.sequence, more);
}

/** The same for a short list, numbered by its positions. */
export function pageOfList(
  items: readonly Record<string, unknown>[],
  name: string,
  request: { Marker?: string | undefined; Limit?: number | undefined },
  standard: number,
): Record<string, unknown> {
  const start = readMarker(request.Marker);
  const end = start + (request.Limit ?? standard);
  return answer(name, items.slice(start, end), end, end < items.length);
}

function answer(
  name: string,
  items: readonly (Record<string, unknown> | undefined)[],
  last: number | undefined,
  more: boolean,
): Record<string, unknown> {
  const shown = items.filter((item) => item !== undefined);
  if (!more || last === undefined) return { [name]: shown, Truncated: false };
  return { [name]: shown, Truncated: true, NextMarker: writeMarker(last) };
}
