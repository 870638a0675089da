import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyInKeystore, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { abandoned } from './faults.ts';
import type { IbmVariant } from './kind.ts';
import { boundCrn } from './names.ts';
import { bringing } from './payload.ts';

/** How much the clocks of IBM and ours may differ, and more, in milliseconds. */
const CLOCK_SKEW = 5 * 60_000;

/**
 * The step `rotate`: the same root key, and so the same CRN and name, gets a new current version; what older versions wrapped can still be
 * unwrapped. `key` is the new version, with the binding of the version before. IBM allows one rotation of a key an hour.
 */
export function rotateStep(calls: IbmCalls, variant: IbmVariant): Step {
  return async (key, context) => {
    const { signal } = context;
    const crn = boundCrn(key);
    const before = await calls.key(crn, signal);
    if (isRotated(key, before)) {
      requireOurs(key, before);
      return { idInKeystore: crn, fingerprint: before.versionId };
    }
    await bringing(key, context, calls, variant, (brought) => calls.rotate(crn, brought?.payload, signal));
    const after = await lookUntilRotated(before, calls, signal);
    return { idInKeystore: crn, fingerprint: after.versionId };
  };
}

/** The current version is another than the one before: an earlier run of this step has rotated it, or somebody else. */
function isRotated(key: KeyInKeystore, found: IbmKey): boolean {
  const expected = key.binding?.fingerprint;
  return expected !== undefined && found.versionId !== undefined && found.versionId !== expected;
}

/** Imported material cannot be told by looking; a version from before this rotation was decided is not ours. */
function requireOurs(key: KeyInKeystore, found: IbmKey): void {
  if (key.spec.material === 'native') return;
  const since = key.intendedAt.getTime() - CLOCK_SKEW;
  if (found.versionCreatedAt !== undefined && found.versionCreatedAt.getTime() >= since) return;
  throw new KeystoreFault(
    'conflict',
    `${found.crn} was rotated by somebody else, to other material than this version's.`,
  );
}

/** Milliseconds between looks. */
const WAITS = [50, 200, 800] as const;

async function lookUntilRotated(before: IbmKey, calls: IbmCalls, signal: AbortSignal): Promise<IbmKey> {
  let seen = await calls.key(before.id, signal);
  for (const wait of WAITS) {
    if (seen.versionId !== before.versionId) return seen;
    try {
      await sleep(wait, undefined, { signal });
    } catch (error) {
      throw abandoned('the wait for a rotation', error);
    }
    seen = await calls.key(before.id, signal);
  }
  if (seen.versionId !== before.versionId) return seen;
  throw new KeystoreFault('unavailable', `The rotation of ${before.crn} was taken and does not show yet.`);
}
