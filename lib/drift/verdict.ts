import type { KeystoreFault, Seen } from '../drivers/driver.ts';
import type { KeyInstance, KeyState } from '../keys/key.ts';
import type { KeystoreStatus, Observed, ObservedError, SyncFlag, SyncFlagDetail } from './observed.ts';
import { isOurs, isUnproven } from './identity.ts';
import { planFor, sentenceOf } from './plan.ts';

/** What one attempt to look into a keystore brought: what was seen, or why nothing could be. */
export type Look = { readonly seen: Seen } | { readonly fault: KeystoreFault };

export type Verdict = Pick<
  Observed,
  'status' | 'keystoreSyncFlag' | 'keystoreSyncFlagDetail' | 'error' | 'keyIdInKeystore' | 'pendingDestructionUntil'
> & {
  /** What was seen; without "since when" and without what sync would do. */
  readonly finding: string;
};

type Judged = Pick<
  KeyInstance,
  'keyState' | 'removedByUser' | 'binding' | 'current' | 'wanted' | 'spec' | 'outgrown' | 'rotating'
> &
  Partial<Pick<KeyInstance, 'createSentAt'>>;

type Row = Partial<Record<KeystoreStatus, readonly [SyncFlag, SyncFlagDetail]>>;

const ACTIVE_NOT = ['out_of_sync', 'active_key_is_not_active_in_keystore'] as const;
const DEACTIVATED_NOT = ['out_of_sync', 'deactivated_key_is_not_deactivated_in_keystore'] as const;
const DEACTIVATED = ['ok', 'deactivated_key_is_deactivated_in_keystore'] as const;
const DESTROYED_NOT = ['out_of_sync', 'destroyed_key_is_present_in_keystore'] as const;
const PRE_ACTIVE_NOT = ['out_of_sync', 'pre_active_key_is_present_in_keystore'] as const;
const REMOVED = ['ok', 'target_keystore_removed_by_user'] as const;
const REMOVED_NOT = ['out_of_sync', 'target_keystore_removed_by_user_contains_an_active_key'] as const;

/** The contract's table, row by row: desired state × status → flag and detail. */
const ROWS: Record<'active' | 'deactivated' | 'destroyed' | 'pre_activation' | 'removed_by_user', Row> = {
  active: {
    active: ['ok', 'active_key_is_active_in_keystore'],
    not_active: ACTIVE_NOT,
    not_present: ACTIVE_NOT,
    wrong_key: ACTIVE_NOT,
  },
  deactivated: {
    not_active: DEACTIVATED,
    not_present: DEACTIVATED,
    active: DEACTIVATED_NOT,
    wrong_key: DEACTIVATED_NOT,
  },
  destroyed: {
    not_present: ['ok', 'destroyed_key_is_not_present_in_keystore'],
    active: DESTROYED_NOT,
    not_active: DESTROYED_NOT,
    wrong_key: DESTROYED_NOT,
  },
  pre_activation: {
    not_present: ['ok', 'pre_active_key_is_not_present_in_keystore'],
    active: PRE_ACTIVE_NOT,
    not_active: PRE_ACTIVE_NOT,
    wrong_key: PRE_ACTIVE_NOT,
  },
  removed_by_user: { not_active: REMOVED, not_present: REMOVED, active: REMOVED_NOT, wrong_key: REMOVED_NOT },
};

/** Desired × seen → status, flag, detail and a finding for people. What could not be asked is an error, never absent and never ok. */
export function judge(instance: Judged, look: Look): Verdict {
  if ('fault' in look) return unaskable(look.fault);
  const { seen } = look;
  const status = statusOf(instance, seen);
  const [flag, detail] = ROWS[rowOf(instance)][status] ?? (['verifying_sync', 'unknown'] as const);
  return {
    status,
    keystoreSyncFlag: flag,
    keystoreSyncFlagDetail: detail,
    error: undefined,
    keyIdInKeystore: seen.presence === 'present' ? seen.idInKeystore : undefined,
    pendingDestructionUntil: seen.presence === 'present' ? seen.pendingDeletionUntil : undefined,
    finding: findingOf(instance, seen, status),
  };
}

/** The verdict on a key that nobody has asked for yet. */
export const NEVER_ASKED: Verdict = {
  status: 'unknown',
  keystoreSyncFlag: 'verifying_sync',
  keystoreSyncFlagDetail: 'unknown',
  error: undefined,
  keyIdInKeystore: undefined,
  pendingDestructionUntil: undefined,
  finding: 'The keystore has not been asked yet',
};

function unaskable(fault: KeystoreFault): Verdict {
  return {
    status: 'error',
    keystoreSyncFlag: 'error',
    keystoreSyncFlagDetail: 'connection_error',
    error: errorOf(fault),
    keyIdInKeystore: undefined,
    pendingDestructionUntil: undefined,
    finding: `The keystore could not be asked: ${fault.message}`,
  };
}

/** What callers and records see of a keystore's fault. */
export function errorOf(fault: KeystoreFault): ObservedError {
  return { code: `keystore_${fault.kind}`, message: fault.message };
}

function rowOf(instance: Judged): keyof typeof ROWS {
  if (instance.removedByUser) return 'removed_by_user';
  return ROW_OF_STATE[instance.keyState];
}

const ROW_OF_STATE: Record<KeyState, Exclude<keyof typeof ROWS, 'removed_by_user'>> = {
  pre_activation: 'pre_activation',
  active: 'active',
  deactivated: 'deactivated',
  compromised: 'deactivated',
  destroyed: 'destroyed',
  destroyed_compromised: 'destroyed',
};

