import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { changesIn } from '../lib/history/read.ts';
import { announcementDigest, announcementIn } from '../lib/notices/announcement.ts';
import type { Announcement } from '../lib/notices/announcement.ts';
import { DigestOf, toldFrom } from '../lib/notices/digest.ts';
import type { Digest } from '../lib/notices/digest.ts';
import { announcementNotice, digestNotice } from '../lib/notices/notice.ts';
import type { NoticeBody } from '../lib/notices/notice.ts';
import type { Subscription } from '../lib/notices/subscription.ts';
import { subscriptionsOf } from '../lib/notices/write.ts';
import { auditEvent } from '../lib/records/audit.ts';
import { readKeystore, readVault } from '../lib/records/reading.ts';
import { ITEM } from '../lib/records/table.ts';
import { eachMessage } from './batches.ts';
import { deliveriesQueue, noticesQueue, readWindow, writeDelivery } from './notice-queues.ts';
import type { WindowMessage } from './notice-queues.ts';
import { records } from './records.ts';

/**
 * Windows whose changes are to be told: when one is over, what befell the keys of its keystore, or what was announced in its vault, becomes one
 * notice for each subscriber. Can run any number of times for a window: the same changes are the same notice.
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

/** What is told, and who wants to hear it. */
interface Told {
  readonly notice: NoticeBody;
  readonly isFor: (subscription: Subscription) => boolean;
}

async function tell(message: WindowMessage): Promise<void> {
  const { database, log } = records();
  const { vaultId, keystoreId, from } = message;
  const subscriptions = (await subscriptionsOf(database, vaultId)).filter(({ state }) => state === 'enabled');
  if (subscriptions.length === 0) return;
  const told = await (keystoreId === undefined ? announcedIn(message) : changedIn(message, keystoreId));
  if (told === undefined) return;
  const { notice, isFor } = told;
  const wanted = subscriptions.filter(isFor);
  await deliveriesQueue().send(
    wanted.map(({ id }) => ({
      body: writeDelivery({ subscriptionId: id, notice }),
      // In order for each subscriber; one who does not answer holds up nobody else.
      group: id,
      deduplication: `${id}.${notice.id}`,
    })),
  );
  log.info('told', { vaultId, keystoreId, from, changes: notice.changes, subscribers: wanted.length });
}

async function changedIn(message: WindowMessage, keystoreId: string): Promise<Told | undefined> {
  const { database, config } = records();
  const digest = await digestFrom(message, keystoreId);
  if (digest === undefined) return undefined;
  const keystore = await readKeystore(database, keystoreId);
  const of = {
    vault: await vaultNamed(message.vaultId),
    keystore: { id: keystoreId, name: keystore?.name ?? keystoreId },
  };
  return {
    notice: digestNotice(digest, of, config.publicUrl),
    isFor: ({ flags }) => flags.some((flag) => digest.to[flag] > 0),
  };
}

async function announcedIn({ vaultId, from, to }: WindowMessage): Promise<Told | undefined> {
  const digest = announcementDigest({ from, to }, await announcementsSince(vaultId, from));
  if (digest === undefined) return undefined;
  return {
    notice: announcementNotice(digest, await vaultNamed(vaultId), records().config.publicUrl),
    isFor: ({ announcements }) => announcements,
  };
}

async function vaultNamed(vaultId: string): Promise<{ readonly id: string; readonly name: string }> {
  const vault = await readVault(records().database, vaultId);
  return { id: vaultId, name: vault?.name ?? vaultId };
}

/** How far the times of events may be from their order in the trail: whoever wrote them had clocks of their own. */
const OUT_OF_ORDER_MS = 60_000;

/** The newest first are read until they are older than that. */
async function announcementsSince(vaultId: string, from: Date): Promise<Announcement[]> {
  const found: Announcement[] = [];
  const { pk } = ITEM.auditHead(vaultId);
  const newestFirst = { pk, beginsWith: 'EVENT#', descending: true, pageSize: 100 } as const;
  for await (const item of records().database.query(newestFirst)) {
    const event = auditEvent.decode(item);
    if (event.at.getTime() < from.getTime() - OUT_OF_ORDER_MS) break;
    const announcement = announcementIn(event);
    if (announcement !== undefined) found.push(announcement);
  }
  return found.toReversed();
}

async function digestFrom({ vaultId, from, to }: WindowMessage, keystoreId: string): Promise<Digest | undefined> {
  const { database } = records();
  const digest = new DigestOf({ from, to });
  const wanted = { vaultIds: [vaultId], since: from, after: undefined, descending: false, pageSize: 1000 };
  for await (const change of changesIn(database, wanted)) {
    if (change.at >= to) break;
    if (change.keystoreId === keystoreId) digest.add(change);
  }
  return digest.result();
}
