import { createHash } from 'node:crypto';
import type { Tag } from '../../tag.ts';
import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { isFault } from './faults.ts';
import { OWN_TAG_PREFIX } from './kind.ts';

/**
 * How a KMS key is known to be ours. KEY and VERSION are set by CreateKey itself, so that no key of ours is ever without them.
 * LABEL and FORMER_LABEL say which aliases we gave it, so that a rename clears away those and leaves aliases of other people.
 * USER_TAGS says which tags we put there, likewise.
 */
export const OWN_TAGS = {
  key: `${OWN_TAG_PREFIX}key`,
  version: `${OWN_TAG_PREFIX}version`,
  label: `${OWN_TAG_PREFIX}label`,
  formerLabel: `${OWN_TAG_PREFIX}former-label`,
  userTags: `${OWN_TAG_PREFIX}user-tags`,
} as const;

/** The name of a key in AWS KMS. */
export function aliasOf(label: string): string {
  return `alias/${label}`;
}

/** The value of a tag; undefined when the key does not carry it. */
export function tagValue(tags: readonly Tag[], name: string): string | undefined {
  return tags.find((tag) => tag.name === name)?.value;
}

/** Everything CreateKey must be given. */
export function tagsAtCreation(key: KeyInKeystore): readonly Tag[] {
  return [
    { name: OWN_TAGS.key, value: key.keyId },
    { name: OWN_TAGS.version, value: String(key.version) },
    { name: OWN_TAGS.label, value: key.label },
    { name: OWN_TAGS.userTags, value: marksOf(key.tags.map((tag) => tag.name)) },
    ...key.tags,
  ];
}

/** Whether the tags are those of exactly this version of this key. */
export function isTaggedAs(tags: readonly Tag[], key: KeyInKeystore): boolean {
  return tagValue(tags, OWN_TAGS.key) === key.keyId && tagValue(tags, OWN_TAGS.version) === String(key.version);
}

/** Five characters for a tag's name: 45 of them fit into the 256 characters of a tag's value, where the names would not. */
const MARK_LENGTH = 5;

function markOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url').slice(0, MARK_LENGTH);
}

/** What is remembered on the key of the names of the tags that we put there. */
export function marksOf(names: readonly string[]): string {
  return names.map(markOf).toSorted().join('');
}

/** Whether `marks` remembers this name. */
export function isMarked(marks: string, name: string): boolean {
  const mark = markOf(name);
  for (let at = 0; at < marks.length; at += MARK_LENGTH) {
    if (marks.slice(at, at + MARK_LENGTH) === mark) return true;
  }
  return false;
}

/** Whose key an alias leads to. `same_key` is another version of the managed key; `spent` a destroyed key of ours. */
export type AliasHolder =
  | { readonly holder: 'nobody' }
  | { readonly holder: 'this' | 'same_key' | 'spent' | 'foreign'; readonly target: KmsKey };

/**
 * Follows `alias/<label>` and tells whose key it leads to: `this` one, by its bound ARN or its tags; or whose else. Two calls
 * at most.
 */
export async function holderOf(
  label: string,
  key: KeyInKeystore,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<AliasHolder> {
  let target: KmsKey;
  try {
    target = await calls.describeKey(aliasOf(label), signal);
  } catch (error) {
    if (isFault(error, 'not_found')) return { holder: 'nobody' };
    throw error;
  }
  if (target.arn === key.binding?.idInKeystore) return { holder: 'this', target };
  const tags = await calls.tagsOf(target.arn, signal);
  if (key.binding === undefined && isTaggedAs(tags, key)) return { holder: 'this', target };
  const owner = tagValue(tags, OWN_TAGS.key);
  if (owner === undefined) return { holder: 'foreign', target };
  if (target.state === 'PendingDeletion') return { holder: 'spent', target };
  return { holder: owner === key.keyId ? 'same_key' : 'foreign', target };
}

/** The name is taken by a key that is none of ours to touch. */
export function nameTaken(label: string, target: KmsKey): KeystoreFault {
  return new KeystoreFault(
    'conflict',
    `The name ${aliasOf(label)} is taken: it leads to ${target.arn}, which is not this key. Choose another label, or delete that alias.`,
  );
}

/** The ARN that the key is bound to. Throws `not_found` when no create is known to have finished. */
export function boundArn(key: KeyInKeystore): string {
  if (key.binding !== undefined) return key.binding.idInKeystore;
  throw new KeystoreFault('not_found', `${aliasOf(key.label)} has not been created in AWS KMS yet.`);
}
