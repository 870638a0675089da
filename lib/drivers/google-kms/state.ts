import type { Seen, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { isFault, orAbsent } from './faults.ts';
import type { EditLabels, Labels } from './labels.ts';
import { claimsOf, ownerOf, withClaims } from './labels.ts';
import { boundOf, numberOf, versionName } from './names.ts';
import type { CryptoKey, CryptoKeyVersion, VersionState } from './resources.ts';
import { withClaim, withoutClaim } from './versions.ts';
import type { KeyInKeystore } from '../driver.ts';

type PresentState = Extract<Seen, { presence: 'present' }>['state'];

/**
 * What a CryptoKeyVersion's state is to us. `no_material` is decided further by whether we want it there: a version that we destroyed,
 * or whose import or generation failed and was given up, is absent; see `observe.ts`.
 */
export const STATES: Record<VersionState, PresentState> = {
  PENDING_GENERATION: 'settling',
  PENDING_IMPORT: 'settling',
  ENABLED: 'enabled',
  DISABLED: 'disabled',
  DESTROY_SCHEDULED: 'pending_deletion',
  DESTROYED: 'no_material',
  IMPORT_FAILED: 'no_material',
  GENERATION_FAILED: 'unusable',
  // Of keys in an external key manager, which we make none of.
  PENDING_EXTERNAL_DESTRUCTION: 'pending_deletion',
  EXTERNAL_DESTRUCTION_FAILED: 'unusable',
};

/** States of a version that holds no material and never will but by an import. */
const EMPTY: ReadonlySet<VersionState> = new Set(['DESTROYED', 'IMPORT_FAILED', 'GENERATION_FAILED']);
/** Those of a version that serves nobody and stands in nobody's way. */
const SPENT: ReadonlySet<VersionState> = new Set([...EMPTY, 'DESTROY_SCHEDULED']);

export const isEmpty = (version: CryptoKeyVersion): boolean => EMPTY.has(version.state);
export const isSpent = (version: CryptoKeyVersion): boolean => SPENT.has(version.state);
export const isPending = (version: CryptoKeyVersion): boolean => STATES[version.state] === 'settling';

/**
 * The version that a key is bound to, as it is now; undefined when there is none, or none any more. A key that is bound to its CryptoKey
 * only may have one all the same, when the answer to its import was lost.
 */
export async function boundVersion(
  key: KeyInKeystore,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<CryptoKeyVersion | undefined> {
  const { cryptoKey, number } = boundOf(key);
  if (number !== undefined) return orAbsent(calls.version(versionName(cryptoKey, number), signal));
  const found = await orAbsent(calls.cryptoKey(cryptoKey, signal));
  return found === undefined ? undefined : claimedVersion(found, key, calls, signal);
}

/** The version that the CryptoKey's labels name for this version of the key, if it exists. */
export async function claimedVersion(
  found: CryptoKey,
  key: KeyInKeystore,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<CryptoKeyVersion | undefined> {
  const number = ownerOf(found) === key.keyId ? claimsOf(found).get(key.version) : undefined;
  if (number === undefined) return undefined;
  const name = versionName(found.name, number);
  return found.primary?.name === name ? found.primary : orAbsent(calls.version(name, signal));
}

function stillAtWork(version: CryptoKeyVersion): KeystoreFault {
  return new KeystoreFault('unavailable', `Google Cloud KMS is still at work on ${version.name}.`);
}

/** Looks, does what is to be done, and looks again when Google refuses: then an earlier attempt may have had its effect. */
async function changeState(
  version: CryptoKeyVersion,
  done: ReadonlySet<VersionState>,
  change: () => Promise<CryptoKeyVersion>,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<void> {
  if (done.has(version.state)) return;
  if (isPending(version)) throw stillAtWork(version);
  try {
    await change();
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error;
    if (!done.has((await calls.version(version.name, signal)).state)) throw error;
  }
}

/** The step `enable`. */
export function enableStep(calls: GoogleCalls): Step {
  return async (key, { signal }) => {
    const version = await boundVersion(key, calls, signal);
    if (version === undefined || isEmpty(version)) {
      throw new KeystoreFault(
        'conflict',
        `${boundOf(key).cryptoKey} has no material of version ${key.version}; import that first.`,
      );
    }
    if (version.state === 'DESTROY_SCHEDULED') {
      throw new KeystoreFault('conflict', `${version.name} is about to be destroyed; cancel that first.`);
    }
    await changeState(version, ENABLED, () => calls.setState(version.name, 'ENABLED', signal), calls, signal);
    return undefined;
  };
}

const ENABLED: ReadonlySet<VersionState> = new Set(['ENABLED']);
const NOT_ENABLED: ReadonlySet<VersionState> = new Set(['DISABLED', ...SPENT]);

/** The step `disable`. A version without material, or about to be destroyed, cannot be used either: nothing is left to do. */
export function disableStep(calls: GoogleCalls): Step {
  return async (key, { signal }) => {
    const version = await boundVersion(key, calls, signal);
    if (version === undefined) return undefined;
    await changeState(version, NOT_ENABLED, () => calls.setState(version.name, 'DISABLED', signal), calls, signal);
    return undefined;
  };
}

/**
 * The step `schedule_deletion`: the version is no longer wanted there, and its material is destroyed after 30 days. The CryptoKey itself
 * stays, as every one does. What is gone already is done with.
 */
export function scheduleDeletionStep(calls: GoogleCalls, editLabels: EditLabels): Step {
  return async (key, { signal }) => {
    const version = await boundVersion(key, calls, signal);
    await giveUp(key, editLabels, signal);
    if (version === undefined) return undefined;
    await changeState(version, SPENT, () => destroy(version, calls, signal), calls, signal);
    return undefined;
  };
}

/** Organisations can demand that a version is disabled before it is destroyed (`constraints/cloudkms.disableBeforeDestroy`). */
async function destroy(version: CryptoKeyVersion, calls: GoogleCalls, signal: AbortSignal): Promise<CryptoKeyVersion> {
  try {
    return await calls.destroy(version.name, signal);
  } catch (error) {
    if (!isFault(error, 'conflict') || version.state !== 'ENABLED') throw error;
    await calls.setState(version.name, 'DISABLED', signal);
    return calls.destroy(version.name, signal);
  }
}

/** Writes on the CryptoKey that this version of the key is not wanted there. */
async function giveUp(key: KeyInKeystore, editLabels: EditLabels, signal: AbortSignal): Promise<void> {
  await orAbsent(
    editLabels(
      boundOf(key).cryptoKey,
      (labels, found) =>
        ownerOf(found) === key.keyId ? withClaims(labels, withoutClaim(claimsOf(found), key.version)) : undefined,
      signal,
    ),
  );
}

/** The labels with this version of the key wanted at this CryptoKeyVersion, if the CryptoKey is the key's. */
export function wanting(key: KeyInKeystore, number: number): (labels: Labels, found: CryptoKey) => Labels | undefined {
  return (labels, found) =>
    ownerOf(found) === key.keyId ? withClaims(labels, withClaim(claimsOf(found), key.version, number)) : undefined;
}

/** The step `cancel_deletion`. Google leaves the version disabled; `enable` is a step of its own. */
export function cancelDeletionStep(calls: GoogleCalls, editLabels: EditLabels): Step {
  return async (key, { signal }) => {
    const version = await boundVersion(key, calls, signal);
    if (version?.state !== 'DESTROY_SCHEDULED') return undefined;
    await editLabels(boundOf(key).cryptoKey, wanting(key, numberOf(version.name)), signal);
    await changeState(version, NOT_SCHEDULED, () => calls.restore(version.name, signal), calls, signal);
    return undefined;
  };
}

const NOT_SCHEDULED: ReadonlySet<VersionState> = new Set(['ENABLED', 'DISABLED']);
