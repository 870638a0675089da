import type { KeyAlgorithm, MaterialKind } from '../../keys/key.ts';
import type { Tag } from '../../tag.ts';
import type { Capability, KeyOperation, KeySpec, KeystoreKind } from '../driver.ts';

/** The values of the template property `azure_key_operations`. */
export const AZURE_KEY_OPERATIONS = ['decrypt', 'encrypt', 'sign', 'unwrap_key', 'verify', 'wrap_key'] as const;
export type AzureKeyOperation = (typeof AZURE_KEY_OPERATIONS)[number];

/** The values of the template property `azure_key_protection_level`, the default first: every vault has software keys. */
export const AZURE_PROTECTION_LEVELS = ['software', 'hsm'] as const;
export type AzureProtectionLevel = (typeof AZURE_PROTECTION_LEVELS)[number];

export type AzureCurve = 'P-256' | 'P-384' | 'P-521' | 'P-256K';

/** One sort of key that a vault can hold. `size` is written as in the contract. */
export interface AzureKeyRule {
  readonly algorithm: KeyAlgorithm;
  readonly size: string;
  readonly protection: AzureProtectionLevel;
  readonly keyType: 'RSA' | 'RSA-HSM' | 'EC' | 'EC-HSM';
  /** Bits of an RSA key. */
  readonly bits: number | undefined;
  readonly curve: AzureCurve | undefined;
  readonly materials: readonly MaterialKind[];
  /** What such a key can do; all of it, unless the template says less. */
  readonly operations: readonly AzureKeyOperation[];
}

const BOTH = ['imported', 'native'] as const satisfies readonly MaterialKind[];

function rsa(bits: number, protection: AzureProtectionLevel): AzureKeyRule {
  return {
    algorithm: 'rsa',
    size: String(bits),
    protection,
    keyType: protection === 'hsm' ? 'RSA-HSM' : 'RSA',
    bits,
    curve: undefined,
    materials: BOTH,
    operations: AZURE_KEY_OPERATIONS,
  };
}

function ec(
  size: string,
  curve: AzureCurve,
  protection: AzureProtectionLevel,
  materials: readonly MaterialKind[] = BOTH,
): AzureKeyRule {
  return {
    algorithm: 'ec',
    size,
    protection,
    keyType: protection === 'hsm' ? 'EC-HSM' : 'EC',
    bits: undefined,
    curve,
    materials,
    operations: ['sign', 'verify'],
  };
}

/**
 * Every sort of key that an `azure_key_vault` keystore can hold; documentation and the API description are made from this table.
 * HSM protection needs a premium vault. Source: Azure Key Vault, "About keys", "Key types, algorithms, and operations" and "Import
 * HSM-protected keys (BYOK)", which takes no P-256K.
 */
export const AZURE_KEY_RULES: readonly AzureKeyRule[] = [
  rsa(2048, 'software'),
  rsa(3072, 'software'),
  rsa(4096, 'software'),
  ec('256', 'P-256', 'software'),
  ec('384', 'P-384', 'software'),
  ec('521', 'P-521', 'software'),
  ec('256K', 'P-256K', 'software'),
  rsa(2048, 'hsm'),
  rsa(3072, 'hsm'),
  rsa(4096, 'hsm'),
  ec('256', 'P-256', 'hsm'),
  ec('384', 'P-384', 'hsm'),
  ec('521', 'P-521', 'hsm'),
  ec('256K', 'P-256K', 'hsm', ['native']),
];

/** The protection that a key is to have: the property `azure_key_protection_level`, or software. */
export function azureProtectionOf(spec: Pick<KeySpec, 'properties'>): AzureProtectionLevel {
  return spec.properties['azure_key_protection_level'] === 'hsm' ? 'hsm' : 'software';
}

/** The rule for such a key; undefined when Azure Key Vault has none. */
export function azureKeyRule(spec: Pick<KeySpec, 'algorithm' | 'size' | 'properties'>): AzureKeyRule | undefined {
  const protection = azureProtectionOf(spec);
  return AZURE_KEY_RULES.find(
    (each) => each.algorithm === spec.algorithm && each.size === spec.size && each.protection === protection,
  );
}

