import type { Vaults } from '../access/permissions.ts';
import type { Clock } from '../clock.ts';
import { isAnyOf, pageFrom } from '../list.ts';
import type { ListCall } from '../list.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { INDEX_KEY, ITEM, SCHEDULE_SHARDS } from '../records/table.ts';
import type { ItemKey } from '../records/table.ts';
import type { QueryOf } from '../wire/operations.ts';
import type { WirePage } from '../wire/lists.ts';
import type { WireUpcomingChange } from '../wire/schedule.ts';
import { DAY_MS, SCHEDULE_ERROR, upcomingOf } from './schedule.ts';
import type { Upcoming } from './schedule.ts';

const STANDARD_DAYS = 30;
/** What was put off stands in the index a little later than it is due. */
const PUT_OFF_MS = 3_600_000;
const KEYS_AT_ONCE = 100;

interface Listed extends Upcoming {
  readonly keyId: string;
  readonly version: number;
  readonly label: string;
  readonly vaultId: string;
  readonly lastError: string | undefined;
}

/** A page of what the schedule will do in the vaults that the caller may list, the earliest first. */
export async function listUpcoming(
  database: Database,
  clock: Clock,
  listable: Vaults,
  call: ListCall<QueryOf<'ListUpcomingChanges'>>,
): Promise<WirePage & { readonly upcoming_changes: WireUpcomingChange[] }> {
  const now = clock();
  const { until: wanted, action, 'vault.id': vaults } = call.query;
  const until = wanted === undefined ? new Date(now.getTime() + STANDARD_DAYS * DAY_MS) : new Date(wanted);
  const found: Listed[] = [];
  for await (const each of upcomingUntil(database, until, now)) {
    if (listable !== 'all' && !listable.has(each.vaultId)) continue;
    if (isAnyOf(vaults, each.vaultId) && isAnyOf(action, each.action)) found.push(each);
  }
  const { page, items } = pageFrom(
    found,
    call,
    { due_at: ({ dueAt }) => dueAt, action: (each) => each.action, label: ({ label }) => label },
    ({ keyId, action: of }) => `${keyId}#${of}`,
    ['due_at'],
  );
  const announced = new Map(
    (await database.batchGet(items.map(({ keyId, dueAt, action: of }) => ITEM.announced(keyId, dueAt, of)))).map(
      (item) => [placeText({ pk: String(item['pk']), sk: String(item['sk']) }), String(item['at'])],
    ),
  );
  return {
    ...page,
    upcoming_changes: items.map((each) => {
      const at = announced.get(placeText(ITEM.announced(each.keyId, each.dueAt, each.action)));
      return {
        action: each.action,
        due_at: each.dueAt.toISOString(),
        ...(at === undefined ? {} : { announced_at: at }),
        overdue: each.dueAt <= now,
        ...(each.dueAt <= now && each.lastError !== undefined ? { last_error: each.lastError } : {}),
        key: {
          id: each.keyId,
          label: each.label,
          version: each.version,
          href: `${call.baseUrl}/api/v4/managed_keys/${each.keyId}`,
        },
        vault: { id: each.vaultId, href: `${call.baseUrl}/api/v4/vaults/${each.vaultId}` },
      };
    }),
  };
}

const placeText = ({ pk, sk }: ItemKey) => `${pk} ${sk}`;

async function* upcomingUntil(database: Database, until: Date, now: Date): AsyncGenerator<Listed> {
  const upTo = new Date(Math.max(until.getTime(), now.getTime() + PUT_OFF_MS)).toISOString();
  for (let shard = 0; shard < SCHEDULE_SHARDS; shard += 1) {
    let keys: ItemKey[] = [];
    for await (const { pk, sk } of database.query({ index: 'due', pk: INDEX_KEY.scheduled(shard), upTo })) {
      keys.push({ pk: String(pk), sk: String(sk) });
      if (keys.length < KEYS_AT_ONCE) continue;
      yield* upcomingIn(database, keys, until);
      keys = [];
    }
    yield* upcomingIn(database, keys, until);
  }
}

async function* upcomingIn(database: Database, keys: readonly ItemKey[], until: Date): AsyncGenerator<Listed> {
  for (const item of await database.batchGet(keys)) {
    const key = READ.managedKey(item);
    const lastError = item[SCHEDULE_ERROR];
    for (const each of upcomingOf(key)) {
      if (each.dueAt > until) continue;
      yield {
        ...each,
        keyId: key.id,
        version: key.version,
        label: key.label,
        vaultId: key.vaultId,
        lastError: typeof lastError === 'string' ? lastError : undefined,
      };
    }
  }
}
