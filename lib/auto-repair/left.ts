import * as z from 'zod/mini';
import type { Observed } from '../drift/observed.ts';
import type { Database } from '../records/database.ts';
import { instant, itemCodec } from '../records/item.ts';
import { ITEM } from '../records/table.ts';

/** A finding that was looked into and left to people, or whose repair did not help. */
interface Left {
  /** The finding that it was about: another one is looked into at once. */
  readonly finding: string;
  readonly at: Date;
  readonly why: string;
  readonly ttl: number;
}

const codec = itemCodec<Left>('repair that was left', () =>
  z.object({ finding: z.string(), at: instant, why: z.string(), ttl: z.int() }),
);

/** After so long the same finding is looked into again: what kept it from being repaired may be over. */
const AGAIN_AFTER_MS = 3_600_000;
const KEPT_SECONDS = 30 * 86_400;

type Of = Pick<Observed, 'keyId' | 'version' | 'keystoreId' | 'status' | 'since'>;

const findingOf = ({ status, since }: Of) => `${status}#${since.toISOString()}`;

/** Whether this very finding was left within the last hour. */
export async function wasLeft(database: Database, observed: Of, now: Date): Promise<boolean> {
  const item = await database.get(ITEM.repairLeft(observed.keyId, observed.version, observed.keystoreId));
  if (item === undefined) return false;
  const left = codec.decode(item);
  return left.finding === findingOf(observed) && now.getTime() - left.at.getTime() < AGAIN_AFTER_MS;
}

/** Remembers that this finding was left, and why. Can be repeated. */
export async function leave(database: Database, observed: Of, why: string, now: Date): Promise<void> {
  const ttl = Math.floor(now.getTime() / 1000) + KEPT_SECONDS;
  const item = codec.encode({ finding: findingOf(observed), at: now, why, ttl });
  await database.write({
    op: 'put',
    item: { ...ITEM.repairLeft(observed.keyId, observed.version, observed.keystoreId), ...item },
  });
}
