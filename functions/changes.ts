import type { DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import type { FlagChange } from '../lib/history/entry.ts';
import { announcementIn } from '../lib/notices/announcement.ts';
import type { Announcement } from '../lib/notices/announcement.ts';
import { isNews, toldFrom, windowOf } from '../lib/notices/digest.ts';
import { announcementEvent, flagChangedEvent } from '../lib/notices/notice.ts';
import type { BusEvent } from '../lib/notices/notice.ts';
import { auditEvent } from '../lib/records/audit.ts';
import { READ } from '../lib/records/entities.ts';
import { readKeystore, readVault } from '../lib/records/reading.ts';
import { fromWire } from '../lib/records/wire.ts';
import { announce } from './event-bus.ts';
import { noticesQueue, windowSeconds, writeWindow } from './notice-queues.ts';
import { records } from './records.ts';

/**
 * Changes of flags, and announcements, as the stream of the table tells them: each becomes an event on the bus, and those of a keystore, or of
 * a vault, in a window become one message on the queue of what is to be told. A throw has the batch come again, in halves: at least once, in
 * order for each key.
 */
export async function handler(event: DynamoDBStreamEvent): Promise<void> {
  const told = event.Records.flatMap((record) => toldIn(record) ?? []);
  await announceAll(told);
  await tellWindows(told.filter((each) => each.kind !== 'flag' || isNews(each)));
}

function toldIn({ eventName, dynamodb }: DynamoDBRecord): FlagChange | Announcement | undefined {
  const image = dynamodb?.NewImage;
  const partition = image?.['pk']?.S ?? '';
  // The filters of the event source pass nothing else; history that expires is a REMOVE.
  if (eventName !== 'INSERT' || image === undefined) return undefined;
  if (partition.startsWith('AUDIT#')) return announcementIn(auditEvent.decode(fromWire(image)));
  if (!partition.startsWith('HISTORY#')) return undefined;
  const entry = READ.historyEntry(fromWire(image));
  return entry.kind === 'flag' ? entry : undefined;
}

async function announceAll(told: readonly (FlagChange | Announcement)[]): Promise<void> {
  const { database } = records();
  const vaultNames = namesFrom((id) => readVault(database, id));
  const keystoreNames = namesFrom((id) => readKeystore(database, id));
  const events: BusEvent[] = [];
  for (const each of told) {
    const vault = await vaultNames(each.vaultId);
    events.push(
      each.kind === 'flag'
        ? flagChangedEvent(each, { vault, keystore: await keystoreNames(each.keystoreId) })
        : announcementEvent(each, vault),
    );
  }
  await announce(events);
}

/** Reads each name once for a batch; what is gone is named by its id. */
function namesFrom(read: (id: string) => Promise<{ readonly name: string } | undefined>) {
  const known = new Map<string, Promise<{ id: string; name: string }>>();
  return (id: string) => {
    const named = known.get(id) ?? read(id).then((found) => ({ id, name: found?.name ?? id }));
    known.set(id, named);
    return named;
  };
}

async function tellWindows(news: readonly (FlagChange | Announcement)[]): Promise<void> {
  const seconds = windowSeconds();
  const now = records().clock();
  const messages = new Map<string, { body: string; group: string; deduplication: string }>();
  for (const each of news) {
    const { vaultId, at } = each;
    const keystoreId = each.kind === 'flag' ? each.keystoreId : undefined;
    const window = windowOf(at, seconds);
    const group = `${vaultId}.${keystoreId ?? 'announcements'}`;
    // A window that may have been told already is told again, with what came late; once for each window that it comes in.
    const late = now >= toldFrom(window) ? windowOf(now, seconds).from.getTime() : 0;
    const deduplication = `${group}.${window.from.getTime()}.${late}`;
    messages.set(deduplication, { body: writeWindow({ vaultId, keystoreId, ...window }), group, deduplication });
  }
  await noticesQueue().send([...messages.values()]);
}
