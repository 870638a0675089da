import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { deliver, NotTaken } from '../lib/notices/deliver.ts';
import { readSubscription, storeLastDelivery } from '../lib/notices/write.ts';
import { eachMessage } from './batches.ts';
import { deployment } from './deployment.ts';
import { deliveriesQueue, readDelivery } from './notice-queues.ts';
import { topics } from './topics.ts';

const FIRST_RETRY_SECONDS = 2;
const LONGEST_RETRY_SECONDS = 900;

/**
 * Notices on their way to subscribers. One that is not taken is tried again, after 2 s at first, doubling to 15 minutes, until the queue gives
 * it up to its dead-letter queue. A subscription that is gone or switched off by now gets nothing more.
 */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  return eachMessage(event, async ({ body, receiptHandle, attributes }) => {
    const { subscriptionId, notice } = readDelivery(body);
    const { database, clock, log } = deployment();
    const subscription = await readSubscription(database, subscriptionId);
    if (subscription?.state !== 'enabled') return 'done';
    const fared = (error: string | undefined) =>
      storeLastDelivery(database, { subscriptionId, at: clock(), noticeId: notice.id, error });
    try {
      await deliver(deployment(), topics, subscription, notice);
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error;
      log.warn('A notice was not taken.', { subscriptionId, noticeId: notice.id, reason: error.message });
      await fared(error.message);
      const receives = Number(attributes.ApproximateReceiveCount);
      const seconds = Math.min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (receives - 1));
      await deliveriesQueue().hide(receiptHandle, error.hopeless ? LONGEST_RETRY_SECONDS : seconds);
      return 'again';
    }
    await fared(undefined);
    return 'done';
  });
}
