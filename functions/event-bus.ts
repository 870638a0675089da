import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ConfigError } from '../lib/config.ts';
import { EVENT_SOURCE } from '../lib/notices/notice.ts';
import type { BusEvent } from '../lib/notices/notice.ts';

/** EventBridge takes so many in one call. */
const BATCH = 10;
const ATTEMPTS = 3;

let opened: { readonly client: EventBridgeClient; readonly bus: string } | undefined;

function eventBus() {
  if (opened !== undefined) return opened;
  const bus = process.env['EVENT_BUS'] ?? '';
  if (bus === '') throw new ConfigError('EVENT_BUS must be set.');
  const client = new EventBridgeClient({
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  return (opened = { client, bus });
}

/** Puts events on the bus of this deployment. Throws unless EventBridge has taken every one; then some of them may be there already. */
export async function announce(events: readonly BusEvent[]): Promise<void> {
  const { client, bus } = eventBus();
  for (let start = 0; start < events.length; start += BATCH) {
    let left = events.slice(start, start + BATCH);
    for (let attempt = 1; left.length > 0; attempt += 1) {
      const { Entries = [] } = await client.send(
        new PutEventsCommand({
          Entries: left.map(({ type, detail }) => ({
            EventBusName: bus,
            Source: EVENT_SOURCE,
            DetailType: type,
            Time: new Date(detail.at),
            Detail: JSON.stringify(detail),
          })),
        }),
      );
      const refused = left.filter((_, at) => Entries[at]?.EventId === undefined);
      if (refused.length > 0 && attempt === ATTEMPTS) {
        const first = Entries.find(({ EventId }) => EventId === undefined);
        throw new Error(`EventBridge did not take ${refused.length} events: ${first?.ErrorCode ?? 'no reason given'}.`);
      }
      left = refused;
    }
  }
}
