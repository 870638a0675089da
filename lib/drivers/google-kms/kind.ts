import type { KeyAlgorithm, MaterialKind } from '../../keys/key.ts';
import type { Tag } from '../../tag.ts';
import type { Capability, KeyOperation, KeySpec, KeystoreKind } from '../driver.ts';

/** The values of the template property `google_key_purpose`. */
export const GOOGLE_PURPOSES = ['encrypt_decrypt', 'asymmetric_decrypt', 'asymmetric_sign', 'mac'] as const;
export type GooglePurpose = (typeof GOOGLE_PURPOSES)[number];

/** The values of the template property `google_key_protection_level`. */
export type GoogleProtection = 'software' | 'hsm';

/** What a key of a purpose can do. */
export type GoogleOperation = 'encrypt' | 'decrypt' | 'sign' | 'mac_sign' | 'mac_verify';

/** One sort of key that Google Cloud KMS can hold: one value of `google_kms_algorithm`. */
export interface GoogleKeyRule {
  /** The value of the template property `google_kms_algorithm`. */
  readonly value: string;
  readonly algorithm: KeyAlgorithm;
  /** As the contract writes it. */
  readonly size: string;
  readonly purpose: GooglePurpose;
  /** The digest it is bound to; undefined where it has none or leaves it to the caller. */
  readonly digest: 'sha1' | 'sha256' | 'sha384' | 'sha512' | undefined;
  /** The default first. */
  readonly protections: readonly [GoogleProtection, ...GoogleProtection[]];
  readonly materials: readonly MaterialKind[];
  readonly operations: readonly GoogleOperation[];
  /** What Google calls it: CryptoKeyVersionAlgorithm. */
  readonly googleAlgorithm: string;
}

const MATERIALS = ['imported', 'native'] as const satisfies readonly MaterialKind[];
const BOTH = ['software', 'hsm'] as const;

const OPERATIONS: Record<GooglePurpose, readonly GoogleOperation[]> = {
  encrypt_decrypt: ['encrypt', 'decrypt'],
  asymmetric_decrypt: ['decrypt'],
  asymmetric_sign: ['sign'],
  mac: ['mac_sign', 'mac_verify'],
};

function rule(
  value: string,
  algorithm: KeyAlgorithm,
  size: string,
  purpose: GooglePurpose,
  digest: GoogleKeyRule['digest'],
  protections: GoogleKeyRule['protections'] = BOTH,
): GoogleKeyRule {
  return {
    value,
    algorithm,
    size,
    purpose,
    digest,
    protections,
    materials: MATERIALS,
    operations: OPERATIONS[purpose],
    googleAlgorithm: value.toUpperCase(),
  };
}

/**
 * Every sort of key that a `google_kms` keystore can hold, all 23 algorithms of the contract; documentation and the API description are
 * made from this table. Of several for one algorithm and size the first is the default. Source: Cloud KMS documentation, "Key
 * purposes and algorithms", and the comments on CryptoKeyVersionAlgorithm in `google/cloud/kms/v1/resources.proto`.
 */
