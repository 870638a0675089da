import * as z from 'zod/mini';
import { later } from '../later.ts';
import { HEALTH_STATUSES, KEYSTORE_TYPES } from '../keystores/keystore.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import { alsoWhenOthersFail, dateTime, description, groups, id, plainName, text } from './fields.ts';
import type { Wire } from './fields.ts';
import { anyOf, containing, flag, oneOf, page, paging } from './lists.ts';
import { plannedChanges } from './planned.ts';
import { vaultReference, vaultReferenceInCreationRequest } from './vaults.ts';

/** What a secret comes back as; sent back in a PATCH it means “unchanged”. */
export const SECRET_PLACEHOLDER = '********';

export const AZURE_ENVIRONMENTS = ['azure', 'azure_china', 'azure_germany', 'azure_us_government'] as const;
export const AZURE_VARIANTS = ['premium', 'standard'] as const;
export const IBM_VARIANTS = ['hpcs', 'internal', 'key_protect'] as const;
export const DELETE_MODES = ['restrict', 'deactivate', 'destroy', 'disconnect'] as const;

/** A region as records and AWS write it (`us-east-1`), written as the contract has it (`us_east_1`). */
export function regionOnWire(region: string): string {
  return region.replaceAll('-', '_');
}

const awsRegion = later(() =>
  z
    .pipe(
      text({
        minimum: 1,
        maximum: 40,
        pattern: /^[a-z]{2,8}(?:[_-][a-z]{1,20}){1,4}[_-]\d{1,2}$/,
        says: 'must be an AWS region such as us_east_1',
      }),
      z.transform((region: string) => region.replaceAll('_', '-')),
    )
    .check(z.describe('Written us_east_1; us-east-1 is accepted too.')),
);

const OWN_ROLE = "Without access key, or with an empty one, Shearline's own role is used.";
const awsAccessKeyId = later(() =>
  text({
    minimum: 0,
    maximum: 128,
    pattern: /^\w*$/,
    says: 'must have at most 128 letters, digits and underscores',
  }).check(z.describe(OWN_ROLE)),
);

function secret(maximum: number, minimum = 1) {
  const says = `must have ${minimum === 0 ? 'at most' : '1 to'} ${maximum} characters`;
  return text({ minimum, maximum, says });
}
const awsSecretAccessKey = later(() => secret(256, 0).check(z.describe(OWN_ROLE)));

const azureServiceName = later(() =>
  text({
    minimum: 3,
    maximum: 24,
    pattern: /^[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]$/,
    says: 'must be the name of a key vault: 3 to 24 letters, digits and hyphens, starting with a letter',
  }),
);
const azureResourceGroup = later(() =>
  text({
    minimum: 1,
    maximum: 90,
    pattern: /^[\w.()-]+$/,
    says: 'must have 1 to 90 letters, digits and the characters . _ ( ) -',
  }),
);
const azureLocation = later(() =>
  text({
    minimum: 0,
    maximum: 100,
    pattern: /^[A-Za-z0-9 _()-]*$/,
    says: 'must have at most 100 letters, digits, spaces and the characters _ ( ) -',
  }),
);
const azureId = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9-]+$/,
    says: 'must have 1 to 100 letters, digits and hyphens',
  }),
);
const azureTenant = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9][A-Za-z0-9.-]*$/,
    says: "must be a tenant's id or domain",
  }),
);

const googleLocation = later(() =>
  text({
    minimum: 1,
    maximum: 63,
    pattern: /^[a-z0-9_-]+$/,
    says: 'must be a Google Cloud location such as europe-west3 or global',
  }),
);
const googleProjectId = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[a-z0-9][a-z0-9.:-]*$/,
    says: "must be a Google Cloud project's id",
  }),
);
const googlePrivateKeyId = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9_-]+$/,
    says: 'must have 1 to 100 letters, digits, hyphens and underscores',
  }),
);
const googleKeyRing = later(() =>
  text({
    minimum: 1,
    maximum: 63,
    pattern: /^[A-Za-z0-9_-]+$/,
    says: 'must have 1 to 63 letters, digits, hyphens and underscores',
  }),
);

