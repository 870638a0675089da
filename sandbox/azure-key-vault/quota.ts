import { performance } from 'node:perf_hooks';
import { isHsm } from './material.ts';
import type { KeyType, PublicMembers } from './world.ts';

/** Transactions in 10 seconds per vault, from "Azure Key Vault service limits". */
const window = 10_000;
const creations = { software: 20, hsm: 10 };
const others = 4000;

/** What one call counts for, of 4000: HSM keys twice as much, RSA the more the longer. */
function weightOf(members: PublicMembers | undefined): number {
  if (members === undefined) return 1;
  const bits = Buffer.from(members.n ?? '', 'base64url').length * 8;
  const byLength = bits >= 4096 ? 8 : bits >= 3072 ? 4 : 1;
  return byLength * (isHsm(members.kty) ? 2 : 1);
}

export interface Quota {
  enabled: boolean;
  /** Takes a creation of such a key from its bucket; false when the bucket is empty. */
  admitCreation(vault: string, kty: KeyType): boolean;
  /** Takes any other call, on such a key if it is on one. */
  admit(vault: string, members: PublicMembers | undefined): boolean;
}

/** Token buckets that hold one window's worth. They fill in real time: a rate is about real load, not about calendar time. */
export function quota(): Quota {
  const buckets = new Map<string, { tokens: number; filledAt: number }>();

  function take(name: string, capacity: number, weight: number): boolean {
    const now = performance.now();
    const bucket = buckets.get(name) ?? { tokens: capacity, filledAt: now };
    bucket.tokens = Math.min(capacity, bucket.tokens + ((now - bucket.filledAt) / window) * capacity);
    bucket.filledAt = now;
    buckets.set(name, bucket);
    if (bucket.tokens < weight) return false;
    bucket.tokens -= weight;
    return true;
  }

  return {
    enabled: false,
    admitCreation(vault, kty) {
      const sort = isHsm(kty) ? 'hsm' : 'software';
      return !this.enabled || take(`${vault} ${sort}`, creations[sort], 1);
    },
    admit(vault, members) {
      return !this.enabled || take(vault, others, weightOf(members));
    },
  };
}
