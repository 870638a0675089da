import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Database } from '../../../lib/records/database.ts';
import { tableDefinition } from '../../../lib/records/table.ts';
import type { TestTable } from '../../table.ts';
import { conditionOf, updated } from './expressions.ts';
import type { Item, Substitutes } from './expressions.ts';

/*
 * DynamoDB's wire, answered in this very process: what thousands of commands a minute need where the embedded DynamoDB, a process of its
 * own, would have them wait for it. The short run of the model goes to both, and must come to the same.
 */

interface Write extends Substitutes {
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
}

interface Query extends Substitutes {
  readonly IndexName?: string;
  readonly KeyConditionExpression: string;
  readonly ScanIndexForward?: boolean;
  readonly Limit?: number;
  readonly ExclusiveStartKey?: Item;
}

/** An answer that says no. */
class Refusal extends Error {
  readonly type: string;
  readonly more: Readonly<Record<string, unknown>>;

  constructor(type: string, message: string, more: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.type = type;
    this.more = more;
  }
}

const TABLE = 'shearline';
const DEFINITION = tableDefinition(TABLE);
const INDEXES = new Map(
  (DEFINITION.GlobalSecondaryIndexes ?? []).map((index) => {
    const [hash, range] = (index.KeySchema ?? []).map(({ AttributeName = '' }) => AttributeName);
    const keys = ['pk', 'sk', hash ?? '', range ?? ''];
    const { ProjectionType: type, NonKeyAttributes: more = [] } = index.Projection ?? {};
    const shown = type === 'ALL' ? undefined : new Set([...keys, ...(type === 'INCLUDE' ? more : [])]);
    return [index.IndexName ?? '', { hash: hash ?? '', range: range ?? '', shown }] as const;
  }),
);

const textOf = (item: Item | undefined, name: string): string | undefined => {
  const text = item?.[name]?.['S'];
  return typeof text === 'string' ? text : undefined;
};
const nameOf = (key: Item | undefined): string => `${textOf(key, 'pk') ?? ''}\n${textOf(key, 'sk') ?? ''}`;

/** Items of one partition, of the table or of an index, in the order of their sort key. */
class Partition {
  readonly items = new Map<string, Item>();
  readonly #range: string;
  #inOrder: Item[] | undefined;

  constructor(range: string) {
    this.#range = range;
  }

  put(item: Item): void {
    this.items.set(nameOf(item), item);
    this.#inOrder = undefined;
  }

  delete(item: Item): void {
    this.items.delete(nameOf(item));
    this.#inOrder = undefined;
  }

  inOrder(): readonly Item[] {
    const place = (item: Item) => `${textOf(item, this.#range) ?? ''}\n${nameOf(item)}`;
    return (this.#inOrder ??= [...this.items.values()].sort((a, b) => (place(a) < place(b) ? -1 : 1)));
  }
}

class Tables {
  readonly #table = new Map<string, Partition>();
  readonly #indexes = new Map([...INDEXES.keys()].map((name) => [name, new Map<string, Partition>()]));

  get(key: Item | undefined): Item | undefined {
    return this.#table.get(textOf(key, 'pk') ?? '')?.items.get(nameOf(key));
  }

  /** Takes the place of what is under the same key; undefined leaves nothing there. */
  replace(key: Item, item: Item | undefined): void {
    const before = this.get(key);
    if (before !== undefined)
      this.#place(before, (partition) => {
        partition.delete(before);
      });
    if (item !== undefined)
      this.#place(item, (partition) => {
        partition.put(item);
      });
  }

  #place(item: Item, change: (partition: Partition) => void): void {
    change(partitionIn(this.#table, textOf(item, 'pk') ?? '', 'sk'));
    for (const [name, { hash, range }] of INDEXES) {
      const [partition, sort] = [textOf(item, hash), textOf(item, range)];
      const index = this.#indexes.get(name);
      if (partition === undefined || sort === undefined || index === undefined) continue;
      change(partitionIn(index, partition, range));
    }
  }

  query(query: Query): { readonly Items: readonly Item[]; readonly LastEvaluatedKey?: Item } {
    const index = query.IndexName === undefined ? undefined : INDEXES.get(query.IndexName);
    const partitions = query.IndexName === undefined ? this.#table : this.#indexes.get(query.IndexName);
    const pk = String(query.ExpressionAttributeValues?.[':pk']?.['S']);
    const holds = conditionOf(query.KeyConditionExpression);
    let found = (partitions?.get(pk)?.inOrder() ?? []).filter((item) => holds(item, query));
    if (query.ScanIndexForward === false) found = found.toReversed();
    const from = query.ExclusiveStartKey;
    if (from !== undefined) found = found.slice(found.findIndex((item) => nameOf(item) === nameOf(from)) + 1);
    const page = found.slice(0, query.Limit ?? found.length);
    const last = page.at(-1);
    const shown = index?.shown;
    return {
      Items: shown === undefined ? page : page.map((item) => only(item, shown)),
      ...(last !== undefined && page.length < found.length ? { LastEvaluatedKey: keysOf(last, index) } : {}),
    };
  }
}