const endpoint = later(() =>
  text({
    minimum: 9,
    maximum: 300,
    pattern: /^https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?:\/[A-Za-z0-9._~/-]*)?$/,
    says: 'must be an http(s) URL without credentials, parameters or fragment',
  }),
);
const ibmInstanceId = later(() =>
  text({
    minimum: 1,
    maximum: 100,
    pattern: /^[A-Za-z0-9-]+$/,
    says: 'must have 1 to 100 letters, digits and hyphens',
  }),
);
const ibmKeyRing = later(() =>
  text({
    minimum: 2,
    maximum: 100,
    pattern: /^[A-Za-z0-9-]+$/,
    says: 'must have 2 to 100 letters, digits and hyphens',
  }),
);

const ccaTrustedIssuer = later(() => text({ minimum: 0, maximum: 1000, says: 'must have at most 1000 characters' }));
const ccaHost = later(() =>
  text({
    minimum: 1,
    maximum: 255,
    pattern: /^[A-Za-z0-9.:-]+$/,
    says: 'must be a host name or address',
  }),
);
const ccaPort = later(() =>
  z.int().check(z.gte(1, 'must be a port from 1 to 65535'), z.lte(65_535, 'must be a port from 1 to 65535')),
);
const ccaPublicKeyHash = later(() => text({ minimum: 1, maximum: 256, says: 'must have 1 to 256 characters' }));

const awsCustomKeyStoreId = later(() =>
  text({
    minimum: 1,
    maximum: 64,
    pattern: /^[A-Za-z0-9-]+$/,
    says: 'must be the id of an AWS KMS custom key store, such as cks-1234567890abcdef0',
  }).check(z.describe('Beyond UKO: the AWS KMS custom key store, backed by AWS CloudHSM.')),
);
const awsProbe = later(() =>
  z
    .boolean()
    .check(
      z.describe(
        'Beyond UKO: whether a verify also tries the key with a tiny cryptographic call, because AWS KMS does not notice when its backing key is gone. Default true.',
      ),
    ),
);
const pkcs11TokenLabel = later(() =>
  text({ minimum: 1, maximum: 32, says: 'must have 1 to 32 characters' }).check(
    z.describe("Beyond UKO: the label of the HSM's token."),
  ),
);

const tlsProxy = later(() =>
  text({
    minimum: 0,
    maximum: 255,
    pattern: /^[A-Za-z0-9.:[\]/-]*$/,
    says: 'must be the host and port of a proxy, or empty for none',
  }),
);

const created = later(() => ({
  vault: vaultReferenceInCreationRequest(),
  name: plainName(),
  description: z.optional(description()),
  tls_proxy: z.optional(tlsProxy()),
  groups: z.optional(groups()),
}));

interface AwsAccessKey {
  readonly aws_access_key_id?: string | undefined;
  readonly aws_secret_access_key?: string | undefined;
}
const filled = (value: unknown): boolean => typeof value === 'string' && value !== '';
const bothOrNeither = z.check<AwsAccessKey>(
  (payload) => {
    const { aws_access_key_id: key, aws_secret_access_key: secret } = payload.value;
    if (filled(key) === filled(secret)) return;
    const missing = filled(key) ? 'aws_secret_access_key' : 'aws_access_key_id';
    const other = filled(key) ? 'aws_access_key_id' : 'aws_secret_access_key';
    payload.issues.push({
      code: 'custom',
      path: [missing],
      message: `is required together with ${other} (leave out both to use Shearline's own role)`,
      input: undefined,
    });
  },
  { when: alsoWhenOthersFail },
);

/** A placeholder is only known for what already has a value. */
const noPlaceholder = z.check<object>(
  (payload) => {
    for (const [field, value] of Object.entries(payload.value)) {
      if (value !== SECRET_PLACEHOLDER || !SECRET_FIELDS.has(field)) continue;
      const message = 'is the placeholder of a stored secret: there is none yet, give its value';
      payload.issues.push({ code: 'custom', path: [field], message, input: undefined });
    }
  },
  { when: alsoWhenOthersFail },
);

const awsRoleArn = later(() =>
  text({
    minimum: 0,
    maximum: 600,
    pattern: /^(?:arn:aws[a-z-]*:iam::\d{12}:role\/shearline\/[A-Za-z0-9+=,.@_/-]+)?$/,
    says: 'must be the ARN of a role below the path /shearline/, or empty for none',
  }).check(
    z.describe(
      'Beyond UKO: a role in the account of the keys that Shearline assumes, with the id of the vault as external id; with the access key if there is one, else with its own role.',
    ),
  ),
);

