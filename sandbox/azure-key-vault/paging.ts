import { badParameter } from './error.ts';
import type { Call } from './operation.ts';

const largestPage = 25;

/** A page in the order of `placeOf`, with the link to the next one; null after the last, as Azure writes it. */
export function pageOf<T>(
  { vault, query, path }: Call,
  items: readonly T[],
  placeOf: (item: T) => string,
  show: (item: T) => unknown,
): Readonly<Record<string, unknown>> {
  const size = Number(query.get('maxresults') ?? largestPage);
  if (!Number.isInteger(size) || size < 1 || size > largestPage) {
    throw badParameter(`The value of maxresults must be between 1 and ${largestPage}.`);
  }
  const after = read(query.get('$skiptoken'));
  const sorted = items
    .filter((item) => after === undefined || placeOf(item) > after)
    .toSorted((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1));
  const page = sorted.slice(0, size);
  const last = page.at(-1);
  return {
    value: page.map(show),
    nextLink: last === undefined || sorted.length <= size ? null : linkAfter(placeOf(last)),
  };

  function linkAfter(place: string): string {
    const next = new URLSearchParams(query);
    next.set('$skiptoken', Buffer.from(JSON.stringify({ after: place })).toString('base64url'));
    next.set('maxresults', String(size));
    return vault.url(`${path}?${next.toString()}`);
  }
}

function read(token: string | null): string | undefined {
  if (token === null) return undefined;
  try {
    const { after } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as { after?: unknown };
    if (typeof after === 'string') return after;
  } catch {
    // The same refusal as of JSON that is no token of ours.
  }
  throw badParameter('The $skiptoken is invalid.');
}
