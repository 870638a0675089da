import type { KeyInKeystore, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls, AzureChange, AzureVersion } from './calls.ts';
import { boundVersion, isTaggedAs, isVersion } from './names.ts';
import { barredBecause } from './observe.ts';

/** The latest date that the Azure SDK can write: it counts seconds in 31 bits. */
const LATEST = new Date((2 ** 31 - 1) * 1000);

/**
 * The step `enable`. A version that expired, or whose time has not come, by somebody's setting in Azure is given time again: Azure takes
 * away no date once it is set.
 */
export function enableStep(calls: AzureCalls): Step {
  return async (key, { signal }) => {
    const versions = await copiesOf(key, calls, signal);
    if (versions === undefined) {
      throw new KeystoreFault('conflict', `${boundVersion(key, calls).id} is about to be deleted; cancel that first.`);
    }
    for (const version of versions) {
      const change = enabling(version, new Date());
      if (change !== undefined) await calls.update(version, change, signal);
    }
    return undefined;
  };
}

function enabling(version: AzureVersion, now: Date): AzureChange | undefined {
  if (barredBecause(version, now) === undefined) return undefined;
  return {
    enabled: true,
    ...(version.expires !== undefined && version.expires <= now ? { expires: LATEST } : {}),
    ...(version.notBefore !== undefined && version.notBefore > now ? { notBefore: now } : {}),
  };
}

/** The step `disable`. A key about to be deleted cannot be used either: nothing is left to do. */
export function disableStep(calls: AzureCalls): Step {
  return async (key, { signal }) => {
    for (const version of (await copiesOf(key, calls, signal)) ?? []) {
      if (version.enabled) await calls.update(version, { enabled: false }, signal);
    }
    return undefined;
  };
}

/**
 * The versions in Azure that hold this version of the managed key: the bound one, and copies that `rename` has put in front of others since.
 * The bound one is last, because it is the one that is looked at: what fails before is tried again. Undefined for a deleted key.
 */
async function copiesOf(
  key: KeyInKeystore,
  calls: AzureCalls,
  signal: AbortSignal,
): Promise<readonly AzureVersion[] | undefined> {
  const bound = boundVersion(key, calls);
  const versions = await calls.versions(bound.name, signal);
  const own = versions.find((version) => isVersion(bound, version));
  if (own !== undefined) {
    return [...versions.filter((version) => version !== own && isTaggedAs(version.tags, key)), own];
  }
  if (versions.length === 0 && (await calls.deleted(bound.name, signal)) !== undefined) return undefined;
  throw new KeystoreFault('not_found', `${bound.id} does not exist.`);
}