const aws = later(() => ({
  aws_role_arn: z.optional(awsRoleArn()),
  aws_region: awsRegion(),
  aws_access_key_id: z.optional(awsAccessKeyId()),
  aws_secret_access_key: z.optional(awsSecretAccessKey()),
}));

export const createAwsKms = later(() =>
  z.strictObject({ type: z.literal('aws_kms'), ...created(), ...aws() }).check(bothOrNeither, noPlaceholder),
);

export const createAwsCloudHsm = later(() =>
  z
    .strictObject({
      type: z.literal('aws_cloudhsm'),
      ...created(),
      ...aws(),
      aws_custom_key_store_id: awsCustomKeyStoreId(),
      aws_probe: z._default(awsProbe(), true),
    })
    .check(bothOrNeither, noPlaceholder),
);

export const createAzure = later(() =>
  z
    .strictObject({
      type: z.literal('azure_key_vault'),
      ...created(),
      name: z.optional(plainName()),
      azure_service_name: azureServiceName(),
      azure_resource_group: azureResourceGroup(),
      azure_location: z.optional(azureLocation()),
      azure_service_principal_client_id: azureId(),
      azure_service_principal_password: secret(1000),
      azure_tenant: azureTenant(),
      azure_subscription_id: azureId(),
      azure_environment: z.optional(z.enum(AZURE_ENVIRONMENTS)),
      azure_variant: z.optional(z.enum(AZURE_VARIANTS)),
    })
    .check(noPlaceholder),
);

export const createGoogleKms = later(() =>
  z
    .strictObject({
      type: z.literal('google_kms'),
      ...created(),
      google_credentials: secret(65_536),
      google_location: z.optional(googleLocation()),
      google_project_id: z.optional(googleProjectId()),
      google_private_key_id: z.optional(googlePrivateKeyId()),
      google_key_ring: z.optional(googleKeyRing()),
    })
    .check(noPlaceholder),
);

const ibmConnection = later(() => ({
  ibm_api_endpoint: endpoint(),
  ibm_iam_endpoint: endpoint(),
  ibm_api_key: secret(1000),
  ibm_instance_id: ibmInstanceId(),
  ibm_key_ring: z.optional(ibmKeyRing()),
}));

export const createIbmCloudKms = later(() =>
  z
    .strictObject({
      type: z.literal('ibm_cloud_kms'),
      ibm_variant: z.enum(['hpcs', 'key_protect']),
      ...created(),
      ...ibmConnection(),
    })
    .check(noPlaceholder),
);

export const createIbmCloudKmsInternal = later(() =>
  z.strictObject({
    type: z.literal('ibm_cloud_kms'),
    ibm_variant: z.literal('internal'),
    ...created(),
  }),
);

export const createCca = later(() =>
  z.strictObject({
    type: z.literal('cca'),
    ...created(),
    cca_use_tls: z.optional(z.boolean()),
    cca_trusted_issuer: z.optional(ccaTrustedIssuer()),
    cca_host: ccaHost(),
    cca_port: ccaPort(),
    cca_public_key_hash: ccaPublicKeyHash(),
  }),
);

export const createPkcs11 = later(() =>
  z
    .strictObject({
      type: z.literal('pkcs11'),
      ...created(),
      pkcs11_token_label: pkcs11TokenLabel(),
      pkcs11_user_pin: secret(255),
    })
    .check(noPlaceholder),
);

export const createKeystore = later(() =>
  z.discriminatedUnion('type', [
    createAwsKms(),
    createAwsCloudHsm(),
    createAzure(),
    createGoogleKms(),
    z.discriminatedUnion('ibm_variant', [createIbmCloudKms(), createIbmCloudKmsInternal()]),
    createCca(),
    createPkcs11(),
  ]),
);
export type WireCreateKeystore = Wire<typeof createKeystore>;

