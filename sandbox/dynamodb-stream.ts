import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import aws4 from 'aws4';
import { DescribeTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import { matches } from './event-bridge/pattern.ts';
import type { EventPattern } from './event-bridge/pattern.ts';

export interface StreamMapping {
  /** Takes no more records; resolves when those that were taken have been dealt with. */
  close(): Promise<void>;
}

/** A function that gets the changes of the table, as serverless.yml has it. */
export interface StreamTarget {
  readonly function: string;
  /** Only records that fit one of them. */
  readonly filters: readonly EventPattern[];
  /** Records handed over at once. */
  readonly batchSize: number;
}

interface Place {
  readonly endpoint: string;
  readonly table: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const SHARD = z.object({ ShardId: z.string() });
const DESCRIBED = z.object({ StreamDescription: z.object({ Shards: z.array(SHARD) }) });
const ITERATOR = z.object({ ShardIterator: z.string() });
const RECORD = z.looseObject({ dynamodb: z.looseObject({ SequenceNumber: z.string() }) });
const RECORDS = z.object({ Records: z.array(RECORD), NextShardIterator: z.optional(z.nullable(z.string())) });
const POSITIONS = z.record(z.string(), z.string());

const POLL_MS = 200;
const LONGEST_RETRY_MS = 5_000;

/**
 * Hands the changes of the table to a function, as Lambda's event source mapping of a stream does: batches in order, each until the function
 * takes it. With `positionFile` it goes on where it was; without, from now on. Turns the stream of the table on.
 */
export async function mapStream(options: {
  readonly place: Place;
  readonly target: StreamTarget;
  readonly positionFile: string | undefined;
  readonly invoke: (name: string, event: unknown) => Promise<unknown>;
  /** Told what went wrong, as a sentence. */
  readonly complain: (sentence: string) => void;
}): Promise<StreamMapping> {
  const { place, target, positionFile, invoke, complain } = options;
  const arn = await streamOf(place);
  const stopped = new AbortController();
  const isStopped = () => stopped.signal.aborted;
  const pause = (ms: number) => wait(ms, undefined, { signal: stopped.signal }).catch(() => undefined);
  const ask = async <T extends z.ZodMiniType>(operation: string, body: object, schema: T): Promise<z.output<T>> =>
    schema.parse(await asked(place, operation, body, stopped.signal));

  const positions = new Map(Object.entries(readPositions(positionFile)));
  const remember = (shard: string, sequence: string): void => {
    positions.set(shard, sequence);
    if (positionFile === undefined) return;
    writeFileSync(`${positionFile}.new`, JSON.stringify(Object.fromEntries(positions)), { mode: 0o600 });
    renameSync(`${positionFile}.new`, positionFile);
  };
  const iteratorOf = async (ShardId: string): Promise<string> => {
    const from = positions.get(`${arn} ${ShardId}`);
    const start =
      from === undefined
        ? { ShardIteratorType: 'LATEST' }
        : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: from };
    const { ShardIterator } = await ask('GetShardIterator', { StreamArn: arn, ShardId, ...start }, ITERATOR);
    return ShardIterator;
  };
  const hand = async (records: readonly unknown[]): Promise<void> => {
    for (let attempt = 1; !isStopped(); attempt += 1) {
      try {
        await invoke(target.function, { Records: records });
        return;
      } catch (error) {
        if (isStopped()) return;
        complain(`${target.function}: ${error instanceof Error ? error.message : String(error)}`);
        await pause(Math.min(LONGEST_RETRY_MS, 100 * 2 ** attempt));
      }
    }
  };
  const follow = async (shard: string, first: string): Promise<void> => {
    let iterator: string | undefined = first;
    while (!isStopped()) {
      try {
        iterator ??= await iteratorOf(shard);
        const page: z.output<typeof RECORDS> = await ask('GetRecords', { ShardIterator: iterator }, RECORDS);
        const { Records } = page;
        const wanted = Records.filter((record) => target.filters.some((filter) => matches(filter, record)));
        for (let start = 0; start < wanted.length; start += target.batchSize) {
          await hand(wanted.slice(start, start + target.batchSize));
        }
        // What the function has not taken is taken up again by the next start.
        if (isStopped()) return;
        const last = Records.at(-1);
        if (last !== undefined) remember(`${arn} ${shard}`, last.dynamodb.SequenceNumber);
        iterator = page.NextShardIterator ?? undefined;
        if (Records.length === 0) await pause(POLL_MS);
      } catch (error) {
        if (isStopped()) return;
        iterator = undefined;
        complain(`The stream of the table cannot be read: ${error instanceof Error ? error.message : String(error)}`);
        await pause(1_000);
      }
    }
  };

  const { StreamDescription } = await ask('DescribeStream', { StreamArn: arn }, DESCRIBED);
  const [shard] = StreamDescription.Shards;
  if (shard === undefined) throw new Error('The stream of the table has no shard.');
  // Asked for before this answers: what is written from here on counts.
  const following = follow(shard.ShardId, await iteratorOf(shard.ShardId));

  return {
    close: async () => {
      stopped.abort();
      await following;
    },
  };
}

async function streamOf({ endpoint, region, credentials, table }: Place): Promise<string> {
  const client = new DynamoDBClient({ endpoint, region, credentials, maxAttempts: 2 });
  try {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    if (Table?.LatestStreamArn !== undefined && Table.StreamSpecification?.StreamEnabled === true) {
      return Table.LatestStreamArn;
    }
    const { TableDescription } = await client.send(
      new UpdateTableCommand({
        TableName: table,
        StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
      }),
    );
    if (TableDescription?.LatestStreamArn === undefined) throw new Error(`The table ${table} has no stream.`);
    return TableDescription.LatestStreamArn;
  } finally {
    client.destroy();
  }
}

async function asked(place: Place, operation: string, input: object, signal: AbortSignal): Promise<unknown> {
  const { host } = new URL(place.endpoint);
  const body = JSON.stringify(input);
  const signed = aws4.sign(
    {
      host,
      method: 'POST',
      path: '/',
      service: 'dynamodb',
      region: place.region,
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDBStreams_20120810.${operation}`,
      },
      body,
    },
    place.credentials,
  );
  const response = await fetch(place.endpoint, {
    method: 'POST',
    headers: signed.headers as Record<string, string>,
    body,
    signal,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${operation} answered ${response.status}: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

function readPositions(file: string | undefined): Readonly<Record<string, string>> {
  if (file === undefined || !existsSync(file)) return {};
  const parsed = POSITIONS.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  return parsed.success ? parsed.data : {};
}
