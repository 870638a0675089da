import { Tag } from '@carbon/react';
import { Link } from 'react-router';
import { send } from '../api/client.ts';
import { usePage } from '../api/queries.ts';
import { Card } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.upcoming;

/** What schedules will do to keys. */
export function UpcomingChanges() {
  const page = usePage(['upcoming_changes'], (signal) =>
    send('GET', '/upcoming_changes', { query: { limit: 10, sort: ['due_at'] }, signal }),
  );
  const changes = page.data?.upcoming_changes ?? [];
  return (
    <Card title={words.title(page.data?.total_count ?? 0)} width="third">
      {page.error === null ? undefined : <RefusalNotice error={page.error} retry={() => void page.refetch()} />}
      {page.data !== undefined && changes.length === 0 ? <p className="quiet">{words.none}</p> : undefined}
      <ul className="rows">
        {changes.map(({ key, action, due_at: due, overdue, last_error: error }) => (
          <li key={`${key.id} ${action}`}>
            <span className="tags">
              <Link to={`/managed-keys/${key.id}`}>{key.label}</Link>
              <span>{words.actions[action]}</span>
              <Tag size="sm" type={overdue ? 'red' : 'blue'} title={momentOf(due)}>
                {fromNow(due)}
              </Tag>
            </span>
            {error === undefined ? undefined : <p className="quiet">{error}</p>}
          </li>
        ))}
      </ul>
    </Card>
  );
}
