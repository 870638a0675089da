import * as z from 'zod/mini';
import { HEALTH_STATUSES } from '../keystores/keystore.ts';
import type { Database } from '../records/database.ts';
import { instant, itemCodec, maybe } from '../records/item.ts';
import { ITEM } from '../records/table.ts';
import type { Cursor } from './keystore.ts';
import type { KeystoreScan } from './tally.ts';

/** How far a sweep of a scope is: where to go on in each keystore, and what was found so far. */
export interface SweepState {
  readonly scope: string;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  /** Undefined while there is more to do. */
  readonly finishedAt: Date | undefined;
  /** Seconds until its end at the pace of now; undefined at the end. */
  readonly etaSeconds: number | undefined;
  readonly keystores: Readonly<Record<string, SweptSoFar>>;
}

export interface SweptSoFar {
  readonly scan: KeystoreScan;
  /** Undefined when every key was dealt with. */
  readonly next: Cursor | undefined;
}

const count = z.int().check(z.gte(0));
const codec = itemCodec<SweepState>('sweep', () =>
  z.object({
    scope: z.string(),
    startedAt: instant,
    updatedAt: instant,
    finishedAt: maybe(instant),
    etaSeconds: maybe(z.number()),
    keystores: z.record(
      z.string(),
      z.object({
        scan: z.object({
          keystoreId: z.string(),
          name: z.string(),
          health: z.enum(HEALTH_STATUSES.filter((status) => status !== 'pending_check')),
          message: z.string(),
          keys: count,
          flags: z.object({ ok: count, out_of_sync: count, error: count, verifying_sync: count }),
          written: count,
          settling: count,
          failed: count,
        }),
        next: maybe(z.object({ after: maybe(z.string()), ask: z.boolean() })),
      }),
    ),
  }),
);

export async function readSweep(database: Database, scope: string): Promise<SweepState | undefined> {
  const item = await database.get(ITEM.sweep(scope));
  return item === undefined ? undefined : codec.decode(item);
}

export async function storeSweep(database: Database, state: SweepState): Promise<void> {
  await database.write({ op: 'put', item: { ...ITEM.sweep(state.scope), ...codec.encode(state) } });
}
