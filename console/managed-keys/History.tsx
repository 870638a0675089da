import { Button, SkeletonText } from '@carbon/react';
import { CheckmarkFilled, Help, Misuse, Time, Tools, User } from '@carbon/react/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { WireHistoryEntry } from '../../lib/wire/history.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import { Card } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { lanesOf } from './lanes.ts';

const words = text.keys.history;
const ICONS = { ok: CheckmarkFilled, out_of_sync: Misuse, error: Help, verifying_sync: Time } as const;

/** What happened to the key: each keystore as a band over time, the decisions above, and every event below. */
export function History({ managed }: { readonly managed: WireManagedKey }) {
  const id = managed.id ?? '';
  const history = useInfiniteQuery({
    queryKey: ['managed_keys', id, 'history'],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      (await send('GET', '/managed_keys/{id}/history', { id, query: { limit: 100, after: pageParam }, signal })).body,
    getNextPageParam: ({ next }) =>
      next?.href === undefined ? undefined : (new URL(next.href).searchParams.get('after') ?? undefined),
  });
  const entries = history.data?.pages.flatMap((page) => page.entries) ?? [];
  const names = new Map(
    managed.status_in_keystores.map(({ keystore }) => [keystore?.id ?? '', keystore?.name ?? keystore?.id ?? '']),
  );
  const nameOf = (keystore: string) => names.get(keystore) ?? keystore;
  return (
    <Card title={words.title} width="wide">
      {history.error === null ? undefined : (
        <RefusalNotice error={history.error} retry={() => void history.refetch()} />
      )}
      {history.isPending ? <SkeletonText paragraph lineCount={4} /> : undefined}
      {entries.length === 0 ? undefined : <Bands entries={entries} nameOf={nameOf} />}
      {history.data !== undefined && entries.length === 0 ? <p className="quiet">{words.none}</p> : undefined}
      <ol className="events" aria-label={words.events}>
        {entries.map((entry) => (
          <li key={entry.id} className={`events__event events__event--${toneOf(entry)}`}>
            <Mark entry={entry} />
            <div>
              <p>
                <strong>{titleOf(entry, nameOf)}</strong>{' '}
                <time dateTime={entry.at} className="quiet" title={momentOf(entry.at)}>
                  {fromNow(entry.at)}
                </time>
              </p>
              <p className="quiet">{detailOf(entry)}</p>
            </div>
          </li>
        ))}
      </ol>
      {history.hasNextPage ? (
        <Button
          kind="ghost"
          size="sm"
          disabled={history.isFetchingNextPage}
          onClick={() => void history.fetchNextPage()}
        >
          {words.older}
        </Button>
      ) : undefined}
    </Card>
  );
}

type Entry = WireHistoryEntry;

function toneOf(entry: Entry): string {
  if (entry.kind === 'flag') return entry.to.keystore_sync_flag;
  return entry.kind;
}

function Mark({ entry }: { readonly entry: Entry }) {
  const Icon = entry.kind === 'flag' ? ICONS[entry.to.keystore_sync_flag] : entry.kind === 'work' ? Tools : User;
  return <Icon className="events__mark" />;
}

function titleOf(entry: Entry, nameOf: (keystore: string) => string): string {
  switch (entry.kind) {
    case 'flag':
      return `${nameOf(entry.keystore.id)}: ${text.words.flags[entry.to.keystore_sync_flag]}`;
    case 'work':
      return `${nameOf(entry.keystore.id)}: ${words.work[entry.work]}`;
    case 'decision':
      return words.decision(text.operations[entry.operation] ?? entry.operation, entry.subject);
  }
}

function detailOf(entry: Entry): string {
  switch (entry.kind) {
    case 'flag':
      return entry.reason;
    case 'work':
      return [words.workFor(entry.cause, entry.attempts), entry.last_error ?? ''].join(' ').trim();
    case 'decision':
      return entry.waits_for_approval ? words.waits : '';
  }
}

/** One band for each keystore, coloured by its flag from change to change; a mark for each decision. */
function Bands({
  entries,
  nameOf,
}: {
  readonly entries: readonly Entry[];
  readonly nameOf: (keystore: string) => string;
}) {
  const { lanes, decisions, from, to } = lanesOf(entries, Date.now());
  const across = (at: number) => `${((at - from) / Math.max(1, to - from)) * 100}%`;
  return (
    <div className="bands" role="img" aria-label={words.summary(lanes.length, momentOf(new Date(from).toISOString()))}>
      <div className="bands__lane">
        <span className="bands__name">{words.decisions}</span>
        <div className="bands__band bands__band--decisions">
          {decisions.map(({ id, at, operation, subject }) => (
            <span
              key={id}
              className="bands__decision"
              style={{ insetInlineStart: across(at) }}
              title={`${words.decision(text.operations[operation] ?? operation, subject)}, ${momentOf(new Date(at).toISOString())}`}
            />
          ))}
        </div>
      </div>
      {lanes.map((lane) => (
        <div key={lane.keystore} className="bands__lane">
          <span className="bands__name">{nameOf(lane.keystore)}</span>
          <div className="bands__band">
            {lane.spans.map((span) => (
              <span
                key={span.from}
                className={`bands__span bands__span--${span.flag}`}
                style={{
                  insetInlineStart: across(span.from),
                  inlineSize: `calc(${across(from + span.to - span.from)} + 1px)`,
                }}
                title={`${text.words.flags[span.flag]}: ${span.reason} ${momentOf(new Date(span.from).toISOString())}`}
              />
            ))}
          </div>
        </div>
      ))}
      <div className="bands__axis quiet">
        <span>{momentOf(new Date(from).toISOString())}</span>
        <span>{words.now}</span>
      </div>
      <p className="bands__legend">
        {(['ok', 'out_of_sync', 'error', 'verifying_sync'] as const).map((flag) => (
          <span key={flag}>
            <span className={`bands__swatch bands__span--${flag}`} />
            {text.words.flags[flag]}
          </span>
        ))}
      </p>
    </div>
  );
}
