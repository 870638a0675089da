/** The contract's status of a key in a keystore. */
export const KEYSTORE_STATUSES = ['active', 'not_active', 'not_present', 'wrong_key', 'error', 'unknown'] as const;
export type KeystoreStatus = (typeof KEYSTORE_STATUSES)[number];

export const SYNC_FLAGS = ['ok', 'out_of_sync', 'error', 'verifying_sync'] as const;
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

/** Why the keystore could not be asked, or why a repair failed: a code and a sentence. */
export interface ObservedError {
  readonly code: string;
  readonly message: string;
}

/** What the last look found, judged. Written by scans, verifies and syncs; never part of an ETag. */
export interface Observed {
  readonly keyId: string;
  readonly version: number;
  readonly keystoreId: string;
  readonly vaultId: string;
  readonly status: KeystoreStatus;
  readonly keystoreSyncFlag: SyncFlag;
  readonly keystoreSyncFlagDetail: SyncFlagDetail;
  /** What was seen, and what sync would do: a sentence for people. Equal sentences mean an unchanged finding. */
  readonly reason: string;
  /** Since when flag, detail and status are as they are. */
  readonly since: Date;
  /** When the look began that this was written from; an unchanged finding is not written again. */
  readonly seenAt: Date;
  readonly error: ObservedError | undefined;
  readonly keyIdInKeystore: string | undefined;
  readonly pendingDestructionUntil: Date | undefined;
  /** The instance's fence that it was judged against: an older judgement never replaces a newer one. */
  readonly judgedFence: number;
}
