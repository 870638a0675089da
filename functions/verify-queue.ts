import * as z from 'zod/mini';
import { ConfigError } from '../lib/config.ts';
import type { Affected } from '../lib/events/affected.ts';
import { SqsQueue } from '../lib/sqs-queue.ts';

let opened: SqsQueue | undefined;

/** The queue of keys that are to be looked at, each in one keystore. Throws a `ConfigError` without VERIFY_QUEUE, its name. */
export function verifyQueue(): SqsQueue {
  if (opened !== undefined) return opened;
  const name = process.env['VERIFY_QUEUE'] ?? '';
  if (name === '') throw new ConfigError('VERIFY_QUEUE must be set.');
  return (opened = new SqsQueue(name));
}

const MESSAGE = z.object({ keyId: z.string(), keystoreId: z.string(), event: z.string() });

/** What a message says. `event` names what happened; for the log. */
export type VerifyMessage = z.infer<typeof MESSAGE>;

export function writeMessage(affected: Affected, event: string): string {
  const message: VerifyMessage = { keyId: affected.keyId, keystoreId: affected.keystoreId, event };
  return JSON.stringify(message);
}

/** Throws for what is no such message. */
export function readMessage(body: string): VerifyMessage {
  return MESSAGE.parse(JSON.parse(body));
}
