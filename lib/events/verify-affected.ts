import type { Deployment } from '../deployment.ts';
import { settlingUntil } from '../drift/settling.ts';
import { verify } from '../drift/verify.ts';
import { readKey } from '../records/reading.ts';
import type { Affected } from './affected.ts';

/**
 * Looks at a key in one keystore, in all its versions there, because an event says that something happened to it, and stores what is found.
 * Where we have just written there ourselves nothing is looked at, and the answer says from when on to try again. Changes no keystore.
 */
export async function verifyAffected(
  deployment: Deployment,
  { keyId, keystoreId }: Affected,
  signal: AbortSignal,
): Promise<{ readonly tryAgainAt: Date | undefined }> {
  const { key, instances } = await readKey(deployment.database, keyId);
  const there = instances.filter((instance) => instance.keystoreId === keystoreId);
  const now = deployment.clock();
  const settling = there.flatMap(
    (instance) => settlingUntil(instance, now, deployment.config.settlingSeconds)?.getTime() ?? [],
  );
  if (settling.length > 0) return { tryAgainAt: new Date(Math.max(...settling)) };
  await verify(deployment, key, there, signal, 'event');
  return { tryAgainAt: undefined };
}
