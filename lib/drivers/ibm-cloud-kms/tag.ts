import type { Step } from '../driver.ts';
import type { IbmCalls } from './calls.ts';
import { boundCrn } from './names.ts';

/**
 * The step `tag`. IBM fixes a key's description and tags when it is made, so there is nothing to bring in line; Shearline's own record has
 * them. Only makes sure that the key is there.
 */
export function tagStep(calls: IbmCalls): Step {
  return async (key, { signal }) => {
    await calls.key(boundCrn(key), signal);
    return undefined;
  };
}
