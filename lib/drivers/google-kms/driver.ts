import type { Health, KeystoreDriver } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import { paced } from '../../pace/pace.ts';
import type { QuotaName } from '../../pace/quotas.ts';
import type { Connection } from '../registry.ts';
import type { GoogleCalls } from './calls.ts';
import { googleCalls } from './calls.ts';
import { createStep } from './create.ts';
import { readCredentials } from './credentials.ts';
import { orAbsent } from './faults.ts';
import { restSender } from './http.ts';
import { importJobs } from './import-job.ts';
import { examineWith } from './examine.ts';
import { importStep } from './import.ts';
import { labelEditor } from './labels.ts';
import { listWith } from './list.ts';
import type { Place } from './names.ts';
import { placeOf } from './names.ts';
import { observeWith, shownVersion } from './observe.ts';
import { renameStep } from './rename.ts';
import { cancelDeletionStep, disableStep, enableStep, scheduleDeletionStep } from './state.ts';
import { tagStep } from './tag.ts';
import { accessTokens } from './token.ts';

const GOOGLE = 'https://cloudkms.googleapis.com';

/** Where keys go when the keystore does not say. */
export const DEFAULT_LOCATION = 'global';
export const DEFAULT_KEY_RING = 'shearline';

/**
 * The driver of a `google_kms` keystore. Credentials: `google_credentials`. Settings, all optional: `google_project_id` (else the service
 * account's own), `google_location`, `google_key_ring`, which is made when it is missing, and `google_private_key_id`, which then must be
 * that of the credentials. Sends nothing by itself. Throws a `KeystoreFault` when credentials or settings cannot be used.
 * `GOOGLE_KMS_ENDPOINT` in the environment names a stand-in for Google.
 */
export function connect(connection: Connection): KeystoreDriver {
  const standIn = standInEndpoint();
  const account = readCredentials(connection.credentials['google_credentials'] ?? '', standIn !== undefined);
  const expected = setting(connection, 'google_private_key_id');
  if (expected !== undefined && expected !== account.privateKeyId) {
    throw new KeystoreFault(
      'denied',
      'google_private_key_id is not the id of the private key in google_credentials; give the credentials of that key.',
    );
  }
  const project = setting(connection, 'google_project_id') ?? account.projectId;
  if (project === undefined) {
    throw new KeystoreFault('denied', 'The keystore has no google_project_id, and google_credentials name no project.');
  }
  const place = placeOf(
    project,
    setting(connection, 'google_location') ?? DEFAULT_LOCATION,
    setting(connection, 'google_key_ring') ?? DEFAULT_KEY_RING,
  );
  const calls = googleCalls(restSender(standIn ?? GOOGLE, accessTokens(account)));
  return driverOn(paced(calls, connection.pace, CALL_QUOTAS), place);
}

const CALL_QUOTAS: Readonly<Record<keyof GoogleCalls, QuotaName>> = {
  location: 'google.read',
  cryptoKey: 'google.read',
  cryptoKeys: 'google.read',
  version: 'google.read',
  versions: 'google.read',
  publicKey: 'google.read',
  importJob: 'google.read',
  createKeyRing: 'google.change',
  createCryptoKey: 'google.change',
  updateLabels: 'google.change',
  setPrimary: 'google.change',
  createVersion: 'google.change',
  setState: 'google.change',
  destroy: 'google.change',
  restore: 'google.change',
  createImportJob: 'google.change',
  importVersion: 'google.change',
};

function standInEndpoint(): string | undefined {
  const given = process.env['GOOGLE_KMS_ENDPOINT'];
  if (given === undefined || given === '') return undefined;
  if (URL.canParse(given)) return new URL(given).origin;
  throw new KeystoreFault('unsupported', 'GOOGLE_KMS_ENDPOINT in the environment is not a URL.');
}

function setting(connection: Connection, name: string): string | undefined {
  const value = connection.settings[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function driverOn(calls: GoogleCalls, place: Place): KeystoreDriver {
  const labels = labelEditor(calls);
  return {
    observe: observeWith(calls, place),
    list: listWith(calls, place),
    listing: { idOf: shownVersion, showsAll: true },
    examine: examineWith(calls, place),
    steps: {
      create: createStep(calls, labels, place),
      import: importStep(calls, labels, importJobs(calls, place)),
      enable: enableStep(calls),
      disable: disableStep(calls),
      rename: renameStep(calls, labels.edit),
      tag: tagStep(labels.edit),
      schedule_deletion: scheduleDeletionStep(calls, labels.edit),
      cancel_deletion: cancelDeletionStep(calls, labels.edit),
    },
    health: (signal) => healthOf(calls, place, signal),
  };
}

/** A key ring that does not exist is no obstacle: `create` makes it, if the location is one. Throws only when the signal aborted. */
async function healthOf(calls: GoogleCalls, place: Place, signal: AbortSignal): Promise<Health> {
  try {
    if ((await orAbsent(calls.cryptoKeys(place.keyRing, undefined, 1, signal))) !== undefined) {
      return { status: 'ok', message: `Google Cloud KMS answers for ${place.keyRing}.` };
    }
    await calls.location(place.location, signal);
    return {
      status: 'ok',
      message: `Google Cloud KMS answers; ${place.keyRing} does not exist yet and is made with the first key.`,
    };
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
