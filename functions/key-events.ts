import { affectedBy } from '../lib/events/affected.ts';
import { keyEventFrom } from '../lib/events/key-event.ts';
import { records } from './records.ts';
import { verifyQueue, writeMessage } from './verify-queue.ts';

/**
 * Something happened to a key in AWS KMS: an event of EventBridge. Where it is one of ours, it is put on the queue of keys to be looked at;
 * nothing is judged here, and nothing is written. A throw has EventBridge deliver it again.
 */
export async function handler(event: unknown): Promise<{ readonly queued: number }> {
  const happened = keyEventFrom(event);
  if (happened === undefined) return { queued: 0 };
  const affected = await affectedBy(records().database, happened);
  if (affected.length === 0) return { queued: 0 };
  await verifyQueue().send(
    affected.map((each) => ({
      body: writeMessage(each, happened.name),
      group: `${each.keyId}.${each.keystoreId}`,
      // EventBridge delivers at least once; a later event of the same key is another one.
      deduplication: `${happened.id}.${each.keyId}.${each.keystoreId}`.slice(-128),
    })),
  );
  records().log.info('key event', { event: happened.name, id: happened.id, at: happened.at, affected });
  return { queued: affected.length };
}
