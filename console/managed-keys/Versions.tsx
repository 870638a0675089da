import { Table, TableBody, TableCell, TableHead, TableHeader, TableRow } from '@carbon/react';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import { usePage } from '../api/queries.ts';
import { Card } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { KeyFlags, StateTag } from './flags.tsx';

/** Every version of the key. */
export function Versions({
  managed,
  refused,
}: {
  readonly managed: WireManagedKey;
  readonly refused: string | undefined;
}) {
  const id = managed.id ?? '';
  const page = usePage(
    ['managed_keys', id, 'versions'],
    (signal) => send('GET', '/managed_keys/{id}/versions', { id, query: { limit: 100, sort: ['-version'] }, signal }),
    { enabled: refused === undefined },
  );
  const words = text.keys.columns;
  return (
    <Card title={text.keys.details.versions}>
      {refused === undefined ? undefined : <p className="quiet">{refused}</p>}
      {page.error === null ? undefined : <RefusalNotice error={page.error} retry={() => void page.refetch()} />}
      <div
        className="list__scroll"
        role="region"
        tabIndex={0}
        aria-label={text.table.scroll(text.keys.details.versions)}
      >
        <Table size="md" aria-label={text.keys.details.versions} className="list__table">
          <TableHead>
            <TableRow>
              <TableHeader>{words.version}</TableHeader>
              <TableHeader>{words.state}</TableHeader>
              <TableHeader>{words.created}</TableHeader>
              <TableHeader>{words.rotated}</TableHeader>
            </TableRow>
          </TableHead>
          <TableBody>
            {(page.data?.managed_keys ?? []).map((version) => (
              <TableRow key={version.version}>
                <TableCell>{version.version}</TableCell>
                <TableCell>
                  <span className="tags">
                    <StateTag state={version.state} />
                    <KeyFlags statuses={version.status_in_keystores} />
                  </span>
                </TableCell>
                <TableCell>{momentOf(version.created_at)}</TableCell>
                <TableCell>{momentOf(version.rotated_at)}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </div>
    </Card>
  );
}
