import type { Step } from '../driver.ts';
import type { IbmCalls } from './calls.ts';
import { giveName } from './create.ts';
import { ALIAS_PREFIX, aliasOf, boundCrn, holderOf, nameTaken } from './names.ts';

/**
 * The step `rename`: makes the label's alias lead to the current version, and takes away the other aliases of ours that the key has. What
 * IBM calls the key's name stays what the label was when it was made; IBM cannot change that. An alias cannot be moved, only deleted and
 * made again; IBM may take five minutes to let go of it.
 */
export function renameStep(calls: IbmCalls): Step {
  return async (key, { signal }) => {
    const crn = boundCrn(key);
    const alias = aliasOf(key.label);
    const found = await calls.key(crn, signal);
    const named = key.current ? await holderOf(key.label, key, calls, signal) : { holder: 'this' as const };
    if (named.holder === 'foreign') throw nameTaken(key.label, named.target);

    // Room first: a key has five aliases at most.
    for (const each of found.aliases) {
      if (each.startsWith(ALIAS_PREFIX) && each !== alias) await calls.deleteAlias(found.id, each, signal);
    }
    if (named.holder === 'spent' || named.holder === 'same_key') {
      await calls.deleteAlias(named.target.id, alias, signal);
    }
    if (key.current && named.holder !== 'this') await giveName(key, found, calls, signal);
    return undefined;
  };
}
