import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  CreateTableCommand,
  DynamoDBClient,
  ResourceInUseException,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { tableDefinition } from '../lib/records/table.ts';
import { startChild } from './child.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { messageOf, StartProblem } from './start-problem.ts';

/** The table's default name, as in lib/config.ts. */
export const DEFAULT_TABLE = 'shearline';

/** Whoever asks: the embedded DynamoDB believes every signature, but the SDK refuses to send a request without one. */
const ANYBODY = { accessKeyId: 'local', secretAccessKey: 'local' };

export interface LocalDynamoDb {
  readonly endpoint: string;
  /** Resolves when the database has ended, in whatever way. */
  readonly exited: Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Starts the embedded DynamoDB (dynoxide) on the loopback interface and waits until it answers. Without `dataFile` it keeps everything
 * in memory. It ends when this process ends, however that happens. Throws a `StartProblem` where it has no binary.
 */
export async function startDynamoDb(options: { port?: number; dataFile?: string } = {}): Promise<LocalDynamoDb> {
  const binary = dynoxideBinary();
  const port = options.port ?? (await freePort());
  const said: string[] = [];
  const child = startChild({
    command: binary,
    args: [
      'serve',
      '--host',
      LOOPBACK,
      '--port',
      String(port),
      ...(options.dataFile === undefined ? [] : ['--db-path', options.dataFile]),
    ],
    onLine: (line) => {
      said.push(line);
      if (line.includes('listening on')) ready();
    },
  });
  let ready = (): void => undefined;
  const listening = new Promise<'listening'>((resolve) => {
    ready = () => {
      resolve('listening');
    };
  });
  if ((await Promise.race([listening, child.exited])) !== 'listening') {
    throw new StartProblem(`The embedded DynamoDB did not start: ${said.join(' ').trim() || 'it said nothing'}.`);
  }
  return { endpoint: `http://${LOOPBACK}:${port}`, exited: child.exited, close: () => child.stop() };
}

/**
 * Creates the table where it is missing. Answers whether it did. Throws a `StartProblem` naming `DYNAMODB_ENDPOINT` when nobody answers
 * there or the answer is a refusal.
 */
export async function createTable(options: {
  readonly endpoint: string;
  readonly table: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}): Promise<boolean> {
  const client = new DynamoDBClient({
    endpoint: options.endpoint,
    region: options.region ?? 'us-east-1',
    credentials: options.credentials ?? ANYBODY,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000 },
  });
  try {
    await client.send(new CreateTableCommand(tableDefinition(options.table)));
    await waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { TableName: options.table });
    return true;
  } catch (error) {
    if (error instanceof ResourceInUseException) return false;
    throw new StartProblem(`DynamoDB at DYNAMODB_ENDPOINT=${options.endpoint} cannot be used: ${messageOf(error)}.`, {
      cause: error,
    });
  } finally {
    client.destroy();
  }
}

/** A database in memory with the table in it, for one test file. */
export async function startTestDatabase(): Promise<{ endpoint: string; table: string; close: () => Promise<void> }> {
  const database = await startDynamoDb();
  await createTable({ endpoint: database.endpoint, table: DEFAULT_TABLE });
  return { endpoint: database.endpoint, table: DEFAULT_TABLE, close: () => database.close() };
}

function dynoxideBinary(): string {
  const name = `@dynoxide/${process.platform}-${process.arch}`;
  try {
    const binary = fileURLToPath(new URL('dynoxide', import.meta.resolve(`${name}/package.json`)));
    if (existsSync(binary)) return binary;
  } catch {
    // Not installed: an optional dependency, and only for the platforms that package.json lists.
  }
  throw new StartProblem(
    `The embedded DynamoDB (${name}) is not installed for this platform: set DYNAMODB_ENDPOINT to a DynamoDB that runs elsewhere, such as DynamoDB Local (http://127.0.0.1:8000).`,
  );
}
