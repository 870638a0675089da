import { createHash } from 'node:crypto';
import { Fault } from '../fault.ts';

/** What a caller's `If-Match` names: any existing resource, or these strong entity tags. */
export type IfMatch = '*' | readonly string[];

/**
 * The strong entity tag of a resource: changes with its revision, and with nothing else. Revisions count what users decide, never what
 * a scan observes.
 */
export function etagOf(id: string, revision: number): string {
  return `"${createHash('sha256').update(`${id}:${revision}`).digest('base64url').slice(0, 22)}"`;
}

/** Throws 412 unless the caller's `If-Match` names this tag. */
export function requireMatch(ifMatch: IfMatch, etag: string): void {
  if (ifMatch === '*' || ifMatch.includes(etag)) return;
  throw new Fault('precondition_failed', {
    message: 'The resource was changed since it was read: its ETag is another one now. Read it again.',
    target: { type: 'header', name: 'If-Match' },
  });
}

// One tag of a list and what follows it; a comma inside the quotes belongs to the tag.
const ENTITY_TAG = /[ \t]*(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(,|$)/y;

/** As much as API Gateway lets through in all headers together. */
const LONGEST_IF_MATCH = 10_240;

/** Reads an `If-Match` header. Weak tags are legal there and never match (RFC 9110), so they are left out. */
export function parseIfMatch(header: string): IfMatch {
  if (header.trim() === '*') return '*';
  const strong: string[] = [];
  ENTITY_TAG.lastIndex = 0;
  while (header.length <= LONGEST_IF_MATCH) {
    const [, weak, tag, end] = ENTITY_TAG.exec(header) ?? [];
    if (tag === undefined) break;
    if (weak === undefined) strong.push(tag);
    if (end === '') return strong;
  }
  throw new Fault('invalid_header', {
    message: `If-Match must be * or a list of entity tags in double quotes, as ETag gives them, of ${LONGEST_IF_MATCH} characters at most.`,
    target: { type: 'header', name: 'If-Match' },
  });
}
