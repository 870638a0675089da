import type { Binding, KeyInKeystore, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { isFault, orAbsent } from './faults.ts';
import { publicFingerprint } from './fingerprint.ts';
import { googleKmsKind } from './kind.ts';
import type { EditLabels } from './labels.ts';
import { claimsOf, ownerOf, withClaims, withOwner, withTags } from './labels.ts';
import type { Place } from './names.ts';
import { cryptoKeyNamed, numberOf, readName, versionName } from './names.ts';
import { becomePrimary } from './primary.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { isKeyPair, protectionOf, purposeOf, sortOf } from './sort.ts';
import { claimedVersion, isEmpty, isPending, isSpent, wanting } from './state.ts';
import { withClaim } from './versions.ts';
import { lookUntil } from './waiting.ts';

/**
 * The step `create`. The CryptoKey has the label's name, so a lost create is found by it, and so is a key of somebody else. Within it,
 * the number of the CryptoKeyVersion is written down before that is made, and is found again by that.
 *
 * An imported key has no CryptoKeyVersion before `import` brings one: until then it is bound to its CryptoKey.
 */
export function createStep(calls: GoogleCalls, editLabels: EditLabels, place: Place): Step {
  return async (key, { signal }) => {
    const name =
      key.binding === undefined ? cryptoKeyNamed(key.label, place) : readName(key.binding.idInKeystore).cryptoKey;
    const there = await orAbsent(calls.cryptoKey(name, signal));
    const made = there === undefined ? await makeCryptoKey(key, place, calls, signal) : undefined;
    // Somebody may have been faster: another attempt at the same key, or a foreign one.
    const found = made ?? (await ours(key, there ?? (await calls.cryptoKey(name, signal)), calls, editLabels, signal));
    return key.spec.material === 'imported'
      ? awaitImport(key, found, calls, editLabels, signal)
      : generate(key, found, calls, editLabels, signal);
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
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<CryptoKey> {
  const owner = ownerOf(there);
  if (owner === key.keyId) return fitting(key, there);
  if (owner !== undefined && (await isLeft(there, calls, signal))) {
    // The key that it belonged to is destroyed. Its name can be had in no other way: CryptoKeys stay for ever.
    const adopt = (labels: CryptoKey['labels']) => withTags(withOwner(withClaims(labels, new Map()), key), key.tags);
    return editLabels(fitting(key, there).name, adopt, signal);
  }
  if (owner === undefined && key.binding !== undefined) {
    // Its labels were taken away, but it is the very resource that was recorded.
    return editLabels(fitting(key, there).name, (labels) => withTags(withOwner(labels, key), key.tags), signal);
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

/** Writes down the number that the next version will get, unless another runs ahead of us. */
async function claimNext(
  key: KeyInKeystore,
  found: CryptoKey,
  calls: GoogleCalls,
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<number> {
  const versions = await calls.versions(found.name, signal);
  const used = [...versions.map((version) => numberOf(version.name))];
  let number = 0;
  await editLabels(
    found.name,
    (labels, now) => {
      number = Math.max(0, ...used, ...claimsOf(now).values()) + 1;
      return withClaims(labels, withClaim(claimsOf(now), key.version, number));
    },
    signal,
  );
  return number;
}

async function awaitImport(
  key: KeyInKeystore,
  found: CryptoKey,
  calls: GoogleCalls,
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<Binding> {
  const version =
    (await claimedVersion(found, key, calls, signal)) ?? (await lostClaim(key, calls, editLabels, signal));
  if (version !== undefined && !isEmpty(version)) {
    const back = await revived(version, calls, signal);
    // What it holds is not believed but proved, by `import`.
    return { idInKeystore: back.name, fingerprint: undefined };
  }
  const claimed = version !== undefined || claimsOf(found).has(key.version);
  const given = version?.state === 'DESTROYED' && !version.reimportEligible;
  if (!claimed || given) await claimNext(key, found, calls, editLabels, signal);
  return { idInKeystore: found.name, fingerprint: undefined };
}

/** The version that the key was bound to and that is written down no more: only there can the same material come back. */
async function lostClaim(
  key: KeyInKeystore,
  calls: GoogleCalls,
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<CryptoKeyVersion | undefined> {
  const bound = key.binding === undefined ? undefined : readName(key.binding.idInKeystore);
  if (bound?.number === undefined) return undefined;
  const version = await orAbsent(calls.version(versionName(bound.cryptoKey, bound.number), signal));
  if (version !== undefined) await editLabels(bound.cryptoKey, wanting(key, bound.number), signal);
  return version;
}

async function generate(
  key: KeyInKeystore,
  found: CryptoKey,
  calls: GoogleCalls,
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<Binding> {
  const there = await claimedVersion(found, key, calls, signal);
  const version =
    there !== undefined && !isEmpty(there)
      ? await revived(there, calls, signal)
      : await makeVersion(key, found, there, calls, editLabels, signal);
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

async function makeVersion(
  key: KeyInKeystore,
  found: CryptoKey,
  there: CryptoKeyVersion | undefined,
  calls: GoogleCalls,
  editLabels: EditLabels,
  signal: AbortSignal,
): Promise<CryptoKeyVersion> {
  const claimed = claimsOf(found).get(key.version);
  const number =
    claimed === undefined || there !== undefined ? await claimNext(key, found, calls, editLabels, signal) : claimed;
  const made = await calls.createVersion(found.name, signal);
  if (numberOf(made.name) !== number) await editLabels(found.name, wanting(key, numberOf(made.name)), signal);
  return made;
}

/** A lost create that somebody has since put on the way to destruction is called back: making another would leave two. */
async function revived(version: CryptoKeyVersion, calls: GoogleCalls, signal: AbortSignal): Promise<CryptoKeyVersion> {
  if (version.state !== 'DESTROY_SCHEDULED') return version;
  await calls.restore(version.name, signal);
  return calls.setState(version.name, 'ENABLED', signal);
}
