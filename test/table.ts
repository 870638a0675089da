import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Database } from '../lib/records/database.ts';
import { startTestDatabase } from '../sandbox/dynamodb.ts';

/** The table in a database of its own, and what was sent to it. */
export interface TestTable {
  readonly endpoint: string;
  readonly database: Database;
  /** The sort keys of the items that were written since this was last asked, those of refused writes too. */
  takeWrites(): readonly string[];
  close(): Promise<void>;
}

interface Written {
  readonly Item?: { readonly sk?: { readonly S?: string } };
  readonly Key?: { readonly sk?: { readonly S?: string } };
}

/** Starts an embedded DynamoDB in memory. Stop it with `close`. */
export async function startTestTable(): Promise<TestTable> {
  const local = await startTestDatabase();
  const client = new DynamoDBClient({
    endpoint: local.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  let written: string[] = [];
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        written.push(...sortKeys(String(commandName), args.input));
        return next(args);
      },
    { step: 'finalizeRequest' },
  );
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  return {
    endpoint: local.endpoint,
    database: new Database(documents, local.table),
    takeWrites() {
      const taken = written;
      written = [];
      return taken;
    },
    async close() {
      client.destroy();
      await local.close();
    },
  };
}

function sortKeys(commandName: string, input: unknown): string[] {
  const sortKey = ({ Item, Key }: Written) => Item?.sk?.S ?? Key?.sk?.S ?? '';
  if (/^(Put|Update|Delete)Item/.test(commandName)) return [sortKey(input as Written)];
  if (!commandName.startsWith('TransactWriteItems')) return [];
  const { TransactItems } = input as { readonly TransactItems: readonly Readonly<Record<string, Written>>[] };
  return TransactItems.flatMap((item) =>
    Object.entries<Written>(item).flatMap(([op, write]) => (op === 'ConditionCheck' ? [] : [sortKey(write)])),
  );
}
