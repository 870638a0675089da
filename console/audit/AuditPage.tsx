import {
  Button,
  InlineLoading,
  Select,
  SelectItem,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableHeader,
  TableRow,
  Tag,
} from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useQuery } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import { useSearchParams } from 'react-router';
import { send } from '../api/client.ts';
import { useVaults } from '../api/queries.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { eventsFrom } from './event.ts';
import type { AuditEvent } from './event.ts';

const words = text.audit;
const PAGE = 50;
/** The trail of what belongs to no vault. */
const NO_VAULT = '-';
const SEVERITY = { normal: 'gray', warning: 'magenta', critical: 'red' } as const;
const OUTCOME = { success: 'green', refused: 'magenta', failed: 'red' } as const;

/** Who did what, and the proof that none of it was altered. */
export function AuditPage() {
  const caller = useCaller();
  const vaults = useVaults();
  const [parameters, setParameters] = useSearchParams();
  const vaultId = parameters.get('vault.id') ?? vaults[0]?.id;
  const refused = refusal(caller, 'read_audit', vaultId === NO_VAULT ? undefined : vaultId);
  return (
    <Page title={text.pages.audit} lead={words.lead}>
      {refused !== undefined ? (
        <Notice kind="info" title={words.notOffered}>
          {refused}
        </Notice>
      ) : vaultId === undefined ? (
        <p className="quiet">{words.noVaults}</p>
      ) : (
        <>
          <div className="toolbar">
            <Select
              id="audit-vault"
              labelText={words.trailOf}
              size="md"
              value={vaultId}
              onChange={(event) => setParameters({ 'vault.id': event.target.value })}
            >
              {vaults.map(({ id, name }) => (
                <SelectItem key={id} value={id} text={name} />
              ))}
              <SelectItem value={NO_VAULT} text={words.withoutVault} />
            </Select>
          </div>
          <Trail key={vaultId} vaultId={vaultId} />
        </>
      )}
    </Page>
  );
}

function Trail({ vaultId }: { readonly vaultId: string }) {
  const report = useQuery({
    queryKey: ['audit', 'verify', vaultId],
    staleTime: Infinity,
    queryFn: async ({ signal }) =>
      (await send('GET', '/audit/verify', { query: { 'vault.id': vaultId }, signal })).body.trails[0],
  });
  const total = report.data?.events ?? 0;
  const [last, setLast] = useState<number | undefined>();
  const until = last ?? total;
  const after = Math.max(0, until - PAGE);
  const events = useQuery({
    queryKey: ['audit', 'events', vaultId, after, until],
    enabled: report.data !== undefined && total > 0,
    queryFn: async ({ signal }) =>
      eventsFrom(
        (
          await send('GET', '/audit/events', {
            query: { 'vault.id': vaultId, after, limit: Math.max(1, until - after) },
            signal,
          })
        ).body,
      ),
  });
  return (
    <>
      <div aria-live="polite">
        {report.isPending || report.isRefetching ? <InlineLoading description={words.verifying} /> : undefined}
        {report.data === undefined || report.isRefetching ? undefined : report.data.intact ? (
          <Notice kind="success" title={words.intact(total)}>
            {words.head} <code>{report.data.head}</code>
          </Notice>
        ) : (
          <Notice
            kind="error"

            title={words.broken}
          >
            {report.data.broken}
          </Notice>
        )}
        {report.error === null ? undefined : <RefusalNotice error={report.error} retry={() => void report.refetch()} />}
      </div>
      <div className="toolbar">
        <Button kind="tertiary" size="md" onClick={() => void report.refetch()}>
          {words.verify}
        </Button>
        <Button
          kind="ghost"
          size="md"
          disabled={events.data === undefined}
          onClick={() => download(`audit-${vaultId}-${after + 1}-${until}.jsonl`, events.data ?? [])}
        >
          {words.download}
        </Button>
      </div>
      {events.error === null ? undefined : <RefusalNotice error={events.error} retry={() => void events.refetch()} />}
      {events.data === undefined ? undefined : <Events events={events.data.toReversed()} />}
      {total <= PAGE ? undefined : (
        <nav className="pager" aria-label={text.table.pages}>
          <span className="pager__range">{text.table.range(after + 1, until, total)}</span>
          <div className="pager__steps">
            <Button
              kind="ghost"
              size="md"
              disabled={until >= total}
              onClick={() => setLast(Math.min(total, until + PAGE))}
            >
              {words.newer}
            </Button>
            <Button kind="ghost" size="md" disabled={after === 0} onClick={() => setLast(after)}>
              {words.older}
            </Button>
          </div>
        </nav>
      )}
    </>
  );
}

function Events({ events }: { readonly events: readonly AuditEvent[] }) {
  const [open, setOpen] = useState<number | undefined>();
  return (
    <div className="list__scroll" role="region" tabIndex={0} aria-label={text.table.scroll(words.events)}>
      <Table size="md" aria-label={words.events} className="list__table">
        <TableHead>
          <TableRow>
            <TableHeader>{words.columns.at}</TableHeader>
            <TableHeader>{words.columns.who}</TableHeader>
            <TableHeader>{words.columns.what}</TableHeader>
            <TableHeader>{words.columns.outcome}</TableHeader>
            <TableHeader>{words.columns.severity}</TableHeader>
            <TableHeader>{words.columns.from}</TableHeader>
            <TableHeader>{words.columns.detail}</TableHeader>
          </TableRow>
        </TableHead>
        <TableBody>
          {events.map((event) => (
            <Fragment key={event.sequence}>
              <TableRow>
                <TableCell>{momentOf(event.at)}</TableCell>
                <TableCell>{event.subject}</TableCell>
                <TableCell>{text.operations[event.operation] ?? event.operation}</TableCell>
                <TableCell>
                  <Tag size="sm" type={OUTCOME[event.outcome]}>
                    {words.outcomes[event.outcome]} {event.status}
                  </Tag>
                </TableCell>
                <TableCell>
                  <Tag size="sm" type={SEVERITY[event.severity]}>
                    {words.severities[event.severity]}
                  </Tag>
                </TableCell>
                <TableCell>{event.source_ip ?? text.dates.never}</TableCell>
                <TableCell>
                  <Button
                    kind="ghost"
                    size="sm"
                    aria-expanded={open === event.sequence}
                    onClick={() => setOpen(open === event.sequence ? undefined : event.sequence)}
                  >
                    {words.show(event.sequence)}
                  </Button>
                </TableCell>
              </TableRow>
              {open === event.sequence ? (
                <TableRow>
                  <TableCell colSpan={7} className="wrap">
                    <pre className="event">{JSON.stringify(event, undefined, 2)}</pre>
                  </TableCell>
                </TableRow>
              ) : undefined}
            </Fragment>
          ))}
        </TableBody>
      </Table>
    </div>
  );
}

/** As the API has them: one event as JSON on each line. */
function download(name: string, events: readonly AuditEvent[]): void {
  const url = URL.createObjectURL(
    new Blob(
      events.map((event) => `${JSON.stringify(event)}\n`),
      { type: 'application/x-ndjson' },
    ),
  );
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
