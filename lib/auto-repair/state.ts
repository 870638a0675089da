import * as z from 'zod/mini';
import type { RecordDeployment } from '../deployment.ts';
import { instant, itemCodec, maybe } from '../records/item.ts';
import { ITEM } from '../records/table.ts';
import type { ItemKey } from '../records/table.ts';
import type { Database, RawItem } from '../records/database.ts';

/** What the audit trail calls it when so much drifts that people must decide. */
export const HOLD_AUTO_REPAIR = 'HoldVaultAutoRepair';

/** How auto-repair stands in a vault. No row: nothing drifts, or nothing was ever held. */
export interface AutoRepairState {
  readonly vaultId: string;
  /** Rises with every write. */
  readonly revision: number;
  /** Since when so much has drifted that people must decide; undefined when it goes on by itself. */
  readonly heldSince: Date | undefined;
  readonly reason: string | undefined;
  /** How many drifting keys a person has seen and let be repaired; they do not count as a mass change again. */
  readonly accepted: number;
  /** The place among the flagged where the next run goes on. */
  readonly cursor: string | undefined;
}

const codec = itemCodec<AutoRepairState>('state of auto-repair', () =>
  z.object({
    vaultId: z.string(),
    revision: z.int(),
    heldSince: maybe(instant),
    reason: maybe(z.string()),
    accepted: z.int(),
    cursor: maybe(z.string()),
  }),
);

export async function readAutoRepairState(database: Database, vaultId: string): Promise<AutoRepairState> {
  const item = await database.get(ITEM.autoRepair(vaultId));
  if (item !== undefined) return codec.decode(item);
  return { vaultId, revision: 0, heldSince: undefined, reason: undefined, accepted: 0, cursor: undefined };
}

export function storedAutoRepairState(state: AutoRepairState): RawItem & ItemKey {
  return { ...ITEM.autoRepair(state.vaultId), ...codec.encode(state) };
}

/** The change from one state to the next; refused when another run, or a person, was faster. */
export function stateChange(before: AutoRepairState, next: Omit<AutoRepairState, 'vaultId' | 'revision'>) {
  const item = storedAutoRepairState({ ...next, vaultId: before.vaultId, revision: before.revision + 1 });
  return before.revision === 0
    ? ({ op: 'put', item, condition: 'attribute_not_exists(pk)' } as const)
    : ({
        op: 'put',
        item,
        condition: '#revision = :revision',
        names: { '#revision': 'revision' },
        values: { ':revision': before.revision },
      } as const);
}

/** A sweep's time, in milliseconds: what is repaired at most "per sweep" is counted within it. */
export const SWEEP_MS = 900_000;

/** The start of the sweep's time that a moment is in. */
export function sweepOf(now: Date): Date {
  return new Date(Math.floor(now.getTime() / SWEEP_MS) * SWEEP_MS);
}

/** How much was repaired without people within this sweep's time. */
export async function repairedSoFar(database: Database, vaultId: string, now: Date): Promise<number> {
  return Number((await database.get(ITEM.repairs(vaultId, sweepOf(now))))?.['repaired'] ?? 0);
}

/** Takes so many repairs from what the sweep's time has left; answers how many were taken before them. */
export async function takeRepairs(
  { database }: Pick<RecordDeployment, 'database'>,
  vaultId: string,
  now: Date,
  count: number,
): Promise<number> {
  const ttl = Math.floor(now.getTime() / 1000) + 86_400;
  return (await database.add(ITEM.repairs(vaultId, sweepOf(now)), 'repaired', count, { ttl })) - count;
}
