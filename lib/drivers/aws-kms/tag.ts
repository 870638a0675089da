import type { Step } from '../driver.ts';
import type { KmsCalls } from './calls.ts';
import { ridingOut } from './consistency.ts';
import { OWN_TAG_PREFIX } from './kind.ts';
import { boundArn, isMarked, marksOf, OWN_TAGS, tagValue } from './names.ts';

/**
 * The step `tag`: brings the description and the user's tags in line. Removes tags only of which the key remembers that we put
 * them there; a tag that somebody else put there stays, unless the managed key has one of that name. A key without the mark of a
 * managed key, which somebody took away or which was adopted, gets it.
 */
export function tagStep(calls: KmsCalls): Step {
  return async (key, { signal }) => {
    const arn = boundArn(key);
    const [found, tags] = await ridingOut(signal, () =>
      Promise.all([calls.describeKey(arn, signal), calls.tagsOf(arn, signal)]),
    );
    if (found.description !== key.description) await calls.describe(arn, key.description, signal);

    const names = key.tags.map((tag) => tag.name);
    const marks = tagValue(tags, OWN_TAGS.userTags) ?? '';
    const dropped = tags
      .map((tag) => tag.name)
      .filter((name) => !name.startsWith(OWN_TAG_PREFIX) && !names.includes(name) && isMarked(marks, name));
    // Removals first: there is room for 50 tags.
    if (dropped.length > 0) await calls.untag(arn, dropped, signal);

    const mark =
      key.current && tagValue(tags, OWN_TAGS.key) === undefined
        ? [
            { name: OWN_TAGS.key, value: key.keyId },
            { name: OWN_TAGS.version, value: String(key.version) },
          ]
        : [];
    const wanted = [...mark, ...key.tags, { name: OWN_TAGS.userTags, value: marksOf(names) }];
    const changed = wanted.filter((tag) => tagValue(tags, tag.name) !== tag.value);
    // The tags and the memory of them in one call, so that none is there which the key does not remember.
    if (changed.length > 0) await calls.tag(arn, changed, signal);
    return undefined;
  };
}
