import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDatabase } from '../../lib/records/database.ts';
import type { Database } from '../../lib/records/database.ts';
import { MIGRATIONS } from '../../lib/records/migrations.ts';
import type { Migration } from '../../lib/records/schema.ts';
import { migrate, readTableVersion, TABLE_VERSION } from '../../lib/records/schema.ts';
import { ITEM } from '../../lib/records/table.ts';
import { guardVersion } from '../../lib/records/version-guard.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let table: TestTable;
let database: Database;
beforeAll(async () => {
  table = await startTestTable();
  ({ database } = table);
});
afterAll(() => table.close());
beforeEach(async () => {
  await database.write({ op: 'delete', key: ITEM.schema() });
});

const NEVER = new AbortController().signal;
const parts = ['a', 'b', 'c', 'd'] as const;

/** Marks four items, one at a time; told of each, and stopped or broken where the test wants it. */
function marking(to: number, at: (part: string) => void = () => undefined): Migration {
  return {
    to,
    says: `Every item has a mark of ${to}.`,
    async step(on, cursor) {
      const part = parts[cursor === undefined ? 0 : parts.findIndex((each) => each === cursor)];
      if (part === undefined) throw new Error(`There is no part ${cursor ?? ''}.`);
      at(part);
      await on.write({
        op: 'update',
        key: { pk: `MARKED#${part}`, sk: 'MARKED' },
        expression: 'SET #mark = :mark',
        names: { '#mark': `mark_${to}` },
        values: { ':mark': to },
      });
      return parts[parts.indexOf(part) + 1];
    },
  };
}
const marks = async (to: number) => {
  const items = await database.batchGet(parts.map((part) => ({ pk: `MARKED#${part}`, sk: 'MARKED' })));
  return items.filter((item) => item[`mark_${to}`] === to).length;
};
const forget = async () => {
  for (const part of parts) await database.write({ op: 'delete', key: { pk: `MARKED#${part}`, sk: 'MARKED' } });
};

describe('the table’s version', () => {
  it('is written into a table that says nothing', async () => {
    expect(await readTableVersion(database)).toBeUndefined();
    expect(await migrate(database, NEVER)).toEqual({ version: TABLE_VERSION, cursor: undefined });
    expect(await readTableVersion(database)).toEqual({ version: TABLE_VERSION, cursor: undefined });
  });

  it('is raised by one step after the other, each done to its end', async () => {
    await forget();
    const migrations = [marking(2), marking(3)];
    expect(await migrate(database, NEVER, migrations)).toEqual({ version: 3, cursor: undefined });
    expect([await marks(2), await marks(3)]).toEqual([4, 4]);
    expect(await migrate(database, NEVER, migrations)).toEqual({ version: 3, cursor: undefined });
  });

  it('goes on where it was stopped', async () => {
    await forget();
    const stop = new AbortController();
    const seen: string[] = [];
    const migrations = [
      marking(2, (part) => {
        seen.push(part);
        if (part === 'b') stop.abort();
      }),
    ];
    expect(await migrate(database, stop.signal, migrations)).toEqual({ version: 1, cursor: 'c' });
    expect(await migrate(database, NEVER, migrations)).toEqual({ version: 2, cursor: undefined });
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });

  it('goes on where it broke, doing at most one part again', async () => {
    await forget();
    let broken = false;
    const seen: string[] = [];
    const migrations = [
      marking(2, (part) => {
        seen.push(part);
        if (part === 'c' && !broken) {
          broken = true;
          throw new Error('The process ended here.');
        }
      }),
    ];
    await expect(migrate(database, NEVER, migrations)).rejects.toThrow('ended here');
    expect(await migrate(database, NEVER, migrations)).toEqual({ version: 2, cursor: undefined });
    expect(seen).toEqual(['a', 'b', 'c', 'c', 'd']);
    expect(await marks(2)).toBe(4);
  });

  it('is raised once, however many are at it', async () => {
    await forget();
    const migrations = [marking(2), marking(3)];
    const all = await Promise.all(Array.from({ length: 5 }, () => migrate(database, NEVER, migrations)));
    expect(new Set(all.map(({ version }) => version))).toEqual(new Set([3]));
    expect([await marks(2), await marks(3)]).toEqual([4, 4]);
  });

  it('that is newer is left alone', async () => {
    await database.write({ op: 'put', item: { ...ITEM.schema(), version: TABLE_VERSION + 1 } });
    await expect(migrate(database, NEVER)).rejects.toMatchObject({ code: 'table_too_new', status: 503 });
    expect(await readTableVersion(database)).toEqual({ version: TABLE_VERSION + 1, cursor: undefined });
  });

  it('has a step for each number since the first', () => {
    expect(MIGRATIONS.map(({ to }) => to)).toEqual(MIGRATIONS.map((_each, position) => position + 2));
    expect(TABLE_VERSION).toBe(MIGRATIONS.length + 1);
  });
});

describe('a table that a newer version has written', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
  });

  it('gets no call of this one, from the moment that is seen', async () => {
    const before = openDatabase({ table: database.table, endpoint: table.endpoint });
    await before.write({ op: 'put', item: { pk: 'ANYTHING', sk: 'ANYTHING' } });
    await database.write({ op: 'put', item: { ...ITEM.schema(), version: TABLE_VERSION + 1 } });

    const after = openDatabase({ table: database.table, endpoint: table.endpoint });
    const write = after.write({ op: 'put', item: { pk: 'ANYTHING', sk: 'ELSE' } });
    await expect(write).rejects.toMatchObject({ code: 'table_too_new', status: 503 });
    await expect(after.get({ pk: 'ANYTHING', sk: 'ANYTHING' })).rejects.toMatchObject({ code: 'table_too_new' });
    // It believed the table until then, and does for a minute.
    expect(await before.get({ pk: 'ANYTHING', sk: 'ELSE' })).toBeUndefined();
  });

  it('is noticed within a minute', async () => {
    let now = 0;
    const client = new DynamoDBClient({ endpoint: table.endpoint });
    guardVersion(client, database.table, () => now);
    const put = () =>
      client.send(
        new PutItemCommand({ TableName: database.table, Item: { pk: { S: 'ANYTHING' }, sk: { S: 'ANYTHING' } } }),
      );
    await put();
    await database.write({ op: 'put', item: { ...ITEM.schema(), version: TABLE_VERSION + 1 } });
    await put();
    now = 60_001;
    await expect(put()).rejects.toMatchObject({ code: 'table_too_new' });
    client.destroy();
  });
});
