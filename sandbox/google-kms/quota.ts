import { performance } from 'node:perf_hooks';

/** Google's default quotas, per project and location, in calls a minute. */
const perMinute = { read: 600, write: 60, cryptographic: 60_000 } as const;
export type CallSort = keyof typeof perMinute;

export interface Quota {
  enabled: boolean;
  /** Takes one call from its bucket; false when the bucket is empty. */
  admit(scope: string, sort: CallSort): boolean;
}

/** Token buckets that hold one minute's worth. They fill in real time: a rate is about real load, not about calendar time. */
export function quota(): Quota {
  const buckets = new Map<string, { tokens: number; filledAt: number }>();
  return {
    enabled: false,
    admit(scope, sort) {
      if (!this.enabled) return true;
      const rate = perMinute[sort];
      const now = performance.now();
      const bucket = buckets.get(`${scope} ${sort}`) ?? { tokens: rate, filledAt: now };
      bucket.tokens = Math.min(rate, bucket.tokens + ((now - bucket.filledAt) / 60_000) * rate);
      bucket.filledAt = now;
      buckets.set(`${scope} ${sort}`, bucket);
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
