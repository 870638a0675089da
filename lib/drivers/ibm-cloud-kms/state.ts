import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { isGone } from './calls.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { hasCode, isFault } from './faults.ts';
import { boundCrn } from './names.ts';

/** How a step stands to a state: the work is done, it is to be done, or it cannot be. */
type Standing = 'done' | 'to_do' | { readonly conflict: string };

/**
 * A step that changes a key's state: looks first, and once more when IBM says that the state does not allow it, because then an earlier
 * attempt may have had its effect.
 */
function stateStep(
  calls: IbmCalls,
  standing: (found: IbmKey) => Standing,
  change: (found: IbmKey, signal: AbortSignal) => Promise<void>,
): Step {
  return async (key, { signal }) => {
    const crn = boundCrn(key);
    const found = await calls.key(crn, signal);
    if (isGone(found)) throw new KeystoreFault('not_found', `${crn} is destroyed and cannot be restored any more.`);
    const stands = standing(found);
    if (stands === 'done') return undefined;
    if (stands !== 'to_do') throw new KeystoreFault('conflict', `${crn} ${stands.conflict}`);
    const expected = key.binding?.fingerprint;
    if (!key.current && expected !== undefined && found.versionId !== undefined && found.versionId !== expected) {
      throw new KeystoreFault(
        'conflict',
        `${crn} has been rotated and holds a newer version too; change the current version.`,
      );
    }
    try {
      await change(found, signal);
    } catch (error) {
      if (!isFault(error, 'conflict') || standing(await calls.key(crn, signal)) !== 'done') throw error;
    }
    return undefined;
  };
}

/** The step `enable`. IBM refuses it within 30 seconds after another action: that is `unavailable`, and tried again later. */
export function enableStep(calls: IbmCalls): Step {
  return stateStep(
    calls,
    ({ state }) => {
      switch (state) {
        case 'active':
          return 'done';
        case 'suspended':
        case 'pre_activation':
          return 'to_do';
        case 'deactivated':
          return { conflict: 'has expired, which IBM Cloud does not undo; rotate the key, or make another.' };
        case 'destroyed':
          return { conflict: 'is deleted; restore it first.' };
      }
    },
    (found, signal) => calls.enable(found.id, signal),
  );
}

/** The step `disable`. An expired or deleted key cannot be used either: nothing is left to do. */
export function disableStep(calls: IbmCalls): Step {
  return stateStep(
    calls,
    ({ state }) => (state === 'active' || state === 'pre_activation' ? 'to_do' : 'done'),
    (found, signal) => calls.disable(found.id, signal),
  );
}

/**
 * The step `schedule_deletion`: deletes the key, which can be restored for 30 days. Where two people must agree, this gives the first
 * authorization and is `denied` until the second person has deleted the key. A key that is gone already is done with.
 */
export function scheduleDeletionStep(calls: IbmCalls): Step {
  const step = stateStep(
    calls,
    ({ state }) => (state === 'destroyed' ? 'done' : 'to_do'),
    (found, signal) => deleteKey(found, calls, signal),
  );
  return async (key, context) => {
    boundCrn(key);
    try {
      return await step(key, context);
    } catch (error) {
      if (isFault(error, 'not_found')) return undefined;
      throw error;
    }
  };
}

async function deleteKey(found: IbmKey, calls: IbmCalls, signal: AbortSignal): Promise<void> {
  try {
    await calls.delete(found.id, signal);
  } catch (error) {
    if (hasCode(error, 'PREV_KEY_DEL_ERR')) throw await forbidden(found, calls, error, signal);
    if (!hasCode(error, 'AUTHORIZATIONS_NOT_MET')) throw error;
    if (found.setForDeletionUntil === undefined) await calls.setForDeletion(found.id, signal);
    throw new KeystoreFault(
      'denied',
      `${found.crn} is deleted only when two people agree. Shearline has given the first authorization, good for 7 days; a second person must delete the key in IBM Cloud.`,
      { cause: error, providerCode: 'AUTHORIZATIONS_NOT_MET' },
    );
  }
}

/** Says which resources forbid it, where that can be asked. */
async function forbidden(found: IbmKey, calls: IbmCalls, cause: unknown, signal: AbortSignal): Promise<KeystoreFault> {
  const names = await calls
    .registrationsOf(found.id, signal)
    .then((all) => all.filter((each) => each.preventsKeyDeletion).map((each) => each.crn))
    .catch(() => []);
  const by = names.length === 0 ? 'a cloud resource with a retention policy' : names.slice(0, 5).join(', ');
  return new KeystoreFault('conflict', `${found.crn} cannot be deleted: it protects ${by}.`, {
    cause,
    providerCode: 'PREV_KEY_DEL_ERR',
  });
}

/** The step `cancel_deletion`: restores a deleted key, which is active then, and takes back a first authorization. */
export function cancelDeletionStep(calls: IbmCalls): Step {
  return stateStep(
    calls,
    (found) => (found.state === 'destroyed' || found.setForDeletionUntil !== undefined ? 'to_do' : 'done'),
    (found, signal) =>
      found.state === 'destroyed' ? calls.restore(found.id, signal) : calls.unsetForDeletion(found.id, signal),
  );
}
