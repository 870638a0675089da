import { setTimeout as wait } from 'node:timers/promises';
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  QueryCommand as PlainQueryCommand,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import type { TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb';
import { Fault } from '../fault.ts';
import { guardVersion } from './version-guard.ts';
import { INDEXES } from './table.ts';
import type { IndexName, ItemKey } from './table.ts';
import { pageText } from './item-text.ts';
import type { WireItem } from './wire.ts';

/** An item as stored. Parsed by the entity that it belongs to before anyone looks inside. */
export type RawItem = Record<string, unknown>;

/** One write of a transaction; `refused` makes the error to throw (a `Fault`, where a caller sees it) when its own condition does not hold. */
export type Change = (
  | { readonly op: 'put'; readonly item: RawItem & ItemKey }
  | { readonly op: 'update'; readonly key: ItemKey; readonly expression: string }
  | { readonly op: 'delete'; readonly key: ItemKey }
  | { readonly op: 'check'; readonly key: ItemKey }
) & {
  readonly condition?: string;
  readonly names?: Record<string, string>;
  readonly values?: RawItem;
  readonly refused?: () => Error;
};

/** DynamoDB takes at most this many writes in one transaction. */
export const MAXIMUM_CHANGES = 100;

/** Another transaction was writing one of the same items at the same moment; the same transaction may be tried again. */
export class TransactionConflict extends Error {
  override readonly name = 'TransactionConflict';
}

export interface Query {
  readonly pk: string;
  readonly index?: IndexName;
  /** Only items whose sort key begins so. */
  readonly beginsWith?: string;
  /** Only items whose sort key is at least this; together with `upTo`. */
  readonly from?: string;
  /** Only items whose sort key is at most this. */
  readonly upTo?: string;
  readonly descending?: boolean;
  readonly limit?: number;
  /** At most so many items a page, for whoever may not want all; default: what fits into 1 MB. */
  readonly pageSize?: number;
  /** Read-after-write; not on an index. Default true where possible. */
  readonly consistent?: boolean;
}

/** The only code that talks to DynamoDB. Throttles and lost connections are retried by the SDK; what remains is thrown. */
export class Database {
  readonly table: string;
  readonly #client: DynamoDBDocumentClient;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.table = table;
  }

  /** The client, for another way to the same table. */
  protected static clientOf(database: Database): DynamoDBDocumentClient {
    return database.#client;
  }

  async get(key: ItemKey): Promise<RawItem | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.table, Key: { ...key }, ConsistentRead: true }),
    );
    return Item;
  }

  /** Every item of a query, page after page, as they come. */
  async *query(query: Query): AsyncGenerator<RawItem> {
    for await (const page of this.pages(query)) yield* page;
  }

  async queryAll(query: Query): Promise<RawItem[]> {
    const items: RawItem[] = [];
    for await (const page of this.pages(query)) items.push(...page);
    return items;
  }

  /**
   * A page of a query as DynamoDB sent it, up to 1 MB and 500 items, with where the next one begins. For those who read by the hundred
   * thousand, and look into few: the SDK takes fifty times as long to take a page apart. Of each item, its JSON, only these attributes come.
   */
  async pageText(
    query: Pick<Query, 'pk' | 'index'>,
    attributes: readonly string[],
    after: WireItem | undefined,
  ): Promise<{ readonly items: readonly string[]; readonly next: WireItem | undefined }> {
    const { pk } = query.index === undefined ? { pk: 'pk' } : INDEXES[query.index];
    const command = new PlainQueryCommand({
      TableName: this.table,
      IndexName: query.index,
      KeyConditionExpression: '#pk = :pk',
      ExpressionAttributeNames: { '#pk': pk, ...Object.fromEntries(attributes.map((name, at) => [`#a${at}`, name])) },
      ExpressionAttributeValues: { ':pk': { S: query.pk } },
      ProjectionExpression: attributes.map((_, at) => `#a${at}`).join(),
      ConsistentRead: query.index === undefined,
      // The embedded DynamoDB reads all that follows in the partition when it is not told how much of it is wanted.
      Limit: WIRE_PAGE_ITEMS,
      ExclusiveStartKey: after as Record<string, { S: string }> | undefined,
    });
    const answer = readsForItself(command);
    await this.#client.send(command);
    const { items, LastEvaluatedKey } = pageText(answer());
    return { items, next: LastEvaluatedKey };
  }

  async *pages(query: Query): AsyncGenerator<RawItem[]> {
    const names = query.index === undefined ? { pk: 'pk', sk: 'sk' } : INDEXES[query.index];
    const range = rangeOf(query);
    let after: RawItem | undefined;
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    do {
      const answer = await this.#client.send(
        new QueryCommand({
          TableName: this.table,
          IndexName: query.index,
          KeyConditionExpression: `#pk = :pk${range.condition}`,
          ExpressionAttributeNames: { '#pk': names.pk, ...(range.condition === '' ? {} : { '#sk': names.sk }) },
          ExpressionAttributeValues: { ':pk': query.pk, ...range.values },
          ScanIndexForward: query.descending !== true,
          ConsistentRead: query.index === undefined && query.consistent !== false,
          ...(Number.isFinite(left) || query.pageSize !== undefined
            ? { Limit: Math.min(left, query.pageSize ?? left) }
            : {}),
          ExclusiveStartKey: after,
        }),
      );
      const items = answer.Items ?? [];
      left -= items.length;
      after = answer.LastEvaluatedKey;
      if (items.length > 0) yield items;
    } while (after !== undefined && left > 0);
  }

  /** The items of these keys that exist, in no particular order. Any number of keys. */
  async batchGet(keys: readonly ItemKey[]): Promise<RawItem[]> {
    const found: RawItem[] = [];
    for (let start = 0; start < keys.length; start += 100) {
      let wanted: ItemKey[] = keys.slice(start, start + 100).map(({ pk, sk }) => ({ pk, sk }));
      for (let attempt = 0; wanted.length > 0; attempt += 1) {
        if (attempt > 0) await wait(backoff(attempt));
        if (attempt > 8) throw new Fault('busy', 'The database is too busy to answer. Try again shortly.');
        const answer = await this.#client.send(
          new BatchGetCommand({
            RequestItems: { [this.table]: { Keys: wanted.map((key) => ({ ...key })), ConsistentRead: true } },
          }),
        );
        found.push(...(answer.Responses?.[this.table] ?? []));
        wanted = (answer.UnprocessedKeys?.[this.table]?.Keys ?? []) as unknown as ItemKey[];
      }
    }
    return found;
  }

  /**
   * All of these writes, or none. Throws the `refused` fault of the first change whose condition does not hold (`being_changed`
   * when it names none), `TransactionConflict` when another transaction was in the way.
   */
  async transact(changes: readonly Change[], options: { token?: string } = {}): Promise<void> {
    if (changes.length > MAXIMUM_CHANGES) {
      throw new Fault(
        'limit_exceeded',
        `This would change ${changes.length} records at once; at most ${MAXIMUM_CHANGES} are possible. Use fewer keystores for one key.`,
      );
    }
    try {
      await this.#client.send(
        new TransactWriteCommand({
          TransactItems: changes.map((change) => transactItem(change, this.table)),
          ...(options.token === undefined ? {} : { ClientRequestToken: options.token }),
        }),
      );
    } catch (error) {
      if (!(error instanceof TransactionCanceledException)) throw error;
      const reasons = error.CancellationReasons ?? [];
      for (const [position, reason] of reasons.entries()) {
        if (reason.Code === 'ConditionalCheckFailed') {
          throw (
            changes[position]?.refused?.() ??
            new Fault('being_changed', 'Somebody else is changing this at the same moment. Read it again and repeat.')
          );
        }
      }
      if (reasons.some((reason) => reason.Code === 'TransactionConflict' || reason.Code === 'ThrottlingError')) {
        throw new TransactionConflict('Another transaction is writing the same items.', { cause: error });
      }
      throw error;
    }
  }

  /** One write by itself. Answers false when its condition did not hold. Rides out conflicts with transactions. */
  async write(change: Change): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(transactItem(change, this.table));
        return true;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        if (!(error instanceof TransactionConflictException) || attempt === 12) throw error;
        await wait(backoff(attempt));
      }
    }
  }

  /** Adds to a number of an item, made when missing, and answers the sum. `set` is written beside it. */
  async add(key: ItemKey, attribute: string, by: number, set: { readonly ttl: number }): Promise<number> {
    const { Attributes } = await this.#client.send(
      new UpdateCommand({
        TableName: this.table,
        Key: { ...key },
        UpdateExpression: 'ADD #attribute :by SET #ttl = :ttl',
        ExpressionAttributeNames: { '#attribute': attribute, '#ttl': 'ttl' },
        ExpressionAttributeValues: { ':by': by, ':ttl': set.ttl },
        ReturnValues: 'UPDATED_NEW',
      }),
    );
    return Number(Attributes?.[attribute]);
  }

  async #write(item: TransactItem): Promise<void> {
    if (item.Put !== undefined) await this.#client.send(new PutCommand(item.Put));
    else if (item.Delete !== undefined) await this.#client.send(new DeleteCommand(item.Delete));
    else if (item.Update !== undefined) await this.#client.send(new UpdateCommand(item.Update));
    else throw new TypeError('A condition check writes nothing by itself.');
  }
}

