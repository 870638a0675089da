import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ControllableSandbox } from '../control.ts';
import { listenOnLoopback, LOOPBACK } from '../ports.ts';

/** A notice that came to the inbox. */
export interface Received {
  readonly at: string;
  readonly by: 'webhook' | 'sns';
  /** The path of the webhook, or the ARN of the topic. */
  readonly target: string;
  /** Names in lower case; of a message by SNS its subject alone. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it came, byte for byte: signatures are over it. */
  readonly body: string;
}

/** Takes what subscribers get: SNS (Query protocol, Publish) at `/`, webhooks below `/webhook`. */
export interface Inbox extends ControllableSandbox {
  /** Of SNS. */
  readonly endpoint: string;
  /** The URL of a webhook. */
  readonly webhook: string;
  /** A topic that may be published on. */
  readonly topicArn: string;
  readonly received: readonly Received[];
  /** What webhooks are answered from now on; 204 at first. */
  answerWith(status: number): void;
  close(): Promise<void>;
}

const TOPIC = 'arn:aws:sns:us-east-1:000000000000:shearline-notices';
const KEPT = 500;

/** Starts it on the loopback interface. What it gets is kept in memory only. */
export async function startInbox(options: { readonly port?: number } = {}): Promise<Inbox> {
  const received: Received[] = [];
  let status = 204;
  const keep = (one: Omit<Received, 'at'>) => {
    received.push({ at: new Date().toISOString(), ...one });
    if (received.length > KEPT) received.shift();
  };

  const publish = (form: URLSearchParams, response: ServerResponse) => {
    const target = form.get('TopicArn') ?? '';
    const [code, message] =
      form.get('Action') !== 'Publish'
        ? ['InvalidAction', `The local SNS has no ${form.get('Action') ?? 'such action'}.`]
        : target !== TOPIC
          ? ['NotFound', 'Topic does not exist']
          : (form.get('Message') ?? '') === ''
            ? ['InvalidParameter', 'Invalid parameter: Empty message']
            : [];
    const requestId = randomUUID();
    if (code !== undefined) {
      response.writeHead(code === 'NotFound' ? 404 : 400, { 'content-type': 'text/xml' });
      response.end(
        `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message ?? ''}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
      );
      return;
    }
    const headers = { subject: form.get('Subject') ?? '' };
    keep({ by: 'sns', target, headers, body: form.get('Message') ?? '' });
    response.writeHead(200, { 'content-type': 'text/xml' });
    response.end(
      `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>${randomUUID()}</MessageId></PublishResult><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></PublishResponse>`,
    );
  };
  const server = createServer((request, response) => {
    void (async () => {
      const body = await bodyOf(request);
      const path = request.url ?? '/';
      if (request.method !== 'POST') {
        response.writeHead(405).end();
      } else if (path.startsWith('/webhook')) {
        const headers = Object.fromEntries(
          Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
            typeof value === 'string' ? [[name, value]] : [],
          ),
        );
        keep({ by: 'webhook', target: path, headers, body });
        response.writeHead(status).end();
      } else {
        publish(new URLSearchParams(body), response);
      }
    })();
  });
  const port = await listenOnLoopback(server, options.port ?? 0);
  const endpoint = `http://${LOOPBACK}:${port}`;
  return {
    endpoint,
    webhook: `${endpoint}/webhook`,
    topicArn: TOPIC,
    received,
    answerWith: (wanted) => {
      status = wanted;
    },
    controlRoutes: () => [
      {
        method: 'GET',
        path: '/received',
        summary: `What came to the webhook ${endpoint}/webhook and to the topic ${TOPIC}, oldest first.`,
        answer: () => ({ received }),
      },
    ],
    tick: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