function partitionIn(partitions: Map<string, Partition>, name: string, range: string): Partition {
  const known = partitions.get(name);
  if (known !== undefined) return known;
  const made = new Partition(range);
  partitions.set(name, made);
  return made;
}

function only(item: Item, names: ReadonlySet<string>): Item {
  return Object.fromEntries(Object.entries(item).filter(([name]) => names.has(name)));
}

function keysOf(item: Item, index: { readonly hash: string; readonly range: string } | undefined): Item {
  return only(item, new Set(['pk', 'sk', ...(index === undefined ? [] : [index.hash, index.range])]));
}

type Verb = 'Put' | 'Update' | 'Delete' | 'ConditionCheck';

function holds(tables: Tables, write: Write): boolean {
  const { ConditionExpression: condition } = write;
  return condition === undefined || conditionOf(condition)(tables.get(write.Item ?? write.Key), write);
}

function carryOut(tables: Tables, verb: Verb, write: Write): void {
  const key = write.Item ?? write.Key ?? {};
  if (verb === 'Put') tables.replace(key, write.Item);
  else if (verb === 'Delete') tables.replace(key, undefined);
  else if (verb === 'Update') {
    tables.replace(key, updated(tables.get(key) ?? key, write.UpdateExpression ?? '', write));
  }
}

function single(tables: Tables, verb: Verb, write: Write): object {
  if (!holds(tables, write)) throw new Refusal('ConditionalCheckFailedException', 'The conditional request failed');
  carryOut(tables, verb, write);
  return {};
}

function transact(tables: Tables, items: readonly Partial<Record<Verb, Write>>[]): object {
  const writes = items.flatMap((item) => Object.entries(item) as [Verb, Write][]);
  const names = writes.map(([, write]) => nameOf(write.Item ?? write.Key));
  if (new Set(names).size < names.length) {
    throw new Refusal('ValidationException', 'Transaction request cannot include multiple operations on one item');
  }
  const reasons = writes.map(([, write]) => ({ Code: holds(tables, write) ? 'None' : 'ConditionalCheckFailed' }));
  if (reasons.some(({ Code }) => Code !== 'None')) {
    throw new Refusal('TransactionCanceledException', 'Transaction cancelled', { CancellationReasons: reasons });
  }
  for (const [verb, write] of writes) carryOut(tables, verb, write);
  return {};
}

interface BatchGet {
  readonly RequestItems: Readonly<Record<string, { readonly Keys: readonly Item[] }>>;
}

function answer(tables: Tables, operation: string, input: unknown): object {
  switch (operation) {
    case 'GetItem': {
      const item = tables.get((input as Write).Key);
      return item === undefined ? {} : { Item: item };
    }
    case 'PutItem':
      return single(tables, 'Put', input as Write);
    case 'UpdateItem':
      return single(tables, 'Update', input as Write);
    case 'DeleteItem':
      return single(tables, 'Delete', input as Write);
    case 'Query':
      return tables.query(input as Query);
    case 'BatchGetItem': {
      const keys = (input as BatchGet).RequestItems[TABLE]?.Keys ?? [];
      const found = keys.map((key) => tables.get(key)).filter((item) => item !== undefined);
      return { Responses: { [TABLE]: found }, UnprocessedKeys: {} };
    }
    case 'TransactWriteItems':
      return transact(tables, (input as { TransactItems: readonly Partial<Record<Verb, Write>>[] }).TransactItems);
    default:
      throw new Error(`This table does not know ${operation}.`);
  }
}

interface WireRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

function serve(tables: Tables, { headers, body }: WireRequest): { statusCode: number; text: string } {
  const operation = (headers['x-amz-target'] ?? '').replace(/^.*\./, '');
  try {
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body as Uint8Array);
    return { statusCode: 200, text: JSON.stringify(answer(tables, operation, JSON.parse(text))) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const type = `com.amazonaws.dynamodb.v20120810#${error.type}`;
    return { statusCode: 400, text: JSON.stringify({ __type: type, message: error.message, ...error.more }) };
  }
}

export interface TableInMemory extends TestTable {
  /** Forgets everything. */
  empty(): void;
}

/** A table in this process. Its writes are not kept apart: `takeWrites` answers none. */
export function startTableInMemory(): TableInMemory {
  let tables = new Tables();
  const client = new DynamoDBClient({
    endpoint: 'http://in-memory.invalid',
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    requestHandler: {
      handle: (request: WireRequest) => {
        const { statusCode, text } = serve(tables, request);
        const headers = { 'content-type': 'application/x-amz-json-1.0' };
        const response = { statusCode, headers, body: Buffer.from(text) };
        // As far away as anything else: whoever else is at work gets a turn.
        return new Promise<{ response: typeof response }>((resolve) => {
          setImmediate(() => {
            resolve({ response });
          });
        });
      },
    },
  });
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  return {
    endpoint: 'http://in-memory.invalid',
    database: new Database(documents, TABLE),
    takeWrites: () => [],
    close: () => {
      client.destroy();
      return Promise.resolve();
    },
    empty() {
      tables = new Tables();
    },
  };
}