export const GOOGLE_KEY_RULES: readonly GoogleKeyRule[] = [
  rule('google_symmetric_encryption', 'aes', '256', 'encrypt_decrypt', undefined),
  rule('hmac_sha256', 'hmac', '256', 'mac', 'sha256'),
  rule('rsa_decrypt_oaep_2048_sha256', 'rsa', '2048', 'asymmetric_decrypt', 'sha256'),
  rule('rsa_decrypt_oaep_2048_sha1', 'rsa', '2048', 'asymmetric_decrypt', 'sha1'),
  rule('rsa_decrypt_oaep_3072_sha256', 'rsa', '3072', 'asymmetric_decrypt', 'sha256'),
  rule('rsa_decrypt_oaep_3072_sha1', 'rsa', '3072', 'asymmetric_decrypt', 'sha1'),
  rule('rsa_decrypt_oaep_4096_sha256', 'rsa', '4096', 'asymmetric_decrypt', 'sha256'),
  rule('rsa_decrypt_oaep_4096_sha512', 'rsa', '4096', 'asymmetric_decrypt', 'sha512'),
  rule('rsa_decrypt_oaep_4096_sha1', 'rsa', '4096', 'asymmetric_decrypt', 'sha1'),
  rule('rsa_sign_pss_2048_sha256', 'rsa', '2048', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pss_3072_sha256', 'rsa', '3072', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pss_4096_sha256', 'rsa', '4096', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pss_4096_sha512', 'rsa', '4096', 'asymmetric_sign', 'sha512'),
  rule('rsa_sign_pkcs1_2048_sha256', 'rsa', '2048', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pkcs1_3072_sha256', 'rsa', '3072', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pkcs1_4096_sha256', 'rsa', '4096', 'asymmetric_sign', 'sha256'),
  rule('rsa_sign_pkcs1_4096_sha512', 'rsa', '4096', 'asymmetric_sign', 'sha512'),
  rule('rsa_sign_raw_pkcs1_2048', 'rsa', '2048', 'asymmetric_sign', undefined),
  rule('rsa_sign_raw_pkcs1_3072', 'rsa', '3072', 'asymmetric_sign', undefined),
  rule('rsa_sign_raw_pkcs1_4096', 'rsa', '4096', 'asymmetric_sign', undefined),
  rule('ec_sign_p256_sha256', 'ec', '256', 'asymmetric_sign', 'sha256'),
  rule('ec_sign_p384_sha384', 'ec', '384', 'asymmetric_sign', 'sha384'),
  rule('ec_sign_secp256k1_sha256', 'ec', '256K', 'asymmetric_sign', 'sha256', ['hsm']),
];

const COMMON_WORDS: Record<GoogleOperation, KeyOperation> = {
  encrypt: 'encrypt',
  decrypt: 'decrypt',
  sign: 'sign',
  mac_sign: 'generate_mac',
  mac_verify: 'verify_mac',
};

function capabilityOf(of: GoogleKeyRule): Capability {
  return {
    algorithm: of.algorithm,
    size: of.size,
    protections: of.protections,
    materials: of.materials,
    operations: of.operations.map((each) => COMMON_WORDS[each]),
    providerName: of.googleAlgorithm,
    properties: {
      google_kms_algorithm: [of.value],
      google_key_purpose: [of.purpose],
      google_key_protection_level: of.protections,
    },
    settings: {},
    newVersion: 'version_with_own_state',
  };
}

/** What such a key becomes in Google Cloud KMS. */
export interface GoogleKeySort {
  readonly rule: GoogleKeyRule;
  readonly protection: GoogleProtection;
}

/** The rule and protection level for such a key; the reason, as a sentence naming what to change, when there is none. */
export function googleKeySort(spec: KeySpec): GoogleKeySort | { readonly why: string } {
  const name = ALGORITHM_NAMES[spec.algorithm];
  const ofAlgorithm = GOOGLE_KEY_RULES.filter((each) => each.algorithm === spec.algorithm);
  if (ofAlgorithm.length === 0) {
    const held = distinct(GOOGLE_KEY_RULES.map((each) => ALGORITHM_NAMES[each.algorithm])).join(', ');
    return { why: `Google Cloud KMS cannot hold ${name} keys; choose one of ${held}.` };
  }
  const ofSize = ofAlgorithm.filter((each) => each.size === spec.size);
  if (ofSize.length === 0) {
    const sizes = distinct(ofAlgorithm.map((each) => each.size)).join(', ');
    return { why: `Google Cloud KMS holds ${name} keys of size ${sizes} only, not ${spec.size}; change the size.` };
  }
  const wanted = spec.properties['google_kms_algorithm'];
  const ofValue = wanted === undefined ? ofSize : ofSize.filter((each) => each.value === wanted);
  if (ofValue.length === 0) {
    const values = ofSize.map((each) => each.value).join(', ');
    return {
      why: `Google Cloud KMS has no algorithm ${shown(wanted)} for a key of ${name} ${spec.size}; set google_kms_algorithm to one of ${values}, or leave it out.`,
    };
  }
  const purpose = spec.properties['google_key_purpose'];
  const found = purpose === undefined ? ofValue[0] : ofValue.find((each) => each.purpose === purpose);
  if (found === undefined) {
    const of = wanted === undefined ? `a key of ${name} ${spec.size}` : shown(wanted);
    const purposes = distinct(ofValue.map((each) => each.purpose)).join(' or ');
    return {
      why: `Google Cloud KMS cannot use ${of} for the purpose ${shown(purpose)}; set google_key_purpose to ${purposes}, or leave it out.`,
    };
  }
  const level = spec.properties['google_key_protection_level'];
  const protection = level === undefined ? found.protections[0] : found.protections.find((each) => each === level);
  if (protection === undefined) {
    return {
      why: `Google Cloud KMS holds ${found.value} keys with the protection level ${found.protections.join(' or ')} only; change google_key_protection_level, or leave it out.`,
    };
  }
  if (!found.materials.includes(spec.material)) {
    return {
      why: `Google Cloud KMS cannot hold ${spec.material} key material; choose ${found.materials.join(' or ')}.`,
    };
  }
  return { rule: found, protection };
}

const ALGORITHM_NAMES: Record<KeyAlgorithm, string> = {
  aes: 'AES',
  des: 'DES',
  dilithium: 'Dilithium',
  ec: 'elliptic curve',
  hmac: 'HMAC',
  rsa: 'RSA',
};

const distinct = (values: readonly string[]): readonly string[] => [...new Set(values)];
const shown = (value: unknown): string => (typeof value === 'string' ? value : 'given');

/** The id of a CryptoKey is the label, unchanged: two labels never become one name. Source: CreateCryptoKeyRequest. */
const LABEL = /^[A-Za-z0-9_-]{1,63}$/;

/** Labels with this prefix are how a CryptoKey is recognised as ours; see `labels.ts`. */
export const OWN_LABEL_PREFIX = 'shearline_';

/** Google allows 64 labels; what our own, and the memory of which we put there, leave to users. Source: "Labeling keys". */
export const GOOGLE_TAG_LIMITS = { tags: 55, name: 63, value: 63 } as const;

const TAG_NAME = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]*$/u;
const TAG_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]*$/u;

