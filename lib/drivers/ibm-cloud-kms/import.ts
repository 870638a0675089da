import type { KeyInKeystore, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { isFirstMaterial } from './create.ts';
import { boundCrn, checkOf, markOf } from './names.ts';

/**
 * The step `import`: the material came with `create`, and IBM takes none into a key that there is, except by a rotation. So this proves
 * that the key's material is this version's: of the first by the check in its mark, which was written by the call that brought it; of a
 * version that a rotation brought by the version's id. Other material is a `conflict`.
 */
export function importStep(calls: IbmCalls): Step {
  return async (key, context) => {
    const crn = boundCrn(key);
    const found = await calls.key(crn, context.signal);
    if (found.state === 'destroyed') {
      throw new KeystoreFault('conflict', `${crn} is deleted; restore it before its material is looked at.`);
    }
    const expected = key.binding?.fingerprint;
    if (isFirstMaterial(key, found) && (expected === undefined || expected === found.versionId)) {
      if (await isChecked(key, found, context)) return { idInKeystore: crn, fingerprint: found.versionId };
    } else if (expected !== undefined && (await holdsVersion(key, found, expected, calls, context.signal))) {
      return key.binding;
    }
    throw new KeystoreFault(
      'conflict',
      `${crn} holds other material than this version's. IBM Cloud cannot put it back; rotate the key instead.`,
    );
  };
}

async function isChecked(key: KeyInKeystore, found: IbmKey, { withMaterial }: StepContext): Promise<boolean> {
  const check = await withMaterial((material) => Promise.resolve(checkOf(material, key)));
  return markOf(found)?.check === check;
}

async function holdsVersion(
  key: KeyInKeystore,
  found: IbmKey,
  expected: string,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<boolean> {
  if (found.versionId === expected) return true;
  return !key.current && (await calls.versionsOf(found.id, signal)).includes(expected);
}
