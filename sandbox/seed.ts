import pMap from 'p-map';
import * as z from 'zod/mini';
import { expectStatus } from './api-client.ts';
import type { ApiClient, Json } from './api-client.ts';
import { KEYSTORE_ACCOUNT } from './aws-accounts.ts';
import type { OtherClouds } from './other-clouds.ts';

const CREATED = z.object({ id: z.string() });

const ACCESS = {
  aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
  aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey,
};

const KEYSTORES = (customKeyStoreId: string) => [
  {
    name: 'aws-us-east-1',
    type: 'aws_kms',
    description: 'AWS KMS, first region',
    groups: ['Production'],
    aws_region: 'us_east_1',
    ...ACCESS,
  },
  {
    name: 'aws-eu-central-1',
    type: 'aws_kms',
    description: 'AWS KMS, second region',
    groups: ['Production'],
    aws_region: 'eu_central_1',
    ...ACCESS,
  },
  {
    name: 'cloudhsm-us-east-1',
    type: 'aws_cloudhsm',
    description: 'A custom key store of AWS KMS, backed by AWS CloudHSM',
    groups: ['HSM'],
    aws_region: 'us_east_1',
    aws_custom_key_store_id: customKeyStoreId,
    ...ACCESS,
  },
];

const ACTIVE = { activation_date: '', expiration_date: 'P1Y', state: 'active' };

/** One template for each other cloud. */
export const OTHER_CLOUD_TEMPLATES = [
  {
    name: 'azure-rsa-3072',
    description: 'Signing keys, the same in a premium and a standard vault',
    key: { algorithm: 'rsa', size: '3072', ...ACTIVE },
    keystores: [{ type: 'azure_key_vault', group: 'Azure', azure_key_protection_level: 'software' }],
  },
  {
    name: 'google-aes-256',
    description: 'Data keys in two locations',
    key: { algorithm: 'aes', size: '256', ...ACTIVE },
    keystores: [
      {
        type: 'google_kms',
        group: 'Google',
        google_key_purpose: 'encrypt_decrypt',
        google_kms_algorithm: 'google_symmetric_encryption',
        google_key_protection_level: 'software',
      },
    ],
  },
  {
    name: 'ibm-aes-256',
    description: 'Root keys, the same in Key Protect and HPCS',
    key: { algorithm: 'aes', size: '256', ...ACTIVE },
    keystores: [{ type: 'ibm_cloud_kms', group: 'IBM' }],
  },
];

/** The HSM's, where there is one. */
export const HSM_TEMPLATES = [
  {
    name: 'our-hsm-aes-256',
    description: 'Keys in an HSM of our own, by its PKCS #11 library',
    key: { algorithm: 'aes', size: '256', ...ACTIVE },
    keystores: [{ type: 'pkcs11', group: 'HSM' }],
  },
];
export const HSM_KEYS = [{ label: 'payments/vault-door', template_name: 'our-hsm-aes-256' }];

/** One key for each other cloud, named as its keystores allow. */
export const OTHER_CLOUD_KEYS = [
  { label: 'payments-signing', template_name: 'azure-rsa-3072' },
  { label: 'payments-data', template_name: 'google-aes-256' },
  { label: 'Payments root', template_name: 'ibm-aes-256' },
];

const TEMPLATES = [
  {
    name: 'data-aes-256',
    description: 'Data keys with the same material in every region',
    key: { algorithm: 'aes', size: '256', ...ACTIVE },
    keystores: [{ type: 'aws_kms', group: 'Production' }],
  },
  {
    name: 'hsm-aes-256',
    description: 'Keys that never leave the CloudHSM cluster',
    key: { algorithm: 'aes', size: '256', ...ACTIVE },
    keystores: [{ type: 'aws_cloudhsm', group: 'HSM' }],
  },
  ...OTHER_CLOUD_TEMPLATES,
];

const KEYS = [
  { label: 'payments/card-data', template_name: 'data-aes-256' },
  { label: 'payments/tokens', template_name: 'data-aes-256' },
  { label: 'payments/root', template_name: 'hsm-aes-256' },
  ...OTHER_CLOUD_KEYS,
];

/**
 * Makes the sample vault with keystores, templates and keys, over the API like any other client. What an interrupted run has made already
 * is left as it is.
 */
export async function seed(
  client: ApiClient,
  customKeyStoreId: string,
  others: OtherClouds['keystores'],
): Promise<{ readonly keystores: number; readonly templates: number; readonly keys: number }> {
  const vaultId = await ensure(client, 'vaults', { name: 'Payments', description: 'The sample vault' });
  const vault = { id: vaultId };
  const keystores = [...KEYSTORES(customKeyStoreId), ...others];
  const hasHsm = others.some(({ type }) => type === 'pkcs11');
  const templates = [...TEMPLATES, ...(hasHsm ? HSM_TEMPLATES : [])];
  const keys = [...KEYS, ...(hasHsm ? HSM_KEYS : [])];
  // One after the other: every parallel call to a function would start another copy of it here, which takes longer than the call.
  for (const keystore of keystores) await ensure(client, 'keystores', { vault, ...keystore });
  for (const template of templates) await ensure(client, 'templates', { vault, ...template });
  await pMap(keys, (key) => ensure(client, 'managed_keys', { vault, ...key }), { concurrency: 2 });
  return { keystores: keystores.length, templates: templates.length, keys: keys.length };
}

/** Answers the id of what bears this name (a key: this label) in the list, made when missing. */
async function ensure(
  client: ApiClient,
  list: 'vaults' | 'keystores' | 'templates' | 'managed_keys',
  body: Readonly<Record<string, Json>>,
): Promise<string> {
  const named = list === 'managed_keys' ? 'label' : 'name';
  const value = z.string().parse(body[named]);
  const query = new URLSearchParams({ [named]: value, limit: '1000' });
  const { body: page } = await expectStatus(client, 200, { method: 'GET', path: `/${list}?${query.toString()}` });
  const items = z.record(z.string(), z.unknown()).parse(page)[list];
  const same = z
    .array(z.record(z.string(), z.unknown()))
    .parse(items)
    .find((item) => item[named] === value);
  if (same !== undefined) return CREATED.parse(same).id;
  return CREATED.parse((await expectStatus(client, 201, { method: 'POST', path: `/${list}`, body })).body).id;
}
