import type { KeyInKeystore, Seen } from '../drivers/driver.ts';
import type { KeySpec } from '../drivers/driver.ts';
import type { KeyAlgorithm, MaterialKind } from '../keys/key.ts';
import { fromWire } from '../records/wire.ts';
import type { WireItem } from '../records/wire.ts';
import type { Pair } from './pairs.ts';

/**
 * A key that was well when it was last judged, and of which nothing has changed on our side since: what a look must see for that to be still
 * so. Found by comparing stored attributes with what such a key has, one by one: of a million keys nearly all are of this kind, and reading
 * their records whole would cost more than asking for them. What is not exactly so is left to the verdict.
 */
export interface Calm {
  readonly key: KeyInKeystore & { readonly binding: NonNullable<KeyInKeystore['binding']> };
  readonly state: 'enabled' | 'disabled';
}

/** The two judgements that a calm key can have. */
const ENABLED = { status: 'active', detail: 'active_key_is_active_in_keystore', reason: 'The key is enabled' } as const;
const DISABLED = {
  status: 'not_active',
  detail: 'deactivated_key_is_deactivated_in_keystore',
  reason: 'The key is disabled',
} as const;

/** Undefined where the key is not calm, or was touched by us after `settledBefore` (RFC 3339, as stored). */
export function calm({ instance, observed }: Pair, settledBefore: string): Calm | undefined {
  if (observed === undefined || observed['keystore_sync_flag']?.S !== 'ok') return undefined;
  const wanted = instance['wanted']?.S;
  const state = wanted === 'enabled' || wanted === 'disabled' ? wanted : undefined;
  if (state === undefined) return undefined;
  const judged = state === 'enabled' ? ENABLED : DISABLED;
  const binding = instance['binding']?.M;
  const id = binding?.['idInKeystore']?.S;
  const isCalm =
    observed['status']?.S === judged.status &&
    observed['keystore_sync_flag_detail']?.S === judged.detail &&
    observed['reason']?.S === `${judged.reason}, since ${observed['since']?.S ?? ''} at the latest.` &&
    observed['judged_fence']?.N === instance['fence']?.N &&
    id !== undefined &&
    observed['key_id_in_keystore']?.S === id &&
    observed['error'] === undefined &&
    observed['pending_destruction_until'] === undefined &&
    instance['key_state']?.S === (state === 'enabled' ? 'active' : 'deactivated') &&
    instance['open'] === undefined &&
    instance['create_sent_at'] === undefined &&
    instance['rotation_sent_at'] === undefined &&
    instance['outgrown']?.BOOL === false &&
    instance['rotating']?.BOOL === false &&
    instance['key_removed']?.BOOL === false &&
    instance['removed_by_user']?.BOOL === false &&
    (instance['touched_at']?.S ?? '') <= settledBefore;
  if (!isCalm) return undefined;
  const key = keyFrom(instance, id, binding?.['fingerprint']?.S);
  return key === undefined ? undefined : { key, state };
}

/** Whether the look saw what a calm key must show. Anything more (a remark, another name, a deletion under way) is for the verdict. */
export function isAsBefore({ key, state }: Calm, seen: Seen): boolean {
  return (
    seen.presence === 'present' &&
    seen.state === state &&
    seen.idInKeystore === key.binding.idInKeystore &&
    (seen.fingerprint === key.binding.fingerprint || seen.fingerprint === undefined) &&
    seen.name === (key.current ? 'leads_here' : 'not_applicable') &&
    seen.pendingDeletionUntil === undefined &&
    seen.remark === undefined
  );
}

/** As `keyInKeystore` makes it of a record that was read whole. */
function keyFrom(instance: WireItem, id: string, fingerprint: string | undefined): Calm['key'] | undefined {
  const keyId = instance['key_id']?.S;
  const version = instance['version']?.N;
  const label = instance['label']?.S;
  const current = instance['current']?.BOOL;
  const intendedAt = instance['intended_at']?.S;
  const spec = specFrom(instance['spec']?.M);
  if (keyId === undefined || version === undefined || label === undefined || current === undefined) return undefined;
  if (intendedAt === undefined || spec === undefined) return undefined;
  return {
    keyId,
    version: Number(version),
    current,
    label,
    description: '',
    tags: [],
    spec,
    binding: { idInKeystore: id, fingerprint },
    intendedAt: new Date(intendedAt),
    createSent: false,
  };
}

function specFrom(stored: WireItem | undefined): KeySpec | undefined {
  const algorithm = stored?.['algorithm']?.S;
  const size = stored?.['size']?.S;
  const material = stored?.['material']?.S;
  const properties = stored?.['properties']?.M;
  if (algorithm === undefined || size === undefined || material === undefined || properties === undefined) {
    return undefined;
  }
  // Only such were judged before, so they are what they must be.
  return {
    algorithm: algorithm as KeyAlgorithm,
    size,
    material: material as MaterialKind,
    properties: Object.keys(properties).length === 0 ? NO_PROPERTIES : fromWire(properties),
  };
}

const NO_PROPERTIES: KeySpec['properties'] = {};
