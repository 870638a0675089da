import * as z from 'zod/mini';
import { later } from '../later.ts';
import { KEY_ALGORITHMS, KEY_STATES, MATERIAL_KINDS } from '../keys/key.ts';
import { KEYSTORE_TYPES } from '../keystores/keystore.ts';
import { apiError } from './errors.ts';
import { alsoWhenOthersFail, date, dateTime, description, id, label, text } from './fields.ts';
import type { Wire } from './fields.ts';
import { targetKeystoreReference } from './keystores.ts';
import { anyOf, containing, days, flag, instantBounds, instants, oneOf, page, paging, sizes } from './lists.ts';
import { plannedChanges } from './planned.ts';
import { keySchedule } from './schedule.ts';
import { tag, tags } from './tag.ts';
import {
  ALIGNMENT_STATUSES,
  AWS_KEY_USAGES,
  AZURE_KEY_OPERATIONS,
  CCA_KEY_TYPES,
  CCA_USAGE_CONTROLS,
  GOOGLE_KEY_PURPOSES,
  GOOGLE_KMS_ALGORITHMS,
  MANAGING_SYSTEMS,
  PROTECTION_LEVELS,
  keyProperties,
  TEMPLATE_TYPES,
  templateReference,
} from './templates.ts';
import { vaultReference, vaultReferenceInCreationRequest } from './vaults.ts';

/** What is in a keystore. */
export const STATUSES_IN_KEYSTORE = ['active', 'error', 'not_active', 'not_present', 'unknown', 'wrong_key'] as const;
export type StatusValue = (typeof STATUSES_IN_KEYSTORE)[number];

export const SYNC_FLAGS = ['error', 'ok', 'out_of_sync', 'verifying_sync'] as const;
export type SyncFlag = (typeof SYNC_FLAGS)[number];

export const SYNC_FLAG_DETAILS = [
  'active_key_is_active_in_keystore',
  'active_key_is_not_active_in_keystore',
  'connection_error',
  'deactivated_key_is_deactivated_in_keystore',
  'deactivated_key_is_not_deactivated_in_keystore',
  'destroyed_key_is_not_present_in_keystore',
  'destroyed_key_is_present_in_keystore',
  'pre_active_key_is_not_present_in_keystore',
  'pre_active_key_is_present_in_keystore',
  'target_keystore_removed_by_user',
  'target_keystore_removed_by_user_contains_an_active_key',
  'unknown',
] as const;
export type SyncFlagDetail = (typeof SYNC_FLAG_DETAILS)[number];

export const INSTANCE_TYPES = ['key_pair', 'private_key', 'public_key', 'secret_key'] as const;

const templateName = later(() =>
  text({
    minimum: 1,
    maximum: 30,
    pattern: /^[A-Za-z][A-Za-z0-9-]*$/,
    says: "must be a template's name: 1 to 30 letters, digits and hyphens, starting with a letter",
  }),
);
const labelTags = later(() =>
  tags().check(z.describe("Beyond UKO: values for the placeholders of the template's naming scheme.")),
);
const ownTags = later(() => tags().check(z.describe('Beyond UKO in a request: replaces the tags of the key.')));

const chosenKeystores = later(() =>
  z
    .array(z.strictObject({ id: id() }))
    .check(z.minLength(1, 'must name at least one keystore'), z.maxLength(90, 'may name at most 90 keystores')),
);

interface Origin {
  readonly template_name?: string | undefined;
  readonly key?: object | undefined;
  readonly keystores?: readonly unknown[] | undefined;
}
/** Either a template, or what a template would say. */
const oneOrigin = z.check<Origin>((payload) => {
  const { template_name: template, key, keystores } = payload.value;
  const say = (field: string, message: string) => {
    payload.issues.push({ code: 'custom', path: [field], message, input: undefined });
  };
  if (template === undefined && key === undefined && keystores === undefined) {
    say('template_name', 'is required (or key and keystores in its place)');
  } else if (template === undefined) {
    if (key === undefined) say('key', 'is required together with keystores');
    if (keystores === undefined) say('keystores', 'is required together with key');
  } else {
    if (key !== undefined) say('key', 'cannot be given together with template_name');
    if (keystores !== undefined) say('keystores', 'cannot be given together with template_name');
  }
});
oneOrigin._zod.def.when = alsoWhenOthersFail;

export const createManagedKey = later(() =>
  z
    .strictObject({
      template_name: z.optional(templateName()),
      key: z.optional(
        keyProperties().check(
          z.describe('Beyond UKO, in place of a template: the key gets a shadow template of its own.'),
        ),
      ),
      keystores: z.optional(
        chosenKeystores().check(z.describe('Beyond UKO, together with key: where the key lives; all of one type.')),
      ),
      vault: vaultReferenceInCreationRequest(),
      label: z.optional(label()),
      description: z.optional(description()),
      label_tags: z.optional(labelTags()),
      tags: z.optional(ownTags()),
    })
    .check(oneOrigin),
);
export type WireCreateManagedKey = Wire<typeof createManagedKey>;

