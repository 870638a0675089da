/** States of a key: NIST SP 800-57 numbers, as the API writes them. */
export const STATE = { preActivation: 0, active: 1, suspended: 2, deactivated: 3, destroyed: 5 } as const;
export type State = (typeof STATE)[keyof typeof STATE];

export interface KeyMaterial {
  /** The version's id. */
  readonly id: string;
  readonly createdAt: number;
  readonly bytes: Buffer;
}

/** A cloud resource that the key protects. */
export interface Registration {
  readonly resourceCrn: string;
  readonly description: string;
  readonly preventKeyDeletion: boolean;
  readonly createdAt: number;
}

export interface IbmKey {
  readonly sequence: number;
  readonly instanceId: string;
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly extractable: boolean;
  readonly imported: boolean;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | undefined;
  keyRingId: string;
  state: State;
  aliases: string[];
  /** The last one is current. */
  materials: KeyMaterial[];
  lastUpdateAt: number;
  lastRotateAt: number | undefined;
  /** When an action last changed it: enabling and restoring must wait after that. */
  lastActionAt: number | undefined;
  deletedAt: number | undefined;
  deletedBy: string | undefined;
  dualAuth: boolean;
  /** By whom, and until when, its deletion was authorized. */
  setForDeletion: { readonly by: string; readonly until: number } | undefined;
  registrations: Registration[];
}

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
/** How long a deleted key can be restored, and when it ends for good. Source: Key Protect docs, "About deleting and purging keys". */
export const RESTORABLE_FOR = 30 * DAY;
export const PURGED_AFTER = 90 * DAY;
export const PURGE_ALLOWED_AFTER = 4 * HOUR;

/** The material that the key now encrypts with. */
export function currentMaterial(key: IbmKey): KeyMaterial {
  const material = key.materials.at(-1);
  if (material === undefined) throw new Error(`Key ${key.id} has no material`);
  return material;
}

/** The state at that moment: an expired key has deactivated itself. */
export function stateAt(key: IbmKey, now: number): State {
  const usable = key.state === STATE.active || key.state === STATE.suspended;
  return usable && key.expiresAt !== undefined && key.expiresAt <= now ? STATE.deactivated : key.state;
}
