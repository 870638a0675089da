import type { KeyAlgorithm, MaterialKind } from '../../keys/key.ts';
import type { Tag } from '../../tag.ts';
import type { Capability, KeyOperation, KeySpec, KeystoreKind } from '../driver.ts';

/** The values of the template property `aws_key_usage`. */
export const AWS_KEY_USAGES = ['encrypt_decrypt', 'sign_verify', 'generate_verify_mac', 'key_agreement'] as const;
export type AwsKeyUsage = (typeof AWS_KEY_USAGES)[number];

/** One sort of key that AWS KMS can hold. `size` is written as in the contract; the first usage is the default. */
export interface AwsKeyRule {
  readonly algorithm: KeyAlgorithm;
  readonly size: string;
  readonly keySpec: AwsKeySpec;
  readonly usages: readonly [AwsKeyUsage, ...AwsKeyUsage[]];
  /** How its material is wrapped for an import. OAEP alone cannot carry an RSA key: it is longer than the wrapping key. */
  readonly wrapping: 'RSAES_OAEP_SHA_256' | 'RSA_AES_KEY_WRAP_SHA_256';
  /** Whether one KMS key can carry several versions, so that its ARN stays. */
  readonly rotatesInPlace: boolean;
}

export type AwsKeySpec =
  | 'SYMMETRIC_DEFAULT'
  | 'HMAC_224'
  | 'HMAC_256'
  | 'HMAC_384'
  | 'HMAC_512'
  | 'RSA_2048'
  | 'RSA_3072'
  | 'RSA_4096'
  | 'ECC_NIST_P256'
  | 'ECC_NIST_P384'
  | 'ECC_NIST_P521'
  | 'ECC_SECG_P256K1';

const OAEP = 'RSAES_OAEP_SHA_256';
const KEY_WRAP = 'RSA_AES_KEY_WRAP_SHA_256';

function rule(
  algorithm: KeyAlgorithm,
  size: string,
  keySpec: AwsKeySpec,
  usages: AwsKeyRule['usages'],
  wrapping: AwsKeyRule['wrapping'],
): AwsKeyRule {
  return { algorithm, size, keySpec, usages, wrapping, rotatesInPlace: keySpec === 'SYMMETRIC_DEFAULT' };
}

/**
 * Every sort of key that an `aws_kms` keystore can hold; documentation and the API description are made from this table.
 * Source: AWS KMS developer guide, "Key spec reference" and "Importing key material".
 */
export const AWS_KEY_RULES: readonly AwsKeyRule[] = [
  rule('aes', '256', 'SYMMETRIC_DEFAULT', ['encrypt_decrypt'], OAEP),
  rule('hmac', '224', 'HMAC_224', ['generate_verify_mac'], OAEP),
  rule('hmac', '256', 'HMAC_256', ['generate_verify_mac'], OAEP),
  rule('hmac', '384', 'HMAC_384', ['generate_verify_mac'], OAEP),
  rule('hmac', '512', 'HMAC_512', ['generate_verify_mac'], OAEP),
  rule('rsa', '2048', 'RSA_2048', ['encrypt_decrypt', 'sign_verify'], KEY_WRAP),
  rule('rsa', '3072', 'RSA_3072', ['encrypt_decrypt', 'sign_verify'], KEY_WRAP),
  rule('rsa', '4096', 'RSA_4096', ['encrypt_decrypt', 'sign_verify'], KEY_WRAP),
  rule('ec', '256', 'ECC_NIST_P256', ['sign_verify', 'key_agreement'], OAEP),
  rule('ec', '384', 'ECC_NIST_P384', ['sign_verify', 'key_agreement'], OAEP),
  rule('ec', '521', 'ECC_NIST_P521', ['sign_verify', 'key_agreement'], OAEP),
  rule('ec', '256K', 'ECC_SECG_P256K1', ['sign_verify'], OAEP),
];

