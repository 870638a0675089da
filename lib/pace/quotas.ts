import type { KeystoreType } from '../keystores/keystore.ts';

/**
 * Calls a second that the providers admit by default, per quota scope: an AWS account and region, an Azure vault, a Google project, an IBM
 * instance. All can be raised by the provider; `QUOTAS` then says what is admitted. Sources: AWS KMS developer guide, “Request quotas”;
 * Azure Key Vault service limits (4,000 transactions of a vault in 10 s for software keys and everything that is no key operation, 10 s
 * windows; changes 200 in 10 s); Google Cloud KMS quotas (600 reads, 60 writes a minute); IBM Key Protect API limits (not published per call;
 * 20 a second is what its service answers without 429).
 */
export const QUOTAS = {
  'aws.DescribeKey': 2_000,
  'aws.ListResourceTags': 2_000,
  'aws.GetPublicKey': 2_000,
  'aws.ListKeys': 500,
  'aws.ListAliases': 500,
  'aws.ListKeyRotations': 100,
  'aws.ScheduleKeyDeletion': 15,
  'aws.ImportKeyMaterial': 15,
  'aws.TagResource': 10,
  'aws.CreateKey': 5,
  'aws.EnableKey': 5,
  'aws.DisableKey': 5,
  'aws.CancelKeyDeletion': 5,
  'aws.CreateAlias': 5,
  'aws.UpdateAlias': 5,
  'aws.DeleteAlias': 15,
  'aws.UntagResource': 5,
  'aws.UpdateKeyDescription': 5,
  'aws.RotateKeyOnDemand': 5,
  'aws.DescribeCustomKeyStores': 5,
  'aws.GetParametersForImport': 1,
  'aws.Encrypt': 1_800,
  'azure.read': 400,
  'azure.change': 20,
  'google.read': 10,
  'google.change': 1,
  'ibm.read': 20,
  'ibm.change': 5,
  'pkcs11.read': 200,
  'pkcs11.change': 20,
} as const satisfies Readonly<Record<string, number>>;

export type QuotaName = keyof typeof QUOTAS;

export function isQuotaName(name: string): name is QuotaName {
  return Object.hasOwn(QUOTAS, name);
}

/** Operations that change a keystore: what a repair is made of. */
const READS: ReadonlySet<QuotaName> = new Set<QuotaName>([
  'aws.DescribeKey',
  'aws.ListResourceTags',
  'aws.GetPublicKey',
  'aws.ListKeys',
  'aws.ListAliases',
  'aws.ListKeyRotations',
  'aws.DescribeCustomKeyStores',
  'aws.Encrypt',
  'azure.read',
  'google.read',
  'ibm.read',
  'pkcs11.read',
]);

export function isRead(name: QuotaName): boolean {
  return READS.has(name);
}

/** The quota that one look at one key uses up in a sweep, where keys are asked for one by one. */
export const LOOK_QUOTA: Readonly<Record<KeystoreType, QuotaName | undefined>> = {
  aws_kms: 'aws.DescribeKey',
  aws_cloudhsm: 'aws.DescribeKey',
  azure_key_vault: 'azure.read',
  google_kms: 'google.read',
  ibm_cloud_kms: 'ibm.read',
  pkcs11: 'pkcs11.read',
  cca: undefined,
};
