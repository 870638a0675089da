import * as z from 'zod/mini';
import { later } from '../later.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../keys/key.ts';
import { TEMPLATE_AUTO_REPAIR_POLICIES } from '../auto-repair/policy.ts';
import { KEYSTORE_TYPES } from '../keystores/keystore.ts';
import { alsoWhenOthersFail, dateTime, description, group, id, namingScheme, period, text } from './fields.ts';
import type { Wire } from './fields.ts';
import { anyOf, containing, instants, page, paging, sizes } from './lists.ts';
import { plannedChanges } from './planned.ts';
import { scheduleRequest } from './schedule.ts';
import { vaultReference, vaultReferenceInCreationRequest } from './vaults.ts';

export const TEMPLATE_TYPES = ['shadow', 'system', 'user_defined'] as const;
export type TemplateType = (typeof TEMPLATE_TYPES)[number];
export const TEMPLATE_STATES = ['archived', 'unarchived'] as const;
export type TemplateState = (typeof TEMPLATE_STATES)[number];
export const ALIGNMENT_STATUSES = ['aligned', 'unaligned'] as const;
export type AlignmentStatus = (typeof ALIGNMENT_STATUSES)[number];
export const MANAGING_SYSTEMS = ['web', 'workstation'] as const;

export const PROTECTION_LEVELS = ['hsm', 'software'] as const;
export const AWS_KEY_USAGES = ['encrypt_decrypt', 'sign_verify', 'generate_verify_mac', 'key_agreement'] as const;
export const AZURE_KEY_OPERATIONS = ['decrypt', 'encrypt', 'sign', 'unwrap_key', 'verify', 'wrap_key'] as const;
export const GOOGLE_KEY_PURPOSES = ['asymmetric_decrypt', 'asymmetric_sign', 'encrypt_decrypt', 'mac'] as const;
export const GOOGLE_KMS_ALGORITHMS = [
  'ec_sign_p256_sha256',
  'ec_sign_p384_sha384',
  'ec_sign_secp256k1_sha256',
  'google_symmetric_encryption',
  'hmac_sha256',
  'rsa_decrypt_oaep_2048_sha1',
  'rsa_decrypt_oaep_2048_sha256',
  'rsa_decrypt_oaep_3072_sha1',
  'rsa_decrypt_oaep_3072_sha256',
  'rsa_decrypt_oaep_4096_sha1',
  'rsa_decrypt_oaep_4096_sha256',
  'rsa_decrypt_oaep_4096_sha512',
  'rsa_sign_pkcs1_2048_sha256',
  'rsa_sign_pkcs1_3072_sha256',
  'rsa_sign_pkcs1_4096_sha256',
  'rsa_sign_pkcs1_4096_sha512',
  'rsa_sign_pss_2048_sha256',
  'rsa_sign_pss_3072_sha256',
  'rsa_sign_pss_4096_sha256',
  'rsa_sign_pss_4096_sha512',
  'rsa_sign_raw_pkcs1_2048',
  'rsa_sign_raw_pkcs1_3072',
  'rsa_sign_raw_pkcs1_4096',
] as const;
export const CCA_USAGE_CONTROLS = ['key_management_only', 'signature_and_key_management', 'signature_only'] as const;
export const CCA_KEY_TYPES = ['cipher', 'data', 'exporter', 'importer'] as const;

const name = later(() =>
  text({
    minimum: 1,
    maximum: 30,
    pattern: /^[A-Za-z][A-Za-z0-9-]*$/,
    says: 'must have 1 to 30 letters, digits and hyphens, and start with a letter',
  }),
);

const size = later(() =>
  text({
    minimum: 1,
    maximum: 20,
    pattern: /^[A-Za-z0-9_-]+$/,
    says: 'must be a key size or curve such as 256, 2048 or 256K',
  }),
);
const PERIOD_SAYS = 'An ISO 8601 period from the creation of the key, such as P1Y2M1W4D; empty for none.';
const initialState = later(() => z.enum(['active', 'pre_activation']));
const material = later(() =>
  z
    .enum(MATERIAL_KINDS)
    .check(
      z.describe(
        'Beyond UKO. imported: one material in every keystore; native: each keystore makes its own, and such keys cannot decrypt each other’s data. Default: imported where the keystore can.',
      ),
    ),
);

export const keyProperties = later(() =>
  z.strictObject({
    size: size(),
    algorithm: z.enum(KEY_ALGORITHMS),
    activation_date: period().check(z.describe(PERIOD_SAYS)),
    expiration_date: period().check(z.describe(PERIOD_SAYS)),
    state: initialState(),
    deactivate_on_rotation: z.optional(z.boolean()),
    material: z.optional(material()),
    schedule: z.optional(scheduleRequest()),
  }),
);
export type WireKeyProperties = Wire<typeof keyProperties>;

