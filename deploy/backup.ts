/**
 * A copy of the table in a file, beside what AWS's point-in-time recovery keeps: `node deploy/backup.ts export <file>` and
 * `node deploy/backup.ts import <file>`, with TABLE_NAME and, for another DynamoDB than AWS's, DYNAMODB_ENDPOINT. Key material and
 * credentials are in it as ciphertext under the custody key; everything else is in clear.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { DynamoDBClient, paginateScan, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import pMap from 'p-map';
import * as z from 'zod/mini';

type Item = Record<string, AttributeValue>;

const FORMAT = 'shearline-table/1';
const HEADER = z.object({ format: z.literal(FORMAT) });
const END = z.object({ items: z.int(), sha256: z.string() });

export interface Place {
  readonly client: DynamoDBClient;
  readonly table: string;
}

/**
 * Writes every item into the file, for its owner only, and at the end how many there are and what they hash to. Items that are written meanwhile
 * may or may not be in it: stop what writes, or export a table that was restored to a point in time.
 */
export async function exportTable({ client, table }: Place, file: string): Promise<number> {
  let items = 0;
  async function* lines(): AsyncGenerator<string> {
    const hash = createHash('sha256');
    yield `${JSON.stringify({ format: FORMAT })}\n`;
    for await (const page of paginateScan({ client }, { TableName: table, ConsistentRead: true })) {
      for (const item of page.Items ?? []) {
        const line = JSON.stringify(item, asText);
        hash.update(line);
        items += 1;
        yield `${line}\n`;
      }
    }
    yield `${JSON.stringify({ items, sha256: hash.digest('hex') })}\n`;
  }
  await pipeline(lines, createWriteStream(file, { mode: 0o600, flags: 'wx' }));
  return items;
}

/**
 * Puts every item of the file into the table, which must be empty: nothing is overwritten. The file is read whole first, and refused when any of it
 * is missing or altered. Answers how many items that were.
 */
export async function importTable({ client, table }: Place, file: string): Promise<number> {
  await requireWhole(file);
  const { Items } = await client.send(new ScanCommand({ TableName: table, Limit: 1, ConsistentRead: true }));
  if ((Items ?? []).length > 0) throw new Error(`The table ${table} is not empty. Import into a new one.`);
  let items = 0;
  await pMap(
    itemsOf(file),
    async (Item) => {
      await client.send(
        new PutItemCommand({ TableName: table, Item, ConditionExpression: 'attribute_not_exists(pk)' }),
      );
      items += 1;
    },
    { concurrency: 32 },
  );
  return items;
}

async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity });
}

async function requireWhole(file: string): Promise<void> {
  const hash = createHash('sha256');
  let items = 0;
  let last: string | undefined;
  let isFirst = true;
  for await (const line of linesOf(file)) {
    if (isFirst) {
      isFirst = false;
      if (!HEADER.safeParse(parsed(line)).success) throw new Error(`${file} is no export of a table.`);
      continue;
    }
    if (last !== undefined) {
      hash.update(last);
      items += 1;
    }
    last = line;
  }
  const end = END.safeParse(parsed(last ?? ''));
  if (!end.success || end.data.items !== items || end.data.sha256 !== hash.digest('hex')) {
    throw new Error(`${file} is not whole: something of it is missing or was altered.`);
  }
}

async function* itemsOf(file: string): AsyncGenerator<Item> {
  let isFirst = true;
  let last: string | undefined;
  for await (const line of linesOf(file)) {
    if (last !== undefined) yield JSON.parse(last, fromText) as Item;
    if (!isFirst) last = line;
    isFirst = false;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const BYTES = '$bytes';

/** Bytes have no JSON of their own. `toJSON` of a Buffer has run already when this is called, so what holds it is looked at. */
function asText(this: unknown, name: string, value: unknown): unknown {
  const given: unknown = (this as Record<string, unknown>)[name];
  return given instanceof Uint8Array ? { [BYTES]: Buffer.from(given).toString('base64') } : value;
}

function fromText(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(BYTES in value)) return value;
  return new Uint8Array(Buffer.from(String(value[BYTES]), 'base64'));
}

async function main(): Promise<void> {
  const [, , action, file] = process.argv;
  const { TABLE_NAME: table, DYNAMODB_ENDPOINT: endpoint } = process.env;
  if ((action !== 'export' && action !== 'import') || file === undefined || table === undefined) {
    process.stderr.write('TABLE_NAME=<table> node deploy/backup.ts export|import <file>\n');
    process.exitCode = 2;
    return;
  }
  const client = new DynamoDBClient(endpoint === undefined || endpoint === '' ? {} : { endpoint });
  try {
    const place = { client, table };
    const items = action === 'export' ? await exportTable(place, file) : await importTable(place, file);
    process.stdout.write(`${items} items ${action === 'export' ? 'out of' : 'into'} ${table}.\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    client.destroy();
  }
}

if (import.meta.main) await main();
