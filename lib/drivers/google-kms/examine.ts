import type { KeySpec, KeystoreDriver } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { orAbsent } from './faults.ts';
import { publicFingerprint } from './fingerprint.ts';
import type { GoogleKeyRule } from './kind.ts';
import { GOOGLE_KEY_RULES, GOOGLE_TAG_LIMITS } from './kind.ts';
import { ownerOf } from './labels.ts';
import type { Place } from './names.ts';
import { idOf, readName } from './names.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { isEmpty, STATES } from './state.ts';

/**
 * A closer look at a CryptoKey of the key ring: itself and its versions, two calls, and the public key of a usable pair. What would be
 * adopted is the primary version of a symmetric key, and the only version of others, whose callers name it.
 */
export function examineWith(calls: GoogleCalls, place: Place): NonNullable<KeystoreDriver['examine']> {
  return async (id, signal) => {
    const cryptoKey = namedIn(place, id);
    if (cryptoKey === undefined) return undefined;
    const [found, versions] = await Promise.all([
      orAbsent(calls.cryptoKey(cryptoKey, signal)),
      orAbsent(calls.versions(cryptoKey, signal)),
    ]);
    if (found === undefined || versions === undefined) return undefined;
    const live = versions.filter((version) => !isEmpty(version));
    // What is destroyed for good stays for ever in a key ring, and is nothing to be managed.
    if (live.length === 0 && versions.length > 0) return undefined;
    const meant = found.primary ?? live[0];
    const rule = ruleOf(found);
    const isPair = rule?.purpose === 'asymmetric_decrypt' || rule?.purpose === 'asymmetric_sign';
    const createdAt = meant?.createTime ?? found.createTime;
    return {
      idInKeystore: id,
      owner: ownerOf(found) === undefined ? 'nobody' : 'shearline',
      names: [idOf(found.name)],
      description: '',
      state: meant === undefined ? 'no_material' : STATES[meant.state],
      createdAt: createdAt === undefined ? undefined : new Date(createdAt),
      providerName: [found.versionTemplate.algorithm ?? found.purpose, found.versionTemplate.protectionLevel]
        .filter((part) => part !== undefined)
        .join(' '),
      spec: rule === undefined ? undefined : specOf(found, rule),
      binding: {
        idInKeystore: meant?.name ?? found.name,
        fingerprint:
          isPair && meant?.state === 'ENABLED' ? await publicFingerprint(meant.name, calls, signal) : undefined,
      },
      obstacle: obstacleOf(found, live, meant),
    };
  };
}

const NAME = /\/cryptoKeys\/[^/]+(?:\/cryptoKeyVersions\/\d+)?$/;

function namedIn(place: Place, id: string): string | undefined {
  const isHere = id.startsWith(`${place.keyRing}/cryptoKeys/`) && NAME.test(id);
  return isHere ? readName(id).cryptoKey : undefined;
}

function ruleOf(found: CryptoKey): GoogleKeyRule | undefined {
  return GOOGLE_KEY_RULES.find(
    (each) => each.googleAlgorithm === found.versionTemplate.algorithm && each.purpose.toUpperCase() === found.purpose,
  );
}

function specOf(found: CryptoKey, rule: GoogleKeyRule): KeySpec | undefined {
  const protection = rule.protections.find((each) => each.toUpperCase() === found.versionTemplate.protectionLevel);
  if (protection === undefined) return undefined;
  return {
    algorithm: rule.algorithm,
    size: rule.size,
    material: 'native',
    properties: {
      google_kms_algorithm: rule.value,
      google_key_purpose: rule.purpose,
      google_key_protection_level: protection,
    },
  };
}

function obstacleOf(
  found: CryptoKey,
  live: readonly CryptoKeyVersion[],
  meant: CryptoKeyVersion | undefined,
): string | undefined {
  if (found.importOnly || meant?.importJob !== undefined) {
    return 'Its material was imported by somebody else and is not known here; a key can be adopted whose material Google Cloud KMS made.';
  }
  if (found.primary === undefined && live.length > 1) {
    return `It has ${live.length} versions, of which its callers name one; a managed key would stand for one only. Destroy the others, or create a managed key in its place.`;
  }
  const labels = Object.keys(found.labels).length;
  if (labels > GOOGLE_TAG_LIMITS.tags) {
    return `It has ${labels} labels, and the marks of a managed key take ${64 - GOOGLE_TAG_LIMITS.tags} of the 64 that are possible; remove some.`;
  }
  return undefined;
}
