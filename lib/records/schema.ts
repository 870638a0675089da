import * as z from 'zod/mini';
import { Fault } from '../fault.ts';
import type { Database } from './database.ts';
import { itemCodec, maybe } from './item.ts';
import { MIGRATIONS } from './migrations.ts';
import { ITEM } from './table.ts';

/** In what form the table's items are, as the table itself says. A table that does not say is of the first version. */
export interface TableVersion {
  readonly version: number;
  /** Where the migration to the next version goes on; undefined when none is under way, or it has not begun. */
  readonly cursor: string | undefined;
}

/**
 * One step forward, from the version before. What it does can be done again, also after a later step: whoever was slow may still be at it.
 * Functions read both forms meanwhile.
 */
export interface Migration {
  /** The version that the table is of afterwards. */
  readonly to: number;
  /** What changes, as a sentence for people. */
  readonly says: string;
  /** Does a part of it, and answers where to go on; undefined when there is no more. Can be cut off at any line. */
  step(database: Database, cursor: string | undefined): Promise<string | undefined>;
}

/** The version that this code writes. */
export const TABLE_VERSION = MIGRATIONS.reduce((highest, { to }) => Math.max(highest, to), 1);

const codec = itemCodec<TableVersion>('table version', () =>
  z.object({ version: z.int().check(z.gte(1)), cursor: maybe(z.string()) }),
);

/** What the table says of itself; undefined when it says nothing, as one does that was just made. */
export async function readTableVersion(database: Pick<Database, 'get'>): Promise<TableVersion | undefined> {
  const item = await database.get(ITEM.schema());
  return item === undefined ? undefined : codec.decode(item);
}

/**
 * Throws `table_too_new` for a table that a newer version of this code has written: what that one meant could not be told, and what this one
 * wrote would be misread. An older table is no reason not to work.
 */
export function requireKnown({ version }: Pick<TableVersion, 'version'>, known = TABLE_VERSION): void {
  if (version <= known) return;
  throw new Fault(
    'table_too_new',
    `The table is of version ${version}, this code knows ${known}: deploy the newer version again, or restore the table of before.`,
  );
}

/**
 * Brings the table to the version of this code, as far as the signal lets it; can be stopped anywhere and goes on there, also by somebody
 * else at the same time. Answers the version that it is of now. Throws `table_too_new` for a newer one.
 */
export async function migrate(
  database: Database,
  signal: AbortSignal,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<TableVersion> {
  const known = migrations.reduce((highest, { to }) => Math.max(highest, to), 1);
  // Of a table that says nothing: the first version wrote it, all others say who they are.
  let now: TableVersion = (await readTableVersion(database)) ?? (await begin(database));
  for (;;) {
    requireKnown(now, known);
    const before = now;
    const next = migrations.find(({ to }) => to === before.version + 1);
    if (next === undefined || signal.aborted) return before;
    const cursor = await next.step(database, before.cursor);
    const reached: TableVersion =
      cursor === undefined ? { version: next.to, cursor } : { version: before.version, cursor };
    // Whoever else is at it has come as far, or farther: go on from there.
    now = (await store(database, before, reached)) ? reached : ((await readTableVersion(database)) ?? before);
  }
}

async function begin(database: Database): Promise<TableVersion> {
  const first: TableVersion = { version: 1, cursor: undefined };
  return (await store(database, undefined, first)) ? first : ((await readTableVersion(database)) ?? first);
}

async function store(database: Database, before: TableVersion | undefined, after: TableVersion): Promise<boolean> {
  return database.write({
    op: 'put',
    item: { ...ITEM.schema(), ...codec.encode(after) },
    ...(before === undefined
      ? { condition: 'attribute_not_exists(pk)' }
      : {
          condition:
            before.cursor === undefined
              ? '#version = :version AND attribute_not_exists(#cursor)'
              : '#version = :version AND #cursor = :cursor',
          names: { '#version': 'version', '#cursor': 'cursor' },
          values: {
            ':version': before.version,
            ...(before.cursor === undefined ? {} : { ':cursor': before.cursor }),
          },
        }),
  });
}
