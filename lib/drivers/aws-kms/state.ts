import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { ridingOut } from './consistency.ts';
import { isFault } from './faults.ts';
import { boundArn } from './names.ts';

/** How a step stands to a state: the work is done, it is to be done, or it cannot be. */
type Standing = 'done' | 'to_do' | { readonly conflict: string };

/**
 * A step that changes a key's state: looks first, because looking is plentiful (2000 a second) and changing is scarce (5 a
 * second), and looks again when AWS says that the state does not allow it, because then an earlier attempt may have had its
 * effect.
 */
function stateStep(
  calls: KmsCalls,
  standing: (found: KmsKey) => Standing,
  change: (arn: string, signal: AbortSignal) => Promise<void>,
): Step {
  return async (key, { signal }) => {
    const arn = boundArn(key);
    const found = await ridingOut(signal, () => calls.describeKey(arn, signal));
    if (found.state === 'Creating' || found.state === 'Updating') {
      throw new KeystoreFault('unavailable', `AWS KMS is still at work on ${arn}.`);
    }
    const stands = standing(found);
    if (stands === 'done') return undefined;
    if (stands !== 'to_do') throw new KeystoreFault('conflict', `${arn} ${stands.conflict}`);
    const expected = key.binding?.fingerprint;
    if (!key.current && expected !== undefined && found.materialId !== undefined && found.materialId !== expected) {
      throw new KeystoreFault(
        'conflict',
        `${arn} has been rotated and holds a newer version too; change the current version.`,
      );
    }
    try {
      await change(arn, signal);
    } catch (error) {
      if (!isFault(error, 'conflict') || standing(await calls.describeKey(arn, signal)) !== 'done') throw error;
    }
    return undefined;
  };
}

const isPendingDeletion = (found: KmsKey) =>
  found.state === 'PendingDeletion' || found.state === 'PendingReplicaDeletion';

/** The step `enable`. */
export function enableStep(calls: KmsCalls): Step {
  return stateStep(
    calls,
    (found) => {
      if (found.state === 'Enabled') return 'done';
      if (found.state === 'PendingImport') return { conflict: 'has no material; import that first.' };
      if (isPendingDeletion(found)) return { conflict: 'is about to be deleted; cancel that first.' };
      return 'to_do';
    },
    (arn, signal) => calls.enable(arn, signal),
  );
}

/** The step `disable`. A key without material, or about to be deleted, cannot be used either: nothing is left to do. */
export function disableStep(calls: KmsCalls): Step {
  return stateStep(
    calls,
    (found) =>
      found.state === 'Disabled' || found.state === 'PendingImport' || isPendingDeletion(found) ? 'done' : 'to_do',
    (arn, signal) => calls.disable(arn, signal),
  );
}

/** The step `schedule_deletion`, after `days`. A key that is gone already is done with. */
export function scheduleDeletionStep(calls: KmsCalls, days: number): Step {
  const step = stateStep(
    calls,
    (found) => (isPendingDeletion(found) ? 'done' : 'to_do'),
    (arn, signal) => calls.scheduleDeletion(arn, days, signal),
  );
  return async (key, context) => {
    boundArn(key);
    try {
      return await step(key, context);
    } catch (error) {
      if (isFault(error, 'not_found')) return undefined;
      throw error;
    }
  };
}

/** The step `cancel_deletion`. AWS leaves the key disabled; `enable` is a step of its own. */
export function cancelDeletionStep(calls: KmsCalls): Step {
  return stateStep(
    calls,
    (found) => (isPendingDeletion(found) ? 'to_do' : 'done'),
    (arn, signal) => calls.cancelDeletion(arn, signal),
  );
}
