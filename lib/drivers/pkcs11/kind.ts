import type { KeyAlgorithm, MaterialKind } from '../../keys/key.ts';
import type { Capability, KeyOperation, KeySpec, KeystoreKind, StepName } from '../driver.ts';

/** What a key may be used for; each is an attribute of the object in the HSM (`CKA_ENCRYPT`, …). */
export type Pkcs11Use = 'encrypt' | 'decrypt' | 'sign' | 'verify';

/** One sort of key that a PKCS #11 keystore can hold. `size` is written as in the contract. */
export interface Pkcs11KeyRule {
  readonly algorithm: KeyAlgorithm;
  readonly size: string;
  readonly keyType: 'CKK_AES' | 'CKK_GENERIC_SECRET' | 'CKK_RSA' | 'CKK_EC';
  readonly materials: readonly MaterialKind[];
  /** The uses of the secret or private key: all on is enabled, all off is disabled. Never wrap and decrypt together. */
  readonly uses: readonly Pkcs11Use[];
  /** Those of the public key beside it; none for a secret key. */
  readonly publicUses: readonly Pkcs11Use[];
}

const MATERIALS = ['imported', 'native'] as const satisfies readonly MaterialKind[];

function rules(
  algorithm: KeyAlgorithm,
  sizes: readonly string[],
  keyType: Pkcs11KeyRule['keyType'],
  uses: readonly Pkcs11Use[],
  publicUses: readonly Pkcs11Use[] = [],
): Pkcs11KeyRule[] {
  return sizes.map((size) => ({ algorithm, size, keyType, materials: MATERIALS, uses, publicUses }));
}

/**
 * Every sort of key that a `pkcs11` keystore can hold; documentation and the API description are made from this table. What one HSM's
 * library lacks of it (a curve, a size) its own answer says. Source: PKCS #11 v2.40, "Current Mechanisms".
 */
export const PKCS11_KEY_RULES: readonly Pkcs11KeyRule[] = [
  ...rules('aes', ['128', '192', '256'], 'CKK_AES', ['encrypt', 'decrypt']),
  ...rules('hmac', ['224', '256', '384', '512'], 'CKK_GENERIC_SECRET', ['sign', 'verify']),
  ...rules('rsa', ['2048', '3072', '4096'], 'CKK_RSA', ['decrypt', 'sign'], ['encrypt', 'verify']),
  ...rules('ec', ['256', '384', '521', '256K'], 'CKK_EC', ['sign'], ['verify']),
];

/** Of a key pair, both halves. The standard calls MACs signatures. */
function capabilityOf({ algorithm, size, keyType, materials, uses, publicUses }: Pkcs11KeyRule): Capability {
  const words: Record<Pkcs11Use, KeyOperation> = {
    encrypt: 'encrypt',
    decrypt: 'decrypt',
    sign: algorithm === 'hmac' ? 'generate_mac' : 'sign',
    verify: algorithm === 'hmac' ? 'verify_mac' : 'verify',
  };
  return {
    algorithm,
    size,
    protections: ['hsm'],
    materials,
    operations: (['encrypt', 'decrypt', 'sign', 'verify'] as const)
      .filter((use) => uses.includes(use) || publicUses.includes(use))
      .map((use) => words[use]),
    providerName: keyType,
    properties: {},
    settings: {},
    newVersion: 'new_key',
  };
}

/** The rule for such a key; undefined when there is none. */
export function pkcs11KeyRule(spec: Pick<KeySpec, 'algorithm' | 'size'>): Pkcs11KeyRule | undefined {
  return PKCS11_KEY_RULES.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
}

/** The steps that the driver has, in the HSM's own function and from afar. */
export const PKCS11_STEPS = [
  'create',
  'import',
  'enable',
  'disable',
  'rename',
  'tag',
  'schedule_deletion',
] as const satisfies readonly StepName[];
export type Pkcs11Step = (typeof PKCS11_STEPS)[number];

const ALGORITHM_NAMES: Record<KeyAlgorithm, string> = {
  aes: 'AES',
  des: 'DES',
  dilithium: 'Dilithium',
  ec: 'elliptic curve',
  hmac: 'HMAC',
  rsa: 'RSA',
};

function refuses(spec: KeySpec): string | undefined {
  const name = ALGORITHM_NAMES[spec.algorithm];
  const ofAlgorithm = PKCS11_KEY_RULES.filter((each) => each.algorithm === spec.algorithm);
  if (ofAlgorithm.length === 0) {
    const held = [...new Set(PKCS11_KEY_RULES.map((each) => ALGORITHM_NAMES[each.algorithm]))].join(', ');
    return `A PKCS #11 keystore cannot hold ${name} keys; choose one of ${held}.`;
  }
  if (!ofAlgorithm.some((each) => each.size === spec.size)) {
    const sizes = ofAlgorithm.map((each) => each.size).join(', ');
    return `A PKCS #11 keystore holds ${name} keys of size ${sizes} only, not ${spec.size}; change the size.`;
  }
  return undefined;
}

/** `#` is in no label, so what is put after it in the names of older versions never makes two labels one. */
const LABEL = /^[A-Za-z0-9._ /-]{1,120}$/;

/** An HSM that you bring: any that has a library of the PKCS #11 standard. */
export const pkcs11Kind: KeystoreKind = {
  type: 'pkcs11',
  materials: MATERIALS,
  viaTlsProxy: false,
  // The standard knows no deletion that waits, and none that can be called back.
  pendingDeletionDays: 0,
  // No quota, but one connection that works on one thing at a time; a 4096 bit RSA key takes an HSM some seconds to make.
  stepSeconds: {
    create: 1,
    import: 0.2,
    enable: 0.05,
    disable: 0.05,
    rename: 0.05,
    tag: 0.05,
    rotate: 0,
    schedule_deletion: 0.05,
    cancel_deletion: 0,
  },
  capabilities: PKCS11_KEY_RULES.map(capabilityOf),
  refuses,
  refusesLabel: (label) =>
    LABEL.test(label)
      ? undefined
      : 'A label for a PKCS #11 keystore has 1 to 120 characters, each a letter A–Z or a–z, a digit, a space or one of . _ / -',
  // An HSM's objects have no place for them: they stay in Shearline's own records.
  refusesTags: () => undefined,
  rotatesInPlace: () => false,
  refusesAdoption:
    'Shearline finds a key in an HSM by its CKA_ID, which it makes from the managed key, and an HSM fixes it when the key is made. Create a managed key in its place.',
};
