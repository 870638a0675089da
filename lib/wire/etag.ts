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

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** Reads an `If-Match` header. Weak tags are legal there and never match (RFC 9110), so they are left out. */
export function parseIfMatch(header: string): IfMatch {
  const value = header.trim();
  if (value === '*') return '*';
  // A comma may be inside a tag: split on those that a quote goes before.
  const tags = value.split(/(?<="),/).map((tag) => tag.trim());
  if (!tags.every((tag) => ENTITY_TAG.test(tag))) {
    throw new Fault('invalid_header', {
      message: 'If-Match must be * or a list of entity tags in double quotes, as ETag gives them.',
      target: { type: 'header', name: 'If-Match' },
    });
  }
  return tags.filter((tag) => !tag.startsWith('W/'));
}
