import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls } from './calls.ts';
import { boundVersion, tagsOf, tagValue } from './names.ts';

/**
 * The step `tag`: brings the description, which is a tag here, and the user's tags in line. Azure replaces all tags at once, so those that
 * somebody else put there are sent along and stay, unless the managed key has one of that name.
 */
export function tagStep(calls: AzureCalls): Step {
  return async (key, { signal }) => {
    const bound = boundVersion(key, calls);
    const found = await calls.version(bound.name, bound.version, signal);
    if (found === undefined) {
      // A deleted key cannot be changed; it is tagged when it is back.
      if ((await calls.deleted(bound.name, signal)) !== undefined) return undefined;
      throw new KeystoreFault('not_found', `${bound.id} does not exist.`);
    }
    const wanted = tagsOf(key, found.tags);
    const names = Object.keys(wanted);
    const same =
      names.length === found.tags.length && names.every((name) => tagValue(found.tags, name) === wanted[name]);
    if (!same) await calls.update(found, { tags: wanted }, signal);
    return undefined;
  };
}