/** What the key may do: the property `azure_key_operations`, or all that the rule allows. Only for a spec that is not refused. */
export function azureOperationsOf(spec: KeySpec, rule: AzureKeyRule): readonly AzureKeyOperation[] {
  const wanted: unknown = spec.properties['azure_key_operations'];
  if (!Array.isArray(wanted) || wanted.length === 0) return rule.operations;
  return rule.operations.filter((operation) => wanted.includes(operation));
}

const OPERATIONS: Record<AzureKeyOperation, KeyOperation> = {
  decrypt: 'decrypt',
  encrypt: 'encrypt',
  sign: 'sign',
  unwrap_key: 'unwrap',
  verify: 'verify',
  wrap_key: 'wrap',
};

function capabilityOf({
  algorithm,
  size,
  protection,
  keyType,
  curve,
  materials,
  operations,
}: AzureKeyRule): Capability {
  return {
    algorithm,
    size,
    protections: [protection],
    materials,
    operations: operations.map((each) => OPERATIONS[each]),
    providerName: curve === undefined ? keyType : `${keyType} ${curve}`,
    properties: { azure_key_protection_level: [protection], azure_key_operations: operations },
    settings: protection === 'hsm' ? { azure_variant: ['premium'] } : {},
    newVersion: 'version_with_own_state',
  };
}

const ALGORITHM_NAMES: Record<KeyAlgorithm, string> = {
  aes: 'AES',
  des: 'DES',
  dilithium: 'Dilithium',
  ec: 'elliptic curve',
  hmac: 'HMAC',
  rsa: 'RSA',
};

const MATERIALS = BOTH;

function refuses(spec: KeySpec): string | undefined {
  const name = ALGORITHM_NAMES[spec.algorithm];
  const ofAlgorithm = AZURE_KEY_RULES.filter((each) => each.algorithm === spec.algorithm);
  if (ofAlgorithm.length === 0) {
    const why = spec.algorithm === 'aes' ? ': only Azure Managed HSM can' : '';
    return `Azure Key Vault cannot hold ${name} keys${why}; choose RSA or elliptic curve.`;
  }
  if (!ofAlgorithm.some((each) => each.size === spec.size)) {
    const sizes = [...new Set(ofAlgorithm.map((each) => each.size))].join(', ');
    return `Azure Key Vault holds ${name} keys of size ${sizes} only, not ${spec.size}; change the size.`;
  }
  const level = spec.properties['azure_key_protection_level'];
  if (level !== undefined && !AZURE_PROTECTION_LEVELS.some((each) => each === level)) {
    return `Azure Key Vault has no such protection level; set azure_key_protection_level to ${AZURE_PROTECTION_LEVELS.join(' or ')}, or leave it out.`;
  }
  const rule = azureKeyRule(spec);
  if (rule === undefined) return `Azure Key Vault cannot hold such a ${name} key; change its protection level.`;
  if (!MATERIALS.includes(spec.material)) {
    return `Azure Key Vault cannot hold ${spec.material} key material; choose ${MATERIALS.join(' or ')}.`;
  }
  if (!rule.materials.includes(spec.material)) {
    return `Azure Key Vault cannot import a key of ${name} ${spec.size} into its HSM; choose ${rule.materials.join(' or ')} key material, or set azure_key_protection_level to software.`;
  }
  return refusesOperations(spec, rule, name);
}

function refusesIn(spec: KeySpec, settings: Readonly<Record<string, unknown>>): string | undefined {
  if (azureProtectionOf(spec) !== 'hsm' || settings['azure_variant'] !== 'standard') return undefined;
  return 'This vault is of the variant standard, which has no HSM; set azure_key_protection_level to software, or choose a premium vault.';
}

function refusesOperations(spec: KeySpec, rule: AzureKeyRule, name: string): string | undefined {
  const wanted: unknown = spec.properties['azure_key_operations'];
  if (wanted === undefined) return undefined;
  const operations: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  const impossible = operations.filter((each) => !rule.operations.some((operation) => operation === each));
  if (impossible.length === 0) return undefined;
  const shown = impossible.map((each) => (typeof each === 'string' ? each : 'something else')).join(', ');
  return `Azure Key Vault cannot use a key of ${name} ${spec.size} for ${shown}; set azure_key_operations to some of ${rule.operations.join(', ')}, or leave it out.`;
}

