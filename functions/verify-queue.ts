import * as z from 'zod/mini';
import type { Affected } from '../lib/events/affected.ts';
import { queueNamed } from './queue-named.ts';

/** Keys that are to be looked at, each in one keystore. */
export const verifyQueue = queueNamed('VERIFY_QUEUE');

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
