import type { Deployment } from '../deployment.ts';
import { paceOf } from './pace.ts';
import { scopeOf } from './scope.ts';

/** The deployment, for work that nobody waits for: every call into a keystore waits for its turn in the pace of its scope. */
export function atItsPace(deployment: Deployment): Deployment {
  return {
    ...deployment,
    driverFor: (keystore, pace) =>
      deployment.driverFor(keystore, pace ?? paceOf(scopeOf(keystore), deployment.config.pace)),
  };
}
