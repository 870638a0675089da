import type { KeyAlgorithm, MaterialKind } from '../../keys/key.ts';
import type { Capability, KeySpec, KeystoreKind } from '../driver.ts';

/** The values of a keystore's `ibm_variant`. */
export const IBM_VARIANTS = ['key_protect', 'hpcs', 'internal'] as const;
export type IbmVariant = (typeof IBM_VARIANTS)[number];

/** One sort of key that an `ibm_cloud_kms` keystore can hold. `size` is written as in the contract. */
export interface IbmKeyRule {
  readonly algorithm: KeyAlgorithm;
  readonly size: string;
  readonly materials: readonly MaterialKind[];
  readonly variants: readonly IbmVariant[];
  /** Always: neither service nor AWS KMS keeps such keys in software. */
  readonly protection: 'hsm';
  /** What the provider does with it; AWS KMS, behind `internal`, calls it Encrypt and Decrypt. */
  readonly operations: readonly ('wrap' | 'unwrap' | 'rewrap')[];
}

const OPERATIONS = ['wrap', 'unwrap', 'rewrap'] as const;
const IBM_OWN = ['key_protect', 'hpcs'] as const satisfies readonly IbmVariant[];

/**
 * Every sort of key that an `ibm_cloud_kms` keystore can hold; documentation and the API description are made from this table. Root keys
 * only: a standard key can be read out by whoever may use it. IBM generates 256 bits and takes 128, 192 and 256. Source: Key Protect
 * docs, "Creating root keys" and "Importing root keys"; the same of Hyper Protect Crypto Services.
 */
export const IBM_KEY_RULES: readonly IbmKeyRule[] = [
  rule('256', ['imported', 'native'], IBM_VARIANTS),
  rule('128', ['imported'], IBM_OWN),
  rule('192', ['imported'], IBM_OWN),
];

function rule(size: string, materials: readonly MaterialKind[], variants: readonly IbmVariant[]): IbmKeyRule {
  return { algorithm: 'aes', size, materials, variants, protection: 'hsm', operations: OPERATIONS };
}

function capabilityOf({ algorithm, size, materials, variants, protection, operations }: IbmKeyRule): Capability {
  return {
    algorithm,
    size,
    protections: [protection],
    materials,
    operations,
    providerName: 'root key',
    properties: {},
    settings: { ibm_variant: variants },
    newVersion: 'in_the_same_key',
  };
}

/** The rule for such a key; undefined when there is none. */
export function ibmKeyRule(spec: Pick<KeySpec, 'algorithm' | 'size'>): IbmKeyRule | undefined {
  return IBM_KEY_RULES.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
}

function refuses(spec: KeySpec): string | undefined {
  if (spec.algorithm !== 'aes') return 'IBM Cloud KMS holds root keys, which are AES keys; choose the algorithm aes.';
  const found = ibmKeyRule(spec);
  if (found === undefined) {
    const sizes = IBM_KEY_RULES.map((each) => each.size).join(', ');
    return `IBM Cloud KMS holds AES keys of size ${sizes} only, not ${spec.size}; change the size.`;
  }
  if (!found.materials.includes(spec.material)) {
    return `IBM Cloud KMS makes AES keys of 256 bits only; of ${spec.size} bits it takes imported ones: choose the material imported, or change the size to 256.`;
  }
  return undefined;
}

function refusesIn(spec: KeySpec, settings: Readonly<Record<string, unknown>>): string | undefined {
  const variant = IBM_VARIANTS.find((each) => each === settings['ibm_variant']);
  const found = ibmKeyRule(spec);
  if (variant === undefined || found === undefined || found.variants.includes(variant)) return undefined;
  return `An internal keystore holds AES keys of size 256 only, not ${spec.size}; change the size, or take internal keystores out of the template's group.`;
}

const LABEL = /^[A-Za-z0-9 ]{2,50}$/;

/** Names are made by `aliasOf` in `names.ts`, of this label and no other. */
function refusesLabel(label: string): string | undefined {
  if (LABEL.test(label)) return undefined;
  return 'A label for IBM Cloud KMS has 2 to 50 characters, each a letter A–Z or a–z, a digit or a space.';
}

const MATERIALS = ['imported', 'native'] as const satisfies readonly MaterialKind[];

/** IBM documents no rate. What was seen to be let through of one API key, in calls a second. */
const CALLS_A_SECOND = 10;

/**
 * IBM Cloud KMS: one keystore is one instance of Key Protect or of Hyper Protect Crypto Services, or (`internal`) a share of the AWS KMS
 * of Shearline's own account. What users tag a key with stays in Shearline: IBM can put tags on a key only once, so any would be out of
 * line after the first edit.
 */
export const ibmCloudKmsKind: KeystoreKind = {
  type: 'ibm_cloud_kms',
  materials: MATERIALS,
  viaTlsProxy: false,
  pendingDeletionDays: 30,
  stepSeconds: {
    create: 4 / CALLS_A_SECOND,
    import: 1 / CALLS_A_SECOND,
    enable: 2 / CALLS_A_SECOND,
    disable: 2 / CALLS_A_SECOND,
    rename: 4 / CALLS_A_SECOND,
    tag: 1 / CALLS_A_SECOND,
    rotate: 5 / CALLS_A_SECOND,
    schedule_deletion: 2 / CALLS_A_SECOND,
    cancel_deletion: 2 / CALLS_A_SECOND,
  },
  capabilities: IBM_KEY_RULES.map(capabilityOf),
  refuses,
  refusesIn,
  refusesLabel,
  refusesTags: () => undefined,
  rotatesInPlace: () => true,
  tellsAssociatedResources: true,
};
