import type { KeyInstance } from '../keys/key.ts';

/**
 * Until when an instance is not to be judged by anybody but whoever works on it: keystores are eventually consistent, and a look that falls
 * between our write and its effect would find a drift that is none. Undefined when it may be judged now.
 */
export function settlingUntil(instance: KeyInstance, now: Date, settlingSeconds: number): Date | undefined {
  const { open, touchedAt } = instance;
  // Whoever works on it looks for itself, and knows what it just changed; its lease ends when it dies.
  if (open !== undefined && open.attempts === 1 && open.dueAt > now && !open.givenUp) {
    return new Date(Math.min(open.dueAt.getTime(), now.getTime() + Math.max(1, settlingSeconds) * 1000));
  }
  if (touchedAt === undefined) return undefined;
  const settled = new Date(touchedAt.getTime() + settlingSeconds * 1000);
  return settled > now ? settled : undefined;
}
