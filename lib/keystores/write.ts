import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { asKeystoreFault } from '../drift/look.ts';
import type { Health } from '../drivers/driver.ts';
import { kindOfType } from '../drivers/kinds.ts';
import { loadDriver } from '../drivers/registry.ts';
import { Fault } from '../fault.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { creation, replacement, STORED } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import { storeHealth } from '../sweep/health.ts';
import { countInVault } from '../vaults/counting.ts';
import { countInternal } from './internal.ts';
import type { Keystore, KeystoreHealth, KeystoreType } from './keystore.ts';

export interface NewKeystore {
  readonly vaultId: string;
  readonly type: KeystoreType;
  readonly name: string;
  readonly description: string;
  readonly groups: readonly string[];
  readonly tlsProxy: string | undefined;
  readonly settings: Keystore['settings'];
  readonly secrets: Readonly<Record<string, string>>;
}

/** What a keystore can be changed in. A secret that is left out, or given as its placeholder, stays. */
export interface KeystoreEdit {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly tlsProxy?: string | undefined;
  readonly settings: Partial<Keystore['settings']>;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Settings that say which keystore it is. While it holds keys, another one cannot be put in its place. */
const IDENTITY: ReadonlySet<string> = new Set([
  'aws_region',
  'aws_custom_key_store_id',
  'azure_service_name',
  'azure_subscription_id',
  'azure_environment',
  'google_project_id',
  'google_location',
  'google_key_ring',
  'ibm_api_endpoint',
  'ibm_instance_id',
  'ibm_key_ring',
  'pkcs11_token_label',
]);

/** Throws where a proxy is asked for that the driver of this type cannot go through: a setting is never silently without effect. */
function requireReachable(type: KeystoreType, tlsProxy: string | undefined): void {
  if (tlsProxy === undefined || kindOfType(type)?.viaTlsProxy !== false) return;
  throw new Fault('unsupported_by_keystore', {
    message: `Keystores of type ${type} cannot be reached through a proxy by this version. Leave out tls_proxy.`,
    target: { type: 'field', name: 'tls_proxy' },
  });
}

/** The record of a new keystore, not stored yet. */
export function newKeystore(deployment: Deployment, subject: string, given: NewKeystore): Keystore {
  requireReachable(given.type, given.tlsProxy);
  const now = deployment.clock();
  return {
    id: deployment.newId(),
    revision: 1,
    vaultId: given.vaultId,
    type: given.type,
    name: given.name,
    description: given.description,
    groups: given.groups,
    tlsProxy: given.tlsProxy,
    settings: given.settings,
    secretNames: Object.keys(given.secrets).sort(),
    createdAt: now,
    updatedAt: now,
    createdBy: subject,
    updatedBy: subject,
  };
}

/**
 * Connects a keystore: its record, and its secrets as ciphertext bound to it. Throws `name_taken`. Its health is asked afterwards and kept;
 * a keystore that does not answer is connected all the same and says so.
 */
export async function createKeystore(
  deployment: Deployment,
  attempt: Attempt,
  keystore: Keystore,
  secrets: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const changes: Change[] = [
    ...attempt.alongside(keystore.id),
    creation(STORED.keystore(keystore)),
    ...(await credentialChanges(deployment, keystore.id, secrets)),
    nameLock(keystore),
    countInVault(keystore.vaultId, { keystores: 1 }, 'changed'),
    ...countInternal(keystore, 1),
  ];
  const entry = {
    vaultId: keystore.vaultId,
    type: 'keystore',
    id: keystore.id,
    at: keystore.createdAt,
    status: 201,
    after: shown(keystore),
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await checkHealth(deployment, keystore, signal);
}

/** The keystore after an edit. Pure. Throws `state_conflict` when it would become another keystore while it holds keys. */
export function editedKeystore(
  keystore: Keystore,
  edit: KeystoreEdit,
  by: { readonly subject: string; readonly now: Date; readonly holdsKeys: boolean },
): Keystore {
  const settings: Record<string, string | number | boolean> = { ...keystore.settings };
  for (const [name, value] of Object.entries(edit.settings)) {
    if (value === undefined || value === settings[name]) continue;
    if (by.holdsKeys && IDENTITY.has(name)) {
      throw new Fault('state_conflict', {
        message: `${name} says which keystore this is and cannot change while it holds keys. Connect the other one as a keystore of its own.`,
        target: { type: 'field', name },
      });
    }
    settings[name] = value;
  }
  const tlsProxy = edit.tlsProxy === '' ? undefined : (edit.tlsProxy ?? keystore.tlsProxy);
  requireReachable(keystore.type, tlsProxy);
  const secretNames = new Set(keystore.secretNames);
  for (const [name, value] of Object.entries(edit.secrets)) {
    if (value === '') secretNames.delete(name);
    else secretNames.add(name);
  }
  return {
    ...keystore,
    revision: keystore.revision + 1,
    name: edit.name ?? keystore.name,
    description: edit.description ?? keystore.description,
    groups: edit.groups ?? keystore.groups,
    tlsProxy,
    settings,
    secretNames: [...secretNames].sort(),
    updatedAt: by.now,
    updatedBy: by.subject,
  };
}

/**
 * Stores an edited keystore. No key is touched: keys whose template names a group that it joined or left are unaligned from now on, until
 * they are realigned. Throws `name_taken`, or `precondition_failed` when it changed meanwhile.
 */
export async function storeKeystore(
  deployment: Deployment,
  attempt: Attempt,
  before: Keystore,
  keystore: Keystore,
  secrets: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const changes: Change[] = [
    ...attempt.alongside(keystore.id),
    replacement(STORED.keystore(keystore), before.revision, changedMeanwhile),
    ...(Object.keys(secrets).length === 0
      ? []
      : await credentialChanges(deployment, keystore.id, await merged(deployment, before, secrets))),
    ...(keystore.name === before.name
      ? []
      : [nameLock(keystore), { op: 'delete', key: ITEM.name('KEYSTORE', before.vaultId, before.name) } as const]),
    countInVault(keystore.vaultId, {}, 'changed'),
  ];
  const entry = {
    vaultId: keystore.vaultId,
    type: 'keystore',
    id: keystore.id,
    at: keystore.updatedAt,
    status: 200,
    before: shown(before),
    after: { ...shown(keystore), secrets_changed: Object.keys(secrets) },
  } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await checkHealth(deployment, keystore, signal);
}

/** Tests a connection without keeping anything: the health that the keystore would have. Never throws for the keystore. */
export async function tryConnection(
  deployment: Deployment,
  keystore: Keystore,
  secrets: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<KeystoreHealth> {
  const { connect } = await loadDriver(keystore.type);
  const { settings, id: keystoreId, vaultId: externalId, tlsProxy } = keystore;
  const seal = () => deployment.custody.seal(secrets, keystoreId);
  const health = await connect({ keystoreId, settings, credentials: secrets, externalId, tlsProxy, seal }).health(
    signal,
  );
  return { keystoreId, ...health, lastHeartbeat: health.status === 'ok' ? deployment.clock() : undefined, sweeps: 0 };
}

/** Asks the keystore how it is and keeps the answer. Never throws for the keystore. */
export async function checkHealth(deployment: Deployment, keystore: Keystore, signal: AbortSignal): Promise<void> {
  await storeHealth(deployment, keystore.id, await healthOf(deployment, keystore, signal));
}

async function healthOf(deployment: Deployment, keystore: Keystore, signal: AbortSignal): Promise<Health> {
  try {
    const driver = await deployment.driverFor(keystore);
    return await driver.health(signal);
  } catch (error) {
    const fault = asKeystoreFault(error);
    const isMisconfigured = fault.kind === 'denied' || fault.kind === 'unsupported';
    return { status: isMisconfigured ? 'configuration_error' : 'not_responding', message: fault.message };
  }
}

async function merged(
  deployment: Deployment,
  keystore: Keystore,
  secrets: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  // All of them given anew are taken also where those before cannot be opened any more.
  const kept = keystore.secretNames.every((name) => name in secrets) ? {} : await openCredentials(deployment, keystore);
  const all = { ...kept, ...secrets };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/** The keystore's secrets, by their wire names; none when it has none. Plaintext: keep it no longer than the connection needs. */
export async function openCredentials(
  deployment: Pick<Deployment, 'database' | 'custody'>,
  keystore: Pick<Keystore, 'id' | 'secretNames'>,
): Promise<Readonly<Record<string, string>>> {
  if (keystore.secretNames.length === 0) return {};
  const item = await deployment.database.get(ITEM.keystoreCredentials(keystore.id));
  const sealed = item?.['sealed'];
  if (!(sealed instanceof Uint8Array)) throw new Fault('internal', 'The credentials of this keystore are missing.');
  return deployment.custody.open(sealed, keystore.id);
}

async function credentialChanges(
  deployment: Deployment,
  keystoreId: string,
  secrets: Readonly<Record<string, string>>,
): Promise<Change[]> {
  const key = ITEM.keystoreCredentials(keystoreId);
  if (Object.keys(secrets).length === 0) return [{ op: 'delete', key }];
  return [{ op: 'put', item: { ...key, sealed: await deployment.custody.seal(secrets, keystoreId) } }];
}

/** Holds the keystore's name in its vault. */
function nameLock(keystore: Pick<Keystore, 'id' | 'vaultId' | 'name'>): Change {
  return creation(
    { ...ITEM.name('KEYSTORE', keystore.vaultId, keystore.name), id: keystore.id },
    () =>
      new Fault('name_taken', {
        message: `This vault already has a keystore named “${keystore.name}”.`,
        target: { type: 'field', name: 'name' },
      }),
  );
}

/** What the audit trail shows of a keystore: no secret is in the record. */
export function shown(keystore: Keystore): Record<string, unknown> {
  return {
    name: keystore.name,
    type: keystore.type,
    description: keystore.description,
    groups: keystore.groups,
    tls_proxy: keystore.tlsProxy,
    settings: keystore.settings,
  };
}
