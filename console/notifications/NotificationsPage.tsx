import { Button, Tag } from '@carbon/react';
import { Add } from '@carbon/react/icons';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import type { WireSubscription } from '../../lib/wire/notifications.ts';
import { send } from '../api/client.ts';
import { asked, usePage, useReadAgain, useVaults } from '../api/queries.ts';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import { Reasoned } from '../managed-keys/flags.tsx';
import { Notice } from '../notices/Notice.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Offered } from '../shell/Offered.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { FilterPanel } from '../tables/Filters.tsx';
import { ListTable } from '../tables/ListTable.tsx';
import type { Column } from '../tables/ListTable.tsx';
import { queryFrom, useListState } from '../tables/list-state.ts';
import { fromNow } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.notifications;

const COLUMNS: readonly Column<WireSubscription>[] = [
  {
    id: 'name',
    header: words.columns.name,
    sort: 'name',
    cell: ({ id, name }) => (
      <Link to={`/notifications/${id}/edit`} className="list__name">
        {name}
      </Link>
    ),
  },
  { id: 'type', header: words.columns.type, sort: 'type', cell: ({ type }) => words.types[type] },
  {
    id: 'to',
    header: words.columns.to,
    cell: ({ url, topic_arn: topic }) => <code className="wrap">{url ?? topic}</code>,
  },
  {
    id: 'state',
    header: words.columns.state,
    sort: 'state',
    cell: ({ state }) => <Tag type={state === 'enabled' ? 'green' : 'gray'}>{words.states[state]}</Tag>,
  },
  {
    id: 'flags',
    header: words.columns.flags,
    cell: ({ flags, announcements }) =>
      [...flags.map((flag) => text.words.flags[flag]), ...(announcements ? [words.announcements] : [])].join(', '),
  },
  { id: 'vault', header: words.columns.vault, cell: ({ vault }) => vault.name },
  {
    id: 'last',
    header: words.columns.last,
    cell: ({ last_delivery: last }) =>
      last === undefined ? (
        text.dates.never
      ) : (
        <Reasoned reason={last.error ?? words.taken}>
          <Tag as="span" type={last.taken ? 'green' : 'red'}>
            {fromNow(last.at)}
          </Tag>
        </Reasoned>
      ),
  },
];

/** Who is told when keys drift. */
export function NotificationsPage() {
  const state = useListState();
  const caller = useCaller();
  const navigate = useNavigate();
  const readAgain = useReadAgain();
  const vaults = useVaults();
  const refused = refusal(caller, 'list');
  const query = queryFrom(state, ['vault.id', 'type']);
  const page = usePage(
    ['notification_subscriptions', query],
    (signal) => send('GET', '/notification_subscriptions', { query, signal }),
    { enabled: refused === undefined },
  );
  const [removing, remove] = useState<WireSubscription | undefined>();
  const [told, tell] = useState<
    | { readonly name: string; readonly taken: boolean; readonly error?: string | undefined }
    | { readonly refused: unknown }
  >();
  const act = async (work: () => Promise<void>) => {
    tell(undefined);
    try {
      await work();
      await readAgain();
    } catch (error) {
      tell({ refused: error });
    }
  };
  const test = (subscription: WireSubscription) =>
    act(async () => {
      const { body } = await send('POST', '/notification_subscriptions/{id}/test', { id: subscription.id });
      tell({ name: subscription.name, ...body });
    });
  const switched = ({ id, state: now }: WireSubscription) =>
    act(async () => {
      const { etag } = await send('GET', '/notification_subscriptions/{id}', { id });
      const body = { state: now === 'enabled' ? ('disabled' as const) : ('enabled' as const) };
      await send('PATCH', '/notification_subscriptions/{id}', { id, body, ifMatch: etag });
    });
  return (
    <Page
      title={text.pages.notifications}
      lead={words.lead}
      actions={
        <Offered refused={refusal(caller, 'write_subscription')}>
          {(disabled) => (
            <Button renderIcon={Add} disabled={disabled} onClick={() => void navigate('/notifications/create')}>
              {words.create}
            </Button>
          )}
        </Offered>
      }
    >
      <div aria-live="polite">
        {told === undefined ? undefined : 'refused' in told ? (
          <RefusalNotice error={told.refused} />
        ) : (
          <Notice kind={told.taken ? 'success' : 'error'} title={words.tested(told.name, told.taken)}>
            {told.error}
          </Notice>
        )}
      </div>
      <ListTable
        table="notifications"
        caption={text.pages.notifications}
        columns={COLUMNS}
        asked={asked(page, ({ notification_subscriptions: rows }) => rows)}
        state={state}
        refused={refused}
        idOf={({ id }) => id}
        nameOf={({ name }) => name}
        empty={<p>{words.none}</p>}
        below={
          vaults.length < 2 ? undefined : (
            <FilterPanel
              fields={[
                {
                  kind: 'some',
                  name: 'vault.id',
                  label: words.columns.vault,
                  options: vaults.map(({ id, name }) => ({ value: id ?? '', name })),
                },
              ]}
              state={state}
            />
          )
        }
        actions={(subscription) => {
          const write = refusal(caller, 'write_subscription', subscription.vault.id);
          return (
            <ActionsMenu
              of={subscription.name}
              actions={[
                {
                  name: words.edit,
                  refused: write,
                  run: () => void navigate(`/notifications/${subscription.id}/edit`),
                },
                { name: words.test, refused: write, run: () => void test(subscription) },
                {
                  name: subscription.state === 'enabled' ? words.off : words.on,
                  refused: write,
                  run: () => void switched(subscription),
                },
                { name: words.remove, refused: write, danger: true, run: () => remove(subscription) },
              ]}
            />
          );
        }}
      />
      {removing === undefined ? undefined : (
        <ChangeDialog
          heading={words.removeOf(removing.name)}
          confirm={words.remove}
          danger
          withoutPlan
          typeName={removing.name}
          read={() => send('GET', '/notification_subscriptions/{id}', { id: removing.id })}
          run={(how) => send('DELETE', '/notification_subscriptions/{id}', { id: removing.id, ifMatch: how.ifMatch })}
          onClose={() => remove(undefined)}
        />
      )}
    </Page>
  );
}
