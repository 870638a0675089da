import type { Step } from '../driver.ts';
import type { EditLabels } from './labels.ts';
import { withTags } from './labels.ts';
import { boundOf } from './names.ts';

/** The step `tag`: brings the labels in line with the user's tags. A CryptoKey has no description. */
export function tagStep(editLabels: EditLabels): Step {
  return async (key, { signal }) => {
    await editLabels(boundOf(key).cryptoKey, (labels) => withTags(labels, key.tags), signal);
    return undefined;
  };
}
