import type { Tag } from '../../tag.ts';
import type { KeyInKeystore, Step } from '../driver.ts';
import type { KmsCalls } from './calls.ts';
import { ridingOut } from './consistency.ts';
import { dropAlias } from './create.ts';
import { isFault } from './faults.ts';
import { aliasOf, boundArn, holderOf, nameTaken, OWN_TAGS, tagValue } from './names.ts';

/**
 * The step `rename`: makes `alias/<label>` lead to the current version, and takes away the names that we gave this key before.
 * Which those are is written on the key, before a name is given, so that a rename that was cut short, even by another rename,
 * is cleared up by the next. Aliases that somebody else gave the key are left alone. An older version only loses its former
 * names: the current one moves the label over by itself.
 */
export function renameStep(calls: KmsCalls): Step {
  return async (key, { signal }) => {
    const arn = boundArn(key);
    const named = key.current ? await holderOf(key.label, key, calls, signal) : { holder: 'this' as const };
    if (named.holder === 'foreign') throw nameTaken(key.label, named.target);

    const tags = await ridingOut(signal, () => calls.tagsOf(arn, signal));
    const label = tagValue(tags, OWN_TAGS.label);
    const former = tagValue(tags, OWN_TAGS.formerLabel);
    if (label !== key.label) {
      // The one before the last would be forgotten by what is written next.
      await dropOwn([former], key, arn, calls, signal);
      const written: Tag[] = [{ name: OWN_TAGS.label, value: key.label }];
      if (label !== undefined) written.push({ name: OWN_TAGS.formerLabel, value: label });
      await calls.tag(arn, written, signal);
    }

    if (named.holder === 'spent') await dropAlias(aliasOf(key.label), calls, signal);
    if (named.holder === 'same_key') await calls.updateAlias(aliasOf(key.label), arn, signal);
    if (named.holder === 'nobody' || named.holder === 'spent') await giveName(key, arn, calls, signal);
    await dropOwn([label, former], key, arn, calls, signal);
    return undefined;
  };
}

async function giveName(key: KeyInKeystore, arn: string, calls: KmsCalls, signal: AbortSignal): Promise<void> {
  try {
    await calls.createAlias(aliasOf(key.label), arn, signal);
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error;
    const now = await holderOf(key.label, key, calls, signal);
    if (now.holder === 'nobody') throw error;
    if (now.holder !== 'this') throw nameTaken(key.label, now.target);
  }
}

/** Removes those of the labels' names that lead to this KMS key and are not what it is to be called. */
async function dropOwn(
  labels: readonly (string | undefined)[],
  key: KeyInKeystore,
  arn: string,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<void> {
  const unwanted = new Set(
    labels.filter((label) => label !== undefined && label !== key.label).map((label) => aliasOf(label ?? '')),
  );
  if (unwanted.size === 0) return;
  for (const alias of await calls.aliasesOf(arn, signal)) {
    if (unwanted.has(alias)) await dropAlias(alias, calls, signal);
  }
}
