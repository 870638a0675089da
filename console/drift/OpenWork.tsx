import { Button, InlineLoading, Tag } from '@carbon/react';
import { useState } from 'react';
import { Link } from 'react-router';
import { send } from '../api/client.ts';
import { useKeystores, usePage, useReadAgain } from '../api/queries.ts';
import { Card } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { fromNow } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.openWork;

/** Repairs and other work that keystores keep from being finished: when it is tried again, and what was given up. */
export function OpenWork() {
  const caller = useCaller();
  const readAgain = useReadAgain();
  const { data: keystores } = useKeystores();
  const page = usePage(['open_work'], (signal) =>
    send('GET', '/open_work', { query: { limit: 10, sort: ['due_at'] }, signal }),
  );
  const [redriving, setRedriving] = useState(false);
  const [error, setError] = useState<unknown>();
  const work = page.data?.open_work ?? [];
  const total = page.data?.total_count ?? 0;
  const givenUp = work.filter(({ state }) => state === 'given_up');
  const nameOf = (id: string) => keystores?.find((keystore) => keystore.id === id)?.name ?? id;
  const redrive = async () => {
    setRedriving(true);
    setError(undefined);
    try {
      for (const vault of new Set(givenUp.map((each) => each.vault.id))) {
        await send('POST', '/open_work/redrive', {
          body: { vault: { id: vault } },
          idempotencyKey: crypto.randomUUID(),
        });
      }
      await readAgain();
    } catch (refused) {
      setError(refused);
    } finally {
      setRedriving(false);
    }
  };
  return (
    <Card title={words.title(total)} width="third">
      {page.error === null ? undefined : <RefusalNotice error={page.error} retry={() => void page.refetch()} />}
      {error === undefined ? undefined : <RefusalNotice error={error} />}
      {page.data !== undefined && total === 0 ? <p className="quiet">{words.none}</p> : undefined}
      <ul className="rows">
        {work.map((each) => (
          <li key={`${each.key.id} ${each.keystore.id} ${each.key.version}`}>
            <p className="tags">
              <Link to={`/managed-keys/${each.key.id}`}>{each.key.label}</Link>
              <span>{words.in(nameOf(each.keystore.id))}</span>
              <Tag size="sm" type={each.state === 'given_up' ? 'red' : 'blue'}>
                {each.state === 'given_up'
                  ? words.givenUp
                  : Date.parse(each.due_at) < Date.now()
                    ? words.due
                    : words.next(fromNow(each.due_at))}
              </Tag>
            </p>
            <p className="quiet">
              {words.since(each.cause, fromNow(each.since), each.attempts)} {each.last_error}
            </p>
          </li>
        ))}
      </ul>
      {givenUp.length > 0 && refusal(caller, 'align_key') === undefined ? (
        redriving ? (
          <InlineLoading description={text.changes.running} />
        ) : (
          <Button kind="tertiary" size="sm" onClick={() => void redrive()}>
            {words.redrive}
          </Button>
        )
      ) : undefined}
    </Card>
  );
}
