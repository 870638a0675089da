import * as z from 'zod/mini';
import { messagesFor, queued, writeMessage } from '../lib/sweep/message.ts';
import { scopes } from '../lib/sweep/scopes.ts';
import { records } from './records.ts';
import { sweepQueue } from './sweep-queue.ts';

const ASKED = z.object({ send: z.literal(false) });

/**
 * Has every keystore swept: one message per quota scope. Whatever event starts it; with `{"send": false}` it only answers the messages, for
 * who hands them to `scan-keystore` by himself.
 */
export async function handler(event?: unknown): Promise<{ readonly messages: readonly unknown[] }> {
  const { database, clock, log } = records();
  const messages = messagesFor(await scopes(database), clock());
  if (!ASKED.safeParse(event).success) {
    await sweepQueue().send(messages.map(queued));
    log.info('sweeps asked for', { scopes: messages.length });
  }
  return { messages: messages.map((message): unknown => JSON.parse(writeMessage(message))) };
}
