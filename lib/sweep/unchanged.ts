import type { KeyInKeystore, Seen } from '../drivers/driver.ts';
import type { KeySpec } from '../drivers/driver.ts';
import type { KeyAlgorithm, MaterialKind } from '../keys/key.ts';
import { stringIn } from '../records/item-text.ts';
import type { ItemText } from '../records/item-text.ts';
import { fromWire } from '../records/wire.ts';
import type { WireValue } from '../records/wire.ts';
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

/** The two judgements that a calm key can have, as they are stored. */
const ENABLED = {
  status: text('active'),
  detail: text('active_key_is_active_in_keystore'),
  reason: 'The key is enabled',
};
const DISABLED = {
  status: text('not_active'),
  detail: text('deactivated_key_is_deactivated_in_keystore'),
  reason: 'The key is disabled',
};
const OK = text('ok');
const WANTED = { enabled: text('enabled'), disabled: text('disabled') };
const STATE = { enabled: text('active'), disabled: text('deactivated') };
const TRUE = '{"BOOL":true}';
const FALSE = '{"BOOL":false}';

function text(value: string): string {
  return JSON.stringify({ S: value });
}

/** What stands in a string that needs no escape: between `{"S":"` and `"}`. */
function inside(value: string): string {
  return value.slice(6, -2);
}

/** Undefined where the key is not calm, or was touched by us after `settledBefore` (RFC 3339, as stored). */
export function calm({ instance, observed }: Pair, settledBefore: string): Calm | undefined {
  if (observed === undefined || observed.get('keystore_sync_flag') !== OK) return undefined;
  const wanted = instance.get('wanted');
  const state = wanted === WANTED.enabled ? 'enabled' : wanted === WANTED.disabled ? 'disabled' : undefined;
  if (state === undefined) return undefined;
  const judged = state === 'enabled' ? ENABLED : DISABLED;
  const touchedAt = instance.get('touched_at');
  const isCalm =
    observed.get('status') === judged.status &&
    observed.get('keystore_sync_flag_detail') === judged.detail &&
    observed.get('reason') ===
      `{"S":"${judged.reason}, since ${inside(observed.get('since') ?? '')} at the latest."}` &&
    observed.get('judged_fence') === instance.get('fence') &&
    !observed.has('error') &&
    !observed.has('pending_destruction_until') &&
    instance.get('key_state') === STATE[state] &&
    !instance.has('open') &&
    !instance.has('create_sent_at') &&
    !instance.has('rotation_sent_at') &&
    instance.get('outgrown') === FALSE &&
    instance.get('rotating') === FALSE &&
    instance.get('key_removed') === FALSE &&
    instance.get('removed_by_user') === FALSE &&
    (touchedAt === undefined || inside(touchedAt) <= settledBefore);
  if (!isCalm) return undefined;
  const key = keyFrom(instance, stringIn(observed.get('key_id_in_keystore')));
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

/** As `keyInKeystore` makes it of a record that was read whole; undefined unless it is bound to the key that was seen. */
function keyFrom(instance: ItemText, seen: string | undefined): Calm['key'] | undefined {
  const { binding, keyId, version, label, intendedAt, spec } = {
    binding: bindingIn(instance.get('binding')),
    keyId: stringIn(instance.get('key_id')),
    version: instance.get('version'),
    label: stringIn(instance.get('label')),
    intendedAt: stringIn(instance.get('intended_at')),
    spec: specFrom(instance.get('spec')),
  };
  const isCurrent = instance.get('current');
  if (binding === undefined || binding.idInKeystore !== seen) return undefined;
  if (keyId === undefined || version === undefined || label === undefined) return undefined;
  if (intendedAt === undefined || spec === undefined || (isCurrent !== TRUE && isCurrent !== FALSE)) return undefined;
  return {
    keyId,
    version: Number(inside(version)),
    current: isCurrent === TRUE,
    label,
    description: '',
    tags: [],
    spec,
    binding,
    intendedAt: new Date(intendedAt),
    createSent: false,
  };
}

function bindingIn(stored: string | undefined): Calm['key']['binding'] | undefined {
  if (stored === undefined) return undefined;
  const { idInKeystore, fingerprint } = (JSON.parse(stored) as WireValue).M ?? {};
  return idInKeystore?.S === undefined ? undefined : { idInKeystore: idInKeystore.S, fingerprint: fingerprint?.S };
}

/** As they were stored: a fleet has few kinds of keys, and each is the same text but for the order of its members. */
const specs = new Map<string, KeySpec>();
const SPECS_KEPT = 10_000;

function specFrom(stored: string | undefined): KeySpec | undefined {
  if (stored === undefined) return undefined;
  const known = specs.get(stored);
  if (known !== undefined) return known;
  const { algorithm, size, material, properties } = (JSON.parse(stored) as WireValue).M ?? {};
  if (algorithm?.S === undefined || size?.S === undefined || material?.S === undefined) return undefined;
  if (properties?.M === undefined) return undefined;
  // Only such were judged before, so they are what they must be.
  const spec: KeySpec = {
    algorithm: algorithm.S as KeyAlgorithm,
    size: size.S,
    material: material.S as MaterialKind,
    properties: fromWire(properties.M),
  };
  if (specs.size >= SPECS_KEPT) specs.clear();
  // A copy: a piece of a page would hold the whole of it in memory.
  specs.set(Buffer.from(stored).toString(), spec);
  return spec;
}