export const keyPropertiesUpdate = later(() =>
  z.strictObject({
    size: z.optional(size()),
    activation_date: z.optional(period().check(z.describe(PERIOD_SAYS))),
    expiration_date: z.optional(period().check(z.describe(PERIOD_SAYS))),
    state: z.optional(initialState()),
    deactivate_on_rotation: z.optional(z.boolean()),
    schedule: z.optional(scheduleRequest()),
  }),
);

const assigned = later(() => ({ group: z.optional(group()), naming_scheme: z.optional(namingScheme()) }));
const awsProperties = later(() => ({
  aws_key_usage: z.optional(
    z
      .enum(AWS_KEY_USAGES)
      .check(z.describe('Beyond UKO: what the AWS KMS key may do. Default: as its algorithm says.')),
  ),
}));
const azureProperties = later(() => ({
  azure_key_protection_level: z.optional(z.enum(PROTECTION_LEVELS)),
  azure_key_operations: z.optional(z.array(z.enum(AZURE_KEY_OPERATIONS)).check(z.maxLength(6, 'repeats an operation'))),
}));
const googleProperties = later(() => ({
  google_key_protection_level: z.optional(z.enum(PROTECTION_LEVELS)),
  google_key_purpose: z.optional(z.enum(GOOGLE_KEY_PURPOSES)),
  google_kms_algorithm: z.optional(z.enum(GOOGLE_KMS_ALGORITHMS)),
}));
const ccaProperties = later(() => ({
  cca_usage_control: z.optional(z.enum(CCA_USAGE_CONTROLS)),
  cca_key_type: z.optional(z.enum(CCA_KEY_TYPES)),
  cca_key_words: z.optional(
    z
      .array(
        text({ minimum: 1, maximum: 16, pattern: /^[A-Za-z0-9-]+$/, says: 'must have 1 to 16 letters and digits' }),
      )
      .check(z.maxLength(32, 'may have at most 32 words')),
  ),
}));

export const keystorePropertiesAwsKms = later(() =>
  z.strictObject({ type: z.literal('aws_kms'), ...assigned(), ...awsProperties() }),
);
export const keystorePropertiesAwsCloudHsm = later(() =>
  z.strictObject({
    type: z.literal('aws_cloudhsm'),
    ...assigned(),
    ...awsProperties(),
  }),
);
export const keystorePropertiesAzure = later(() =>
  z.strictObject({
    type: z.literal('azure_key_vault'),
    ...assigned(),
    ...azureProperties(),
  }),
);
export const keystorePropertiesGoogleKms = later(() =>
  z.strictObject({
    type: z.literal('google_kms'),
    ...assigned(),
    ...googleProperties(),
  }),
);
export const keystorePropertiesIbmCloudKms = later(() =>
  z.strictObject({ type: z.literal('ibm_cloud_kms'), ...assigned() }),
);
export const keystorePropertiesCca = later(() =>
  z.strictObject({ type: z.literal('cca'), ...assigned(), ...ccaProperties() }),
);
export const keystorePropertiesPkcs11 = later(() => z.strictObject({ type: z.literal('pkcs11'), ...assigned() }));

/** What a template asks of a keystore type and group. `type` says which model it is, so a request must carry it. */
export const keystoreProperties = later(() =>
  z.discriminatedUnion('type', [
    keystorePropertiesAwsKms(),
    keystorePropertiesAwsCloudHsm(),
    keystorePropertiesAzure(),
    keystorePropertiesGoogleKms(),
    keystorePropertiesIbmCloudKms(),
    keystorePropertiesCca(),
    keystorePropertiesPkcs11(),
  ]),
);
export type WireKeystoreProperties = Wire<typeof keystoreProperties>;

/** Fields of every type in one: the template's own type says which of them it has (`KEYSTORE_PROPERTY_FIELDS`). */
export const keystorePropertiesUpdate = later(() =>
  z.strictObject({
    type: z.optional(
      z
        .enum(KEYSTORE_TYPES)
        .check(z.describe("Beyond UKO: accepted when it is the template's own type; it cannot change.")),
    ),
    group: z.optional(group()),
    ...googleProperties(),
    ...ccaProperties(),
  }),
);
export type WireKeystorePropertiesUpdate = Wire<typeof keystorePropertiesUpdate>;