export const updateManagedKey = later(() =>
  z.strictObject({
    label: z.optional(label()),
    activation_date: z.optional(date()),
    expiration_date: z.optional(date()),
    description: z.optional(description()),
    referenced_keystores: z.optional(
      chosenKeystores().check(
        z.describe('Beyond UKO: chooses the keystores by hand; the key gets a shadow template of its own.'),
      ),
    ),
    tags: z.optional(ownTags()),
  }),
);
export type WireUpdateManagedKey = Wire<typeof updateManagedKey>;

/** Beyond UKO: without body, sync repairs every keystore of the key. */
export const syncManagedKey = later(() =>
  z.strictObject({
    keystores: z
      .array(z.strictObject({ id: id() }))
      .check(
        z.minLength(1, 'must name at least one keystore'),
        z.maxLength(1000, 'may name at most 1000 keystores'),
        z.describe('Beyond UKO: only the keystores that the user confirmed.'),
      ),
  }),
);
export type WireSyncManagedKey = Wire<typeof syncManagedKey>;

export const realignQuery = later(() => z.strictObject({ dry_run: flag() }));

const SORT_FIELDS = [
  'label',
  'algorithm',
  'state',
  'activation_date',
  'deactivation_date',
  'expiration_date',
  'created_at',
  'updated_at',
  'size',
  'vault.id',
] as const;

const ofKeystore = later(() => ({
  algorithm: anyOf(z.enum(KEY_ALGORITHMS)),
  state: anyOf(z.enum(KEY_STATES)),
  ...paging(SORT_FIELDS),
  label: containing(),
  ...days('activation_date'),
  ...days('deactivation_date'),
  ...days('expiration_date'),
  ...instants('created_at'),
  ...instants('updated_at'),
  ...instantBounds('rotated_at'),
  ...sizes('size'),
  'template.name': containing(),
  'template.id': anyOf(id()),
  'template.type[]': anyOf(z.enum(TEMPLATE_TYPES)),
  'status_in_keystores[].keystore_sync_flag': anyOf(z.enum(SYNC_FLAGS)),
  'template.alignment_status': oneOf(ALIGNMENT_STATUSES),
}));

const everywhere = later(() => ({
  ...ofKeystore(),
  'referenced_keystores[].type': anyOf(z.enum(KEYSTORE_TYPES)),
  'referenced_keystores[].name': anyOf(z.string().check(z.minLength(1, 'must not be empty'))),
  'instances[].keystore.type': anyOf(z.enum(KEYSTORE_TYPES)),
}));

export const keyQuery = later(() =>
  z.strictObject({
    'vault.id': anyOf(id()),
    ...everywhere(),
    managing_systems: anyOf(z.enum(MANAGING_SYSTEMS)),
  }),
);
export type KeyQuery = Wire<typeof keyQuery>;

export const versionQuery = later(() => z.strictObject({ ...everywhere(), ...paging([...SORT_FIELDS, 'version']) }));

export const keystoreKeyQuery = later(() => z.strictObject(ofKeystore()));

export const associatedResourceQuery = later(() => z.strictObject(paging(['name', 'type', 'id'])));

export const managedKeyReference = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    label: z.string(),
    href: z.optional(z.string()),
  }),
);

export const keyVerificationPattern = later(() => z.strictObject({ method: z.string(), value: z.string() }));

export const instanceInKeystore = later(() => z.strictObject({ group: z.string(), type: z.enum(KEYSTORE_TYPES) }));
const inKeystore = <const Types extends readonly (typeof KEYSTORE_TYPES)[number][]>(types: Types) =>
  z.extend(instanceInKeystore(), { type: z.enum(types) });

const instance = later(() => ({
  id: z.string(),
  label_in_keystore: z.string(),
  type: z.optional(z.enum(INSTANCE_TYPES)),
}));

export const keyInstanceAwsKms = later(() =>
  z.strictObject({
    ...instance(),
    keystore: inKeystore(['aws_kms', 'aws_cloudhsm']),
    aws_key_usage: z.optional(z.enum(AWS_KEY_USAGES)),
  }),
);
export const keyInstanceAzure = later(() =>
  z.strictObject({
    ...instance(),
    keystore: inKeystore(['azure_key_vault']),
    azure_key_protection_level: z.optional(z.enum(PROTECTION_LEVELS)),
    azure_key_operations: z.optional(z.array(z.enum(AZURE_KEY_OPERATIONS))),
  }),
);
export const keyInstanceGoogleKms = later(() =>
  z.strictObject({
    ...instance(),
    keystore: inKeystore(['google_kms']),
    google_key_protection_level: z.optional(z.enum(PROTECTION_LEVELS)),
    google_key_purpose: z.optional(z.enum(GOOGLE_KEY_PURPOSES)),
    google_kms_algorithm: z.optional(z.enum(GOOGLE_KMS_ALGORITHMS)),
  }),
);
export const keyInstanceIbmCloudKms = later(() =>
  z.strictObject({ ...instance(), keystore: inKeystore(['ibm_cloud_kms']) }),
);
export const keyInstanceCca = later(() =>
  z.strictObject({
    ...instance(),
    keystore: inKeystore(['cca']),
    cca_usage_control: z.optional(z.enum(CCA_USAGE_CONTROLS)),
    cca_key_type: z.optional(z.enum(CCA_KEY_TYPES)),
    cca_key_words: z.optional(z.array(z.string())),
  }),
);
export const keyInstancePkcs11 = later(() => z.strictObject({ ...instance(), keystore: inKeystore(['pkcs11']) }));

