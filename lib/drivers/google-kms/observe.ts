import type { KeyInKeystore, KeystoreDriver, Seen } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { orAbsent } from './faults.ts';
import { publicFingerprint } from './fingerprint.ts';
import { claimsOf, OWN_LABELS, ownerOf } from './labels.ts';
import type { Place } from './names.ts';
import { cryptoKeyNamed, idOf, numberOf, readName, versionName } from './names.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { hasPrimary, isKeyPair, sortOf } from './sort.ts';
import { claimedVersion, isEmpty, isSpent, STATES } from './state.ts';

type Present = Extract<Seen, { presence: 'present' }>;

const ABSENT: Seen = { presence: 'absent' };

/**
 * One look at one version of a key, in as few calls as tell the truth: the CryptoKey alone for a current symmetric key, because that
 * carries its primary version; the CryptoKey and the version for other current keys; the version alone for an older one.
 *
 * Without a binding the label is all there is to look by. A CryptoKey of that name that does not carry our labels is not this key, so
 * the answer is `absent`; that its name is taken is what `create` then says.
 */
export function observeWith(calls: GoogleCalls, place: Place): KeystoreDriver['observe'] {
  return async (key, signal) => {
    const bound = key.binding === undefined ? undefined : readName(key.binding.idInKeystore);
    return bound?.number === undefined
      ? byCryptoKey(key, bound?.cryptoKey ?? cryptoKeyNamed(key.label, place), calls, signal)
      : byVersion(key, bound.cryptoKey, bound.number, calls, signal);
  };
}

