import { Button } from '@carbon/react';
import { Add } from '@carbon/react/icons';
import { Link, useNavigate } from 'react-router';
import type { WireVault } from '../../lib/wire/vaults.ts';
import { send } from '../api/client.ts';
import { asked, usePage } from '../api/queries.ts';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Offered } from '../shell/Offered.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { FilteredTable } from '../tables/FilteredTable.tsx';
import type { Column } from '../tables/ListTable.tsx';
import { queryFrom, useListState } from '../tables/list-state.ts';
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { useVaultActions } from './VaultActions.tsx';

const words = text.vaults;

const COLUMNS: readonly Column<WireVault>[] = [
  {
    id: 'name',
    header: words.columns.name,
    sort: 'name',
    cell: (vault) => (
      <Link to={`/vaults/${vault.id ?? ''}`} className="list__name">
        {vault.name}
      </Link>
    ),
  },
  { id: 'description', header: words.columns.description, sort: 'description', cell: ({ description }) => description },
  { id: 'keys', header: text.pages.keys, cell: ({ keys_count: count }) => count },
  { id: 'templates', header: text.pages.templates, cell: ({ key_templates_count: count }) => count },
  { id: 'keystores', header: text.pages.keystores, cell: ({ keystores_count: count }) => count },
  {
    id: 'approval',
    header: words.columns.approval,
    cell: ({ approval_required_for: subjects = [] }) =>
      subjects.length === 0 ? text.shell.none : words.subjects(subjects.length),
  },
  { id: 'updated_at', header: words.columns.updated, sort: 'updated_at', cell: ({ updated_at: at }) => momentOf(at) },
];

export function VaultsPage() {
  const state = useListState();
  const caller = useCaller();
  const navigate = useNavigate();
  const query = queryFrom(state, ['name', 'description']);
  const page = usePage(['vaults', query], (signal) => send('GET', '/vaults', { query, signal }), {
    enabled: refusal(caller, 'list') === undefined,
  });
  const { actionsOf, dialog } = useVaultActions(caller);
  const mayCreate =
    caller.roles === undefined ||
    caller.roles.some(({ role, vaultId }) => role === 'vault_administrator' && vaultId === undefined);
  return (
    <Page
      title={text.pages.vaults}
      actions={
        <Offered refused={mayCreate ? undefined : (refusal(caller, 'write_vault') ?? words.notForAll)}>
          {(disabled) => (
            <Button renderIcon={Add} disabled={disabled} onClick={() => void navigate('/vaults/create')}>
              {words.create}
            </Button>
          )}
        </Offered>
      }
    >
      <FilteredTable
        table="vaults"
        caption={text.pages.vaults}
        columns={COLUMNS}
        asked={asked(page, ({ vaults }) => vaults)}
        refused={refusal(caller, 'list')}
        state={state}
        idOf={({ id }) => id ?? ''}
        nameOf={({ name }) => name}
        search={{ name: 'name', label: text.keys.search }}
        fields={[{ kind: 'text', name: 'description', label: words.columns.description }]}
        actions={(vault) => <ActionsMenu of={vault.name} actions={actionsOf(vault)} />}
      />
      {dialog}
    </Page>
  );
}
