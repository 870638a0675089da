import { csvOf, itemsOf } from '../lib/wire/formats.ts';
import type { MediaType } from '../lib/wire/formats.ts';
import type { OperationId } from '../lib/wire/operations.ts';
import type { Answer } from './http.ts';

/** More than any list has: a file holds all of it. */
const EVERYTHING = 2_147_483_647;

/** The query that a list in this format is read with. */
export function queryFor(query: object, { format }: MediaType): object {
  return format === 'json' || format === 'csv' ? query : { ...query, limit: EVERYTHING, offset: 0 };
}

interface Page {
  readonly total_count: number;
  readonly first?: Link;
  readonly previous?: Link;
  readonly next?: Link;
  readonly last?: Link;
}
type Link = { readonly href?: string } | undefined;

/** A list's answer as its caller wants it; answers that are no lists stay as they are. */
export async function inFormat(
  operation: OperationId,
  given: Answer<OperationId>,
  type: MediaType,
): Promise<Answer<OperationId>> {
  const items = itemsOf(operation);
  if (items === undefined || given.contentType !== undefined || given.body === undefined) return given;
  const headers = { ...given.headers, vary: 'accept' };
  if (type.name === 'application/json') return { ...given, headers };
  const page = given.body as unknown as Page & Readonly<Record<string, readonly unknown[]>>;
  const rows = page[items.property] ?? [];
  switch (type.format) {
    case 'json':
      return { ...given, headers, body: JSON.stringify(page), contentType: type.name };
    case 'csv':
      // The page's links and count have no place in the table.
      return {
        ...given,
        headers: { ...headers, link: linksOf(page), 'x-total-count': String(page.total_count) },
        body: csvOf(items.item, rows),
        contentType: `${type.name}; charset=utf-8; header=present`,
      };
    case 'zipped json': {
      const whole = { total_count: page.total_count, limit: rows.length, offset: 0, [items.property]: rows };
      return file(given, headers, type, `${items.property}.json`, JSON.stringify(whole));
    }
    case 'zipped csv':
      return file(given, headers, type, `${items.property}.csv`, csvOf(items.item, rows));
  }
}

function linksOf(page: Page): string {
  const { first, previous, next, last } = page;
  return Object.entries({ first, previous, next, last })
    .flatMap(([relation, link]) => (link?.href === undefined ? [] : [`<${link.href}>; rel="${relation}"`]))
    .join(', ');
}

async function file(
  given: Answer<OperationId>,
  headers: Readonly<Record<string, string>>,
  type: MediaType,
  name: string,
  content: string,
): Promise<Answer<OperationId>> {
  const { zipped } = await import('./zip.ts');
  return {
    ...given,
    headers: { ...headers, 'content-disposition': `attachment; filename="${name}.zip"` },
    body: zipped(name, content),
    contentType: type.name,
  };
}
