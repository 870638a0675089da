import { setTimeout as wait } from 'node:timers/promises';
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { mapEventSource } from '../../sandbox/sqs/event-source-mapping.ts';
import type { EventSourceMapping } from '../../sandbox/sqs/event-source-mapping.ts';
import { deadLetterQueueOf } from '../../sandbox/sqs/queues.ts';
import { startSqs } from '../../sandbox/sqs/server.ts';
import type { LocalSqs } from '../../sandbox/sqs/server.ts';

const QUEUE = {
  name: 'work.fifo',
  function: 'worker',
  batchSize: 10,
  maximumConcurrency: 4,
  visibilitySeconds: 0.3,
  maxReceiveCount: 2,
};

describe('the local SQS with its event source mapping', () => {
  let sqs: LocalSqs;
  let client: SQSClient;
  let mapping: EventSourceMapping | undefined;
  const complaints: string[] = [];

  beforeEach(async () => {
    complaints.length = 0;
    sqs = await startSqs({ queues: [QUEUE] });
    client = new SQSClient({
      endpoint: sqs.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
  });

  afterEach(async () => {
    await mapping?.close();
    client.destroy();
    await sqs.close();
  });

  const send = (group: string, body: string, id = `${group}-${body}`) =>
    client.send(
      new SendMessageCommand({
        QueueUrl: sqs.urlOf(QUEUE.name),
        MessageBody: body,
        MessageGroupId: group,
        MessageDeduplicationId: id,
      }),
    );
  const map = (invoke: (event: SQSEvent) => unknown, queue = QUEUE) => {
    mapping = mapEventSource({
      endpoint: sqs.endpoint,
      queueUrl: sqs.urlOf(queue.name),
      queue,
      invoke: (_name, event) => Promise.resolve().then(() => invoke(event)),
      complain: (sentence) => complaints.push(sentence),
    });
  };
  const left = async (name: string) => {
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: sqs.urlOf(name), AttributeNames: ['All'] }),
    );
    return (
      Number(Attributes?.['ApproximateNumberOfMessages']) +
      Number(Attributes?.['ApproximateNumberOfMessagesNotVisible'])
    );
  };

  test('hands over what is sent, in order within a group, and deletes what was dealt with', async () => {
    const got: string[] = [];
    for (const body of ['1', '2', '3']) await send('a', body);
    map((event) => {
      got.push(...event.Records.map(({ body, attributes }) => `${attributes.MessageGroupId ?? ''}${body}`));
    });
    await vi.waitFor(() => {
      expect(got).toEqual(['a1', 'a2', 'a3']);
    }, 5_000);
    await vi.waitFor(async () => {
      expect(await left(QUEUE.name)).toBe(0);
    }, 5_000);
  });

  test('one of a group at a time: the next comes when the one before is done, other groups meanwhile', async () => {
    const one = { ...QUEUE, batchSize: 1 };
    const order: string[] = [];
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await send('a', '1');
    await send('a', '2');
    await send('b', '1');
    map(async (event) => {
      for (const { body, attributes } of event.Records) {
        const name = `${attributes.MessageGroupId ?? ''}${body}`;
        if (name === 'a1') await held;
        order.push(name);
      }
    }, one);
    await vi.waitFor(() => {
      expect(order).toEqual(['b1']);
    }, 5_000);
    release();
    await vi.waitFor(() => {
      expect(order).toEqual(['b1', 'a1', 'a2']);
    }, 5_000);
  });

  test('what the function says has failed comes again, the rest does not; after enough receives it is in the dead-letter queue', async () => {
    const got: string[] = [];
    await send('a', 'good');
    await send('b', 'bad');
    map((event) => {
      got.push(...event.Records.map(({ body }) => body));
      return {
        batchItemFailures: event.Records.filter(({ body }) => body === 'bad').map(({ messageId }) => ({
          itemIdentifier: messageId,
        })),
      };
    });
    await vi.waitFor(async () => {
      expect(await left(deadLetterQueueOf(QUEUE))).toBe(1);
    }, 8_000);
    expect(got.filter((body) => body === 'good')).toHaveLength(1);
    expect(got.filter((body) => body === 'bad')).toHaveLength(2);
    const { Messages } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: sqs.urlOf(deadLetterQueueOf(QUEUE)), WaitTimeSeconds: 1 }),
    );
    expect(Messages?.[0]?.Body).toBe('bad');
  });

  test('a function that throws, or answers what is no answer, has dealt with nothing', async () => {
    let calls = 0;
    await send('a', 'x');
    map(() => {
      calls += 1;
      if (calls === 1) throw new Error('broken');
      return { batchItemFailures: 'all of them' };
    });
    await vi.waitFor(async () => {
      expect(await left(deadLetterQueueOf(QUEUE))).toBe(1);
    }, 8_000);
    expect(calls).toBe(2);
    expect(complaints).toEqual(['work.fifo: broken']);
  });

  test('a message with a deduplication id that was used is taken and dropped', async () => {
    const first = await send('a', 'x', 'same');
    const second = await send('a', 'y', 'same');
    expect(second.MessageId).toBe(first.MessageId);
    expect(await left(QUEUE.name)).toBe(1);
  });

  test('a move task brings dead messages back to where they came from', async () => {
    await send('a', 'x');
    let works = false;
    let done = 0;
    map(() => {
      if (!works) throw new Error('broken');
      done += 1;
    });
    const dead = deadLetterQueueOf(QUEUE);
    await vi.waitFor(async () => {
      expect(await left(dead)).toBe(1);
    }, 8_000);
    works = true;
    await client.send(new StartMessageMoveTaskCommand({ SourceArn: `arn:aws:sqs:us-east-1:000000000000:${dead}` }));
    await vi.waitFor(() => {
      expect(done).toBe(1);
    }, 5_000);
  });

  test('ends at once while it waits for messages', async () => {
    map(() => undefined);
    await wait(50);
    await mapping?.close();
    mapping = undefined;
    expect(complaints).toEqual([]);
  });
});
