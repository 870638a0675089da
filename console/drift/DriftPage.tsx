import { Button, SkeletonText, Tag } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { CheckmarkFilled } from '@carbon/react/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';
import type { WireDrift } from '../../lib/wire/history.ts';
import { send } from '../api/client.ts';
import { Card } from '../cards/Card.tsx';
import { HealthTag } from '../keystores/HealthTag.tsx';
import { FlagTag } from '../managed-keys/flags.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { OpenWork } from './OpenWork.tsx';
import { Trend } from './Trend.tsx';
import { UpcomingChanges } from './UpcomingChanges.tsx';

const words = text.drift;
const PERIODS = [1, 7, 30, 90] as const;
type Summary = NonNullable<WireDrift['summary']>;

/** The fleet at a glance: what is not as decided, where, why, since when, and what is being done about it. */
export function DriftPage() {
  const [parameters, setParameters] = useSearchParams();
  const days = PERIODS.find((each) => String(each) === parameters.get('days')) ?? 7;
  const refused = refusal(useCaller(), 'list');
  const drift = useInfiniteQuery({
    queryKey: ['drift', days],
    refetchInterval: 30_000,
    enabled: refused === undefined,
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      (
        await send('GET', '/drift', {
          query: {
            since: new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10),
            sort: '-at',
            limit: 20,
            after: pageParam,
          },
          signal,
        })
      ).body,
    getNextPageParam: ({ next }) =>
      next?.href === undefined ? undefined : (new URL(next.href).searchParams.get('after') ?? undefined),
  });
  const summary = drift.data?.pages[0]?.summary;
  const changes = drift.data?.pages.flatMap((page) => page.changes) ?? [];
  const names = new Map(summary?.keystores.map(({ id, name }) => [id, name]));
  return (
    <Page
      title={text.pages.drift}
      actions={
        <div className="periods" role="group" aria-label={words.period}>
          {PERIODS.map((each) => (
            <Button
              key={each}
              size="sm"
              kind={each === days ? 'secondary' : 'ghost'}
              aria-pressed={each === days}
              onClick={() => setParameters({ days: String(each) }, { replace: true })}
            >
              {words.days(each)}
            </Button>
          ))}
        </div>
      }
    >
      {drift.error === null ? undefined : <RefusalNotice error={drift.error} retry={() => void drift.refetch()} />}
      {refused === undefined ? undefined : (
        <Notice kind="info" title={text.table.notOffered}>
          {refused}
        </Notice>
      )}
      {drift.isPending && refused === undefined ? <SkeletonText paragraph lineCount={6} /> : undefined}
      {summary === undefined ? undefined : (
        <>
          <Glance summary={summary} />
          <div className="cards">
            <Card title={words.byKeystore} width="wide">
              <Keystores summary={summary} />
            </Card>
            <Card title={words.trend} width="third">
              <Trend days={everyDay(summary.trend, days)} />
              {summary.trend_complete ? undefined : <p className="quiet">{words.trendIncomplete}</p>}
            </Card>
            <OpenWork />
            <UpcomingChanges />
            <Card title={words.changes} width="wide">
              {changes.length === 0 ? <p className="quiet">{words.noChanges}</p> : undefined}
              <ol className="events">
                {changes.map((change) => (
                  <li key={change.id} className={`events__event events__event--${change.to.keystore_sync_flag}`}>
                    <div>
                      <p>
                        <Link to={`/managed-keys/${change.key.id}`}>
                          <strong>{change.key.label ?? change.key.id}</strong>
                        </Link>{' '}
                        {words.in(names.get(change.keystore.id) ?? change.keystore.id)}{' '}
                        <FlagTag flag={change.to.keystore_sync_flag} reason={change.reason} />{' '}
                        <time dateTime={change.at} className="quiet" title={momentOf(change.at)}>
                          {fromNow(change.at)}
                        </time>
                      </p>
                      <p className="quiet">{change.reason}</p>
                    </div>
                  </li>
                ))}
              </ol>
              {drift.hasNextPage ? (
                <Button
                  kind="ghost"
                  size="sm"
                  disabled={drift.isFetchingNextPage}
                  onClick={() => void drift.fetchNextPage()}
                >
                  {words.older}
                </Button>
              ) : undefined}
            </Card>
          </div>
        </>
      )}
    </Page>
  );
}

