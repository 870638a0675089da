import type { Caller } from '../access/caller.ts';
import { notFound, requirePermission } from '../access/permissions.ts';
import type { Action } from '../access/permissions.ts';
import type { Deployment } from '../deployment.ts';
import { readKeystore, readKeystoreHealth, readVault } from '../records/reading.ts';
import { etagOf, requireMatch } from '../wire/etag.ts';
import type { IfMatch } from '../wire/etag.ts';
import type { WireKeystore } from '../wire/keystores.ts';
import type { Keystore } from './keystore.ts';
import { presentKeystore } from './view.ts';

/**
 * Reads a keystore for an action. Throws `not_found` when it is not there or the caller may not see it, `forbidden` when they may not do
 * this, `precondition_failed` when their `If-Match` is stale.
 */
export async function openKeystore(
  deployment: Pick<Deployment, 'database'>,
  request: {
    readonly id: string;
    readonly caller: Caller;
    readonly vaultHeader: string | undefined;
    readonly ifMatch?: IfMatch | undefined;
  },
  action: Action,
): Promise<Keystore> {
  const keystore = await readKeystore(deployment.database, request.id);
  if (keystore === undefined) throw notFound();
  requirePermission(request.caller, action, keystore.vaultId);
  if (request.vaultHeader !== undefined && request.vaultHeader !== keystore.vaultId) throw notFound();
  if (request.ifMatch !== undefined) requireMatch(request.ifMatch, etagOf(keystore.id, keystore.revision));
  return keystore;
}

/** The keystore with its health and its vault's name, as the contract shows it. */
export async function showKeystore(
  deployment: Pick<Deployment, 'database'>,
  keystore: Keystore,
  baseUrl: string,
): Promise<WireKeystore> {
  const [health, vault] = await Promise.all([
    readKeystoreHealth(deployment.database, keystore.id),
    readVault(deployment.database, keystore.vaultId),
  ]);
  return presentKeystore(keystore, health, vault, baseUrl);
}
