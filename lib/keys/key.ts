import type { Binding, KeySpec } from '../drivers/driver.ts';
import type { KeystoreType } from '../keystores/keystore.ts';
import type { KeySchedule } from '../schedule/schedule.ts';
import type { Tag } from '../tag.ts';

/** The contract's algorithms. */
export const KEY_ALGORITHMS = ['aes', 'des', 'dilithium', 'ec', 'hmac', 'rsa'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

/** NIST SP 800-57 states, as the contract writes them. */
export const KEY_STATES = [
  'pre_activation',
  'active',
  'deactivated',
  'compromised',
  'destroyed',
  'destroyed_compromised',
] as const;
export type KeyState = (typeof KEY_STATES)[number];

/**
 * `imported`: generated once by Shearline, kept as ciphertext, the same bytes in every keystore; a lost copy can be restored.
 * `native`: each keystore makes its own; same state and lifecycle, different bytes: such keys cannot decrypt each other's data.
 */
export const MATERIAL_KINDS = ['imported', 'native'] as const;
export type MaterialKind = (typeof MATERIAL_KINDS)[number];

/** What users decide about a key: the desired record. `revision` rises with every change of it and is what the ETag covers. */
export interface ManagedKey {
  readonly id: string;
  readonly revision: number;
  readonly vaultId: string;
  readonly templateId: string;
  /** The version of the template that this key was last brought in line with. */
  readonly templateVersion: number;
  readonly keystoreType: KeystoreType;
  /** Where it is assigned (not those removed by the user), sorted. */
  readonly keystoreIds: readonly string[];
  readonly version: number;
  readonly label: string;
  readonly description: string;
  readonly state: KeyState;
  readonly spec: KeySpec;
  /** `YYYY-MM-DD`. */
  readonly activationDate: string | undefined;
  readonly expirationDate: string | undefined;
  readonly deactivationDate: string | undefined;
  readonly deactivateOnRotation: boolean;
  /** The values of a naming scheme's placeholders; empty for a free label. */
  readonly labelTags: readonly Tag[];
  readonly tags: readonly Tag[];
  /** The naming scheme that the label was made by; such a label cannot be edited. */
  readonly namingScheme: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly createdBy: string;
  readonly updatedBy: string;
  readonly rotatedAt: Date | undefined;
  readonly deactivatedAt: Date | undefined;
  readonly destroyedAt: Date | undefined;
  /** What is done to it at its time, as its template says; undefined: nothing. */
  readonly schedule?: KeySchedule | undefined;
}

/** One version of a key, and what can be shown of its material. */
export interface KeyVersion {
  readonly keyId: string;
  readonly version: number;
  readonly state: KeyState;
  readonly createdAt: Date;
  readonly rotatedAt: Date | undefined;
  readonly deactivatedAt: Date | undefined;
  /** SubjectPublicKeyInfo DER of key pairs with imported material. */
  readonly publicKey: Uint8Array | undefined;
}

/** The version with which a key begins. */
export function firstVersion(key: ManagedKey, publicKey: Uint8Array | undefined): KeyVersion {
  return {
    keyId: key.id,
    version: 1,
    state: key.state,
    createdAt: key.createdAt,
    rotatedAt: undefined,
    deactivatedAt: key.deactivatedAt,
    publicKey,
  };
}

/** Key material as it is kept: readable only through the custody key and only for the record that it was made for. */
export interface WrappedMaterial {
  /** Ciphertext of AWS KMS under the custody key, bound by encryption context to its purpose, key id and version. */
  readonly ciphertext: Uint8Array;
  readonly custodyKeyId: string;
  /** SubjectPublicKeyInfo DER of key pairs. */
  readonly publicKey: Uint8Array | undefined;
}

/** What is wanted in one keystore; derived from the key's state and the assignment (see `wantedIn`). */
export type Wanted = 'enabled' | 'disabled' | 'gone' | 'none';

/**
 * One version of a key in one keystore: what is wanted there, what we made there, and the work still open. This item is the journal:
 * `open` is written in the same transaction as the decision, and leaves only when the keystore agrees or can never agree.
 */
export interface KeyInstance {
  readonly keyId: string;
  readonly version: number;
  readonly keystoreId: string;
  readonly vaultId: string;
  readonly label: string;
  readonly spec: KeySpec;
  /** The state of this version of the key; what is seen is judged against it. */
  readonly keyState: KeyState;
  /** The version that the label must lead to. */
  readonly current: boolean;
  readonly wanted: Wanted;
  /** A newer version lives in the same key of the keystore: this one's material is still in it, for decryption only. */
  readonly outgrown: boolean;
  /** The keystore's key still has the version before as its current material. `binding` is that version's until it is rotated. */
  readonly rotating: boolean;
  /** The managed key was removed from its vault; the instance stays until the keystore confirms that its key is gone. */
  readonly keyRemoved: boolean;
  /** Not among the template's keystores any more, by a user's decision: disabled there, its material stays. */
  readonly removedByUser: boolean;
  readonly binding: Binding | undefined;
  /** When its creation there was first intended. */
  readonly intendedAt: Date;
  /** When a create was sent whose answer has not come: a key of ours may be there, or come yet, that has no name to be seen by. */
  readonly createSentAt: Date | undefined;
  /**
   * When the rotation that it waits for (`rotating`) was first sent: from then on, a current material that is not the one of `binding` means
   * that it has had its effect.
   */
  readonly rotationSentAt: Date | undefined;
  /** Rises with every write of this item: whoever holds an older number writes nothing. */
  readonly fence: number;
  /** When we last changed it there: until it has settled, a scan does not judge it. */
  readonly touchedAt: Date | undefined;
  readonly open: OpenWork | undefined;
}

export const WORK_CAUSES = [
  'create',
  'activate',
  'deactivate',
  'destroy',
  'realign',
  'sync',
  'rotate',
  'edit',
  'remove',
  'adopt',
  'auto_repair',
] as const;
export type WorkCause = (typeof WORK_CAUSES)[number];

/** Why an instance is being worked on. */
export interface OpenWork {
  readonly cause: WorkCause;
  /** Label, description or tags changed, and the keystore has not been told yet. */
  readonly details: boolean;
  readonly since: Date;
  readonly attempts: number;
  /** Not before this moment: the lease of whoever works on it, or the wait before another attempt. */
  readonly dueAt: Date;
  /** Why the last attempt did not finish; for people, without secrets. */
  readonly lastError: string | undefined;
  /** Tried for as long as there was hope: it waits for a person to have it tried again. */
  readonly givenUp: boolean;
}

/** Orders a key’s instances by version, then keystore; the last part of their sort key. */
export function instanceId(instance: Pick<KeyInstance, 'version' | 'keystoreId'>): string {
  return `${String(instance.version).padStart(6, '0')}#${instance.keystoreId}`;
}