function Glance({ summary }: { readonly summary: Summary }) {
  const count = (flag: string) =>
    summary.keystores.reduce(
      (sum, { flags }) =>
        sum + flags.filter((each) => each.keystore_sync_flag === flag).reduce((all, each) => all + each.count, 0),
      0,
    );
  const heartbeats = summary.keystores.flatMap(({ last_heartbeat: at }) => (at === undefined ? [] : [at])).toSorted();
  const unwell = summary.keystores.filter(
    ({ health_status: health }) => health === 'not_responding' || health === 'configuration_error',
  ).length;
  const number = (value: number, name: string, to: string | undefined, bad: boolean) => (
    <li className={bad && value > 0 ? 'glance__number glance__number--bad' : 'glance__number'}>
      <strong>{`${summary.complete ? '' : '≥ '}${new Intl.NumberFormat(text.dates.locale).format(value)}`}</strong>
      {to === undefined ? <span>{name}</span> : <Link to={to}>{name}</Link>}
    </li>
  );
  const flagged = (flag: string) => `/managed-keys?state=any&status_in_keystores[].keystore_sync_flag=${flag}`;
  return (
    <>
      {summary.flagged === 0 ? (
        <Notice
          kind="success"

          title={words.allWell}
        >
          {words.allWellBody(summary.keystores.length)}
        </Notice>
      ) : undefined}
      <ul className="glance" aria-label={words.glance}>
        {number(count('out_of_sync'), text.words.flags.out_of_sync, flagged('out_of_sync'), true)}
        {number(count('error'), text.words.flags.error, flagged('error'), true)}
        {number(unwell, words.unwell, '/keystores?status.health_status=not_responding,configuration_error', true)}
        <li className="glance__number">
          <strong className="glance__when">{fromNow(heartbeats.at(-1))}</strong>
          <span>{words.lastSweep}</span>
        </li>
        <li className="glance__number">
          <strong className="glance__when">{fromNow(heartbeats[0])}</strong>
          <span>{words.oldestSweep}</span>
        </li>
      </ul>
    </>
  );
}

function Keystores({ summary }: { readonly summary: Summary }) {
  const worstFirst = summary.keystores.toSorted((a, b) => total(b) - total(a) || (a.name < b.name ? -1 : 1));
  // A single key must not look like a catastrophe.
  const most = Math.max(10, ...worstFirst.map(total));
  return (
    <ul className="fleet">
      {worstFirst.map((keystore) => (
        <li key={keystore.id} className="fleet__keystore">
          <div className="fleet__head">
            <Link to={`/keystores/${keystore.id}`}>
              <strong>{keystore.name}</strong>
            </Link>
            {keystore.health_status === 'ok' ? undefined : <HealthTag status={keystore} />}
            {keystore.flags.length === 0 && keystore.health_status === 'ok' ? (
              <Tag size="sm" type="green" renderIcon={CheckmarkFilled}>
                {text.words.flags.ok}
              </Tag>
            ) : undefined}
            <span className="quiet">{words.seen(fromNow(keystore.last_heartbeat))}</span>
          </div>
          {keystore.flags.length === 0 ? undefined : (
            <ul className="fleet__flags">
              {keystore.flags.map((flag) => (
                <li key={`${flag.status} ${flag.keystore_sync_flag_detail}`}>
                  <span
                    className={`fleet__bar bands__span--${flag.keystore_sync_flag}`}
                    style={{ inlineSize: `${(flag.count / most) * 100}%` }}
                  />
                  <Link
                    to={`/managed-keys?state=any&status_in_keystores[].keystore_sync_flag=${flag.keystore_sync_flag}&referenced_keystores[].name=${encodeURIComponent(keystore.name)}`}
                  >
                    {words.reason(
                      flag.count,
                      text.words.details[flag.keystore_sync_flag_detail],
                      text.words.statuses[flag.status],
                    )}
                  </Link>
                </li>
              ))}
            </ul>
          )}
        </li>
      ))}
    </ul>
  );
}

function total({ flags }: Summary['keystores'][number]): number {
  return flags.reduce((sum, { count }) => sum + count, 0);
}

/** With the days on which nothing happened, up to today. */
function everyDay(trend: Summary['trend'], days: number): Summary['trend'] {
  const known = new Map(trend.map((day) => [day.date, day]));
  return Array.from({ length: days + 1 }, (_, ago) => {
    const date = new Date(Date.now() - (days - ago) * 86_400_000).toISOString().slice(0, 10);
    return known.get(date) ?? { date, to_ok: 0, to_out_of_sync: 0, to_error: 0 };
  });
}
