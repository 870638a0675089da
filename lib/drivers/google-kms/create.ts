import type { Binding, KeyInKeystore, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { isFault, orAbsent } from './faults.ts';
import { publicFingerprint } from './fingerprint.ts';
import { googleKmsKind } from './kind.ts';
import type { LabelEditor, Labels } from './labels.ts';
import { claimsOf, ownerOf, withClaims, withOwner, withTags } from './labels.ts';
import type { Place } from './names.ts';
import { cryptoKeyNamed, readName, versionName } from './names.ts';
import { becomePrimary } from './primary.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { makeReserved, reserve } from './reserve.ts';
import { isKeyPair, protectionOf, purposeOf, sortOf } from './sort.ts';
import { claimedVersion, isEmpty, isPending, isSpent, wanting } from './state.ts';
import { lookUntil } from './waiting.ts';

/**
 * The step `create`. The CryptoKey has the label's name, so a lost create is found by it, and so is a key of somebody else. Within it,
 * the number of the CryptoKeyVersion is written down before that is made, and is found again by that.
 *
 * An imported key has no CryptoKeyVersion before `import` brings one: until then it is bound to its CryptoKey.
 */
export function createStep(calls: GoogleCalls, labels: LabelEditor, place: Place): Step {
  return async (key, { signal }) => {
    const name =
      key.binding === undefined ? cryptoKeyNamed(key.label, place) : readName(key.binding.idInKeystore).cryptoKey;
    const there = await orAbsent(calls.cryptoKey(name, signal));
    const made = there === undefined ? await makeCryptoKey(key, place, calls, signal) : undefined;
    // Somebody may have been faster: another attempt at the same key, or a foreign one.
    const found = made ?? (await ours(key, there ?? (await calls.cryptoKey(name, signal)), calls, labels, signal));
    return key.spec.material === 'imported'
      ? awaitImport(key, found, calls, labels, signal)
      : generate(key, found, calls, labels, signal);
  };
}

/** Undefined when there is one of that name now. */
async function makeCryptoKey(
  key: KeyInKeystore,
  place: Place,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<CryptoKey | undefined> {
  const sort = sortOf(key);
  const marked = withClaims(withOwner({}, key), new Map([[key.version, 1]]));
  const make = () =>
    unlessThere(
      calls.createCryptoKey(
        place.keyRing,
        key.label,
        {
          purpose: purposeOf(sort),
          protectionLevel: protectionOf(sort),
          algorithm: sort.rule.googleAlgorithm,
          labels: withTags(marked, key.tags),
          forImport: key.spec.material === 'imported',
          destroyAfterDays: googleKmsKind.pendingDeletionDays,
        },
        signal,
      ),
    );
  try {
    return await make();
  } catch (error) {
    if (!isFault(error, 'not_found')) throw error;
  }
  await unlessThere(calls.createKeyRing(place, signal));
  return make();
}

/** Undefined when what is to be made exists already. */
async function unlessThere<T>(making: Promise<T>): Promise<T | undefined> {
  try {
    return await making;
  } catch (error) {
    if (isFault(error, 'conflict') && error.providerCode === 'ALREADY_EXISTS') return undefined;
    throw error;
  }
}

/** The CryptoKey that is there under the name, if it is this key's or can become so. Otherwise the name is taken: `conflict`. */
async function ours(
  key: KeyInKeystore,
  there: CryptoKey,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<CryptoKey> {
  const owner = ownerOf(there);
  if (owner === key.keyId) return fitting(key, there);
  if (owner !== undefined && (await isLeft(there, calls, signal))) {
    // The key that it belonged to is destroyed. Its name can be had in no other way: CryptoKeys stay for ever.
    const adopt = (had: Labels) => withTags(withOwner(withClaims(had, new Map()), key), key.tags);
    return labels.edit(fitting(key, there).name, adopt, signal);
  }
  if (owner === undefined && key.binding !== undefined) {
    // Its labels were taken away, but it is the very resource that was recorded.
    return labels.edit(fitting(key, there).name, (had) => withTags(withOwner(had, key), key.tags), signal);
  }
  throw nameTaken(key, there);
}

/** Whether nobody wants anything there any more, and nothing serves. */
async function isLeft(there: CryptoKey, calls: GoogleCalls, signal: AbortSignal): Promise<boolean> {
  if (claimsOf(there).size > 0 || (there.primary !== undefined && !isSpent(there.primary))) return false;
  return (await calls.versions(there.name, signal)).every(isSpent);
}

function nameTaken(key: KeyInKeystore, there: CryptoKey): KeystoreFault {
  return new KeystoreFault(
    'conflict',
    `The name ${key.label} is taken: ${there.name} is not this key, and Google Cloud KMS can neither delete nor rename it. Choose another label.`,
  );
}

/** Purpose, protection level and origin of a CryptoKey can never change. */
function fitting(key: KeyInKeystore, there: CryptoKey): CryptoKey {
  const sort = sortOf(key);
  const imported = key.spec.material === 'imported';
  const wanted = [purposeOf(sort), protectionOf(sort)];
  const has = [there.purpose, there.versionTemplate.protectionLevel ?? 'SOFTWARE'];
  if (!imported) {
    wanted.push(sort.rule.googleAlgorithm);
    has.push(there.versionTemplate.algorithm ?? 'GOOGLE_SYMMETRIC_ENCRYPTION');
  }
  if (wanted.join() === has.join() && (imported || !there.importOnly)) return there;
  throw new KeystoreFault(
    'conflict',
    `${there.name} is of another sort (${[...has, ...(there.importOnly ? ['import only'] : [])].join(', ')}) than this key (${wanted.join(', ')}), and Google Cloud KMS can never change that. Choose another label.`,
  );
}

async function awaitImport(
  key: KeyInKeystore,
  found: CryptoKey,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<Binding> {
  const version = (await claimedVersion(found, key, calls, signal)) ?? (await lostClaim(key, calls, labels, signal));
  const claimed = version !== undefined || claimsOf(found).has(key.version);
  const spoilt = version?.state === 'DESTROYED' && !version.reimportEligible;
  if (!claimed || spoilt) await reserve(key, found.name, calls, labels, signal);
  if (version !== undefined) await revived(version, calls, signal);
  // Also where there is material already: what it is, is proved by `import`.
  return { idInKeystore: found.name, fingerprint: undefined };
}

/** The version that the key was bound to and that is written down no more: only there can the same material come back. */
async function lostClaim(
  key: KeyInKeystore,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<CryptoKeyVersion | undefined> {
  const bound = key.binding === undefined ? undefined : readName(key.binding.idInKeystore);
  if (bound?.number === undefined) return undefined;
  const version = await orAbsent(calls.version(versionName(bound.cryptoKey, bound.number), signal));
  if (version !== undefined) await labels.edit(bound.cryptoKey, wanting(key, bound.number), signal);
  return version;
}

async function generate(
  key: KeyInKeystore,
  found: CryptoKey,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<Binding> {
  const there = await claimedVersion(found, key, calls, signal);
  const version =
    there !== undefined && !isEmpty(there)
      ? await revived(there, calls, signal)
      : await makeReserved(key, found.name, () => calls.createVersion(found.name, signal), calls, labels, signal);
  const ready = await lookUntil(
    version,
    () => calls.version(version.name, signal),
    (seen) => !isPending(seen),
    signal,
  );
  await becomePrimary(key, found, ready, calls, signal);
  const known = isKeyPair(sortOf(key)) && ready.state === 'ENABLED';
  return {
    idInKeystore: ready.name,
    fingerprint: known ? await publicFingerprint(ready.name, calls, signal) : undefined,
  };
}

/** A lost create that somebody has since put on the way to destruction is called back: making another would leave two. */
async function revived(version: CryptoKeyVersion, calls: GoogleCalls, signal: AbortSignal): Promise<CryptoKeyVersion> {
  if (version.state !== 'DESTROY_SCHEDULED') return version;
  await calls.restore(version.name, signal);
  return calls.setState(version.name, 'ENABLED', signal);
}
