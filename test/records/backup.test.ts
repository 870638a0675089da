import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportTable, importTable } from '../../deploy/backup.ts';
import type { Deployment } from '../../lib/deployment.ts';
import { driverFor } from '../../lib/drivers/connections.ts';
import { resume } from '../../lib/drift/resume.ts';
import { openCredentials } from '../../lib/keystores/write.ts';
import { readKey, readMaterial } from '../../lib/records/reading.ts';
import { verifyTrails } from '../../lib/records/trail.ts';
import { FIRST, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let deployment: TestDeployment;
let restored: TestTable;
let place: Place;
let folder: string;
let file: string;
const keys: string[] = [];

const placeOf = (table: TestTable) => ({
  client: new DynamoDBClient({
    endpoint: table.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  }),
  table: table.database.table,
});

/** The database gives attributes in any order, at every depth; bytes as text. */
function inOrder(_name: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function everything(table: TestTable): Promise<string[]> {
  const { client, table: TableName } = placeOf(table);
  const items: string[] = [];
  for await (const page of paginateScan({ client }, { TableName })) {
    for (const item of page.Items ?? []) {
      items.push(JSON.stringify(item, inOrder));
    }
  }
  client.destroy();
  return items.sort();
}

/** A fleet as it is in use: keys in all states, one with work that is left over. */
beforeAll(async () => {
  [deployment, restored] = await Promise.all([startDeployment(), startTestTable()]);
  folder = mkdtempSync(join(tmpdir(), 'shearline-backup-'));
  file = join(folder, 'table.jsonl');
  place = await deployment.place();
  for (const label of ['active', 'deactivated', 'destroyed']) keys.push((await deployment.create(place, label)).id);
  await deployment.command('deactivate', keys[1] ?? '');
  await deployment.command('deactivate', keys[2] ?? '');
  await deployment.command('destroy', keys[2] ?? '');
  deployment.kms.faults.add({ kind: 'unreachable', region: FIRST });
  keys.push((await deployment.create(place, 'left-over')).id);
  deployment.kms.faults.clear();
  await exportTable(placeOf(deployment.table), file);
  await importTable(placeOf(restored), file);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([deployment.close(), restored.close()]);
});

/** The same deployment, on the restored table. */
function onRestored(): Deployment {
  const { database } = restored;
  const { custody } = deployment;
  return {
    ...deployment,
    database,
    // Other drivers than those that the process keeps of the original.
    driverFor: (keystore, pace) =>
      driverFor(
        { ...keystore, revision: keystore.revision + 1_000 },
        () => openCredentials({ database, custody }, keystore),
        pace,
      ),
  };
}

describe('a table that was exported and imported', () => {
  it('has every item as it was, bytes too', async () => {
    const [original, copy] = [await everything(deployment.table), await everything(restored)];
    expect(original.length).toBeGreaterThan(30);
    expect(copy).toEqual(original);
    for (const id of keys) expect(await readKey(restored.database, id)).toEqual(await deployment.partition(id));
  });

  it('has its audit trail whole', async () => {
    const [original, copy] = await Promise.all(
      [deployment.database, restored.database].map((each) => verifyTrails(each)),
    );
    expect(copy).toEqual(original);
    expect(copy?.map(({ broken }) => broken).filter((each) => each !== undefined)).toEqual([]);
    expect(copy?.some(({ events }) => events > 5)).toBe(true);
  });

  it('gives back the same key material, by the same custody key', async () => {
    const hashIn = async (database: Deployment['database']) => {
      const wrapped = await readMaterial(database, keys[0] ?? '', 1);
      if (wrapped === undefined) throw new Error('There is no material.');
      const record = { keyId: keys[0] ?? '', version: 1 };
      return deployment.custody.lend(wrapped, record, (bytes) =>
        Promise.resolve(createHash('sha256').update(bytes).digest('hex')),
      );
    };
    expect(await hashIn(restored.database)).toBe(await hashIn(deployment.database));
  });

  it('goes on with the work that was left over', async () => {
    const left = keys[3] ?? '';
    expect((await readKey(restored.database, left)).instances.some(({ open }) => open !== undefined)).toBe(true);
    deployment.time.advance(3_600_000);
    await resume(onRestored(), new AbortController().signal);
    expect((await readKey(restored.database, left)).instances.map(({ open }) => open)).toEqual([undefined, undefined]);
    expect(deployment.keysInAws(left).map(({ state }) => state)).toEqual(['Enabled', 'Enabled']);
  });
});

describe('the file', () => {
  it('is for its owner only, and never overwritten', async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(exportTable(placeOf(deployment.table), file)).rejects.toThrow('EEXIST');
  });

  it('has no key material and no credential in clear', () => {
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('sandbox-secret');
    expect(text).toContain('$bytes');
  });

  it('is not imported when something of it is missing or altered, nor into a table that has anything', async () => {
    const other = await startTestTable();
    const broken = join(folder, 'broken.jsonl');
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    for (const given of [
      [...lines.slice(0, 3), ...lines.slice(4)],
      lines.slice(0, -1),
      lines.map((line, at) => (at === 5 ? line.replace('{', '{"x":{"S":"y"},') : line)),
      [],
    ]) {
      writeFileSync(broken, given.join('\n'));
      await expect(importTable(placeOf(other), broken)).rejects.toThrow(/not whole|no export/);
    }
    expect(await everything(other)).toEqual([]);
    await expect(importTable(placeOf(restored), file)).rejects.toThrow('is not empty');
    await other.close();
  });
});