/** The key exchange key under which HSM keys travel; the name that IBM UKO gives it too, so that both share one. */
export const KEK_NAME = 'EKMF-BYOK-KEK-FOR-IMPORT';

const LABEL = /^[A-Za-z0-9-]{1,127}$/;

/**
 * A key's name is its label, unchanged. Azure ignores case, so labels that differ in case only are one name to it: the first key has it,
 * and for the second `create` finds a foreign key there and answers a conflict.
 */
function refusesLabel(label: string): string | undefined {
  if (!LABEL.test(label)) {
    return 'A label for Azure Key Vault has 1 to 127 characters, each a letter A–Z or a–z, a digit or a hyphen.';
  }
  if (label.toLowerCase() === KEK_NAME.toLowerCase()) {
    return `The label ${KEK_NAME} belongs to the key under which keys are imported into the HSM; choose another.`;
  }
  return undefined;
}

/** Tags with this prefix are how a key version is recognised as ours; see `names.ts`. */
export const OWN_TAG_PREFIX = 'shearline:';

/** Limits of the tags of a key in Azure Key Vault, and how many of the 15 are left for users beside our own four. */
export const AZURE_TAG_LIMITS = { tags: 11, name: 256, value: 256 } as const;

function refusesTags(tags: readonly Tag[]): string | undefined {
  if (tags.length > AZURE_TAG_LIMITS.tags) {
    return `Azure Key Vault holds at most ${AZURE_TAG_LIMITS.tags} tags of a key besides Shearline's own; ${tags.length} were given.`;
  }
  const names = new Set<string>();
  for (const { name, value } of tags) {
    const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
    if (name.length < 1 || name.length > AZURE_TAG_LIMITS.name) {
      return `The name of a tag in Azure Key Vault has 1 to ${AZURE_TAG_LIMITS.name} characters; that of "${shown}" has ${name.length}.`;
    }
    if (value.length > AZURE_TAG_LIMITS.value) {
      return `The value of a tag in Azure Key Vault has at most ${AZURE_TAG_LIMITS.value} characters; that of "${shown}" has ${value.length}.`;
    }
    if (name.toLowerCase().startsWith(OWN_TAG_PREFIX)) {
      return `The tag "${shown}" begins with ${OWN_TAG_PREFIX}, which Shearline uses itself; rename it.`;
    }
    if (names.has(name)) return `The tag "${shown}" is given twice; Azure Key Vault holds one value for a name.`;
    names.add(name);
  }
  return undefined;
}

/** One call of the dearest sort, on an RSA key of 4096 bits in the HSM: 250 in 10 seconds. */
const CALL = 10 / 250;

/**
 * From "Azure Key Vault service limits", transactions in 10 seconds per vault: 10 creations of HSM keys, 250 other calls on RSA 4096 HSM
 * keys. `create` looks, creates, and perhaps looks for the key to wrap under; the others look and then change.
 */
const STEP_SECONDS: KeystoreKind['stepSeconds'] = {
  create: 1 + 3 * CALL,
  import: CALL,
  enable: 2 * CALL,
  disable: 2 * CALL,
  rename: 3 * CALL,
  tag: 2 * CALL,
  rotate: 1 + 3 * CALL,
  schedule_deletion: 4 * CALL,
  cancel_deletion: 4 * CALL,
};

/**
 * Azure Key Vault: one keystore is one vault. A new version of a managed key is a new version of the same Azure key, made by `create`;
 * every version has an id and a state of its own, so none outgrows another.
 */
export const azureKeyVaultKind: KeystoreKind = {
  type: 'azure_key_vault',
  materials: MATERIALS,
  viaTlsProxy: true,
  pendingDeletionDays: 90,
  stepSeconds: STEP_SECONDS,
  capabilities: AZURE_KEY_RULES.map(capabilityOf),
  refuses,
  refusesIn,
  refusesLabel,
  refusesTags,
  rotatesInPlace: () => false,
  refusesRename:
    'Azure Key Vault cannot rename a key, so the label of a key that is in a vault stays; create a key with the new label instead.',
  keyOf: (id) => id.toLowerCase().replace(/^(https:\/\/[^/]+)\/(?:deleted)?keys\/([^/]+)(?:\/.*)?$/, '$1/keys/$2'),
};
