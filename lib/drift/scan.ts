import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { paceOf } from '../pace/pace.ts';
import { scopeOf } from '../pace/scope.ts';
import { sweepKeystore } from '../sweep/keystore.ts';
import { scopes } from '../sweep/scopes.ts';
import type { KeystoreScan } from '../sweep/tally.ts';

export type { KeystoreScan } from '../sweep/tally.ts';

const SCOPES_AT_ONCE = 16;
const KEYSTORES_AT_ONCE = 8;

/**
 * Verifies every key in every keystore to the end, in this process, and stores what changed: what the queue does in a deployment. Changes no
 * keystore. A keystore that does not answer is an error for its own keys only; one key that cannot be read does not end the scan. Can be
 * run at any time, also twice at once.
 */
export async function scan(deployment: Deployment, signal: AbortSignal): Promise<KeystoreScan[]> {
  const found = await scopes(deployment.database);
  const scans = await pMap(
    found,
    ({ keystores }) =>
      pMap(keystores, (keystore) => scanKeystore(deployment, keystore, signal), { concurrency: KEYSTORES_AT_ONCE }),
    { concurrency: SCOPES_AT_ONCE },
  );
  return scans.flat();
}

/** The scan of one keystore; see `scan`. */
export async function scanKeystore(
  deployment: Deployment,
  keystore: Keystore,
  signal: AbortSignal,
): Promise<KeystoreScan> {
  const pace = paceOf(scopeOf(keystore), deployment.config.pace);
  const { scan } = await sweepKeystore(deployment, keystore, pace, { signal, isTimeUp: () => false });
  return scan;
}
