import type { WireKeystore } from '../../lib/wire/keystores.ts';

export type KeystoreType = WireKeystore['type'];

/** A setting of a keystore type, as the contract names it. */
export interface SettingField {
  readonly name: string;
  readonly kind: 'text' | 'secret' | 'choice' | 'switch' | 'long-secret';
  readonly optional?: boolean;
  readonly options?: readonly string[];
  readonly example?: string;
}

const AWS: readonly SettingField[] = [
  { name: 'aws_region', kind: 'text', example: 'us_east_1' },
  { name: 'aws_role_arn', kind: 'text', optional: true, example: 'arn:aws:iam::111122223333:role/shearline/keystores' },
  { name: 'aws_access_key_id', kind: 'text', optional: true },
  { name: 'aws_secret_access_key', kind: 'secret', optional: true },
];

/** What connecting a keystore of each type takes, in the order in which people have it at hand. */
export const SETTINGS: Record<KeystoreType, readonly SettingField[]> = {
  aws_kms: AWS,
  aws_cloudhsm: [
    ...AWS,
    { name: 'aws_custom_key_store_id', kind: 'text', example: 'cks-1234567890abcdef0' },
    { name: 'aws_probe', kind: 'switch', optional: true },
  ],
  azure_key_vault: [
    { name: 'azure_service_name', kind: 'text' },
    { name: 'azure_resource_group', kind: 'text' },
    { name: 'azure_location', kind: 'text', optional: true },
    { name: 'azure_tenant', kind: 'text' },
    { name: 'azure_subscription_id', kind: 'text' },
    { name: 'azure_service_principal_client_id', kind: 'text' },
    { name: 'azure_service_principal_password', kind: 'secret' },
    {
      name: 'azure_environment',
      kind: 'choice',
      optional: true,
      options: ['azure', 'azure_china', 'azure_germany', 'azure_us_government'],
    },
    { name: 'azure_variant', kind: 'choice', optional: true, options: ['premium', 'standard'] },
  ],
  google_kms: [
    { name: 'google_credentials', kind: 'long-secret' },
    { name: 'google_location', kind: 'text', optional: true, example: 'europe-west3' },
    { name: 'google_project_id', kind: 'text', optional: true },
    { name: 'google_key_ring', kind: 'text', optional: true },
    { name: 'google_private_key_id', kind: 'text', optional: true },
  ],
  ibm_cloud_kms: [
    { name: 'ibm_variant', kind: 'choice', options: ['key_protect', 'hpcs', 'internal'] },
    { name: 'ibm_api_endpoint', kind: 'text', example: 'https://us-south.kms.cloud.ibm.com' },
    { name: 'ibm_iam_endpoint', kind: 'text', example: 'https://iam.cloud.ibm.com' },
    { name: 'ibm_api_key', kind: 'secret' },
    { name: 'ibm_instance_id', kind: 'text' },
    { name: 'ibm_key_ring', kind: 'text', optional: true },
  ],
  pkcs11: [
    { name: 'pkcs11_token_label', kind: 'text' },
    { name: 'pkcs11_user_pin', kind: 'secret' },
  ],
  cca: [],
};

/** The settings that count for these values: an internal IBM keystore has none of its own. */
export function settingsFor(
  type: KeystoreType,
  values: Readonly<Record<string, string | boolean>>,
): readonly SettingField[] {
  const fields = SETTINGS[type];
  return type === 'ibm_cloud_kms' && values['ibm_variant'] === 'internal'
    ? fields.filter(({ name }) => name === 'ibm_variant')
    : fields;
}

/** What the API shows in place of a stored secret; sent back, it means “unchanged”. */
export const PLACEHOLDER = '********';
