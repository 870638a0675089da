import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import pMap from 'p-map';
import { verifyAffected } from '../lib/events/verify-affected.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';
import { readMessage, verifyQueue } from './verify-queue.ts';
import type { VerifyMessage } from './verify-queue.ts';

/**
 * Looks at the keys that events were about. Several events of one key in a batch are one look. A key that we have just changed ourselves is
 * looked at when it has settled: its messages come again then, and those behind them with them.
 */
export async function handler(event: SQSEvent, context?: Context): Promise<SQSBatchResponse> {
  const failed: string[] = [];
  const signal = deadline(context);
  const groups = new Map<string, { readonly message: VerifyMessage; readonly records: SQSRecord[] }>();
  for (const record of event.Records) {
    try {
      const message = readMessage(record.body);
      const name = `${message.keyId} ${message.keystoreId}`;
      const group = groups.get(name) ?? { message, records: [] };
      groups.set(name, group);
      group.records.push(record);
    } catch (error) {
      deployment().log.error('A message on the queue of keys to be looked at cannot be read.', {
        messageId: record.messageId,
        error: error as Error,
      });
      failed.push(record.messageId);
    }
  }
  await pMap(
    groups.values(),
    async ({ message, records }) => {
      try {
        const { tryAgainAt } = await verifyAffected(deployment(), message, signal);
        if (tryAgainAt === undefined) return;
        const seconds = Math.max(1, Math.ceil((tryAgainAt.getTime() - deployment().clock().getTime()) / 1000));
        for (const { receiptHandle } of records) await verifyQueue().hide(receiptHandle, seconds);
      } catch (error) {
        const { keyId, keystoreId } = message;
        deployment().log.error('A key that an event was about could not be looked at.', {
          keyId,
          keystoreId,
          error: error as Error,
        });
      }
      failed.push(...records.map(({ messageId }) => messageId));
    },
    { concurrency: 10 },
  );
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
