import pMap from 'p-map';
import type { Vaults } from '../access/permissions.ts';
import type { Clock } from '../clock.ts';
import type { Observed } from '../drift/observed.ts';
import type { FlagChange } from '../history/entry.ts';
import { changesIn, placeOf } from '../history/read.ts';
import { presentChange } from '../history/view.ts';
import type { Keystore, KeystoreHealth } from '../keystores/keystore.ts';
import { isAnyOf, vaultIds } from '../list.ts';
import { nextPage } from '../history/pages.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { scopeOf } from '../pace/scope.ts';
import { keystoresOfVault, readKeystoreHealth } from '../records/reading.ts';
import { INDEX_KEY } from '../records/table.ts';
import { readSweep } from '../sweep/state.ts';
import type { SweepState } from '../sweep/state.ts';
import type { WireDrift } from '../wire/history.ts';
import type { QueryOf } from '../wire/operations.ts';

const DEFAULT_DAYS = 7;
const DAY_MS = 86_400_000;
/** More flagged keys than this are not counted one by one at every look: see docs/drift-history.md for what a count costs. */
const MOST_FLAGGED = 10_000;
const MOST_CHANGES = 20_000;

type Summary = NonNullable<WireDrift['summary']>;
type KeystoreSummary = Summary['keystores'][number];

export interface DriftCall {
  readonly query: QueryOf<'ListDrift'>;
  readonly url: string;
  readonly baseUrl: string;
}

/** A page of the fleet's changes since a time, and with the first page how the fleet stands now. Reads no keystore. */
export async function readDrift(
  database: Database,
  clock: Clock,
  listable: Vaults,
  call: DriftCall,
): Promise<WireDrift> {
  const { query, baseUrl } = call;
  const since = query.since === undefined ? new Date(clock().getTime() - DEFAULT_DAYS * DAY_MS) : new Date(query.since);
  const vaults = await vaultIds(database, listable, query['vault.id']);
  const [changes, standing] = await Promise.all([
    pageOfChanges(database, vaults, since, call),
    query.after === undefined ? howItStands(database, vaults, query['keystore.id'], baseUrl) : undefined,
  ]);
  return {
    since: since.toISOString(),
    ...nextPage(call.url, query.limit, changes.next),
    ...(standing === undefined
      ? {}
      : { summary: { ...standing, trend: changes.trend, trend_complete: changes.counted } }),
    changes: changes.items.map((change) => presentChange(change, baseUrl)),
  };
}

interface ChangesPage {
  readonly items: readonly FlagChange[];
  /** Where the next page goes on; undefined after the last. */
  readonly next: string | undefined;
  readonly trend: Summary['trend'];
  /** Whether every change since then is in the trend. */
  readonly counted: boolean;
}

/** One pass: the page first, and with the first page the counts by day of what follows. */
async function pageOfChanges(
  database: Database,
  vaults: readonly string[],
  since: Date,
  { query }: DriftCall,
): Promise<ChangesPage> {
  const { limit, after } = query;
  const items: FlagChange[] = [];
  const trend = new Trend();
  let next: string | undefined;
  let read = 0;
  let last: FlagChange | undefined;
  const descending = query.sort !== 'at';
  // The page needs little, the counts by day everything.
  const pageSize = after === undefined ? 1000 : Math.min(1000, limit + 1);
  for await (const change of changesIn(database, { vaultIds: vaults, since, after, descending, pageSize })) {
    if (read === MOST_CHANGES) {
      return { items, next: next ?? (last && placeOf(last)), trend: trend.days(), counted: false };
    }
    read += 1;
    last = change;
    if (!isAnyOf(query['keystore.id'], change.keystoreId)) continue;
    if (after === undefined) trend.count(change);
    if (!isAnyOf(query.keystore_sync_flag, change.to.flag) || next !== undefined) continue;
    const lastOnPage = items.at(-1);
    if (items.length < limit) items.push(change);
    else if (lastOnPage !== undefined) next = placeOf(lastOnPage);
    if (next !== undefined && after !== undefined) break;
  }
  return { items, next, trend: trend.days(), counted: true };
}

/** Changes by day and by what they came to. */
class Trend {
  readonly #days = new Map<string, { to_ok: number; to_out_of_sync: number; to_error: number }>();

  count({ at, from, to }: FlagChange): void {
    if (from?.flag === to.flag) return;
    const date = at.toISOString().slice(0, 10);
    const day = this.#days.get(date) ?? { to_ok: 0, to_out_of_sync: 0, to_error: 0 };
    this.#days.set(date, day);
    if (to.flag === 'ok') day.to_ok += 1;
    else if (to.flag === 'out_of_sync') day.to_out_of_sync += 1;
    else if (to.flag === 'error') day.to_error += 1;
  }

