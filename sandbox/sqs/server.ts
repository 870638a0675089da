import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import { listenOnLoopback, LOOPBACK } from '../ports.ts';
import { md5Of, Queue, SqsError } from './queue.ts';
import { deadLetterQueueOf } from './queues.ts';
import type { LocalQueue } from './queues.ts';

export interface LocalSqs {
  readonly endpoint: string;
  /** The address of a queue, as GetQueueUrl answers it. */
  urlOf(name: string): string;
  close(): Promise<void>;
}

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';
const TARGET = 'AmazonSQS.';
const MAXIMUM_BODY_BYTES = 1024 * 1024;
const arnOf = (name: string) => `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;

/**
 * Starts SQS (AWS JSON 1.0) on the loopback interface with these queues and their dead-letter queues: what a program that uses queues
 * needs, not what makes them. Messages are kept in memory only.
 */
export async function startSqs(options: {
  readonly port?: number;
  readonly queues: readonly Pick<
    LocalQueue,
    'name' | 'visibilitySeconds' | 'localVisibilitySeconds' | 'delaySeconds' | 'maxReceiveCount'
  >[];
  /** Milliseconds; the real time by default. */
  readonly now?: () => number;
}): Promise<LocalSqs> {
  const now = options.now ?? Date.now;
  const queues = new Map<string, Queue>();
  for (const queue of options.queues) {
    const dead = new Queue(
      deadLetterQueueOf(queue),
      { visibilitySeconds: 30, delaySeconds: 0, redrive: undefined },
      now,
    );
    queues.set(dead.name, dead);
    const attributes = {
      visibilitySeconds: queue.localVisibilitySeconds ?? queue.visibilitySeconds,
      delaySeconds: queue.delaySeconds ?? 0,
      redrive: { to: dead, maxReceiveCount: queue.maxReceiveCount },
    };
    queues.set(queue.name, new Queue(queue.name, attributes, now));
  }
  const moves: Sqs['moves'] = new Map();
  const stopped = new AbortController();
  const server = createServer(
    (request, response) =>
      void answer({ queues, moves, now, endpoint: () => endpoint }, request, response, stopped.signal),
  );
  const port = await listenOnLoopback(server, options.port ?? 0);
  const endpoint = `http://${LOOPBACK}:${port}`;
  return {
    endpoint,
    urlOf: (name) => `${endpoint}/${ACCOUNT}/${name}`,
    close: () =>
      new Promise((resolve) => {
        stopped.abort();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

interface Sqs {
  readonly queues: ReadonlyMap<string, Queue>;
  /** Moves of messages out of a queue, by its name. */
  readonly moves: Map<string, readonly { readonly startedAt: number; readonly moved: number }[]>;
  readonly now: () => number;
  readonly endpoint: () => string;
}

async function answer(sqs: Sqs, request: IncomingMessage, response: ServerResponse, stopped: AbortSignal) {
  const gone = new AbortController();
  response.on('close', () => {
    gone.abort();
  });
  const respond = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    if (response.destroyed) return;
    response.writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      'x-amzn-requestid': randomUUID(),
      ...headers,
    });
    response.end(JSON.stringify(body));
  };
  try {
    const target = String(request.headers['x-amz-target'] ?? '');
    const operation = target.startsWith(TARGET) ? OPERATIONS[target.slice(TARGET.length)] : undefined;
    if (operation === undefined) throw new SqsError('UnsupportedOperation', `The local SQS has no ${target}.`);
    const input: unknown = JSON.parse((await bodyOf(request)) || '{}');
    respond(200, await operation(sqs, input, AbortSignal.any([gone.signal, stopped])));
  } catch (error) {
    if (error instanceof SqsError) {
      const type = SHAPES[error.code] ?? error.code;
      respond(
        400,
        { __type: `com.amazonaws.sqs#${type}`, message: error.message },
        { 'x-amzn-query-error': `${error.code};Sender` },
      );
    } else if (error instanceof z.core.$ZodError || error instanceof SyntaxError) {
      respond(400, { __type: 'com.amazon.coral.service#SerializationException', message: error.message });
    } else {
      console.error(error);
      respond(500, { __type: 'SandboxDefect', message: String(error) });
    }
  }
}