/** Keeps the body of a good answer as text, for the caller, and lets the SDK see an empty one; of errors it sees what they are. */
function readsForItself(command: PlainQueryCommand): () => string {
  let text: string | undefined;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { readonly statusCode: number; body: AsyncIterable<Uint8Array> | Uint8Array };
      if (response.statusCode !== 200) return result;
      text = await textOf(response.body);
      response.body = EMPTY_ANSWER;
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'readsForItself' },
  );
  return () => {
    if (text === undefined) throw new TypeError('DynamoDB answered without a body.');
    return text;
  };
}

async function textOf(body: AsyncIterable<Uint8Array> | Uint8Array): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8');
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

const WIRE_PAGE_ITEMS = 500;
const EMPTY_ANSWER = new TextEncoder().encode('{}');

function rangeOf({ beginsWith, from, upTo }: Query): { readonly condition: string; readonly values: RawItem } {
  if (beginsWith !== undefined) return { condition: ' AND begins_with(#sk, :sk)', values: { ':sk': beginsWith } };
  if (upTo === undefined) return { condition: '', values: {} };
  return from === undefined
    ? { condition: ' AND #sk <= :sk', values: { ':sk': upTo } }
    : { condition: ' AND #sk BETWEEN :from AND :sk', values: { ':from': from, ':sk': upTo } };
}

