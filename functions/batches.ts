import type { SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { records } from './records.ts';

/**
 * Deals with each message of a batch by itself, one after another: FIFO queues want the order. `deal` answers whether the message is done;
 * one that is not, or for which it throws, comes again, and after enough times goes to the dead-letter queue.
 */
export async function eachMessage(
  event: SQSEvent,
  deal: (record: SQSRecord) => Promise<'done' | 'again'>,
): Promise<SQSBatchResponse> {
  const failed: string[] = [];
  const held = new Set<string>();
  for (const record of event.Records) {
    const group = record.attributes.MessageGroupId;
    // What comes after it in its group has to wait for it.
    if (group !== undefined && held.has(group)) {
      failed.push(record.messageId);
      continue;
    }
    try {
      if ((await deal(record)) === 'done') continue;
    } catch (error) {
      records().log.error('A message could not be dealt with.', { messageId: record.messageId, error: error as Error });
    }
    failed.push(record.messageId);
    if (group !== undefined) held.add(group);
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
