import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import * as z from 'zod/mini';
import { oldestSweep } from '../lib/sweep/age.ts';
import { messagesFor, queued, writeMessage } from '../lib/sweep/message.ts';
import { scopes } from '../lib/sweep/scopes.ts';
import { records } from './records.ts';
import { sweepQueue } from './sweep-queue.ts';

const metrics = new Metrics({ namespace: 'Shearline', serviceName: 'shearline' });
const ASKED = z.object({ send: z.literal(false) });

/**
 * Has every keystore swept: one message per quota scope. Whatever event starts it; with `{"send": false}` it only answers the messages, for
 * who hands them to `scan-keystore` by himself.
 */
export async function handler(event?: unknown): Promise<{ readonly messages: readonly unknown[] }> {
  const { database, clock, log } = records();
  const known = await scopes(database);
  const messages = messagesFor(known, clock());
  if (!ASKED.safeParse(event).success) {
    await sweepQueue().send(messages.map(queued));
    log.info('sweeps asked for', { scopes: messages.length });
    const names = known.map(({ name }) => name);
    metrics.addMetric('SweepAge', MetricUnit.Seconds, await oldestSweep(database, names, clock()));
    metrics.publishStoredMetrics();
  }
  return { messages: messages.map((message): unknown => JSON.parse(writeMessage(message))) };
}
