import type { Caller } from '../access/caller.ts';
import { notFound, requirePermission } from '../access/permissions.ts';
import type { Action } from '../access/permissions.ts';
import type { Deployment } from '../deployment.ts';
import { readKey, readVaultCounters } from '../records/reading.ts';
import type { KeyPartition } from '../records/reading.ts';
import { etagOf, requireMatch } from '../wire/etag.ts';
import type { IfMatch } from '../wire/etag.ts';
import { readKeyContext } from './view.ts';
import type { KeyContext } from './view.ts';
import type { ManagedKey } from './key.ts';

/** A key that the caller may see, with all that belongs to it and that it refers to. */
export interface OpenKey {
  readonly key: ManagedKey;
  readonly partition: KeyPartition;
  readonly context: KeyContext;
  /** The generation of the vault's keystores that `context` was read in, or an earlier one. */
  readonly keystoresGeneration: number;
}

export interface KeyRequest {
  readonly id: string;
  readonly caller: Caller;
  /** `UKO-Vault` of 4.7 clients. */
  readonly vaultHeader: string | undefined;
  readonly ifMatch?: IfMatch | undefined;
}

/**
 * Reads a key for an action. Throws `not_found` when it is not there or the caller may not see it, `forbidden` when they may not do this,
 * `precondition_failed` when their `If-Match` is stale. `action` may depend on the key (destroying one that is pre-active or not).
 */
export async function openKey(
  deployment: Pick<Deployment, 'database'>,
  request: KeyRequest,
  action: Action | ((key: ManagedKey) => Action),
): Promise<OpenKey> {
  const { database } = deployment;
  const partition = await readKey(database, request.id);
  const { key } = partition;
  if (key === undefined) throw notFound();
  requirePermission(request.caller, typeof action === 'function' ? action(key) : action, key.vaultId);
  if (request.vaultHeader !== undefined && request.vaultHeader !== key.vaultId) throw notFound();
  if (request.ifMatch !== undefined) requireMatch(request.ifMatch, etagOf(key.id, key.revision));
  // Before the keystores: a decision from newer keystores under an older number is refused and made anew, never the reverse.
  const { keystoresGeneration } = await readVaultCounters(database, key.vaultId);
  const context = await readKeyContext(database, key);
  return { key, partition, context, keystoresGeneration };
}
