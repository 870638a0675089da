import type { RecordDeployment } from '../deployment.ts';
import type { Health } from '../drivers/driver.ts';
import type { KeystoreHealth } from '../keystores/keystore.ts';
import { STORED } from '../records/entities.ts';
import { readKeystoreHealth } from '../records/reading.ts';

/** Keeps a keystore's health: the one row that a sweep of an unchanged keystore writes. The last heartbeat stays known while it does not answer. */
export async function storeHealth(
  { database, clock }: Pick<RecordDeployment, 'database' | 'clock'>,
  keystoreId: string,
  health: Health,
  options: { readonly sweep?: boolean; readonly before?: KeystoreHealth | undefined } = {},
): Promise<KeystoreHealth> {
  const before = 'before' in options ? options.before : await readKeystoreHealth(database, keystoreId);
  const next: KeystoreHealth = {
    keystoreId,
    status: health.status,
    message: health.message,
    lastHeartbeat: health.status === 'ok' ? clock() : before?.lastHeartbeat,
    sweeps: (before?.sweeps ?? 0) + (options.sweep === true ? 1 : 0),
  };
  await database.write({ op: 'put', item: STORED.keystoreHealth(next) });
  return next;
}
