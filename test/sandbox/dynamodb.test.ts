import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DescribeTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tableDefinition } from '../../lib/records/table.ts';
import { createTable, startDynamoDb, startTestDatabase } from '../../sandbox/dynamodb.ts';
import { freePort } from '../../sandbox/ports.ts';

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
const clientOf = (endpoint: string) =>
  new DynamoDBClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shearline-dynamodb-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the embedded DynamoDB', () => {
  test('has the table that lib/records defines, and creates it only once', async () => {
    const database = await startTestDatabase();
    try {
      expect(await createTable(database)).toBe(false);
      const { Table } = await clientOf(database.endpoint).send(new DescribeTableCommand({ TableName: database.table }));
      const wanted = tableDefinition(database.table);
      expect(Table?.KeySchema).toEqual(wanted.KeySchema);
      expect(Table?.GlobalSecondaryIndexes?.map((index) => index.IndexName).toSorted()).toEqual(
        wanted.GlobalSecondaryIndexes?.map((index) => index.IndexName).toSorted(),
      );
    } finally {
      await database.close();
    }
  });

  test('keeps its data over a restart', async () => {
    const dataFile = join(folder, 'dynamodb.db');
    const first = await startDynamoDb({ dataFile });
    await createTable({ endpoint: first.endpoint, table: 'kept' });
    await clientOf(first.endpoint).send(
      new PutItemCommand({ TableName: 'kept', Item: { pk: { S: 'A' }, sk: { S: 'B' }, said: { S: 'hello' } } }),
    );
    await first.close();

    const second = await startDynamoDb({ dataFile });
    try {
      expect(await createTable({ endpoint: second.endpoint, table: 'kept' })).toBe(false);
      const { Item } = await clientOf(second.endpoint).send(
        new GetItemCommand({ TableName: 'kept', Key: { pk: { S: 'A' }, sk: { S: 'B' } } }),
      );
      expect(Item?.['said']).toEqual({ S: 'hello' });
    } finally {
      await second.close();
    }
  });

  test('does not outlive a parent that is killed, and its file can be opened again', async () => {
    const dataFile = join(folder, 'dynamodb.db');
    const port = await freePort();
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { startDynamoDb } from ${JSON.stringify(new URL('../../sandbox/dynamodb.ts', import.meta.url).href)};
         await startDynamoDb(${JSON.stringify({ port, dataFile })});
         console.log('up');
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => parent.stdout.once('data', resolve));
    parent.kill('SIGKILL');

    const deadline = Date.now() + 5_000;
    while (await answers(port)) {
      if (Date.now() > deadline) throw new Error('It still answers 5 s after its parent was killed');
      await wait(50);
    }
    const again = await startDynamoDb({ port, dataFile });
    await again.close();
  });

  test('a DynamoDB that does not answer is named with its variable', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    await expect(createTable({ endpoint, table: 'any' })).rejects.toThrow(`DYNAMODB_ENDPOINT=${endpoint}`);
  });
});

async function answers(port: number): Promise<boolean> {
  try {
    await fetch(`http://127.0.0.1:${port}/`);
    return true;
  } catch {
    return false;
  }
}