/** The rule for such a key; undefined when AWS KMS has none. */
export function awsKeyRule(spec: Pick<KeySpec, 'algorithm' | 'size'>): AwsKeyRule | undefined {
  return AWS_KEY_RULES.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
}

/** What the key is for: the property `aws_key_usage`, or the rule's default. Only for a spec that is not refused. */
export function awsKeyUsage(spec: KeySpec, found: AwsKeyRule): AwsKeyUsage {
  const wanted = spec.properties['aws_key_usage'];
  return found.usages.find((usage) => usage === wanted) ?? found.usages[0];
}

const OPERATIONS: Record<AwsKeyUsage, readonly KeyOperation[]> = {
  encrypt_decrypt: ['encrypt', 'decrypt'],
  sign_verify: ['sign', 'verify'],
  generate_verify_mac: ['generate_mac', 'verify_mac'],
  key_agreement: ['derive_shared_secret'],
};

/** The rows of rules, one for each usage: AWS fixes it when the key is made. AWS KMS keeps every key in an HSM. */
export function awsCapabilities(
  rules: readonly AwsKeyRule[],
  materials: readonly MaterialKind[],
): readonly Capability[] {
  return rules.flatMap(({ algorithm, size, keySpec, usages, rotatesInPlace }) =>
    usages.map((usage) => ({
      algorithm,
      size,
      protections: ['hsm'] as const,
      materials,
      operations: OPERATIONS[usage],
      providerName: keySpec,
      properties: { aws_key_usage: [usage] },
      settings: {},
      newVersion: rotatesInPlace ? ('in_the_same_key' as const) : ('new_key' as const),
    })),
  );
}

const ALGORITHM_NAMES: Record<KeyAlgorithm, string> = {
  aes: 'AES',
  des: 'DES',
  dilithium: 'Dilithium',
  ec: 'elliptic curve',
  hmac: 'HMAC',
  rsa: 'RSA',
};

/** `refuses` of a kind that holds the keys of `rules`. `place` begins the sentence: "AWS KMS". */
export function refusesBy(
  place: string,
  rules: readonly AwsKeyRule[],
  materials: readonly MaterialKind[],
): KeystoreKind['refuses'] {
  return (spec) => {
    const name = ALGORITHM_NAMES[spec.algorithm];
    const ofAlgorithm = rules.filter((each) => each.algorithm === spec.algorithm);
    if (ofAlgorithm.length === 0) {
      const held = [...new Set(rules.map((each) => ALGORITHM_NAMES[each.algorithm]))].join(', ');
      return `${place} cannot hold ${name} keys; choose one of ${held}.`;
    }
    const found = ofAlgorithm.find((each) => each.size === spec.size);
    if (found === undefined) {
      const sizes = ofAlgorithm.map((each) => each.size).join(', ');
      return `${place} holds ${name} keys of size ${sizes} only, not ${spec.size}; change the size.`;
    }
    if (!materials.includes(spec.material)) {
      return `${place} cannot hold ${spec.material} key material; choose ${materials.join(' or ')}.`;
    }
    const usage = spec.properties['aws_key_usage'];
    if (usage !== undefined && !found.usages.some((each) => each === usage)) {
      return `${place} cannot use a key of ${name} ${spec.size} for ${typeof usage === 'string' ? usage : 'what its aws_key_usage says'}; set aws_key_usage to ${found.usages.join(' or ')}, or leave it out.`;
    }
    return undefined;
  };
}

/** The part of an alias after `alias/`; 256 characters in all, of which the prefix takes 6. */
const LABEL = /^[A-Za-z0-9/_-]{1,250}$/;

/** Aliases under `alias/aws/` belong to AWS itself. */
const RESERVED_LABEL = /^aws\//i;