function refusesTags(tags: readonly Tag[]): string | undefined {
  if (tags.length > GOOGLE_TAG_LIMITS.tags) {
    return `Google Cloud KMS holds at most ${GOOGLE_TAG_LIMITS.tags} tags of a key besides Shearline's own; ${tags.length} were given.`;
  }
  const names = new Set<string>();
  for (const { name, value } of tags) {
    const brief = name.length > 60 ? `${name.slice(0, 60)}…` : name;
    if (name.length > GOOGLE_TAG_LIMITS.name) {
      return `The name of a label in Google Cloud has at most ${GOOGLE_TAG_LIMITS.name} characters; that of "${brief}" has ${name.length}.`;
    }
    if (value.length > GOOGLE_TAG_LIMITS.value) {
      return `The value of a label in Google Cloud has at most ${GOOGLE_TAG_LIMITS.value} characters; that of "${brief}" has ${value.length}.`;
    }
    if (!TAG_NAME.test(name)) {
      return `The name of a label in Google Cloud begins with a lower-case letter and has lower-case letters, digits, _ and - only; change the tag "${brief}".`;
    }
    if (!TAG_VALUE.test(value)) {
      return `The value of a label in Google Cloud has lower-case letters, digits, _ and - only; change the value of the tag "${brief}".`;
    }
    if (name.startsWith(OWN_LABEL_PREFIX)) {
      return `The tag "${brief}" begins with ${OWN_LABEL_PREFIX}, which Shearline uses itself; rename it.`;
    }
    if (names.has(name)) return `The tag "${brief}" is given twice; Google Cloud holds one value for a name.`;
    names.add(name);
  }
  return undefined;
}

/** Seconds that a read and a write use up of Google's quotas: 600 reads and 60 writes a minute. Source: "Cloud KMS quotas". */
const READ = 60 / 600;
const WRITE = 60 / 60;

/**
 * Google Cloud KMS: one keystore is one key ring in one project and location. A new version of a managed key is a new CryptoKeyVersion
 * in the same CryptoKey, with a state of its own; so it is created, and then made the one that the name leads to.
 */
export const googleKmsKind: KeystoreKind = {
  type: 'google_kms',
  materials: MATERIALS,
  viaTlsProxy: false,
  pendingDeletionDays: 30,
  stepSeconds: {
    create: WRITE + 2 * READ,
    import: 2 * WRITE + 4 * READ,
    enable: WRITE + READ,
    disable: WRITE + READ,
    rename: 2 * WRITE + READ,
    tag: WRITE + READ,
    rotate: 0,
    schedule_deletion: 2 * WRITE + 2 * READ,
    cancel_deletion: 2 * WRITE + 2 * READ,
  },
  capabilities: GOOGLE_KEY_RULES.map(capabilityOf),
  refuses(spec) {
    const sort = googleKeySort(spec);
    return 'why' in sort ? sort.why : undefined;
  },
  refusesLabel(label) {
    return LABEL.test(label)
      ? undefined
      : 'A label for Google Cloud KMS has 1 to 63 characters, each a letter A–Z or a–z, a digit, an underscore or a hyphen.';
  },
  refusesTags,
  refusesRename:
    'Google Cloud KMS can neither rename nor delete a key: the label stays as it was when the key was made there. Create another key with the label you want.',
  rotatesInPlace: () => false,
  keyOf: (id) => id.replace(/\/cryptoKeyVersions\/\d+$/, ''),
};

/**
 * The permissions that the service account needs, and no more: none of them can use a key. `cloudkms.keyRings.create` only where the
 * key ring is to be made, `cloudkms.locations.get` to tell a missing key ring from a wrong location.
 */
export const GOOGLE_PERMISSIONS = [
  'cloudkms.locations.get',
  'cloudkms.keyRings.create',
  'cloudkms.cryptoKeys.create',
  'cloudkms.cryptoKeys.get',
  'cloudkms.cryptoKeys.list',
  'cloudkms.cryptoKeys.update',
  'cloudkms.cryptoKeyVersions.create',
  'cloudkms.cryptoKeyVersions.destroy',
  'cloudkms.cryptoKeyVersions.get',
  'cloudkms.cryptoKeyVersions.list',
  'cloudkms.cryptoKeyVersions.restore',
  'cloudkms.cryptoKeyVersions.update',
  'cloudkms.cryptoKeyVersions.viewPublicKey',
  'cloudkms.importJobs.create',
  'cloudkms.importJobs.get',
  'cloudkms.importJobs.useToImport',
] as const;
