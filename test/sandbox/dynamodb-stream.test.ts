import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { DynamoDBStreamEvent } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';
import { mapStream } from '../../sandbox/dynamodb-stream.ts';
import type { StreamMapping } from '../../sandbox/dynamodb-stream.ts';

const CREDENTIALS = { accessKeyId: 'local', secretAccessKey: 'local' };

describe('the stream of the table, handed to a function', () => {
  let database: Awaited<ReturnType<typeof startTestDatabase>>;
  let client: DynamoDBClient;
  let folder: string;
  let mapping: StreamMapping | undefined;
  const complaints: string[] = [];

  beforeEach(async () => {
    complaints.length = 0;
    folder = mkdtempSync(join(tmpdir(), 'stream-'));
    database = await startTestDatabase();
    client = new DynamoDBClient({ endpoint: database.endpoint, region: 'us-east-1', credentials: CREDENTIALS });
  });
  afterEach(async () => {
    await mapping?.close();
    client.destroy();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const put = (pk: string) =>
    client.send(new PutItemCommand({ TableName: database.table, Item: { pk: { S: pk }, sk: { S: '1' } } }));
  const follow = async (take: (names: string[]) => void) => {
    mapping = await mapStream({
      place: { endpoint: database.endpoint, table: database.table, region: 'us-east-1', credentials: CREDENTIALS },
      target: {
        function: 'changes',
        filters: [{ eventName: ['INSERT'], dynamodb: { Keys: { pk: { S: [{ prefix: 'H#' }] } } } }],
        batchSize: 2,
      },
      positionFile: join(folder, 'position.json'),
      invoke: (_name, event) =>
        Promise.resolve().then(() => {
          take((event as DynamoDBStreamEvent).Records.map(({ dynamodb }) => dynamodb?.Keys?.['pk']?.S ?? ''));
        }),
      complain: (sentence) => complaints.push(sentence),
    });
  };

  test('is what is new and fits, in order, in batches', async () => {
    await put('H#before');
    const got: string[][] = [];
    await follow((names) => got.push(names));
    for (const name of ['H#1', 'K#1', 'H#2', 'H#3']) await put(name);
    // Written over: no insertion.
    await put('H#1');
    await vi.waitFor(() => {
      expect(got.flat()).toEqual(['H#1', 'H#2', 'H#3']);
    }, 5_000);
    expect(Math.max(...got.map(({ length }) => length))).toBeLessThanOrEqual(2);
  });

  test('comes again until the function takes it, and nothing overtakes it', async () => {
    const got: string[] = [];
    let calls = 0;
    await follow((names) => {
      calls += 1;
      if (calls < 3) throw new Error('not yet');
      got.push(...names);
    });
    await put('H#1');
    await put('H#2');
    await vi.waitFor(() => {
      expect(got).toEqual(['H#1', 'H#2']);
    }, 5_000);
    expect(complaints.slice(0, 2)).toEqual(['changes: not yet', 'changes: not yet']);
  });

  test('goes on after a stop where it was: nothing is lost, what was taken does not come again', async () => {
    const got: string[] = [];
    await follow((names) => got.push(...names));
    await put('H#1');
    await vi.waitFor(() => {
      expect(got).toEqual(['H#1']);
    }, 5_000);
    await mapping?.close();
    await put('H#2');
    await follow((names) => got.push(...names));
    await put('H#3');
    await vi.waitFor(() => {
      expect(got).toEqual(['H#1', 'H#2', 'H#3']);
    }, 5_000);
  });
});
