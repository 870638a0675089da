import type { KeyInKeystore, Step, StepContext } from '../driver.ts';
import type { RotationsListEntry } from '@aws-sdk/client-kms';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls } from './calls.ts';
import { lookUntil, ridingOut } from './consistency.ts';
import { isFault } from './faults.ts';
import { ruleOf } from './fingerprint.ts';
import { importMaterial, versionIn } from './import.ts';
import { boundArn, OWN_TAGS } from './names.ts';

/**
 * The step `rotate`, for symmetric keys outside custom key stores: the same KMS key, and so the same ARN and name, gets new
 * current material; data of older versions stays readable. `key` is the new version, with the binding of the version before;
 * the answer is the new version's binding. AWS allows 25 such rotations of a key.
 */
export function rotateStep(calls: KmsCalls): Step {
  return async (key, context) => {
    const { signal } = context;
    if (!ruleOf(key).rotatesInPlace) {
      throw new KeystoreFault(
        'unsupported',
        `AWS KMS cannot rotate a key of ${key.spec.algorithm} ${key.spec.size}; its new version is a new key.`,
      );
    }
    const arn = boundArn(key);
    const before = await ridingOut(signal, () => calls.describeKey(arn, signal));
    const fingerprint =
      key.spec.material === 'imported'
        ? await rotateToOurs(key, arn, before.materialId, context, calls)
        : await rotateToNew(key, arn, before.materialId, calls, signal);
    await calls.tag(arn, [{ name: OWN_TAGS.version, value: String(key.version) }], signal);
    return { idInKeystore: arn, fingerprint };
  };
}

/** A native key whose material is not the recorded one any more has been rotated by an earlier run of this step. */
async function rotateToNew(
  key: KeyInKeystore,
  arn: string,
  current: string | undefined,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<string> {
  if (current !== undefined && current !== key.binding?.fingerprint) return current;
  return rotateFrom(current, arn, calls, signal);
}

/**
 * What an earlier run has done is told by the key's materials; that they are ours, by importing the same bytes once more: for
 * bytes that AWS does not know as the key's it refuses. A rotation to an earlier version that was cut short is finished first: AWS takes no
 * other material while one is waiting.
 */
async function rotateToOurs(
  key: KeyInKeystore,
  arn: string,
  before: string | undefined,
  context: StepContext,
  calls: KmsCalls,
): Promise<string> {
  const { signal } = context;
  const isOfEarlier = ({ KeyMaterialDescription: description }: RotationsListEntry) =>
    (versionIn(description) ?? key.version) < key.version;
  const materials = await calls.materialsOf(arn, signal);
  const waiting = materials.find((each) => each.KeyMaterialState === 'PENDING_ROTATION');
  const overtaken = waiting !== undefined && isOfEarlier(waiting);
  const pending = overtaken ? undefined : waiting;
  const current = overtaken ? await rotateFrom(before, arn, calls, signal) : before;
  const isEarlier = overtaken || materials.some((each) => each.KeyMaterialId === current && isOfEarlier(each));
  const alreadyRotated = pending === undefined && current !== key.binding?.fingerprint && !isEarlier;
  const ours = await importMaterial(
    key,
    context,
    pending === undefined && !alreadyRotated ? 'NEW_KEY_MATERIAL' : 'EXISTING_KEY_MATERIAL',
    calls,
  );
  const next = alreadyRotated ? current : await rotateFrom(current, arn, calls, signal);
  if (next === undefined || (ours !== undefined && ours !== next)) {
    throw new KeystoreFault(
      'conflict',
      `${arn} was rotated to other material than this version's; somebody else has rotated it.`,
    );
  }
  return next;
}

/** Rotates, and waits until the current material is another. A rotation that is under way already is waited for. */
async function rotateFrom(
  current: string | undefined,
  arn: string,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<string> {
  try {
    await calls.rotateOnDemand(arn, signal);
  } catch (error) {
    if (!isFault(error, 'conflict') || error.providerCode !== 'ConflictException') throw error;
  }
  const { materialId } = await lookUntil(
    signal,
    () => calls.describeKey(arn, signal),
    (seen) => seen.materialId !== current,
  );
  if (materialId === undefined || materialId === current) {
    throw new KeystoreFault('unavailable', `The rotation of ${arn} has begun and is not finished yet.`);
  }
  return materialId;
}
