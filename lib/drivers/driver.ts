import type { KeyAlgorithm, MaterialKind } from '../keys/key.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import type { Tag } from '../tag.ts';

/**
 * What every keystore type must be able to do, and nothing more. The comments are the contract; one suite in `test/drivers`
 * holds every driver to it.
 */
export interface KeystoreDriver {
  /**
   * Asks the keystore for one key, now. `absent` only if the keystore itself says that it does not exist; whatever else keeps us
   * from knowing is thrown as a `KeystoreFault`. Changes nothing. Can be repeated.
   */
  observe(key: KeyInKeystore, signal: AbortSignal): Promise<Seen>;

  /**
   * A page of what the keystore holds, ours or not, in the keystore's own order. `next` is handed to the following call; a listing
   * proves absence only once `next` is undefined. Changes nothing.
   */
  list(
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<{ keys: readonly ListedKey[]; next: string | undefined }>;

  /** Where a page of the listing tells what would take a look at each of its keys. Left out where listings carry no state. */
  readonly listing?: Listing;

  /** The steps that this keystore can carry out. A missing one is unsupported: the plan says so before anything is sent. */
  readonly steps: Partial<Record<StepName, Step>>;

  /** Whether the keystore can be reached and used with its settings. Changes nothing; throws only when `signal` aborts. */
  health(signal: AbortSignal): Promise<Health>;

  /**
   * A closer look at a key that `list` shows and no record names: what it is, whose, and as what it could be adopted. Undefined for what is
   * gone meanwhile, and for what is not this keystore's (a key of another key store of the same account). Changes nothing. Throws a
   * `KeystoreFault` when it could not be asked. Left out where no key of others can be adopted; the kind then says why (`refusesAdoption`).
   */
  examine?(idInKeystore: string, signal: AbortSignal): Promise<FoundKey | undefined>;

  /**
   * What in the provider's cloud the key protects, as far as the keystore is told; none for a key that is not there. Changes nothing.
   * Throws a `KeystoreFault` when it could not be asked. Left out where a keystore knows nothing of the kind.
   */
  associatedResources?(key: KeyInKeystore, signal: AbortSignal): Promise<readonly AssociatedResource[]>;
}

export interface Listing {
  /** The id under which the listing shows our key; undefined where it shows none, so that it takes a look. Pure. */
  idOf(key: KeyInKeystore): string | undefined;
  /** Whether it shows all that a look would; if not, each key must be looked at by itself now and then. */
  readonly showsAll: boolean;
}

/** Something that depends on a key, in the provider's words. */
export interface AssociatedResource {
  readonly name: string;
  /** The contract's `type` of associated resources. */
  readonly kind: 'com_ibm_cloud_kms_registration';
  /** The provider's own id of it (CRN). */
  readonly uri: string;
  readonly service: string;
  readonly serviceInstance: string;
  readonly description: string;
  /** The key cannot be deleted while this depends on it. */
  readonly preventsKeyDeletion: boolean;
}

/** Where a key's bytes are when it is used. */
export const PROTECTION_LEVELS = ['software', 'hsm'] as const;
export type ProtectionLevel = (typeof PROTECTION_LEVELS)[number];

/** What a key in a keystore can be used for: the same words for all providers. */
export const KEY_OPERATIONS = [
  'encrypt',
  'decrypt',
  'sign',
  'verify',
  'generate_mac',
  'verify_mac',
  'wrap',
  'unwrap',
  'rewrap',
  'derive_shared_secret',
] as const;
export type KeyOperation = (typeof KEY_OPERATIONS)[number];

/** How a new version of a key comes about in the provider's own terms. */
export const NEW_VERSIONS = ['in_the_same_key', 'version_with_own_state', 'new_key'] as const;
export type NewVersion = (typeof NEW_VERSIONS)[number];

/** One sort of key that a keystore type can hold: a row of the table that its refusals are made by. */
export interface Capability {
  readonly algorithm: KeyAlgorithm;
  /** As the contract writes it. */
  readonly size: string;
  /** The default first. */
  readonly protections: readonly ProtectionLevel[];
  readonly materials: readonly MaterialKind[];
  readonly operations: readonly KeyOperation[];
  /** What the provider calls such a key. */
  readonly providerName: string;
  /**
   * The template's properties that lead to this row, each with the values that do. One that a template leaves out is as in the first row that
   * fits otherwise. Where a property is a list, each of its members is one of the values.
   */
  readonly properties: Readonly<Record<string, readonly string[]>>;
  /** Of the keystore's settings, those that must have one of these values; none where all keystores of the type are alike. */
  readonly settings: Readonly<Record<string, readonly string[]>>;
  readonly newVersion: NewVersion;
}

/** What is known of a keystore type without talking to one: rules and limits. All pure. */
export interface KeystoreKind {
  readonly type: KeystoreType;
  /** Every sort of key it can hold. `refuses` and `refusesIn` let pass exactly these. */
  readonly capabilities: readonly Capability[];
  /** The kinds of material it can hold, the default first. */
  readonly materials: readonly [MaterialKind, ...MaterialKind[]];
  /** Whether its driver can reach a keystore through a proxy (`tls_proxy`). */
  readonly viaTlsProxy: boolean;
  /** Days between the request to delete a key and its end; 0 when deletion is immediate. */
  readonly pendingDeletionDays: number;
  /**
   * How much of the provider's standard quota each step uses up, in seconds in which nothing else could be done in the same account and
   * region: what makes a plan's time.
   */
  readonly stepSeconds: Readonly<Record<StepName, number>>;
  /** Why such a key cannot live in this type of keystore, as a sentence naming what to change; undefined when it can. */
  refuses(spec: KeySpec): string | undefined;
  /**
   * Why such a key cannot live in a keystore with these settings, though the type has such keys, as a sentence naming what to change;
   * undefined when it can. Left out where all keystores of the type are alike.
   */
  refusesIn?(spec: KeySpec, settings: Readonly<Record<string, unknown>>): string | undefined;
  /** Why this label cannot be a key's name here; undefined when it can. Two different labels never become one name. */
  refusesLabel(label: string): string | undefined;
  /** Why these tags cannot be put on a key here, as a sentence naming what to change; undefined when they can. */
  refusesTags(tags: readonly Tag[]): string | undefined;
  /**
   * Whether a new version of such a key becomes a version of the same key in the keystore, by the step `rotate`. If not, a new
   * version is a new key there: `create`, then `import`, then `rename` to move the label over.
   */
  rotatesInPlace(spec: KeySpec): boolean;
  /** Why a key that is in a keystore cannot get another label, as a sentence; left out where it can. */
  readonly refusesRename?: string;
  /** Whether its drivers may have `associatedResources`: known without connecting one. */
  readonly tellsAssociatedResources?: true;
  /** Why no key of others in such a keystore can be adopted, as a sentence; left out where some can. */
  readonly refusesAdoption?: string;
  /** The key that an id belongs to, where ids name versions of a key: all ids of one key become one text. Left out where an id is a key's. */
  keyOf?(idInKeystore: string): string;
}

/** What a key must be, apart from its bytes. Fixed at creation. */
export interface KeySpec {
  readonly algorithm: KeyAlgorithm;
  /** Bits or curve, as the contract writes them: `256`, `2048`, `P-256K` is written `256K`. */
  readonly size: string;
  readonly material: MaterialKind;
  /** The template's properties for this keystore type (`azure_key_protection_level`, `aws_key_usage`, …), as parsed there. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** One version of one managed key in one keystore. Everything a driver may derive a name or a tag from. */
export interface KeyInKeystore {
  /** The managed key's id (UUID). */
  readonly keyId: string;
  readonly version: number;
  /** True for the version that the label must lead to; older versions are reached by their id only. */
  readonly current: boolean;
  readonly label: string;
  readonly description: string;
  readonly tags: readonly { readonly name: string; readonly value: string }[];
  readonly spec: KeySpec;
  /** What we recorded when it was made; undefined when no create is known to have finished. */
  readonly binding: Binding | undefined;
  /** When a create of this instance was first intended: nothing made before it can be the lost result of that create. */
  readonly intendedAt: Date;
  /**
   * A create was sent and its answer never came: what it made may be there, without a name or in place of the bound key that is gone, and must
   * be looked for before `absent`.
   */
  readonly createSent?: boolean;
}

/** The keystore's own id of a key (ARN, URL, resource name, CRN), with the fingerprint of the material expected there. */
export interface Binding {
  readonly idInKeystore: string;
  /** Undefined where a keystore offers none (its id is then bound to its material). */
  readonly fingerprint: string | undefined;
}

/** What one look into a keystore saw. */
export type Seen =
  | { readonly presence: 'absent' }
  | {
      readonly presence: 'present';
      readonly idInKeystore: string;
      /**
       * `no_material`: there, but waiting for an import. `unusable`: it says enabled, yet cryptography fails (`remark` says why).
       * `settling`: the keystore is still at work on it; neither good nor bad.
       */
      readonly state: 'enabled' | 'disabled' | 'no_material' | 'unusable' | 'pending_deletion' | 'settling';
      readonly fingerprint: string | undefined;
      /** Where the label leads in the keystore: to this key, to none, or to another. `not_applicable` for older versions. */
      readonly name: 'leads_here' | 'missing' | 'leads_elsewhere' | 'not_applicable';
      readonly pendingDeletionUntil: Date | undefined;
      /** Something people should know, as a sentence; never a secret. */
      readonly remark: string | undefined;
      /** The step that makes an `unusable` key usable again; left out where none of ours does. */
      readonly mendedBy?: 'enable';
    };

/** A key as a listing shows it. `state` is undefined where listing does not tell. */
export interface ListedKey {
  readonly idInKeystore: string;
  readonly name: string | undefined;
  readonly state: Extract<Seen, { presence: 'present' }>['state'] | undefined;
  readonly createdAt: Date | undefined;
  /**
   * What `observe` would tell of a key of ours that this is, as far as the listing shows it; undefined where it takes a look. Pure. Left out
   * where listings carry no state.
   */
  readonly lookedAt?: (key: KeyInKeystore) => Seen | undefined;
}

/** A key in a keystore that no record of ours names, looked at closely. */
export interface FoundKey {
  /** As `list` writes it. */
  readonly idInKeystore: string;
  /** `shearline`: it carries the mark of a managed key, of this deployment or another. `provider`: the cloud made it for itself. */
  readonly owner: 'nobody' | 'shearline' | 'provider';
  /** What it is called in the keystore, each as a label would be written. */
  readonly names: readonly string[];
  readonly description: string;
  readonly state: PresentState;
  readonly createdAt: Date | undefined;
  /** What the provider calls this sort of key (`RSA_2048`, `EC-HSM P-256`). */
  readonly providerName: string;
  /** What it would be as a managed key with native material; undefined where no managed key is like it. */
  readonly spec: KeySpec | undefined;
  /** What an adoption would bind to: the id and, where it can be told, the fingerprint of its current material. */
  readonly binding: Binding;
  /** Why it cannot be adopted, as a sentence naming what to change; undefined when nothing about it stands in the way. */
  readonly obstacle: string | undefined;
}

export type PresentState = Extract<Seen, { presence: 'present' }>['state'];

export const STEP_NAMES = [
  'create',
  'import',
  'enable',
  'disable',
  'rename',
  'tag',
  'rotate',
  'schedule_deletion',
  'cancel_deletion',
] as const;

/** `rename` makes the label lead to this key (and clears names it had); `tag` brings description and tags in line. */
export type StepName = (typeof STEP_NAMES)[number];

/**
 * One step on one key. Safe to run twice: the second run finds the work done and answers the same. Answers the binding when the
 * step made or changed it. Throws a `KeystoreFault`; after `unreachable` the effect may or may not have happened.
 *
 * `create` looks for the result of an earlier, lost create of the same instance before making anything, and takes a name that
 * belongs to a foreign key for a `conflict`. An imported key is made empty; `import` brings the material. Where no key can be without
 * material, `create` brings it, and `import` proves that it is there.
 */
export type Step = (key: KeyInKeystore, context: StepContext) => Promise<Binding | undefined>;

export interface StepContext {
  readonly signal: AbortSignal;
  /**
   * True only when the journal proves that this step has never been tried before on this instance: then there is no lost result to
   * look for, and `create` is spared an expensive search. Left out when in doubt.
   */
  readonly firstAttempt?: boolean;
  /**
   * Lends the key version's plaintext material to `use` and zeroes it afterwards, whatever happens. Symmetric keys: the raw bytes;
   * key pairs: PKCS #8 DER. Only for imported material. `version` is for a keystore that takes a key's newest material only beside all that
   * it had before: an earlier version of the same key; this one when left out.
   */
  readonly withMaterial: <T>(use: (material: Uint8Array) => Promise<T>, version?: number) => Promise<T>;
}

export type Health =
  | { readonly status: 'ok'; readonly message: string }
  | { readonly status: 'configuration_error'; readonly message: string }
  | { readonly status: 'not_responding'; readonly message: string };

/**
 * denied: our credentials may not. throttled: too many calls. unreachable: no answer, outcome unknown. not_found: what must exist
 * does not. conflict: a foreign key or a state stands in the way. unsupported: this keystore never can. unavailable: it answers, but
 * cannot serve now (a disconnected key store). broken: an answer we do not understand, or an error of the keystore's own.
 */
export type KeystoreFaultKind =
  'denied' | 'throttled' | 'unreachable' | 'not_found' | 'conflict' | 'unsupported' | 'unavailable' | 'broken';

const RETRYABLE: Record<KeystoreFaultKind, boolean> = {
  denied: true,
  throttled: true,
  unreachable: true,
  not_found: false,
  conflict: false,
  unsupported: false,
  unavailable: true,
  broken: true,
};

/** The one error a driver throws. `message` is a sentence for people and carries no secret and no key material. */
export class KeystoreFault extends Error {
  override readonly name = 'KeystoreFault';
  readonly kind: KeystoreFaultKind;
  /** The provider's own error code (`ThrottlingException`), when there was an answer. */
  readonly providerCode: string | undefined;

  constructor(kind: KeystoreFaultKind, message: string, options: { cause?: unknown; providerCode?: string } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.providerCode = options.providerCode;
  }

  /** Whether the same step, run later without anybody's doing, may succeed. */
  get retryable(): boolean {
    return RETRYABLE[this.kind];
  }
}
