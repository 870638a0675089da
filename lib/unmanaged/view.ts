import { Fault } from '../fault.ts';
import type { WireUnmanagedKey } from '../wire/unmanaged-keys.ts';
import type { Place, UnmanagedKey } from './list.ts';

const DAY_MS = 86_400_000;

/** An unmanaged key as callers see it. */
export function presentUnmanagedKey(key: UnmanagedKey, now: Date): WireUnmanagedKey {
  const { createdAt, spec } = key;
  const age = createdAt === undefined ? undefined : Math.floor((now.getTime() - createdAt.getTime()) / DAY_MS);
  return {
    key_id_in_keystore: key.idInKeystore,
    names: [...key.names],
    ...(key.state === undefined ? {} : { state: key.state }),
    ...(createdAt === undefined ? {} : { created_at: createdAt.toISOString() }),
    ...(age === undefined ? {} : { age_days: Math.max(0, age) }),
    ...(key.providerName === undefined ? {} : { provider_type: key.providerName }),
    ...(spec === undefined ? {} : { algorithm: spec.algorithm, size: spec.size }),
    adoptable: key.refusal === undefined,
    ...(key.refusal === undefined ? {} : { reason: key.refusal }),
  };
}

/** A place as the parameter `after` carries it. */
export function placeText({ page, past }: Place): string {
  return Buffer.from(JSON.stringify([page ?? null, past ?? null])).toString('base64url');
}

/** The place that `after` names. Throws `invalid_parameter` for what no link of ours has said. */
export function placeFrom(after: string | undefined): Place {
  if (after === undefined) return { page: undefined, past: undefined };
  const parts = partsOf(after);
  if (parts === undefined) {
    throw new Fault('invalid_parameter', {
      message: 'after must be what a “next” link has for it.',
      target: { type: 'parameter', name: 'after' },
    });
  }
  const [page, past] = parts;
  return { page: page ?? undefined, past: past ?? undefined };
}

function partsOf(after: string): readonly (string | null)[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(after, 'base64url').toString('utf8'));
    const isPlace =
      Array.isArray(parts) && parts.length === 2 && parts.every((part) => part === null || typeof part === 'string');
    return isPlace ? (parts as (string | null)[]) : undefined;
  } catch {
    return undefined;
  }
}
