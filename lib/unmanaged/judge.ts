import type { FoundKey, KeystoreKind } from '../drivers/driver.ts';
import type { KeyState } from '../keys/key.ts';
import type { Known } from './known.ts';

/** What an unmanaged key is judged by, beside itself. */
export interface Judging {
  readonly kind: KeystoreKind;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly known: Pick<Known, 'inDoubtSince'>;
  /** The KMS key that wraps what Shearline keeps (id, ARN or alias): whoever could destroy it could destroy everything. */
  readonly custodyKeyId: string;
  /** Marks may take so long to show after a key is made. */
  readonly settlingSeconds: number;
  readonly now: Date;
}

/**
 * Whether a key that no record names is nobody's: not the provider's own, not marked as a managed key's, not the custody key, and not one
 * that a create of ours may have made moments ago. Pure.
 */
export function isUnmanaged(
  found: Pick<FoundKey, 'idInKeystore' | 'owner' | 'names' | 'createdAt'>,
  by: Judging,
): boolean {
  if (found.owner !== 'nobody' || isCustodyKey(found, by.custodyKeyId)) return false;
  return !couldBeOurs(found.createdAt, by);
}

/** A key that was made so lately that its marks may not show yet, or since a create of ours that nobody answered. */
export function couldBeOurs(
  createdAt: Date | undefined,
  by: Pick<Judging, 'known' | 'settlingSeconds' | 'now'>,
): boolean {
  const { inDoubtSince } = by.known;
  if (inDoubtSince !== undefined && (createdAt === undefined || createdAt >= inDoubtSince)) return true;
  return createdAt !== undefined && by.now.getTime() - createdAt.getTime() < by.settlingSeconds * 1000;
}

function isCustodyKey(
  { idInKeystore, names }: Pick<FoundKey, 'idInKeystore' | 'names'>,
  custodyKeyId: string,
): boolean {
  if (idInKeystore === custodyKeyId || idInKeystore.endsWith(`:key/${custodyKeyId}`)) return true;
  const alias = /(?:^|:)alias\/(.+)$/.exec(custodyKeyId)?.[1];
  return alias !== undefined && names.includes(alias);
}

/** Why such a key cannot be adopted, as a sentence naming what to change; undefined when it can. Pure. */
export function whyNotAdoptable(
  found: Pick<FoundKey, 'state' | 'spec' | 'obstacle' | 'providerName'>,
  { kind, settings }: Pick<Judging, 'kind' | 'settings'>,
): string | undefined {
  if (found.obstacle !== undefined) return found.obstacle;
  const state = STATES[found.state];
  if (typeof state !== 'string') return state.why;
  if (found.spec === undefined) return `No managed key is like it: ${found.providerName}.`;
  return kind.refuses(found.spec) ?? kind.refusesIn?.(found.spec, settings);
}

/** The state that an adopted key has: what it is in the keystore is what is wanted of it. */
export function adoptedState(state: FoundKey['state']): Extract<KeyState, 'active' | 'deactivated'> | undefined {
  const adopted = STATES[state];
  return typeof adopted === 'string' ? adopted : undefined;
}

const STATES: Record<FoundKey['state'], 'active' | 'deactivated' | { readonly why: string }> = {
  enabled: 'active',
  disabled: 'deactivated',
  pending_deletion: { why: 'It is scheduled for deletion; cancel that first, in the keystore.' },
  no_material: { why: 'It has no material.' },
  unusable: { why: 'The keystore says that it cannot be used.' },
  settling: { why: 'The keystore is still at work on it; look again shortly.' },
};

/** The label that it gets when none is given: the first of its names that is one. */
export function labelFor(found: Pick<FoundKey, 'names'>, kind: KeystoreKind): string | undefined {
  return found.names.find((name) => kind.refusesLabel(name) === undefined);
}
