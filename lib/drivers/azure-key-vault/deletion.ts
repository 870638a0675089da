import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls, AzureDeletedKey, AzureKey } from './calls.ts';
import { lookUntil } from './consistency.ts';
import { isFault } from './faults.ts';
import type { VersionId } from './names.ts';
import { boundVersion, isOfKey, OWN_TAGS, tagValue } from './names.ts';

/**
 * The step `schedule_deletion`. Azure deletes a key with all its versions, so the newest version of a managed key takes the others with it:
 * asked for an older one, this waits a little for that, and otherwise leaves the key alone. What is gone already is done with.
 */
export function scheduleDeletionStep(calls: AzureCalls): Step {
  return async (key, { signal }) => {
    const bound = boundVersion(key, calls);
    if (!key.current) {
      const versions = await lookUntil(
        signal,
        () => calls.versions(bound.name, signal),
        (seen) =>
          !seen.some(({ tags }) => isOfKey(tags, key) && isNewer(tagValue(tags, OWN_TAGS.version), key.version)),
      );
      if (versions.length === 0) return undefined;
      if (versions.some(({ tags }) => isOfKey(tags, key) && isNewer(tagValue(tags, OWN_TAGS.version), key.version))) {
        throw new KeystoreFault(
          'unavailable',
          `${bound.id} is an older version of a key that is still there; Azure deletes a key with all its versions, so it goes with the newest.`,
        );
      }
    }
    if ((await calls.version(bound.name, bound.version, signal)) === undefined) return undefined;
    await deleteKey(bound, calls, signal);
    return undefined;
  };
}

function isNewer(tagged: string | undefined, version: number): boolean {
  return tagged !== undefined && Number(tagged) > version;
}

async function deleteKey(bound: VersionId, calls: AzureCalls, signal: AbortSignal): Promise<void> {
  try {
    await calls.delete(bound.name, signal);
  } catch (error) {
    // An earlier attempt may have had its effect, or be having it.
    if (!isFault(error, 'not_found') && !isFault(error, 'unavailable')) throw error;
  }
  // Until it is seen among the deleted ones it would look like a key that never was.
  await lookUntil(
    signal,
    () => calls.deleted(bound.name, signal),
    (seen) => seen !== undefined,
  );
}

/** The step `cancel_deletion`: recovers the key with all its versions, as they were. A key that is not deleted needs nothing. */
export function cancelDeletionStep(calls: AzureCalls): Step {
  return async (key, { signal }) => {
    const bound = boundVersion(key, calls);
    if ((await calls.version(bound.name, bound.version, signal)) !== undefined) return undefined;
    const deleted = await calls.deleted(bound.name, signal);
    if (deleted === undefined) throw new KeystoreFault('not_found', `${bound.id} does not exist.`);
    if (deleted.id !== bound.id && !isOfKey(deleted.tags, key)) {
      throw new KeystoreFault(
        'conflict',
        `${bound.name} is a deleted key whose newest version, ${deleted.id}, is not ours; recover it in Azure, or purge it.`,
      );
    }
    await recoverKey(deleted, calls, signal);
    return undefined;
  };
}

/** Recovers a deleted key and waits until it is back. Answers the version that is its newest. */
export async function recoverKey(deleted: AzureDeletedKey, calls: AzureCalls, signal: AbortSignal): Promise<AzureKey> {
  try {
    await calls.recover(deleted.name, signal);
  } catch (error) {
    // Somebody else may be recovering it already; then it comes back all the same.
    if (!isFault(error, 'not_found') && !isFault(error, 'unavailable')) throw error;
  }
  const found = await lookUntil(
    signal,
    () => calls.newest(deleted.name, signal),
    (seen) => seen !== undefined,
  );
  if (found !== undefined) return found;
  throw new KeystoreFault('unavailable', `The recovery of ${deleted.name} has begun and is not finished yet.`);
}
