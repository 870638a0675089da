import { createHmac } from 'node:crypto';
import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { isFault } from './faults.ts';
import { isGone } from './calls.ts';
import type { IbmCalls, IbmKey } from './calls.ts';

/** How an alias is known to be ours. Of labels alone that could not be told, and a rename must leave other people's aliases alone. */
export const ALIAS_PREFIX = 'shearline-';

/**
 * The name of a key: IBM's aliases have letters, digits, hyphens and underscores. A space becomes an underscore; whatever else a label may
 * not have here is written by its code, so that two different texts never become one name.
 */
export function aliasOf(label: string): string {
  return `${ALIAS_PREFIX}${escaped(label)}`;
}

/** A label in letters, digits, hyphens and underscores; different labels stay different. */
export function escaped(label: string): string {
  return label.replaceAll(/[^A-Za-z0-9]/gu, (character) =>
    character === ' ' ? '_' : `-${(character.codePointAt(0) ?? 0).toString(16)}-`,
  );
}

const MARK = / ?\[shearline ([\w-]{22}) (\d+)(?: ([\w-]{12}))?\]$/;
const DESCRIPTION_LENGTH = 240;

function shortened(keyId: string): string {
  return Buffer.from(keyId.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * The description of a key: the user's, and whose key it is, with a check of the material that comes along. IBM never changes a
 * description, so the mark stays; and it is written by the same call that makes the key, so that no key of ours is ever without it.
 */
export function descriptionOf(key: KeyInKeystore, check: string | undefined): string {
  const mark = `[shearline ${shortened(key.keyId)} ${key.version}${check === undefined ? '' : ` ${check}`}]`;
  const room = DESCRIPTION_LENGTH - mark.length - 1;
  return key.description === '' ? mark : `${key.description.slice(0, room)} ${mark}`;
}

/**
 * Tells this material from other material, and nothing else about it: 72 bits of an HMAC under the material itself, over the key and
 * version that it belongs to.
 */
export function checkOf(material: Uint8Array, key: Pick<KeyInKeystore, 'keyId' | 'version'>): string {
  const about = `shearline check of ${key.keyId} ${key.version}`;
  return createHmac('sha256', material).update(about).digest().subarray(0, 9).toString('base64url');
}

interface Mark {
  readonly keyId: string;
  readonly version: string;
  readonly check: string | undefined;
}

/** Of which version of which managed key this key was made, and of what material; undefined for other people's keys. */
export function markOf(found: IbmKey): Mark | undefined {
  const [, keyId, version, check] = MARK.exec(found.description) ?? [];
  return keyId === undefined || version === undefined ? undefined : { keyId, version, check };
}

/** Whether the key was made for exactly this version of this key. */
export function isMarkedAs(found: IbmKey, key: KeyInKeystore): boolean {
  const mark = markOf(found);
  return mark?.keyId === shortened(key.keyId) && mark.version === String(key.version);
}

/** Whose key an alias leads to. `same_key` is another version of the managed key; `spent` a destroyed key of ours. */
export type AliasHolder =
  | { readonly holder: 'nobody' }
  | { readonly holder: 'this' | 'same_key' | 'spent' | 'foreign'; readonly target: IbmKey };

/** Follows the alias of a label and tells whose key it leads to. One call. */
export async function holderOf(
  label: string,
  key: KeyInKeystore,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<AliasHolder> {
  let target: IbmKey;
  try {
    target = await calls.key(aliasOf(label), signal);
  } catch (error) {
    if (isFault(error, 'not_found')) return { holder: 'nobody' };
    throw error;
  }
  if (target.crn === key.binding?.idInKeystore) return { holder: 'this', target };
  const mark = markOf(target);
  if (mark === undefined) return { holder: 'foreign', target };
  if (key.binding === undefined && isMarkedAs(target, key)) {
    return { holder: isGone(target) ? 'spent' : 'this', target };
  }
  if (target.state === 'destroyed') return { holder: 'spent', target };
  return { holder: mark.keyId === shortened(key.keyId) ? 'same_key' : 'foreign', target };
}

/** The name is taken by a key that is none of ours to touch. */
export function nameTaken(label: string, target: IbmKey): KeystoreFault {
  return new KeystoreFault(
    'conflict',
    `The alias ${aliasOf(label)} of the label “${label}” is taken: it leads to ${target.crn}, which is not this key. Choose another label, or delete that alias.`,
  );
}

/** The CRN that the key is bound to. Throws `not_found` when no create is known to have finished. */
export function boundCrn(key: KeyInKeystore): string {
  if (key.binding !== undefined) return key.binding.idInKeystore;
  throw new KeystoreFault('not_found', `${aliasOf(key.label)} has not been created in IBM Cloud KMS yet.`);
}