type TransactItem = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

/** Milliseconds before a further attempt: full jitter, doubling from 10 ms to 640 ms. */
export function backoff(attempt: number): number {
  return Math.random() * 10 * 2 ** Math.min(attempt, 6);
}

function transactItem(change: Change, table: string): TransactItem {
  const conditions = {
    TableName: table,
    ...(change.names === undefined ? {} : { ExpressionAttributeNames: change.names }),
    ...(change.values === undefined ? {} : { ExpressionAttributeValues: change.values }),
  };
  const condition = change.condition === undefined ? {} : { ConditionExpression: change.condition };
  switch (change.op) {
    case 'put':
      return { Put: { ...conditions, ...condition, Item: change.item } };
    case 'update':
      return { Update: { ...conditions, ...condition, Key: { ...change.key }, UpdateExpression: change.expression } };
    case 'delete':
      return { Delete: { ...conditions, ...condition, Key: { ...change.key } } };
    case 'check':
      return {
        ConditionCheck: {
          ...conditions,
          Key: { ...change.key },
          ConditionExpression: change.condition ?? 'attribute_exists(pk)',
        },
      };
  }
}

/**
 * A client for the table, in the function's own region or at `endpoint`. Connections are kept; calls give up after 5 s. To a table that a newer
 * version of this code has written nothing is sent: `table_too_new`.
 */
export function openDatabase(options: { table: string; endpoint: string | undefined }): Database {
  const client = new DynamoDBClient({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  guardVersion(client, options.table);
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  return new Database(documents, options.table);
}