/** Fields of every type in one: which of them the keystore's own type has is judged with `KEYSTORE_FIELDS`. */
export const updateKeystore = later(() =>
  z.strictObject({
    name: z.optional(plainName()),
    description: z.optional(description()),
    tls_proxy: z.optional(tlsProxy()),
    groups: z.optional(groups()),
    google_credentials: z.optional(secret(65_536)),
    google_location: z.optional(googleLocation()),
    google_project_id: z.optional(googleProjectId()),
    google_private_key_id: z.optional(googlePrivateKeyId()),
    google_key_ring: z.optional(googleKeyRing()),
    aws_region: z.optional(awsRegion()),
    aws_role_arn: z.optional(awsRoleArn()),
    aws_access_key_id: z.optional(awsAccessKeyId()),
    aws_secret_access_key: z.optional(awsSecretAccessKey()),
    aws_custom_key_store_id: z.optional(awsCustomKeyStoreId()),
    aws_probe: z.optional(awsProbe()),
    azure_service_name: z.optional(azureServiceName()),
    azure_resource_group: z.optional(azureResourceGroup()),
    azure_location: z.optional(azureLocation()),
    azure_service_principal_client_id: z.optional(azureId()),
    azure_service_principal_password: z.optional(secret(1000)),
    azure_tenant: z.optional(azureTenant()),
    azure_subscription_id: z.optional(azureId()),
    azure_environment: z.optional(z.enum(AZURE_ENVIRONMENTS)),
    azure_variant: z.optional(z.enum(AZURE_VARIANTS)),
    ibm_api_endpoint: z.optional(endpoint()),
    ibm_iam_endpoint: z.optional(endpoint()),
    ibm_api_key: z.optional(secret(1000)),
    ibm_instance_id: z.optional(ibmInstanceId()),
    ibm_key_ring: z.optional(ibmKeyRing()),
    cca_use_tls: z.optional(z.boolean()),
    cca_trusted_issuer: z.optional(ccaTrustedIssuer()),
    cca_host: z.optional(ccaHost()),
    cca_port: z.optional(ccaPort()),
    cca_public_key_hash: z.optional(ccaPublicKeyHash()),
    pkcs11_token_label: z.optional(pkcs11TokenLabel()),
    pkcs11_user_pin: z.optional(secret(255)),
  }),
);
export type WireUpdateKeystore = Wire<typeof updateKeystore>;

type OwnField = Exclude<keyof WireUpdateKeystore, 'name' | 'description' | 'tls_proxy' | 'groups'> | 'ibm_variant';

/** The fields that belong to a keystore type alone, in the contract's order: open settings and secrets. */
export const KEYSTORE_FIELDS = {
  aws_kms: { settings: ['aws_region', 'aws_access_key_id', 'aws_role_arn'], secrets: ['aws_secret_access_key'] },
  aws_cloudhsm: {
    settings: ['aws_region', 'aws_access_key_id', 'aws_role_arn', 'aws_custom_key_store_id', 'aws_probe'],
    secrets: ['aws_secret_access_key'],
  },
  azure_key_vault: {
    settings: [
      'azure_service_name',
      'azure_resource_group',
      'azure_location',
      'azure_service_principal_client_id',
      'azure_tenant',
      'azure_subscription_id',
      'azure_environment',
      'azure_variant',
    ],
    secrets: ['azure_service_principal_password'],
  },
  google_kms: {
    settings: ['google_location', 'google_project_id', 'google_private_key_id', 'google_key_ring'],
    secrets: ['google_credentials'],
  },
  ibm_cloud_kms: {
    settings: ['ibm_api_endpoint', 'ibm_iam_endpoint', 'ibm_instance_id', 'ibm_variant', 'ibm_key_ring'],
    secrets: ['ibm_api_key'],
  },
  cca: {
    settings: ['cca_use_tls', 'cca_trusted_issuer', 'cca_host', 'cca_port', 'cca_public_key_hash'],
    secrets: [],
  },
  pkcs11: { settings: ['pkcs11_token_label'], secrets: ['pkcs11_user_pin'] },
} as const satisfies Record<KeystoreType, { settings: readonly OwnField[]; secrets: readonly OwnField[] }>;

const SECRET_FIELDS: ReadonlySet<string> = new Set(Object.values(KEYSTORE_FIELDS).flatMap((fields) => fields.secrets));

export const keystoreQuery = later(() =>
  z.strictObject({
    type: anyOf(z.enum(KEYSTORE_TYPES)),
    name: containing(),
    description: containing(),
    group: containing(),
    'groups[]': containing(),
    'vault.id': anyOf(id()),
    location: anyOf(z.string().check(z.minLength(1, 'must not be empty'))),
    ...paging([
      'name',
      'type',
      'location',
      'description',
      'created_at',
      'updated_at',
      'vault.id',
      'status.health_status',
    ]),
    'status.health_status': anyOf(z.enum(HEALTH_STATUSES)),
  }),
);

export const dryRunQuery = later(() => z.strictObject({ dry_run: flag() }));
export const deleteKeystoreQuery = later(() => z.strictObject({ mode: oneOf(DELETE_MODES), dry_run: flag() }));

