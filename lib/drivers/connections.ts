import type { Keystore } from '../keystores/keystore.ts';
import type { Pace } from '../pace/pace.ts';
import type { KeystoreDriver } from './driver.ts';
import { requireConnectable } from './kinds.ts';
import { loadDriver } from './registry.ts';
import type { DirectWay } from './registry.ts';

/** How many drivers a process keeps. Each holds open sockets; a warm function sees few keystores in its life. */
const KEPT = 100;

/** The least recently used first: a Map keeps its order of insertion. */
const drivers = new Map<string, Promise<KeystoreDriver>>();

/**
 * The driver of a keystore, connected with what it says in this revision; the same one on every call, so that its SDK clients and
 * their sockets are used again; with a pace, another one whose calls wait for their turns. `openCredentials` is called at most once for it
 * and should decrypt them only then. A failure is not kept. Throws a `KeystoreFault` (`unsupported`) when there is no driver for the type, and what `openCredentials` and `connect` throw.
 */
export async function driverFor(
  keystore: Pick<Keystore, 'id' | 'revision' | 'type' | 'settings'> & Partial<Pick<Keystore, 'tlsProxy' | 'vaultId'>>,
  openCredentials: () => Promise<Readonly<Record<string, string>>>,
  pace?: Pace,
  direct?: DirectWay,
): Promise<KeystoreDriver> {
  requireConnectable(keystore.type);

  const name = `${keystore.id}#${keystore.revision}${pace === undefined ? '' : `#${pace.name}`}${direct === undefined ? '' : '#direct'}`;
  const kept = drivers.get(name);
  if (kept !== undefined) {
    drivers.delete(name);
    drivers.set(name, kept);
    return kept;
  }

  const connecting = (async () => {
    const [module, credentials] = await Promise.all([loadDriver(keystore.type), openCredentials()]);
    const { id: keystoreId, settings, tlsProxy, vaultId: externalId } = keystore;
    return module.connect({ keystoreId, settings, credentials, externalId, tlsProxy, pace, direct });
  })();
  drivers.set(name, connecting);
  for (const oldest of drivers.keys()) {
    if (drivers.size <= KEPT) break;
    drivers.delete(oldest);
  }
  try {
    return await connecting;
  } catch (error) {
    if (drivers.get(name) === connecting) drivers.delete(name);
    throw error;
  }
}
