import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { ControllableSandbox } from '../control.ts';
import { listenOnLoopback, LOOPBACK } from '../ports.ts';
import { matches } from './pattern.ts';
import type { LocalRule } from './rules.ts';

/** An event as EventBridge delivers it. */
export interface BusEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

export interface LocalEventBridge extends ControllableSandbox {
  readonly endpoint: string;
  /** What a service of AWS sends to the default bus of an account. */
  emit(event: BusEvent): void;
  /** The latest events of a bus, oldest first. */
  events(bus: string): readonly BusEvent[];
  /** Resolves when every event that has come so far has been delivered, or given up. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';
const TARGET = 'AWSEvents.';
/** As EventBridge has it. */
const LONGEST_ENTRY_BYTES = 1024 * 1024;
const KEPT = 1_000;
/** EventBridge tries for a day; who works here looks sooner. */
const ATTEMPTS = 5;

const ENTRY = z.object({
  Source: z.optional(z.string()),
  DetailType: z.optional(z.string()),
  Detail: z.optional(z.string()),
  EventBusName: z.optional(z.string()),
  Resources: z.optional(z.array(z.string())),
  Time: z.optional(z.number()),
});
const PUT_EVENTS = z.object({ Entries: z.array(ENTRY).check(z.minLength(1), z.maxLength(10)) });

/**
 * Starts EventBridge (AWS JSON 1.1, PutEvents) on the loopback interface: events go by the rules to functions, each invoked until it takes
 * the event or has failed often. Events are kept in memory only.
 */
export async function startEventBridge(options: {
  readonly port?: number;
  readonly rules: readonly LocalRule[];
  /** The buses besides `default`; PutEvents to any other fails. */
  readonly buses: readonly string[];
  readonly invoke: (name: string, event: BusEvent) => Promise<unknown>;
  /** Told what could not be delivered, as a sentence. */
  readonly complain: (sentence: string) => void;
}): Promise<LocalEventBridge> {
  const kept = new Map<string, BusEvent[]>(['default', ...options.buses].map((bus) => [bus, []]));
  const busy = new Set<Promise<void>>();
  const stopped = new AbortController();

  const deliver = async (name: string, event: BusEvent): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await options.invoke(name, event);
        return;
      } catch (error) {
        if (stopped.signal.aborted) return;
        if (attempt === ATTEMPTS) {
          const why = error instanceof Error ? error.message : String(error);
          options.complain(`${name} did not take the event ${event['detail-type']} ${event.id}: ${why}`);
          return;
        }
        await wait(100 * 2 ** attempt, undefined, { signal: stopped.signal }).catch(() => undefined);
      }
    }
  };
  const put = (bus: string, event: BusEvent): void => {
    const events = kept.get(bus);
    if (events === undefined) return;
    events.push(event);
    if (events.length > KEPT) events.shift();
    // One function gets an event once, whichever of its rules it meets.
    const targets = new Set(
      options.rules.filter((rule) => rule.bus === bus && matches(rule.pattern, event)).map((rule) => rule.function),
    );
    for (const name of targets) {
      const delivery: Promise<void> = deliver(name, event).finally(() => busy.delete(delivery));
      busy.add(delivery);
    }
  };
  const putEntry = (entry: z.infer<typeof ENTRY>): object => {
    const bus = (entry.EventBusName ?? 'default').replace(/^arn:.*:event-bus\//, '');
    const fault = faultOf(entry);
    if (fault !== undefined) return fault;
    if (!kept.has(bus)) return { ErrorCode: 'InvalidArgument', ErrorMessage: `There is no event bus ${bus}.` };
    const id = randomUUID();
    put(bus, {
      version: '0',
      id,
      'detail-type': entry.DetailType ?? '',
      source: entry.Source ?? '',
      account: ACCOUNT,
      time: new Date(entry.Time === undefined ? Date.now() : entry.Time * 1000).toISOString().replace(/\.\d{3}/, ''),
      region: REGION,
      resources: entry.Resources ?? [],
      detail: JSON.parse(entry.Detail ?? '{}') as unknown,
    });
    return { EventId: id };
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const respond = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
      response.end(JSON.stringify(body));
    };
    try {
      const target = String(request.headers['x-amz-target'] ?? '');
      if (target !== `${TARGET}PutEvents`) {
        respond(400, { __type: 'UnknownOperationException', message: `The local EventBridge has no ${target}.` });
        return;
      }
      const { Entries } = PUT_EVENTS.parse(JSON.parse(await bodyOf(request)));
      const answers = Entries.map(putEntry);
      const failed = answers.filter((each) => 'ErrorCode' in each).length;
      respond(200, { FailedEntryCount: failed, Entries: answers });
    } catch (error) {
      respond(400, { __type: 'ValidationException', message: error instanceof Error ? error.message : String(error) });
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  const port = await listenOnLoopback(server, options.port ?? 0);

  return {
    endpoint: `http://${LOOPBACK}:${port}`,
    emit: (event) => {
      put('default', event);
    },
    events: (bus) => [...(kept.get(bus) ?? [])],
    settled: async () => {
      while (busy.size > 0) await Promise.all(busy);
    },
    controlRoutes: () => [
      {
        method: 'GET',
        path: '/events',
        summary: `The latest events of a bus, oldest first: ?bus=${options.buses.join('|')}|default.`,
        answer: (_body, query) => ({ events: kept.get(query.get('bus') ?? options.buses[0] ?? 'default') ?? [] }),
      },
    ],
    tick: () => undefined,
    close: async () => {
      stopped.abort();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      });
      await Promise.all(busy);
    },
  };
}

/** What EventBridge refuses of an entry by itself. */
function faultOf(entry: z.infer<typeof ENTRY>): object | undefined {
  for (const name of ['Source', 'DetailType', 'Detail'] as const) {
    if (entry[name] === undefined || entry[name] === '') {
      return { ErrorCode: 'InvalidArgument', ErrorMessage: `Parameter ${name} is not valid. Reason: it is required.` };
    }
  }
  if (Buffer.byteLength(JSON.stringify(entry)) > LONGEST_ENTRY_BYTES) {
    return { ErrorCode: 'EventSizeExceeded', ErrorMessage: 'The entry is too long.' };
  }
  try {
    const detail: unknown = JSON.parse(entry.Detail ?? '');
    if (typeof detail === 'object' && detail !== null && !Array.isArray(detail)) return undefined;
  } catch {
    // Told below, as for any other text that is no object.
  }
  return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
