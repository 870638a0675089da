import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { requireKnown } from './schema.ts';
import { ITEM } from './table.ts';

/** How long what the table said of itself is believed: a deployment that takes it forward reaches the functions of before within a minute. */
const BELIEVED_MS = 60_000;

/**
 * Lets no call through to a table that a newer version of this code has written (`table_too_new`). Costs one read a minute and process. A
 * read that fails is not the guard's to report: the call itself goes on, and fails or not.
 */
export function guardVersion(client: DynamoDBClient, table: string, now: () => number = () => performance.now()): void {
  let asked: { readonly at: number; readonly version: Promise<number> } | undefined;
  const { pk, sk } = ITEM.schema();
  const read = async (): Promise<number> => {
    const question = new GetItemCommand({
      TableName: table,
      Key: { pk: { S: pk }, sk: { S: sk } },
      ProjectionExpression: '#version',
      ExpressionAttributeNames: { '#version': 'version' },
    });
    questions.add(question.input);
    const { Item } = await client.send(question);
    return Number(Item?.['version']?.N ?? 1);
  };
  const questions = new WeakSet<object>();
  client.middlewareStack.add(
    (next) => async (args) => {
      if (questions.has(args.input)) return next(args);
      if (asked === undefined || now() - asked.at > BELIEVED_MS) asked = { at: now(), version: read() };
      const mine = asked;
      const version = await mine.version.catch(() => {
        if (asked === mine) asked = undefined;
        return 1;
      });
      requireKnown({ version });
      return next(args);
    },
    { step: 'initialize', priority: 'high', name: 'guardVersion' },
  );
}