/** Chosen by `keystore.type`. */
export const keyInstance = later(() =>
  z.union([
    keyInstanceAwsKms(),
    keyInstanceAzure(),
    keyInstanceGoogleKms(),
    keyInstanceIbmCloudKms(),
    keyInstanceCca(),
    keyInstancePkcs11(),
  ]),
);
export type WireKeyInstance = Wire<typeof keyInstance>;

export const statusInKeystore = later(() =>
  z.strictObject({
    keystore: z.optional(targetKeystoreReference()),
    status: z.enum(STATUSES_IN_KEYSTORE),
    keystore_sync_flag: z.enum(SYNC_FLAGS),
    keystore_sync_flag_detail: z.enum(SYNC_FLAG_DETAILS),
    error: z.optional(apiError()),
    key_id_in_keystore: z.optional(z.string()),
    reason: z.optional(
      z.string().check(z.describe('Beyond UKO: for people: what was seen, since when, and what sync would do.')),
    ),
    since: z.optional(dateTime().check(z.describe('Beyond UKO: since when status and flag are as they are.'))),
    seen_at: z.optional(dateTime().check(z.describe('Beyond UKO: when the keystore was last asked.'))),
    pending_destruction_until: z.optional(
      dateTime().check(
        z.describe("Beyond UKO: the end of the keystore's own waiting period before it destroys the key."),
      ),
    ),
  }),
);
export type WireStatusInKeystore = Wire<typeof statusInKeystore>;

export const statusInKeystores = later(() =>
  z.strictObject({
    status_in_keystores: z.array(statusInKeystore()),
    planned_changes: z.optional(plannedChanges()),
  }),
);
export type WireStatusInKeystores = Wire<typeof statusInKeystores>;

export const managedKey = later(() =>
  z.strictObject({
    id: z.optional(z.string()),
    vault: z.optional(vaultReference()),
    template: z.optional(templateReference()),
    version: z.optional(z.int()),
    description: z.optional(z.string()),
    label: z.string(),
    state: z.enum(KEY_STATES),
    size: z.optional(z.string()),
    algorithm: z.enum(KEY_ALGORITHMS),
    verification_patterns: z.optional(z.array(keyVerificationPattern())),
    activation_date: z.optional(date()),
    expiration_date: z.optional(date()),
    deactivation_date: z.optional(
      date().check(z.describe('Beyond UKO: the day that the filters of this name compare.')),
    ),
    label_tags: z.optional(z.array(tag())),
    tags: z.optional(z.array(tag())),
    is_rotatable: z.optional(z.boolean()),
    created_at: z.optional(dateTime()),
    updated_at: z.optional(dateTime()),
    created_by: z.optional(z.string()),
    updated_by: z.optional(z.string()),
    referenced_keystores: z.array(targetKeystoreReference()),
    instances: z.array(keyInstance()),
    href: z.optional(z.string()),
    rotated_at: z.optional(dateTime()),
    status_in_keystores: z.array(statusInKeystore()),
    deactivate_on_rotation: z.optional(z.boolean()),
    managing_systems: z.optional(z.array(z.enum(MANAGING_SYSTEMS))),
    planned_changes: z.optional(plannedChanges()),
    material: z.optional(
      z
        .enum(MATERIAL_KINDS)
        .check(z.describe('Beyond UKO: native keys differ in each keystore and cannot decrypt each other’s data.')),
    ),
    schedule: z.optional(
      keySchedule().check(z.describe('Beyond UKO: what is done to the key at its time, without people.')),
    ),
  }),
);
export type WireManagedKey = Wire<typeof managedKey>;

export const managedKeyList = later(() => z.strictObject({ ...page(), managed_keys: z.array(managedKey()) }));
export type WireManagedKeyList = Wire<typeof managedKeyList>;

export const ibmCloudKmsRegistration = later(() =>
  z.strictObject({
    prevents_key_deletion: z.boolean(),
    service_name: z.string(),
    service_instance_name: z.string(),
    crn: z.string(),
    description: z.string(),
  }),
);

export const associatedResource = later(() =>
  z.strictObject({
    id: z.string(),
    vault: z.optional(vaultReference()),
    managed_key: z.optional(managedKeyReference()),
    referenced_keystore: z.optional(targetKeystoreReference()),
    key_id_in_keystore: z.string(),
    name: z.string(),
    type: z.string(),
    com_ibm_cloud_kms_registration: z.optional(ibmCloudKmsRegistration()),
  }),
);
export type WireAssociatedResource = Wire<typeof associatedResource>;

export const associatedResourceList = later(() =>
  z.strictObject({ ...page(), associated_resources: z.array(associatedResource()) }),
);
export type WireAssociatedResourceList = Wire<typeof associatedResourceList>;
