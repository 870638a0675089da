import { KEYSTORE_FIELDS, regionOnWire, SECRET_PLACEHOLDER } from '../wire/keystores.ts';
import type { WireKeystore, WireKeystoreStatus } from '../wire/keystores.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Keystore, KeystoreHealth } from './keystore.ts';

/** A keystore as the contract shows it; secrets as their placeholder. `baseUrl` without a trailing slash. */
export function presentKeystore(
  keystore: Keystore,
  health: KeystoreHealth | undefined,
  vault: Pick<Vault, 'name'> | undefined,
  baseUrl: string,
): WireKeystore {
  const fields: { readonly settings: readonly string[]; readonly secrets: readonly string[] } =
    KEYSTORE_FIELDS[keystore.type];
  const own: Record<string, string | number | boolean> = {};
  for (const name of fields.settings) {
    const value = keystore.settings[name];
    if (name === 'aws_region') own[name] = regionOnWire(String(value));
    else if (value !== undefined) own[name] = value;
    else if (ALWAYS_SHOWN.has(name)) own[name] = '';
  }
  for (const name of fields.secrets) own[name] = keystore.secretNames.includes(name) ? SECRET_PLACEHOLDER : '';
  const shown: object = {
    vault: {
      id: keystore.vaultId,
      ...(vault === undefined ? {} : { name: vault.name }),
      href: `${baseUrl}/api/v4/vaults/${keystore.vaultId}`,
    },
    id: keystore.id,
    name: keystore.name,
    location: locationOf(keystore),
    description: keystore.description,
    groups: [...keystore.groups],
    type: keystore.type,
    created_at: keystore.createdAt.toISOString(),
    updated_at: keystore.updatedAt.toISOString(),
    created_by: keystore.createdBy,
    updated_by: keystore.updatedBy,
    href: `${baseUrl}/api/v4/keystores/${keystore.id}`,
    status: presentHealth(health),
    ...(keystore.tlsProxy === undefined ? {} : { tls_proxy: keystore.tlsProxy }),
    ...own,
  };
  // Which of the models it is follows from `type`, by which its fields were chosen above.
  return shown as WireKeystore;
}

/** Fields that the contract requires in answers, also when a keystore was connected without them. */
const ALWAYS_SHOWN: ReadonlySet<string> = new Set([
  'aws_access_key_id',
  'google_location',
  'google_key_ring',
  'ibm_api_endpoint',
  'ibm_iam_endpoint',
  'ibm_instance_id',
  'cca_host',
  'cca_public_key_hash',
]);

export function presentHealth(health: KeystoreHealth | undefined): WireKeystoreStatus {
  if (health === undefined) return { health_status: 'pending_check', message: 'The keystore has not been asked yet.' };
  return {
    ...(health.lastHeartbeat === undefined ? {} : { last_heartbeat: health.lastHeartbeat.toISOString() }),
    health_status: health.status,
    message: health.message,
  };
}

/** Where the keystore is, in the provider's own words: what the `location` filter compares. */
export function locationOf(keystore: Pick<Keystore, 'type' | 'settings'>): string {
  const setting = (name: string) => String(keystore.settings[name] ?? '');
  switch (keystore.type) {
    case 'aws_kms':
    case 'aws_cloudhsm':
      return regionOnWire(setting('aws_region'));
    case 'azure_key_vault':
      return setting('azure_location');
    case 'google_kms':
      return setting('google_location');
    case 'ibm_cloud_kms':
      return setting('ibm_variant') === 'internal' ? 'internal' : setting('ibm_api_endpoint');
    case 'cca':
      return setting('cca_host');
    case 'pkcs11':
      return setting('pkcs11_token_label');
  }
}
