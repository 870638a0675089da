import { Button } from '@carbon/react';
import { Add } from '@carbon/react/icons';
import { Link, useNavigate } from 'react-router';
import type { WireKeystore } from '../../lib/wire/keystores.ts';
import { send } from '../api/client.ts';
import { asked, usePage, useVaults } from '../api/queries.ts';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Offered } from '../shell/Offered.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { FilteredTable } from '../tables/FilteredTable.tsx';
import type { FilterField } from '../tables/Filters.tsx';
import type { Column } from '../tables/ListTable.tsx';
import { queryFrom, useListState } from '../tables/list-state.ts';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { HealthTag } from './HealthTag.tsx';
import { useKeystoreActions } from './KeystoreActions.tsx';

const words = text.keystores;
const options = (names: Readonly<Record<string, string>>) =>
  Object.entries(names).map(([value, name]) => ({ value, name }));

const COLUMNS: readonly Column<WireKeystore>[] = [
  {
    id: 'name',
    header: words.columns.name,
    sort: 'name',
    cell: (keystore) => (
      <Link to={`/keystores/${keystore.id ?? ''}`} className="list__name">
        {keystore.name}
      </Link>
    ),
  },
  { id: 'type', header: words.columns.type, sort: 'type', cell: ({ type }) => text.words.keystoreTypes[type] },
  { id: 'location', header: words.columns.location, sort: 'location', cell: ({ location }) => location },
  {
    id: 'health',
    header: words.columns.health,
    sort: 'status.health_status',
    cell: ({ status }) => <HealthTag status={status} />,
  },
  { id: 'heartbeat', header: words.columns.heartbeat, cell: ({ status }) => fromNow(status.last_heartbeat) },
  { id: 'groups', header: words.columns.groups, cell: ({ groups }) => groups.join(', ') },
  { id: 'vault', header: words.columns.vault, sort: 'vault.id', cell: ({ vault }) => vault?.name },
  {
    id: 'description',
    header: words.columns.description,
    hidden: true,
    sort: 'description',
    cell: ({ description }) => description,
  },
  {
    id: 'updated_at',
    header: words.columns.updated,
    hidden: true,
    sort: 'updated_at',
    cell: ({ updated_at: at }) => momentOf(at),
  },
];
const NAMES = [
  'name',
  'type',
  'description',
  'group',
  'groups[]',
  'vault.id',
  'location',
  'status.health_status',
] as const;

export function KeystoresPage() {
  const state = useListState();
  const caller = useCaller();
  const navigate = useNavigate();
  const query = queryFrom(state, NAMES);
  const page = usePage(['keystores', query], (signal) => send('GET', '/keystores', { query, signal }), {
    enabled: refusal(caller, 'list') === undefined,
  });
  const { actionsOf, dialog } = useKeystoreActions(caller);
  const fields: readonly FilterField[] = [
    { kind: 'some', name: 'type', label: words.columns.type, options: options(text.words.keystoreTypes) },
    { kind: 'some', name: 'status.health_status', label: words.columns.health, options: options(text.words.health) },
    {
      kind: 'some',
      name: 'vault.id',
      label: words.columns.vault,
      options: useVaults().map(({ id, name }) => ({ value: id ?? '', name })),
    },
    { kind: 'text', name: 'group', label: words.columns.groups },
    { kind: 'text', name: 'location', label: words.columns.location },
    { kind: 'text', name: 'description', label: words.columns.description },
  ];
  return (
    <Page
      title={text.pages.keystores}
      actions={
        <Offered refused={refusal(caller, 'write_keystore')}>
          {(disabled) => (
            <Button renderIcon={Add} disabled={disabled} onClick={() => void navigate('/keystores/connect')}>
              {words.connect}
            </Button>
          )}
        </Offered>
      }
    >
      <FilteredTable
        table="keystores"
        caption={text.pages.keystores}
        columns={COLUMNS}
        asked={asked(page, ({ keystores }) => keystores)}
        refused={refusal(caller, 'list')}
        state={state}
        idOf={({ id }) => id ?? ''}
        nameOf={({ name }) => name}
        search={{ name: 'name', label: text.keys.search }}
        fields={fields}
        actions={(keystore) => <ActionsMenu of={keystore.name} actions={actionsOf(keystore)} />}
      />
      {dialog}
    </Page>
  );
}