const SHAPES: Readonly<Record<string, string>> = { 'AWS.SimpleQueueService.NonExistentQueue': 'QueueDoesNotExist' };

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAXIMUM_BODY_BYTES) throw new SqsError('InvalidParameterValue', 'The message is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

type Operation = (sqs: Sqs, input: unknown, gone: AbortSignal) => unknown;

const QUEUE_URL = z.object({ QueueUrl: z.string() });
const MESSAGE = z.object({
  MessageBody: z.string().check(z.minLength(1)),
  MessageAttributes: z.optional(z.unknown()),
  DelaySeconds: z.optional(z.int().check(z.gte(0), z.lte(900))),
  MessageGroupId: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
  MessageDeduplicationId: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
});
const ENTRY_ID = z.object({ Id: z.string().check(z.regex(/^[\w-]{1,80}$/)) });
const RECEIVE = z.object({
  MaxNumberOfMessages: z._default(z.int().check(z.gte(1), z.lte(10)), 1),
  WaitTimeSeconds: z._default(z.int().check(z.gte(0), z.lte(20)), 0),
  VisibilityTimeout: z.optional(z.int().check(z.gte(0), z.lte(43_200))),
});
const HANDLE = z.object({ ReceiptHandle: z.string() });
const VISIBILITY = z.object({ VisibilityTimeout: z.int().check(z.gte(0), z.lte(43_200)) });
const entries = <S extends z.ZodMiniType>(entry: S) =>
  z.object({ Entries: z.array(z.intersection(ENTRY_ID, entry)).check(z.minLength(1), z.maxLength(10)) });
const SEND_BATCH = entries(MESSAGE);
const DELETE_BATCH = entries(HANDLE);
const VISIBILITY_BATCH = entries(z.intersection(HANDLE, VISIBILITY));
const MOVE = z.object({ SourceArn: z.string(), DestinationArn: z.optional(z.string()) });
const MOVES = z.object({ SourceArn: z.string(), MaxResults: z.optional(z.int().check(z.gte(1), z.lte(10))) });

const OPERATIONS: Readonly<Record<string, Operation>> = {
  ListQueues: ({ queues, endpoint }) => ({
    QueueUrls: [...queues.keys()].map((name) => `${endpoint()}/${ACCOUNT}/${name}`),
  }),
  GetQueueUrl: ({ queues, endpoint }, input) => {
    const { QueueName: name } = z.object({ QueueName: z.string() }).parse(input);
    return { QueueUrl: `${endpoint()}/${ACCOUNT}/${required(queues, name).name}` };
  },
  GetQueueAttributes: (sqs, input) => {
    const queue = queueOf(sqs, input);
    const { visible, inFlight, delayed } = queue.counts();
    const { redrive, visibilitySeconds, delaySeconds } = queue.attributes;
    return {
      Attributes: {
        QueueArn: arnOf(queue.name),
        ApproximateNumberOfMessages: String(visible),
        ApproximateNumberOfMessagesNotVisible: String(inFlight),
        ApproximateNumberOfMessagesDelayed: String(delayed),
        VisibilityTimeout: String(visibilitySeconds),
        DelaySeconds: String(delaySeconds),
        ...(queue.isFifo ? { FifoQueue: 'true' } : {}),
        ...(redrive === undefined
          ? {}
          : {
              RedrivePolicy: JSON.stringify({
                deadLetterTargetArn: arnOf(redrive.to.name),
                maxReceiveCount: redrive.maxReceiveCount,
              }),
            }),
      },
    };
  },
  SendMessage: (sqs, input) => sent(queueOf(sqs, input), MESSAGE.parse(input)),
  SendMessageBatch: (sqs, input) => {
    const queue = queueOf(sqs, input);
    return eachOf(SEND_BATCH.parse(input).Entries, (entry) => sent(queue, entry));
  },
  ReceiveMessage: async (sqs, input, gone) => {
    const queue = queueOf(sqs, input);
    const { MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout } = RECEIVE.parse(input);
    const messages = await queue.receiveWithin(WaitTimeSeconds * 1000, MaxNumberOfMessages, VisibilityTimeout, gone);
    if (messages.length === 0) return {};
    return {
      Messages: messages.map(({ id, receiptHandle, body, attributes, system }) => ({
        MessageId: id,
        ReceiptHandle: receiptHandle,
        MD5OfBody: md5Of(body),
        Body: body,
        Attributes: system,
        ...(attributes === undefined ? {} : { MessageAttributes: attributes }),
      })),
    };
  },
  DeleteMessage: (sqs, input) => {
    queueOf(sqs, input).delete(HANDLE.parse(input).ReceiptHandle);
    return {};
  },
  DeleteMessageBatch: (sqs, input) => {
    const queue = queueOf(sqs, input);
    return eachOf(DELETE_BATCH.parse(input).Entries, ({ ReceiptHandle }) => {
      queue.delete(ReceiptHandle);
      return {};
    });
  },
  ChangeMessageVisibility: (sqs, input) => {
    queueOf(sqs, input).changeVisibility(HANDLE.parse(input).ReceiptHandle, VISIBILITY.parse(input).VisibilityTimeout);
    return {};
  },
  ChangeMessageVisibilityBatch: (sqs, input) => {
    const queue = queueOf(sqs, input);
    return eachOf(VISIBILITY_BATCH.parse(input).Entries, ({ ReceiptHandle, VisibilityTimeout }) => {
      queue.changeVisibility(ReceiptHandle, VisibilityTimeout);
      return {};
    });
  },
  PurgeQueue: (sqs, input) => {
    queueOf(sqs, input).purge();
    return {};
  },
  StartMessageMoveTask: ({ queues, moves, now }, input) => {
    const { SourceArn, DestinationArn } = MOVE.parse(input);
    const source = required(queues, nameIn(SourceArn));
    const target =
      DestinationArn === undefined
        ? [...queues.values()].find(({ attributes }) => attributes.redrive?.to === source)
        : required(queues, nameIn(DestinationArn));
    if (target === undefined) {
      throw new SqsError('InvalidParameterValue', 'Source queue must be configured as a Dead Letter Queue.');
    }
    const startedAt = now();
    const moved = source.moveAll(target);
    moves.set(source.name, [{ startedAt, moved }, ...(moves.get(source.name) ?? [])].slice(0, MOVES_KEPT));
    return { TaskHandle: randomUUID() };
  },
  // The newest first. A move is over at once here.
  ListMessageMoveTasks: ({ queues, moves }, input) => {
    const { SourceArn, MaxResults } = MOVES.parse(input);
    const source = required(queues, nameIn(SourceArn));
    return {
      Results: (moves.get(source.name) ?? []).slice(0, MaxResults ?? 1).map(({ startedAt, moved }) => ({
        SourceArn,
        Status: 'COMPLETED',
        StartedTimestamp: startedAt,
        ApproximateNumberOfMessagesMoved: moved,
        ApproximateNumberOfMessagesToMove: moved,
      })),
    };
  },
};

/** As many as AWS shows. */
const MOVES_KEPT = 10;

function sent(queue: Queue, message: z.output<typeof MESSAGE>) {
  const { id, sequenceNumber } = queue.send({
    body: message.MessageBody,
    attributes: message.MessageAttributes,
    delaySeconds: message.DelaySeconds,
    groupId: message.MessageGroupId,
    deduplicationId: message.MessageDeduplicationId,
  });
  return {
    MessageId: id,
    MD5OfMessageBody: md5Of(message.MessageBody),
    ...(sequenceNumber === undefined ? {} : { SequenceNumber: sequenceNumber }),
  };
}

/** Each entry by itself, as batches do. */
function eachOf<E extends { readonly Id: string }>(given: readonly E[], act: (entry: E) => object) {
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of given) {
    try {
      Successful.push({ Id: entry.Id, ...act(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      Failed.push({ Id: entry.Id, Code: error.code, Message: error.message, SenderFault: true });
    }
  }
  return { Successful, Failed };
}

function queueOf({ queues }: Sqs, input: unknown): Queue {
  const { QueueUrl } = QUEUE_URL.parse(input);
  return required(queues, QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1));
}

function nameIn(arn: string): string {
  return arn.slice(arn.lastIndexOf(':') + 1);
}

function required(queues: ReadonlyMap<string, Queue>, name: string): Queue {
  const queue = queues.get(name);
  if (queue !== undefined) return queue;
  throw new SqsError('AWS.SimpleQueueService.NonExistentQueue', 'The specified queue does not exist.');
}