function statusOf(instance: Judged, seen: Seen): KeystoreStatus {
  if (seen.presence === 'absent') return 'not_present';
  if (seen.state === 'settling') return 'unknown';
  // The keystore encrypts with the newest material only, so an older one in the same key is out of use by itself.
  if (instance.outgrown && instance.wanted === 'disabled') return 'not_active';
  if (seen.state === 'pending_deletion') return instance.wanted === 'gone' ? 'not_present' : 'not_active';
  // A disabled key with foreign bytes does no harm to a key that is to be disabled; to one that is to be active it is the finding.
  const matters = seen.state === 'enabled' || instance.wanted === 'enabled';
  if (matters && !isOurs(instance, seen)) return 'wrong_key';
  if (seen.state !== 'enabled') return 'not_active';
  if (instance.wanted === 'enabled' && isUnproven(instance, seen)) return 'unknown';
  if (instance.wanted === 'enabled' && seen.name === 'leads_elsewhere') return 'wrong_key';
  if (instance.wanted === 'enabled' && seen.name === 'missing') return 'not_active';
  return 'active';
}

function findingOf(instance: Judged, seen: Seen, status: KeystoreStatus): string {
  if (seen.presence === 'absent') return 'The keystore has no such key';
  if (seen.remark !== undefined && seen.state === 'unusable') return seen.remark.replace(/\.$/, '');
  if (instance.rotating) return 'The keystore still has the version before as its current material';
  if (status === 'unknown' && isUnproven(instance, seen)) {
    return 'The key is enabled, and nothing has proven yet that the material in it is the one that was kept';
  }
  if (status === 'wrong_key') {
    return isOurs(instance, seen)
      ? 'The name of this key leads to another key in the keystore'
      : 'The key in the keystore is not the one that was put there: its material or its id is another';
  }
  switch (seen.state) {
    case 'enabled':
      if (instance.outgrown) return 'A newer version is current in the same key; this one is still there to decrypt';
      return status === 'not_active'
        ? 'The key is enabled, but its name in the keystore is gone'
        : 'The key is enabled';
    case 'disabled':
      return 'The key is disabled';
    case 'no_material':
      return 'The key is there, but its material is missing';
    case 'unusable':
      return 'The key cannot be used, though the keystore says that it is enabled';
    case 'pending_deletion':
      return `The key is scheduled for deletion${seen.pendingDeletionUntil === undefined ? '' : ` at ${seen.pendingDeletionUntil.toISOString()}`}`;
    case 'settling':
      return 'The keystore is still working on the key';
  }
}

/** How often a judgement is written at all: only when it says something else than the one before. */
export function sameFinding(a: Observed, b: Observed): boolean {
  return (
    a.status === b.status &&
    a.keystoreSyncFlag === b.keystoreSyncFlag &&
    a.keystoreSyncFlagDetail === b.keystoreSyncFlagDetail &&
    a.reason === b.reason &&
    a.keyIdInKeystore === b.keyIdInKeystore &&
    a.error?.code === b.error?.code &&
    a.error?.message === b.error?.message &&
    a.pendingDestructionUntil?.getTime() === b.pendingDestructionUntil?.getTime()
  );
}

/** Sync does not decide this: it disables the key there and leaves it flagged. */
const PRE_ACTIVE_WAYS_OUT = ' To end this, activate the key, or destroy it.';

/**
 * The record of a look: the verdict with its reason (what was seen, since when, what sync would do). `since` is carried on while
 * status, flag and detail stay as they were. `failure` is why a repair that was just tried did not succeed.
 */
export function observation(
  instance: KeyInstance,
  look: Look,
  before: Observed | undefined,
  lookedAt: Date,
  failure?: ObservedError,
): Observed {
  const verdict = judge(instance, look);
  const unchanged =
    before !== undefined &&
    before.status === verdict.status &&
    before.keystoreSyncFlag === verdict.keystoreSyncFlag &&
    before.keystoreSyncFlagDetail === verdict.keystoreSyncFlagDetail;
  const since = unchanged ? before.since : lookedAt;
  const { finding, ...judged } = verdict;
  const plan = 'seen' in look ? planFor(instance, look.seen) : undefined;
  const ahead = plan === undefined ? 'Sync will try again' : sentenceOf(plan);
  const waysOut = judged.keystoreSyncFlagDetail === 'pre_active_key_is_present_in_keystore' ? PRE_ACTIVE_WAYS_OUT : '';
  const failed = failure === undefined ? '' : ` The last repair failed: ${failure.message.replace(/\.$/, '')}.`;
  return {
    keyId: instance.keyId,
    version: instance.version,
    keystoreId: instance.keystoreId,
    vaultId: instance.vaultId,
    ...judged,
    error: judged.error ?? (judged.keystoreSyncFlag === 'ok' ? undefined : failure),
    keyIdInKeystore: judged.keyIdInKeystore ?? instance.binding?.idInKeystore,
    reason:
      `${finding.replace(/\.$/, '')}, since ${since.toISOString()} at the latest.` +
      (ahead === '' ? '' : ` ${ahead}.`) +
      waysOut +
      (judged.keystoreSyncFlag === 'ok' ? '' : failed),
    since,
    seenAt: lookedAt,
    judgedFence: instance.fence,
  };
}
