import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetQueueUrlCommand, ReceiveMessageCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deadLettersOf, redriven } from '../../deploy/dead-letters.ts';
import { LOCAL_QUEUES } from '../../sandbox/sqs/queues.ts';
import { startSqs } from '../../sandbox/sqs/server.ts';

const PREFIX = 'shearline-dev-';
const RECEIVES = 2;

let sqs: Awaited<ReturnType<typeof startSqs>>;
let client: SQSClient;
let environment: Record<string, string>;

beforeAll(async () => {
  sqs = await startSqs({
    queues: LOCAL_QUEUES.map((queue) => ({ ...queue, delaySeconds: 0, maxReceiveCount: RECEIVES })),
  });
  environment = {
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  };
  client = new SQSClient({
    endpoint: sqs.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
});
afterAll(async () => {
  client.destroy();
  await sqs.close();
});

const urlOf = async (queue: string): Promise<string> =>
  (await client.send(new GetQueueUrlCommand({ QueueName: `${PREFIX}${queue}.fifo` }))).QueueUrl ?? '';

async function received(queue: string): Promise<string[]> {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({ QueueUrl: await urlOf(queue), MaxNumberOfMessages: 10, VisibilityTimeout: 0 }),
  );
  return Messages.map(({ Body }) => Body ?? '').toSorted();
}

/** Messages that nobody can make anything of: received as often as a queue lets them be, and dealt with never. */
async function poisoned(queue: string, bodies: readonly string[]): Promise<void> {
  await client.send(
    new SendMessageBatchCommand({
      QueueUrl: await urlOf(queue),
      Entries: bodies.map((body, at) => ({
        Id: String(at),
        MessageBody: body,
        MessageGroupId: body,
        MessageDeduplicationId: body,
      })),
    }),
  );
  for (let receive = 0; receive < RECEIVES; receive += 1) expect(await received(queue)).toEqual(bodies);
  expect(await received(queue)).toEqual([]);
}

const counts = async () =>
  Object.fromEntries((await deadLettersOf(client, PREFIX)).map(({ queue, messages }) => [queue, messages]));

describe('poison messages', () => {
  it('lie in the dead-letter queue of their queue, and are sent back to it by command', async () => {
    await poisoned('verify', ['neither', 'nor']);
    expect(await counts()).toEqual({ deliveries: 0, notices: 0, sweep: 0, verify: 2 });
    const [letters = fail()] = (await deadLettersOf(client, PREFIX)).filter(({ queue }) => queue === 'verify');
    expect(await redriven(client, letters)).toBe(2);
    expect(await counts()).toEqual({ deliveries: 0, notices: 0, sweep: 0, verify: 0 });
    expect(await received('verify')).toEqual(['neither', 'nor']);
  });

  it('are counted and sent back by npm run dead-letters, which says so by its exit code', async () => {
    await poisoned('sweep', ['poison']);
    const file = join(import.meta.dirname, '../../deploy/dead-letters.ts');
    const run = async (...args: string[]) => {
      const env = { ...process.env, ...environment };
      return promisify(execFile)(process.execPath, [file, ...args], { env }).then(
        ({ stdout }) => ({ code: 0, stdout }),
        (error: unknown) => error as { code: number; stdout: string },
      );
    };
    expect(await run()).toMatchObject({ code: 1, stdout: expect.stringContaining('sweep        1 dead\n') as string });
    expect(await run('redrive', 'sweep')).toMatchObject({ code: 0, stdout: 'sweep        1 dead, 1 sent back\n' });
    expect(await received('sweep')).toEqual(['poison']);
    expect(await run('redrive', 'elsewhere')).toMatchObject({ code: 1 });
  });
});

function fail(): never {
  throw new Error('There is no such queue.');
}
