import { setTimeout as wait } from 'node:timers/promises';
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Message } from '@aws-sdk/client-sqs';
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import * as z from 'zod/mini';
import type { LocalQueue } from './queues.ts';

export interface EventSourceMapping {
  /** Takes no more messages; resolves when those that were taken have been dealt with. */
  close(): Promise<void>;
}

const LONGEST_POLL_SECONDS = 20;

/**
 * Hands the messages of a queue to a function, as Lambda's own event source mapping does: batches; a message is deleted when the function
 * has dealt with it and stays hidden until its visibility ends otherwise (`batchItemFailures`, a throw, an answer that is not understood);
 * the queue itself moves it to its dead-letter queue after enough receives.
 */
export function mapEventSource(options: {
  readonly endpoint: string;
  readonly queueUrl: string;
  readonly queue: Pick<LocalQueue, 'name' | 'function' | 'batchSize' | 'maximumConcurrency'>;
  readonly invoke: (name: string, event: SQSEvent) => Promise<unknown>;
  /** Told what went wrong, as a sentence. */
  readonly complain: (sentence: string) => void;
}): EventSourceMapping {
  const { queue, queueUrl, invoke, complain } = options;
  const client = new SQSClient({
    endpoint: options.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  const stopped = new AbortController();
  const isStopped = () => stopped.signal.aborted;
  const busy = new Set<Promise<void>>();

  const receive = async (): Promise<readonly Message[]> => {
    const { Messages } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl: queueUrl,
        MaxNumberOfMessages: queue.batchSize,
        WaitTimeSeconds: LONGEST_POLL_SECONDS,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
      { abortSignal: stopped.signal },
    );
    return Messages ?? [];
  };

  const deal = async (messages: readonly Message[]): Promise<void> => {
    let failed: ReadonlySet<string> | 'all';
    try {
      failed = failuresIn(
        await invoke(queue.function, { Records: messages.map((each) => recordOf(each, queue.name)) }),
      );
    } catch (error) {
      complain(`${queue.name}: ${error instanceof Error ? error.message : String(error)}`);
      failed = 'all';
    }
    if (failed === 'all') return;
    const unknown = [...failed].some((id) => !messages.some(({ MessageId }) => MessageId === id));
    // As in AWS: an id that was not in the batch makes the whole batch a failure.
    if (unknown) return;
    const done = messages.filter(({ MessageId }) => MessageId === undefined || !failed.has(MessageId));
    if (done.length === 0) return;
    await client.send(
      new DeleteMessageBatchCommand({
        QueueUrl: queueUrl,
        Entries: done.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
      }),
    );
  };

  const poll = async (): Promise<void> => {
    while (!isStopped()) {
      try {
        while (busy.size >= queue.maximumConcurrency && !isStopped()) await Promise.race(busy);
        const messages = await receive();
        if (messages.length === 0) continue;
        const work: Promise<void> = deal(messages)
          .catch((error: unknown) => {
            if (!isStopped()) complain(`${queue.name}: ${error instanceof Error ? error.message : String(error)}`);
          })
          .finally(() => busy.delete(work));
        busy.add(work);
      } catch (error) {
        if (isStopped()) return;
        complain(`${queue.name} cannot be asked: ${error instanceof Error ? error.message : String(error)}`);
        await wait(1_000, undefined, { signal: stopped.signal }).catch(() => undefined);
      }
    }
  };
  const polling = poll();

  return {
    close: async () => {
      stopped.abort();
      await polling;
      await Promise.all(busy);
      client.destroy();
    },
  };
}

const BATCH_RESPONSE = z.object({
  batchItemFailures: z.optional(z.nullable(z.array(z.object({ itemIdentifier: z.string().check(z.minLength(1)) })))),
});

/** The message ids that a function's answer says have failed. No answer means that all is well; one that is no answer, that nothing is. */
function failuresIn(answer: unknown): ReadonlySet<string> | 'all' {
  if (answer === undefined || answer === null || answer === '') return new Set();
  const parsed = BATCH_RESPONSE.safeParse(answer);
  if (!parsed.success) return 'all';
  return new Set((parsed.data.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
}

function recordOf(message: Message, queueName: string): SQSRecord {
  const attributes = message.Attributes ?? {};
  return {
    messageId: message.MessageId ?? '',
    receiptHandle: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes: {
      ...attributes,
      ApproximateReceiveCount: attributes.ApproximateReceiveCount ?? '1',
      SentTimestamp: attributes.SentTimestamp ?? '0',
      SenderId: attributes.SenderId ?? 'local',
      ApproximateFirstReceiveTimestamp: attributes.ApproximateFirstReceiveTimestamp ?? '0',
    },
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
        name,
        {
          dataType: value.DataType ?? 'String',
          ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
        },
      ]),
    ),
    md5OfBody: message.MD5OfBody ?? '',
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queueName}`,
    awsRegion: 'us-east-1',
  };
}
