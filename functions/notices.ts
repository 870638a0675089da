import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { changesIn } from '../lib/history/read.ts';
import { DigestOf, toldFrom } from '../lib/notices/digest.ts';
import type { Digest } from '../lib/notices/digest.ts';
import { digestNotice } from '../lib/notices/notice.ts';
import { subscriptionsOf } from '../lib/notices/write.ts';
import { readKeystore, readVault } from '../lib/records/reading.ts';
import { eachMessage } from './batches.ts';
import { deliveriesQueue, noticesQueue, readWindow, writeDelivery } from './notice-queues.ts';
import type { WindowMessage } from './notice-queues.ts';
import { records } from './records.ts';

/**
 * Windows whose changes are to be told: when one is over, what befell the keys of its keystore becomes one notice for each subscriber. Can run
 * any number of times for a window: the same changes are the same notice.
 */
export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  return eachMessage(event, async ({ body, receiptHandle }) => {
    const message = readWindow(body);
    const wait = toldFrom(message).getTime() - records().clock().getTime();
    if (wait > 0) {
      await noticesQueue().hide(receiptHandle, Math.ceil(wait / 1000));
      return 'again';
    }
    await tell(message);
    return 'done';
  });
}

async function tell(message: WindowMessage): Promise<void> {
  const { database, config, log } = records();
  const { vaultId, keystoreId } = message;
  const subscriptions = (await subscriptionsOf(database, vaultId)).filter(({ state }) => state === 'enabled');
  if (subscriptions.length === 0) return;
  const digest = await digestFrom(message);
  if (digest === undefined) return;
  const [vault, keystore] = await Promise.all([readVault(database, vaultId), readKeystore(database, keystoreId)]);
  const notice = digestNotice(
    digest,
    {
      vault: { id: vaultId, name: vault?.name ?? vaultId },
      keystore: { id: keystoreId, name: keystore?.name ?? keystoreId },
    },
    config.publicUrl,
  );
  const wanted = subscriptions.filter(({ flags }) => flags.some((flag) => digest.to[flag] > 0));
  await deliveriesQueue().send(
    wanted.map(({ id }) => ({
      body: writeDelivery({ subscriptionId: id, notice }),
      // In order for each subscriber; one who does not answer holds up nobody else.
      group: id,
      deduplication: `${id}.${notice.id}`,
    })),
  );
  log.info('told', { vaultId, keystoreId, from: message.from, changes: digest.changes, subscribers: wanted.length });
}

async function digestFrom({ vaultId, keystoreId, from, to }: WindowMessage): Promise<Digest | undefined> {
  const { database } = records();
  const digest = new DigestOf({ from, to });
  const wanted = { vaultIds: [vaultId], since: from, after: undefined, descending: false, pageSize: 1000 };
  for await (const change of changesIn(database, wanted)) {
    if (change.at >= to) break;
    if (change.keystoreId === keystoreId) digest.add(change);
  }
  return digest.result();
}