export const keystoreStatus = later(() =>
  z.strictObject({
    last_heartbeat: z.optional(dateTime()),
    health_status: z.optional(z.enum(HEALTH_STATUSES)),
    message: z.optional(z.string()),
  }),
);
export type WireKeystoreStatus = Wire<typeof keystoreStatus>;

export const targetKeystoreReference = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    name: z.optional(z.string()),
    type: z.enum(KEYSTORE_TYPES),
    href: z.optional(z.string()),
  }),
);
export type WireKeystoreReference = Wire<typeof targetKeystoreReference>;

const shown = later(() => ({
  vault: z.optional(vaultReference()),
  id: z.optional(z.string()),
  name: z.string(),
  location: z.string(),
  description: z.string(),
  groups: z.array(z.string()),
  created_at: z.optional(dateTime()),
  updated_at: z.optional(dateTime()),
  created_by: z.optional(z.string()),
  updated_by: z.optional(z.string()),
  href: z.optional(z.string()),
  status: keystoreStatus(),
  tls_proxy: z.optional(z.string()),
  planned_changes: z.optional(plannedChanges()),
}));
const hidden = later(() => z.string().check(z.describe(`Always ${SECRET_PLACEHOLDER}, or empty when none is stored.`)));

const shownAws = later(() => ({
  aws_region: z.string(),
  aws_access_key_id: z.string(),
  aws_secret_access_key: hidden(),
  aws_role_arn: z.optional(z.string()),
}));

export const keystoreAwsKms = later(() => z.strictObject({ type: z.literal('aws_kms'), ...shown(), ...shownAws() }));

export const keystoreAwsCloudHsm = later(() =>
  z.strictObject({
    type: z.literal('aws_cloudhsm'),
    ...shown(),
    ...shownAws(),
    aws_custom_key_store_id: z.string(),
    aws_probe: z.boolean(),
  }),
);

export const keystoreAzure = later(() =>
  z.strictObject({
    type: z.literal('azure_key_vault'),
    ...shown(),
    azure_service_name: z.string(),
    azure_resource_group: z.string(),
    azure_location: z.optional(z.string()),
    azure_service_principal_client_id: z.string(),
    azure_service_principal_password: hidden(),
    azure_tenant: z.string(),
    azure_subscription_id: z.string(),
    azure_environment: z.optional(z.enum(AZURE_ENVIRONMENTS)),
    azure_variant: z.optional(z.enum(AZURE_VARIANTS)),
  }),
);

export const keystoreGoogleKms = later(() =>
  z.strictObject({
    type: z.literal('google_kms'),
    ...shown(),
    google_credentials: hidden(),
    google_location: z.string(),
    google_project_id: z.optional(z.string()),
    google_private_key_id: z.optional(z.string()),
    google_key_ring: z.string(),
  }),
);

export const keystoreIbmCloudKms = later(() =>
  z.strictObject({
    type: z.literal('ibm_cloud_kms'),
    ...shown(),
    ibm_api_endpoint: z.string(),
    ibm_iam_endpoint: z.string(),
    ibm_api_key: hidden(),
    ibm_instance_id: z.string(),
    ibm_variant: z.enum(IBM_VARIANTS),
    ibm_key_ring: z.optional(z.string()),
  }),
);

export const keystoreCca = later(() =>
  z.strictObject({
    type: z.literal('cca'),
    ...shown(),
    cca_use_tls: z.boolean(),
    cca_trusted_issuer: z.optional(z.string()),
    cca_host: z.string(),
    cca_port: z.int(),
    cca_public_key_hash: z.string(),
  }),
);

export const keystorePkcs11 = later(() =>
  z.strictObject({
    type: z.literal('pkcs11'),
    ...shown(),
    pkcs11_token_label: z.string(),
    pkcs11_user_pin: hidden(),
  }),
);

export const keystore = later(() =>
  z.discriminatedUnion('type', [
    keystoreAwsKms(),
    keystoreAwsCloudHsm(),
    keystoreAzure(),
    keystoreGoogleKms(),
    keystoreIbmCloudKms(),
    keystoreCca(),
    keystorePkcs11(),
  ]),
);
export type WireKeystore = Wire<typeof keystore>;

export const keystoreList = later(() => z.strictObject({ ...page(), keystores: z.array(keystore()) }));
export type WireKeystoreList = Wire<typeof keystoreList>;
