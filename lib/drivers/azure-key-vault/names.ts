import { createHash } from 'node:crypto';
import type { Tag } from '../../tag.ts';
import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls, AzureDeletedKey, AzureKey, AzureVersion } from './calls.ts';
import { OWN_TAG_PREFIX } from './kind.ts';

/**
 * How a key version is known to be ours. All are set as it is made, so that none of ours is ever without them. DESCRIPTION holds what Azure
 * has no place for; USER_TAGS says which tags we put there, so that those of other people stay.
 */
export const OWN_TAGS = {
  key: `${OWN_TAG_PREFIX}key`,
  version: `${OWN_TAG_PREFIX}version`,
  description: `${OWN_TAG_PREFIX}description`,
  userTags: `${OWN_TAG_PREFIX}user-tags`,
} as const;

/** The value of a tag; undefined when the version does not carry it. */
export function tagValue(tags: readonly Tag[], name: string): string | undefined {
  return tags.find((tag) => tag.name === name)?.value;
}

/** Everything that a version of ours carries. Tags of other people in `others` stay, unless the managed key has one of that name. */
export function tagsOf(key: KeyInKeystore, others: readonly Tag[] = []): Readonly<Record<string, string>> {
  const marks = tagValue(others, OWN_TAGS.userTags) ?? '';
  const kept = others.filter(({ name }) => !name.startsWith(OWN_TAG_PREFIX) && !isMarked(marks, name));
  const own: Tag[] = [
    { name: OWN_TAGS.key, value: key.keyId },
    { name: OWN_TAGS.version, value: String(key.version) },
    ...(key.description === '' ? [] : [{ name: OWN_TAGS.description, value: key.description }]),
    ...(key.tags.length === 0 ? [] : [{ name: OWN_TAGS.userTags, value: marksOf(key.tags.map(({ name }) => name)) }]),
  ];
  return Object.fromEntries([...kept, ...key.tags, ...own].map(({ name, value }) => [name, value]));
}

/** Five characters for a tag's name: eleven of them fit into one tag's value, where the names would not. */
const MARK_LENGTH = 5;

function marksOf(names: readonly string[]): string {
  return names.map(markOf).toSorted().join('');
}

function markOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url').slice(0, MARK_LENGTH);
}

function isMarked(marks: string, name: string): boolean {
  const mark = markOf(name);
  for (let at = 0; at < marks.length; at += MARK_LENGTH) if (marks.slice(at, at + MARK_LENGTH) === mark) return true;
  return false;
}

/** Whether the tags are those of exactly this version of this managed key. */
export function isTaggedAs(tags: readonly Tag[], key: KeyInKeystore): boolean {
  return tagValue(tags, OWN_TAGS.key) === key.keyId && tagValue(tags, OWN_TAGS.version) === String(key.version);
}

/** Whether the tags are those of some version of this managed key. */
export function isOfKey(tags: readonly Tag[], key: KeyInKeystore): boolean {
  return tagValue(tags, OWN_TAGS.key) === key.keyId;
}

/** Azure ignores the case of names. */
export function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Where a version is: the parts of its id. */
export interface VersionId {
  readonly id: string;
  readonly name: string;
  readonly version: string;
}

/**
 * The version that the key is bound to. Throws `not_found` when no create is known to have finished, and `conflict` for an id of another
 * vault: asked there, Azure would only say that it is not found.
 */
export function boundVersion(key: KeyInKeystore, calls: Pick<AzureCalls, 'vaultHost'>): VersionId {
  if (key.binding === undefined) {
    throw new KeystoreFault('not_found', `${key.label} has not been created in Azure Key Vault yet.`);
  }
  const { idInKeystore: id } = key.binding;
  const url = URL.canParse(id) ? new URL(id) : undefined;
  const [, collection, name, version] = url?.pathname.split('/') ?? [];
  if (collection !== 'keys' || name === undefined || version === undefined) {
    throw new KeystoreFault('conflict', `${id} is not the id of a key version in Azure Key Vault.`);
  }
  if (url?.host.toLowerCase() !== calls.vaultHost) {
    throw new KeystoreFault('conflict', `${id} is not in ${calls.vaultHost}, the vault of this keystore.`);
  }
  return { id, name, version };
}

/** Whether these are one version. */
export function isVersion(one: Pick<VersionId, 'version'>, other: Pick<AzureVersion, 'version'>): boolean {
  return one.version.toLowerCase() === other.version.toLowerCase();
}

/** Who has the name: `this` version, another version of the same managed key, or somebody else. */
export type Holder =
  | { readonly holder: 'nobody' }
  | { readonly holder: 'this'; readonly found: AzureKey; readonly newest: AzureKey }
  | { readonly holder: 'same_key' | 'foreign'; readonly newest: AzureKey }
  | { readonly holder: 'this_deleted' | 'same_key_deleted' | 'foreign_deleted'; readonly deleted: AzureDeletedKey };

/**
 * Looks behind the key's label and tells who is there, by the tags. One call when it is this version, or a second one for deleted keys; a
 * third and fourth only when somebody else's version is the newest.
 */
export async function holderOf(key: KeyInKeystore, calls: AzureCalls, signal: AbortSignal): Promise<Holder> {
  const newest = await calls.newest(key.label, signal);
  if (newest === undefined) {
    const deleted = await calls.deleted(key.label, signal);
    if (deleted === undefined) return { holder: 'nobody' };
    if (isTaggedAs(deleted.tags, key)) return { holder: 'this_deleted', deleted };
    return { holder: isOfKey(deleted.tags, key) ? 'same_key_deleted' : 'foreign_deleted', deleted };
  }
  if (isTaggedAs(newest.tags, key)) return { holder: 'this', found: newest, newest };
  const versions = await calls.versions(key.label, signal);
  const mine = versions.filter(({ tags }) => isTaggedAs(tags, key)).toSorted(byAge)[0];
  const found = mine === undefined ? undefined : await calls.version(mine.name, mine.version, signal);
  if (found !== undefined) return { holder: 'this', found, newest };
  return { holder: versions.some(({ tags }) => isOfKey(tags, key)) ? 'same_key' : 'foreign', newest };
}

function byAge(one: AzureVersion, other: AzureVersion): number {
  return (one.createdAt?.getTime() ?? 0) - (other.createdAt?.getTime() ?? 0) || (one.id < other.id ? -1 : 1);
}

/** The name is taken by a key that is none of ours to touch. */
export function nameTaken(label: string, held: AzureKey | AzureDeletedKey): KeystoreFault {
  if (!('purgeAt' in held)) {
    return new KeystoreFault(
      'conflict',
      `The name ${label} is taken: it leads to ${held.id}, which is not this key. Azure ignores case. Choose another label.`,
    );
  }
  const until = held.purgeAt === undefined ? '' : ` until ${held.purgeAt.toISOString()}`;
  return new KeystoreFault(
    'conflict',
    `The name ${label} is held${until} by ${held.id}, a deleted key that is not this one. Purge that key in Azure, or choose another label.`,
  );
}