  days(): Summary['trend'] {
    return [...this.#days].map(([date, counts]) => ({ date, ...counts })).sort((a, b) => (a.date < b.date ? -1 : 1));
  }
}

async function howItStands(
  database: Database,
  vaults: readonly string[],
  wanted: readonly string[] | undefined,
  baseUrl: string,
): Promise<Omit<Summary, 'trend' | 'trend_complete'>> {
  const keystores = (await pMap(vaults, (vaultId) => keystoresOfVault(database, vaultId), { concurrency: 8 }))
    .flat()
    .filter(({ id }) => isAnyOf(wanted, id));
  const sweeps = new Map<string, Promise<SweepState | undefined>>();
  const sweepOf = (keystore: Keystore) => {
    const scope = scopeOf(keystore);
    const sweep = sweeps.get(scope) ?? readSweep(database, scope);
    sweeps.set(scope, sweep);
    return sweep;
  };
  const [flags, presented] = await Promise.all([
    countFlagged(database, vaults, wanted),
    pMap(
      keystores,
      async (keystore) => presentKeystore(keystore, await health(database, keystore), await sweepOf(keystore), baseUrl),
      { concurrency: 16 },
    ),
  ]);
  return {
    flagged: flags.total,
    complete: flags.complete,
    keystores: presented.map((keystore) => ({ ...keystore, flags: flags.in(keystore.id) })),
  };
}

const health = (database: Database, { id }: Keystore) => readKeystoreHealth(database, id);

function presentKeystore(
  keystore: Keystore,
  health: KeystoreHealth | undefined,
  sweep: SweepState | undefined,
  baseUrl: string,
): Omit<KeystoreSummary, 'flags'> {
  const last_sweep = sweep === undefined ? undefined : presentSweep(sweep, keystore.id);
  return {
    id: keystore.id,
    name: keystore.name,
    href: `${baseUrl}/api/v4/keystores/${keystore.id}`,
    vault: { id: keystore.vaultId, href: `${baseUrl}/api/v4/vaults/${keystore.vaultId}` },
    health_status: health?.status ?? 'pending_check',
    ...(health === undefined || health.message === '' ? {} : { message: health.message }),
    ...(health?.lastHeartbeat === undefined ? {} : { last_heartbeat: health.lastHeartbeat.toISOString() }),
    ...(last_sweep === undefined ? {} : { last_sweep }),
  };
}

function presentSweep(sweep: SweepState, keystoreId: string): KeystoreSummary['last_sweep'] {
  const swept = sweep.keystores[keystoreId];
  if (swept === undefined) return undefined;
  const { keys, flags, settling } = swept.scan;
  return {
    started_at: sweep.startedAt.toISOString(),
    ...(sweep.finishedAt === undefined ? {} : { finished_at: sweep.finishedAt.toISOString() }),
    ...(sweep.etaSeconds === undefined ? {} : { eta_seconds: Math.ceil(sweep.etaSeconds) }),
    keys,
    ok: flags.ok,
    out_of_sync: flags.out_of_sync,
    error: flags.error,
    settling,
  };
}

async function countFlagged(database: Database, vaults: readonly string[], keystores: readonly string[] | undefined) {
  const counts = new Map<string, Map<string, KeystoreSummary['flags'][number]>>();
  let total = 0;
  let read = 0;
  const count = ({ keystoreId, status, keystoreSyncFlag, keystoreSyncFlagDetail }: Observed) => {
    if (!isAnyOf(keystores, keystoreId)) return;
    const ofKeystore = counts.get(keystoreId) ?? new Map<string, KeystoreSummary['flags'][number]>();
    counts.set(keystoreId, ofKeystore);
    const name = `${keystoreSyncFlag} ${keystoreSyncFlagDetail} ${status}`;
    ofKeystore.set(name, {
      status,
      keystore_sync_flag: keystoreSyncFlag,
      keystore_sync_flag_detail: keystoreSyncFlagDetail,
      count: (ofKeystore.get(name)?.count ?? 0) + 1,
    });
    total += 1;
  };
  const share = Math.ceil(MOST_FLAGGED / Math.max(1, vaults.length));
  const complete = await pMap(
    vaults,
    async (vaultId) => {
      let left = share;
      for await (const item of database.query({ index: 'flagged', pk: INDEX_KEY.flaggedInVault(vaultId) })) {
        // What other vaults leave of the whole is for whoever needs more than a share.
        if (left === 0 && read >= MOST_FLAGGED) return false;
        left = Math.max(0, left - 1);
        read += 1;
        count(READ.observed(item));
      }
      return true;
    },
    { concurrency: 8 },
  );
  return {
    total,
    complete: complete.every(Boolean),
    in: (keystoreId: string) => [...(counts.get(keystoreId)?.values() ?? [])].sort((a, b) => b.count - a.count),
  };
}