/** What `KeystoresPropertiesUpdate` may change beside the group, by keystore type. */
export const KEYSTORE_PROPERTY_FIELDS = {
  aws_kms: [],
  aws_cloudhsm: [],
  azure_key_vault: [],
  google_kms: ['google_key_protection_level', 'google_key_purpose', 'google_kms_algorithm'],
  ibm_cloud_kms: [],
  cca: ['cca_usage_control', 'cca_key_type', 'cca_key_words'],
  pkcs11: [],
} as const satisfies Record<(typeof KEYSTORE_TYPES)[number], readonly (keyof WireKeystorePropertiesUpdate)[]>;

const COUNT = 'must have 1 to 128 entries';
const someKeystores = [z.minLength(1, COUNT), z.maxLength(128, COUNT)] as const;

const oneType = z.check<readonly { readonly type?: string | undefined }[]>(
  (payload) => {
    const type = payload.value[0]?.type;
    for (const [index, item] of payload.value.entries()) {
      if (typeof item.type !== 'string' || item.type === type) continue;
      const message = 'must be the type of the first entry: a template names one keystore type';
      payload.issues.push({ code: 'custom', path: [index, 'type'], message, input: item.type });
    }
  },
  { when: ({ value }) => Array.isArray(value) && value.every((item) => alsoWhenOthersFail({ value: item })) },
);

const templateAutoRepair = later(() =>
  z
    .enum(TEMPLATE_AUTO_REPAIR_POLICIES)
    .check(z.describe('Beyond UKO: whether its keys are repaired without people; as_vault: as the vault says.')),
);

const templateTypes = later(() => z.array(z.enum(TEMPLATE_TYPES)));

export const createTemplate = later(() =>
  z.strictObject({
    vault: vaultReferenceInCreationRequest(),
    name: name(),
    key: keyProperties(),
    keystores: z.array(keystoreProperties()).check(...someKeystores, oneType),
    description: z.optional(description()),
    naming_scheme: z.optional(namingScheme()),
    type: z.optional(templateTypes().check(z.minLength(1, 'must have 1 entry'), z.maxLength(3, 'repeats a type'))),
    state: z.optional(z.enum(TEMPLATE_STATES)),
    auto_repair: z.optional(templateAutoRepair()),
  }),
);
export type WireCreateTemplate = Wire<typeof createTemplate>;

export const updateTemplate = later(() =>
  z.strictObject({
    name: z.optional(name()),
    keystores: z.optional(z.array(keystorePropertiesUpdate()).check(...someKeystores)),
    description: z.optional(description()),
    key: z.optional(keyPropertiesUpdate()),
    auto_repair: z.optional(templateAutoRepair()),
  }),
);
export type WireUpdateTemplate = Wire<typeof updateTemplate>;

export const templateQuery = later(() =>
  z.strictObject({
    name: containing(),
    naming_scheme: containing(),
    'vault.id': anyOf(id()),
    'key.algorithm': anyOf(z.enum(KEY_ALGORITHMS)),
    ...sizes('key.size'),
    'keystores[].type': anyOf(z.enum(KEYSTORE_TYPES)),
    'keystores[].group': anyOf(z.string().check(z.minLength(1, 'must not be empty'))),
    ...instants('created_at'),
    ...instants('updated_at'),
    'type[]': anyOf(z.enum(TEMPLATE_TYPES)),
    state: anyOf(z.enum(TEMPLATE_STATES)),
    ...paging(['name', 'state', 'key.algorithm', 'key.size', 'keys_count', 'created_at', 'updated_at', 'vault.id']),
    managing_systems: anyOf(z.enum(MANAGING_SYSTEMS)),
  }),
);

export const templateReference = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    name: z.optional(z.string()),
    type: z.optional(templateTypes()),
    href: z.optional(z.string()),
    alignment_status: z.enum(ALIGNMENT_STATUSES),
  }),
);
export type WireTemplateReference = Wire<typeof templateReference>;

export const template = later(() =>
  z.strictObject({
    vault: z.optional(vaultReference()),
    id: z.optional(z.string()),
    version: z.optional(z.int()),
    name: z.optional(z.string()),
    naming_scheme: z.optional(z.string()),
    type: templateTypes(),
    state: z.enum(TEMPLATE_STATES),
    keys_count: z.int(),
    key: keyProperties(),
    description: z.string(),
    created_at: z.optional(dateTime()),
    updated_at: z.optional(dateTime()),
    created_by: z.optional(z.string()),
    updated_by: z.optional(z.string()),
    keystores: z.array(keystoreProperties()),
    href: z.optional(z.string()),
    managing_systems: z.optional(z.array(z.enum(MANAGING_SYSTEMS))),
    auto_repair: z.optional(templateAutoRepair()),
    planned_changes: z.optional(plannedChanges()),
  }),
);
export type WireTemplate = Wire<typeof template>;

export const templateList = later(() => z.strictObject({ ...page(), templates: z.array(template()) }));
export type WireTemplateList = Wire<typeof templateList>;