/** Names are `alias/<label>`: the label goes in unchanged, so two labels never become one name. */
export function refusesAwsLabel(label: string): string | undefined {
  if (!LABEL.test(label)) {
    return 'A label for AWS has 1 to 250 characters, each a letter A–Z or a–z, a digit, a slash, an underscore or a hyphen.';
  }
  if (RESERVED_LABEL.test(label))
    return 'A label for AWS must not begin with AWS/, in any case: such names belong to AWS.';
  return undefined;
}

/** Tags with this prefix are how a key is recognised as ours; see `names.ts`. */
export const OWN_TAG_PREFIX = 'shearline:';

/** Limits of AWS tags, and how many of the 50 are left for users beside our own. Source: AWS KMS developer guide, "Tags". */
export const AWS_TAG_LIMITS = { tags: 45, name: 128, value: 256 } as const;

const TAG_CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Why these tags of a managed key cannot be put on an AWS KMS key; undefined when they can. */
export function refusesAwsTags(tags: readonly Tag[]): string | undefined {
  if (tags.length > AWS_TAG_LIMITS.tags) {
    return `AWS KMS holds at most ${AWS_TAG_LIMITS.tags} tags of a key besides Shearline's own; ${tags.length} were given.`;
  }
  const names = new Set<string>();
  for (const { name, value } of tags) {
    const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
    if (name.length < 1 || name.length > AWS_TAG_LIMITS.name) {
      return `The name of an AWS tag has 1 to ${AWS_TAG_LIMITS.name} characters; that of "${shown}" has ${name.length}.`;
    }
    if (value.length > AWS_TAG_LIMITS.value) {
      return `The value of an AWS tag has at most ${AWS_TAG_LIMITS.value} characters; that of "${shown}" has ${value.length}.`;
    }
    if (!TAG_CHARACTERS.test(name) || !TAG_CHARACTERS.test(value)) {
      return `An AWS tag holds letters, digits, spaces and _.:/=+-@ only; "${shown}" has something else.`;
    }
    if (/^aws:/i.test(name)) return `The tag "${shown}" begins with aws:, which belongs to AWS; rename it.`;
    if (name.toLowerCase().startsWith(OWN_TAG_PREFIX)) {
      return `The tag "${shown}" begins with ${OWN_TAG_PREFIX}, which Shearline uses itself; rename it.`;
    }
    if (names.has(name)) return `The tag "${shown}" is given twice; AWS holds one value for a name.`;
    names.add(name);
  }
  return undefined;
}

const MATERIALS = ['imported', 'native'] as const satisfies readonly MaterialKind[];

/**
 * From the request quotas of AWS KMS: most calls that change something 5 a second, GetParametersForImport 1, ImportKeyMaterial and
 * ScheduleKeyDeletion 15, TagResource 10. `create` is CreateKey and CreateAlias, `rename` an alias moved and one deleted.
 */
export const AWS_STEP_SECONDS: KeystoreKind['stepSeconds'] = {
  create: 1 / 5 + 1 / 5,
  import: 1 + 1 / 15,
  enable: 1 / 5,
  disable: 1 / 5,
  rename: 1 / 5 + 1 / 5 + 1 / 10,
  tag: 1 / 10 + 1 / 5,
  rotate: 1 + 1 / 15 + 1 / 5,
  schedule_deletion: 1 / 15,
  cancel_deletion: 1 / 5,
};

/** AWS KMS: one keystore is one account and region. */
export const awsKmsKind: KeystoreKind = {
  stepSeconds: AWS_STEP_SECONDS,
  type: 'aws_kms',
  materials: MATERIALS,
  viaTlsProxy: true,
  pendingDeletionDays: 7,
  capabilities: awsCapabilities(AWS_KEY_RULES, MATERIALS),
  refuses: refusesBy('AWS KMS', AWS_KEY_RULES, MATERIALS),
  refusesLabel: refusesAwsLabel,
  refusesTags: refusesAwsTags,
  rotatesInPlace: (spec) => awsKeyRule(spec)?.rotatesInPlace ?? false,
};
