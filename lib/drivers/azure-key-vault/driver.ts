import type { Health, KeystoreDriver, ListedKey } from '../driver.ts';
import { paced } from '../../pace/pace.ts';
import type { QuotaName } from '../../pace/quotas.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import type { AzureCalls, AzureListedKey } from './calls.ts';
import { connectCalls } from './calls.ts';
import { createStep } from './create.ts';
import { cancelDeletionStep, scheduleDeletionStep } from './deletion.ts';
import { examineWith } from './examine.ts';
import { importStep } from './import.ts';
import { barredBecause, listedId, observeWith, shownBy } from './observe.ts';
import { renameStep } from './rename.ts';
import { disableStep, enableStep } from './state.ts';
import { tagStep } from './tag.ts';

/**
 * The driver of an `azure_key_vault` keystore. Settings: `azure_service_name` (the vault's name), `azure_tenant`,
 * `azure_service_principal_client_id`, perhaps `azure_environment` and `azure_variant`. Credential: `azure_service_principal_password`.
 * Sends nothing by itself. Throws a `KeystoreFault` when a setting is missing.
 */
export function connect(connection: Connection): KeystoreDriver {
  const calls = paced(connectCalls(connection), connection.pace, CALL_QUOTAS);
  const { settings } = connection;
  return {
    observe: observeWith(calls),
    list: listWith(calls),
    listing: { idOf: listedId, showsAll: false },
    examine: examineWith(calls),
    steps: {
      create: createStep(calls, settings),
      import: importStep(calls),
      enable: enableStep(calls),
      disable: disableStep(calls),
      rename: renameStep(calls, settings),
      tag: tagStep(calls),
      schedule_deletion: scheduleDeletionStep(calls),
      cancel_deletion: cancelDeletionStep(calls),
    },
    health: (signal) => healthOf(calls, signal),
  };
}

const CALL_QUOTAS: Readonly<Partial<Record<keyof AzureCalls, QuotaName>>> = {
  newest: 'azure.read',
  version: 'azure.read',
  versions: 'azure.read',
  deleted: 'azure.read',
  page: 'azure.read',
  createKey: 'azure.change',
  importKey: 'azure.change',
  update: 'azure.change',
  delete: 'azure.change',
  recover: 'azure.change',
};

/** How `after` says that the deleted keys come next. */
const DELETED = 'deletedkeys';

/**
 * The keys, 25 a page, and after them the deleted ones. Azure lists keys and not their versions, so ids are without one; the state is that of
 * the newest version.
 */
function listWith(calls: AzureCalls): KeystoreDriver['list'] {
  return async (after, signal) => {
    const [of, link] = placeOf(after);
    const page = await calls.page(of, link, signal);
    const now = new Date();
    return {
      keys: page.keys.map((found) => ({
        ...listed(found, of === DELETED ? 'pending_deletion' : stateOf(found, now)),
        lookedAt: (key) => shownBy(key, found, of, now),
      })),
      next: page.next === undefined ? (of === 'keys' ? DELETED : undefined) : `${of} ${page.next}`,
    };
  };
}

function placeOf(after: string | undefined): ['keys' | 'deletedkeys', string | undefined] {
  if (after === undefined) return ['keys', undefined];
  const [of, link] = after.split(' ', 2);
  return [of === DELETED ? DELETED : 'keys', link];
}

function stateOf(key: AzureListedKey, now: Date): ListedKey['state'] {
  return barredBecause(key, now) === undefined ? 'enabled' : 'disabled';
}

function listed(key: AzureListedKey, state: ListedKey['state']): ListedKey {
  return { idInKeystore: key.id, name: key.name, state, createdAt: key.createdAt };
}

async function healthOf(calls: AzureCalls, signal: AbortSignal): Promise<Health> {
  try {
    await calls.page('keys', undefined, signal, 1);
    return { status: 'ok', message: `${calls.vaultHost} answers.` };
  } catch (error) {
    if (signal.aborted || !(error instanceof KeystoreFault)) throw error;
    switch (error.kind) {
      case 'denied':
      case 'not_found':
      case 'conflict':
      case 'unsupported':
        return { status: 'configuration_error', message: error.message };
      case 'throttled':
      case 'unreachable':
      case 'unavailable':
      case 'broken':
        return { status: 'not_responding', message: error.message };
    }
  }
}