async function byVersion(
  key: KeyInKeystore,
  cryptoKey: string,
  number: number,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<Seen> {
  const name = versionName(cryptoKey, number);
  const lookAtVersion = () => orAbsent(calls.version(name, signal));
  // Where the CryptoKey cannot tell of the version, both are asked at once.
  const beside = key.current && hasPrimary(sortOf(key)) ? undefined : lookAtVersion();
  let [found, version] = await Promise.all([
    key.current ? orAbsent(calls.cryptoKey(cryptoKey, signal)) : undefined,
    beside,
  ]);
  if (key.current && found === undefined) return ABSENT;
  if (beside === undefined) version = found?.primary?.name === name ? found.primary : await lookAtVersion();
  if (version === undefined) return ABSENT;
  if (isEmpty(version)) {
    found ??= await orAbsent(calls.cryptoKey(cryptoKey, signal));
    if (found === undefined || !isWanted(key, found, version)) return ABSENT;
  }
  const known = key.binding?.fingerprint !== undefined || !isKeyPair(sortOf(key)) || version.state !== 'ENABLED';
  return present(key, found, version, name, known ? undefined : await publicFingerprint(name, calls, signal));
}

/**
 * What a look would tell, from a CryptoKey as it is listed: of a current symmetric key, which carries its primary version, all there is.
 * Undefined where that is not this key's version, or the key is of another sort.
 */
export function shownBy(key: KeyInKeystore, found: CryptoKey): Seen | undefined {
  const name = shownVersion(key);
  const version = found.primary;
  if (name === undefined || version?.name !== name) return undefined;
  return isEmpty(version) && !isWanted(key, found, version) ? ABSENT : present(key, found, version, name, undefined);
}

/** The version that a listing would show of this key, by its name; undefined where it shows none with its state. */
export function shownVersion(key: KeyInKeystore): string | undefined {
  if (!key.current || key.binding === undefined || !hasPrimary(sortOf(key))) return undefined;
  const { cryptoKey, number } = readName(key.binding.idInKeystore);
  return number === undefined ? undefined : versionName(cryptoKey, number);
}

/**
 * Whether a version without material is one that we want there: its number is still written on the CryptoKey. Of generated material
 * nothing could be brought back, so only a failure is then worth telling.
 */
function isWanted(key: KeyInKeystore, found: CryptoKey, version: CryptoKeyVersion): boolean {
  if (ownerOf(found) !== key.keyId || claimsOf(found).get(key.version) !== numberOf(version.name)) return false;
  return version.state === 'DESTROYED' ? key.spec.material === 'imported' && version.reimportEligible : true;
}

/** By the CryptoKey: nothing is bound yet, or only that. */
async function byCryptoKey(key: KeyInKeystore, name: string, calls: GoogleCalls, signal: AbortSignal): Promise<Seen> {
  const found = await orAbsent(calls.cryptoKey(name, signal));
  if (found === undefined || ownerOf(found) !== key.keyId || !claimsOf(found).has(key.version)) return ABSENT;
  const imported = key.spec.material === 'imported';
  const version = await claimedVersion(found, key, calls, signal);
  if (version === undefined || version.state === 'DESTROYED') {
    // What is to be generated does not exist before it is; `create` takes it up from here.
    return imported ? present(key, found, version, name, undefined) : ABSENT;
  }
  const id = key.binding?.idInKeystore ?? version.name;
  return present(key, found, version, id, await unproven(key, version, calls, signal));
}

/**
 * The fingerprint of a version that was found and not made by a step whose answer we have. Bound to the CryptoKey only, a symmetric key
 * answers its version's name, so that the plan has it imported once more, which takes over that name.
 */
async function unproven(
  key: KeyInKeystore,
  version: CryptoKeyVersion,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (isKeyPair(sortOf(key))) {
    return version.state === 'ENABLED' ? publicFingerprint(version.name, calls, signal) : undefined;
  }
  return key.binding === undefined ? undefined : version.name;
}

function present(
  key: KeyInKeystore,
  found: CryptoKey | undefined,
  version: CryptoKeyVersion | undefined,
  idInKeystore: string,
  fingerprint: string | undefined,
): Present {
  const state = version === undefined ? 'no_material' : STATES[version.state];
  return {
    presence: 'present',
    idInKeystore,
    state,
    fingerprint,
    name: nameOf(key, found, version),
    pendingDeletionUntil:
      state === 'pending_deletion' && version?.destroyTime !== undefined ? new Date(version.destroyTime) : undefined,
    remark: version === undefined ? undefined : remarkOn(version),
  };
}

function remarkOn({ state, importFailureReason, generationFailureReason }: CryptoKeyVersion): string | undefined {
  if (state === 'IMPORT_FAILED')
    return `Google Cloud KMS could not import the material: ${importFailureReason ?? 'no reason given'}.`;
  if (state === 'GENERATION_FAILED') {
    return `Google Cloud KMS could not generate the material: ${generationFailureReason ?? 'no reason given'}.`;
  }
  return undefined;
}

/**
 * Where the label leads. The CryptoKey of that name is this key's for ever; which of its versions callers get is told by Google's
 * primary version for symmetric keys, and for others, of which callers name the version, by our label.
 */
function nameOf(
  key: KeyInKeystore,
  found: CryptoKey | undefined,
  version: CryptoKeyVersion | undefined,
): Present['name'] {
  if (!key.current || found === undefined) return 'not_applicable';
  const owner = ownerOf(found);
  if (idOf(found.name) !== key.label || owner === undefined) return 'missing';
  if (owner !== key.keyId) return 'leads_elsewhere';
  if (!hasPrimary(sortOf(key))) {
    const version = found.labels[OWN_LABELS.version];
    if (version === undefined) return 'missing';
    return version === String(key.version) ? 'leads_here' : 'leads_elsewhere';
  }
  const primary = found.primary;
  if (primary !== undefined && primary.name === version?.name) return 'leads_here';
  // Before its material is there nothing can be made primary, and nobody else is.
  if (version === undefined || isEmpty(version)) {
    return primary === undefined || isSpent(primary) ? 'leads_here' : 'leads_elsewhere';
  }
  return primary === undefined ? 'missing' : 'leads_elsewhere';
}
