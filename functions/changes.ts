import type { DynamoDBRecord, DynamoDBStreamEvent } from 'aws-lambda';
import type { FlagChange } from '../lib/history/entry.ts';
import { isNews, toldFrom, windowOf } from '../lib/notices/digest.ts';
import { flagChangedEvent } from '../lib/notices/notice.ts';
import { READ } from '../lib/records/entities.ts';
import { readKeystore, readVault } from '../lib/records/reading.ts';
import { fromWire } from '../lib/records/wire.ts';
import { announce } from './event-bus.ts';
import { noticesQueue, windowSeconds, writeWindow } from './notice-queues.ts';
import { records } from './records.ts';

/**
 * Changes of flags, as the stream of the table tells them: each becomes an event on the bus, and those of a keystore in a window become one
 * message on the queue of what is to be told. A throw has the batch come again, in halves: at least once, in order for each key.
 */
export async function handler(event: DynamoDBStreamEvent): Promise<void> {
  const changes = event.Records.flatMap((record) => changeIn(record) ?? []);
  await announceAll(changes);
  await tellWindows(changes.filter(isNews));
}

function changeIn({ eventName, dynamodb }: DynamoDBRecord): FlagChange | undefined {
  const image = dynamodb?.NewImage;
  // The filter of the event source passes nothing else; history that expires is a REMOVE.
  if (eventName !== 'INSERT' || image === undefined || image['pk']?.S?.startsWith('HISTORY#') !== true)
    return undefined;
  const entry = READ.historyEntry(fromWire(image));
  return entry.kind === 'flag' ? entry : undefined;
}

async function announceAll(changes: readonly FlagChange[]): Promise<void> {
  const { database } = records();
  const vaultNames = namesFrom((id) => readVault(database, id));
  const keystoreNames = namesFrom((id) => readKeystore(database, id));
  const details = [];
  for (const change of changes) {
    const [vault, keystore] = await Promise.all([vaultNames(change.vaultId), keystoreNames(change.keystoreId)]);
    details.push(flagChangedEvent(change, { vault, keystore }));
  }
  await announce(details);
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

async function tellWindows(news: readonly FlagChange[]): Promise<void> {
  const seconds = windowSeconds();
  const now = records().clock();
  const messages = new Map<string, { body: string; group: string; deduplication: string }>();
  for (const { vaultId, keystoreId, at } of news) {
    const window = windowOf(at, seconds);
    const group = `${vaultId}.${keystoreId}`;
    // A window that may have been told already is told again, with what came late; once for each window that it comes in.
    const late = now >= toldFrom(window) ? windowOf(now, seconds).from.getTime() : 0;
    const deduplication = `${group}.${window.from.getTime()}.${late}`;
    messages.set(deduplication, { body: writeWindow({ vaultId, keystoreId, ...window }), group, deduplication });
  }
  await noticesQueue().send([...messages.values()]);
}
