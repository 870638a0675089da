import type { FoundKey, KeySpec, KeystoreDriver } from '../driver.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { isGone } from './calls.ts';
import { ALIAS_PREFIX, markOf } from './names.ts';
import { keyOrAbsent, STATES } from './observe.ts';

/**
 * A closer look at a key of the keystore's key ring, or of the instance where it has none: its metadata, one call. IBM calls a key what it
 * was named when it was made; aliases lead to it.
 */
export function examineWith(calls: IbmCalls, keyRing: unknown): NonNullable<KeystoreDriver['examine']> {
  return async (crn, signal) => {
    const found = await keyOrAbsent(crn, calls, signal);
    if (found === undefined || isGone(found)) return undefined;
    if (typeof keyRing === 'string' && keyRing !== '' && found.keyRingId !== keyRing) return undefined;
    return {
      idInKeystore: crn,
      owner: ownerOf(found),
      names: [found.name, ...found.aliases].filter((name) => name !== undefined),
      description: found.description,
      state: STATES[found.state],
      createdAt: found.createdAt,
      providerName: `${found.isExtractable ? 'standard key' : 'root key'}${found.bits === undefined ? '' : ` ${found.bits}`}`,
      spec: specOf(found),
      binding: { idInKeystore: found.crn, fingerprint: found.versionId },
      obstacle: obstacleOf(found),
    };
  };
}

/** A description is the mark of a key that was made here, an alias of ours that of one that was adopted. */
function ownerOf(found: IbmKey): FoundKey['owner'] {
  const isOurs = markOf(found) !== undefined || found.aliases.some((alias) => alias.startsWith(ALIAS_PREFIX));
  return isOurs ? 'shearline' : 'nobody';
}

/** What IBM makes itself is 256 bits long. */
function specOf(found: IbmKey): KeySpec | undefined {
  if (found.isExtractable || found.imported) return undefined;
  return { algorithm: 'aes', size: '256', material: 'native', properties: {} };
}

function obstacleOf(found: IbmKey): string | undefined {
  if (found.isExtractable) {
    return 'It is a standard key, which whoever may use it can read out; only root keys can be managed.';
  }
  if (found.imported) {
    return 'Its material was imported by somebody else and is not known here; a key can be adopted whose material IBM Cloud made.';
  }
  if (found.state === 'deactivated') return 'It has expired, which IBM Cloud does not undo.';
  if (found.aliases.length >= MOST_ALIASES) {
    return `It has ${found.aliases.length} aliases, and a managed key needs one more of the ${MOST_ALIASES} that are possible; delete one.`;
  }
  return undefined;
}

const MOST_ALIASES = 5;
