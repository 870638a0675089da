import { Button, Tag } from '@carbon/react';
import { Add } from '@carbon/react/icons';
import { Link, useNavigate } from 'react-router';
import type { WireTemplate } from '../../lib/wire/templates.ts';
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
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { useTemplateActions } from './TemplateActions.tsx';

const words = text.templates;
const options = (names: Readonly<Record<string, string>>) =>
  Object.entries(names).map(([value, name]) => ({ value, name }));

const COLUMNS: readonly Column<WireTemplate>[] = [
  {
    id: 'name',
    header: words.columns.name,
    sort: 'name',
    cell: (template) => (
      <Link to={`/key-templates/${template.id ?? ''}`} className="list__name">
        {template.name}
      </Link>
    ),
  },
  {
    id: 'state',
    header: words.columns.state,
    sort: 'state',
    cell: ({ state }) => <Tag type={state === 'archived' ? 'gray' : 'green'}>{text.words.templateStates[state]}</Tag>,
  },
  {
    id: 'type',
    header: words.columns.type,
    cell: ({ type }) => type.map((each) => text.words.templateTypes[each]).join(', '),
  },
  { id: 'vault', header: words.columns.vault, sort: 'vault.id', cell: ({ vault }) => vault?.name },
  {
    id: 'key',
    header: words.columns.key,
    sort: 'key.algorithm',
    cell: ({ key }) => `${text.words.algorithms[key.algorithm]} ${key.size}`,
  },
  {
    id: 'keystores',
    header: words.columns.keystores,
    cell: ({ keystores }) => (keystores[0] === undefined ? undefined : text.words.keystoreTypes[keystores[0].type]),
  },
  {
    id: 'groups',
    header: words.columns.groups,
    cell: ({ keystores }) => keystores.map(({ group }) => group).join(', '),
  },
  { id: 'keys_count', header: words.columns.keys, sort: 'keys_count', cell: ({ keys_count: count }) => count },
  {
    id: 'naming_scheme',
    header: words.columns.scheme,
    hidden: true,
    cell: ({ naming_scheme: scheme }) => <code>{scheme}</code>,
  },
  { id: 'version', header: words.columns.version, hidden: true, cell: ({ version }) => version },
  { id: 'updated_at', header: words.columns.updated, sort: 'updated_at', cell: ({ updated_at: at }) => momentOf(at) },
];
const NAMES = [
  'name',
  'naming_scheme',
  'vault.id',
  'key.algorithm',
  'key.size',
  'key.size_min',
  'key.size_max',
  'keystores[].type',
  'keystores[].group',
  'created_at_min',
  'created_at_max',
  'updated_at_min',
  'updated_at_max',
  'type[]',
  'state',
] as const;

export function TemplatesPage() {
  const state = useListState();
  const caller = useCaller();
  const navigate = useNavigate();
  const query = queryFrom(state, NAMES);
  const page = usePage(['templates', query], (signal) => send('GET', '/templates', { query, signal }), {
    enabled: refusal(caller, 'list') === undefined,
  });
  const { actionsOf, dialog } = useTemplateActions(caller);
  const fields: readonly FilterField[] = [
    { kind: 'some', name: 'state', label: words.columns.state, options: options(text.words.templateStates) },
    { kind: 'some', name: 'type[]', label: words.columns.type, options: options(text.words.templateTypes) },
    {
      kind: 'some',
      name: 'vault.id',
      label: words.columns.vault,
      options: useVaults().map(({ id, name }) => ({ value: id ?? '', name })),
    },
    {
      kind: 'some',
      name: 'key.algorithm',
      label: text.keys.columns.algorithm,
      options: options(text.words.algorithms),
    },
    {
      kind: 'some',
      name: 'keystores[].type',
      label: words.columns.keystores,
      options: options(text.words.keystoreTypes),
    },
    { kind: 'text', name: 'keystores[].group', label: words.columns.groups },
    { kind: 'text', name: 'naming_scheme', label: words.schemeContains },
    { kind: 'number', name: 'key.size', label: text.keys.filters.sizeRange },
    { kind: 'days', name: 'created_at', label: text.keys.columns.created },
    { kind: 'days', name: 'updated_at', label: words.columns.updated },
  ];
  return (
    <Page
      title={text.pages.templates}
      actions={
        <Offered refused={refusal(caller, 'write_template')}>
          {(disabled) => (
            <Button renderIcon={Add} disabled={disabled} onClick={() => void navigate('/key-templates/create')}>
              {words.create}
            </Button>
          )}
        </Offered>
      }
    >
      <FilteredTable
        table="templates"
        caption={text.pages.templates}
        columns={COLUMNS}
        asked={asked(page, ({ templates }) => templates)}
        refused={refusal(caller, 'list')}
        state={state}
        idOf={({ id }) => id ?? ''}
        nameOf={({ name }) => name ?? ''}
        search={{ name: 'name', label: text.keys.search }}
        fields={fields}
        actions={(template) => <ActionsMenu of={template.name ?? ''} actions={actionsOf(template)} />}
      />
      {dialog}
    </Page>
  );
}
