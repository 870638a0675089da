import type { Deployment } from '../deployment.ts';
import type { KeystoreDriver } from '../drivers/driver.ts';
import type { ChangeCause } from '../history/entry.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { asKeystoreFault, driverOf, keyInKeystore, lookAt } from './look.ts';
import { storeObservation } from './converge.ts';
import type { Observed } from './observed.ts';
import type { Look } from './verdict.ts';
import { inParallel } from '../in-parallel.ts';

/** What one keystore answered when it was asked for one instance. */
export interface Verified {
  readonly instance: KeyInstance;
  readonly look: Look;
  readonly observed: Observed;
}

/**
 * Asks every keystore of these instances now, in parallel, and stores what is found (verify sync). Changes no keystore. Never throws for
 * a keystore: one that cannot be asked is an error in its own row and does not hold up the others.
 */
export async function verify(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
  cause: ChangeCause = 'verify',
): Promise<Verified[]> {
  return inParallel(
    instances,
    async (instance) => {
      const lookedAt = deployment.clock();
      const look = await lookThrough(deployment, key, instance, signal);
      const { observed } = await storeObservation(deployment, instance, look, lookedAt, undefined, undefined, cause);
      return { instance, look, observed };
    },
    16,
  );
}

async function lookThrough(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instance: KeyInstance,
  signal: AbortSignal,
): Promise<Look> {
  let driver: KeystoreDriver;
  try {
    driver = await driverOf(deployment, instance.keystoreId);
  } catch (error) {
    return { fault: asKeystoreFault(error) };
  }
  return lookAt(driver, keyInKeystore(instance, key), signal);
}
