import type { Binding, KeyInKeystore, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { isGone } from './calls.ts';
import type { IbmCalls, IbmKey } from './calls.ts';
import { hasCode } from './faults.ts';
import type { IbmVariant } from './kind.ts';
import { aliasOf, descriptionOf, holderOf, isMarkedAs, nameTaken } from './names.ts';
import { bringing } from './payload.ts';

/** Keys of a search's page: as many as IBM recommends to ask for at once. */
const PAGE = 1000;

/**
 * The step `create`. One call makes the key with its name, its mark and its material: IBM has no keys without material, so an imported
 * key's comes along here, and `import` then finds it there. There is no idempotency token, so before that this looks for the result of an
 * earlier, lost create: behind the name, then by the mark among all keys of the ring. From an older version of the same managed key the
 * name is not taken here: that one serves until `rename` moves it.
 */
export function createStep(calls: IbmCalls, variant: IbmVariant): Step {
  return async (key, context) => {
    const { signal, firstAttempt } = context;
    // A binding here is one whose key is gone. What is looked for is its successor.
    const wanted: KeyInKeystore = { ...key, binding: undefined };
    const named = key.current ? await holderOf(key.label, wanted, calls, signal) : { holder: 'nobody' as const };
    if (named.holder === 'foreign') throw nameTaken(key.label, named.target);
    if (named.holder === 'this') return bindingOf(wanted, await revived(named.target, calls, signal));

    const lost = firstAttempt === true ? undefined : await findLost(wanted, calls, signal);
    const takesName = key.current && named.holder !== 'same_key';
    if (named.holder === 'spent' && takesName) await calls.deleteAlias(named.target.id, aliasOf(key.label), signal);
    if (lost !== undefined) {
      const found = await revived(lost, calls, signal);
      if (takesName) await giveName(wanted, found, calls, signal);
      return bindingOf(wanted, found);
    }
    const aliases = takesName ? [aliasOf(key.label)] : [];
    const id = await bringing(wanted, context, calls, variant, async (brought) => {
      const description = descriptionOf(key, brought?.check);
      try {
        return await calls.createKey({ name: key.label, description, aliases, material: brought?.payload }, signal);
      } catch (error) {
        await judgeAliasConflict(error, wanted, calls, signal);
        throw error;
      }
    });
    return bindingOf(wanted, await calls.key(id, signal));
  };
}

/**
 * The version's id stands for its material: a version never gets other bytes. That the first version has ours follows from the mark, which
 * the same call put there and nobody can change; of a key that was rotated since, nothing follows.
 */
export function bindingOf(key: KeyInKeystore, found: IbmKey): Binding {
  const fingerprint = isOwnMaterial(key, found) ? found.versionId : undefined;
  return { idInKeystore: found.crn, fingerprint };
}

/** Whether the key's current material is what was brought, or made, when it was created for this version. */
export function isOwnMaterial(key: KeyInKeystore, found: IbmKey): boolean {
  if (key.spec.material === 'native') return true;
  return isFirstMaterial(key, found);
}

/** Whether the key was made for this version with imported material, and still has that. */
export function isFirstMaterial(key: KeyInKeystore, found: IbmKey): boolean {
  return found.imported && !found.isRotated && isMarkedAs(found, key);
}

/** A lost create that somebody has since deleted is called back: making another would leave two. */
async function revived(found: IbmKey, calls: IbmCalls, signal: AbortSignal): Promise<IbmKey> {
  if (found.state === 'destroyed') {
    await calls.restore(found.id, signal);
    return calls.key(found.id, signal);
  }
  return found;
}

/** The key of an earlier create of this instance that lost its answer. A listing shows descriptions, so this is a call a thousand keys. */
export async function findLost(key: KeyInKeystore, calls: IbmCalls, signal: AbortSignal): Promise<IbmKey | undefined> {
  const found: IbmKey[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const page = await calls.keys(offset, PAGE, signal);
    found.push(...page.filter((each) => isMarkedAs(each, key) && !isGone(each)));
    if (page.length < PAGE) break;
  }
  // There should be one at most. Were there more, every run must settle on the same.
  return found.toSorted(
    (a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0) || (a.crn < b.crn ? -1 : 1),
  )[0];
}

/** Gives the key the alias of its label, unless it has it. Takes it from nobody. */
export async function giveName(key: KeyInKeystore, found: IbmKey, calls: IbmCalls, signal: AbortSignal): Promise<void> {
  const alias = aliasOf(key.label);
  if (found.aliases.includes(alias)) return;
  try {
    await calls.createAlias(found.id, alias, signal);
  } catch (error) {
    const bound = { ...key, binding: { idInKeystore: found.crn, fingerprint: undefined } };
    await judgeAliasConflict(error, bound, calls, signal);
  }
}

/**
 * Throws what is wrong when IBM says that an alias is in use: it is another key's, or it is still being released, for which IBM takes up to
 * five minutes. Returns when it is this very key's, given by an earlier run. Any other error is thrown as it is.
 */
async function judgeAliasConflict(
  error: unknown,
  key: KeyInKeystore,
  calls: IbmCalls,
  signal: AbortSignal,
): Promise<void> {
  if (!hasCode(error, 'KEY_ALIAS_NOT_UNIQUE_ERR')) throw error;
  const now = await holderOf(key.label, key, calls, signal);
  if (now.holder === 'this' && key.binding !== undefined) return;
  if (now.holder === 'foreign' || now.holder === 'same_key') throw nameTaken(key.label, now.target);
  throw new KeystoreFault(
    'unavailable',
    `IBM Cloud is still releasing the alias ${aliasOf(key.label)} from the key that had it; that takes up to five minutes.`,
    { cause: error },
  );
}
