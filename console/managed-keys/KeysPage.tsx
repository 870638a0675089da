import { Button } from '@carbon/react';
import { Add, Filter } from '@carbon/react/icons';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import type { QueryValue } from '../api/client.ts';
import { asked, useKeystores, usePage, useVaults } from '../api/queries.ts';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Offered } from '../shell/Offered.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { ActiveFilters, FilterPanel } from '../tables/Filters.tsx';
import { ListTable } from '../tables/ListTable.tsx';
import { SearchBox } from '../tables/SearchBox.tsx';
import { useListState } from '../tables/list-state.ts';
import type { ListState } from '../tables/list-state.ts';
import { text } from '../text/text.ts';
import { KEY_COLUMNS } from './columns.tsx';
import { ANY_STATE, KEY_FILTER_NAMES, keyFilters, USUAL_STATES } from './filters.ts';
import { useArchivedTemplates, useKeyActions } from './KeyActions.tsx';
import { VerifyDialog } from './VerifyDialog.tsx';

/** What the address asks for. Without a word about states, the usual ones are shown. */
function queryOf(state: ListState, offset: number): Readonly<Record<string, QueryValue>> {
  const query: Record<string, QueryValue> = { limit: state.limit, offset, sort: state.sort?.split(',') };
  for (const name of KEY_FILTER_NAMES) {
    const value = state.all.get(name);
    if (value !== null) query[name] = LISTS.has(name) ? state.get(name) : value;
  }
  const states = state.get('state');
  if (states.includes(ANY_STATE)) delete query['state'];
  else if (states.length === 0) query['state'] = USUAL_STATES;
  return query;
}
/** In lists that are longer, a page is too much work to be asked for before anybody wants it. */
const AHEAD = 2000;
const LISTS: ReadonlySet<string> = new Set(['state', 'algorithm', 'vault.id', 'size', 'template.id']);

const readKeys = (query: Readonly<Record<string, QueryValue>>) => (signal: AbortSignal) =>
  send('GET', '/managed_keys', { query, signal });

export function KeysPage() {
  const state = useListState();
  const caller = useCaller();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const query = queryOf(state, state.offset);
  const page = usePage(['managed_keys', query], readKeys(query), {
    enabled: refusal(caller, 'list') === undefined,
  });
  const vaults = useVaults();
  const { data: keystores } = useKeystores();
  const [filtering, setFiltering] = useState(false);
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const [bulk, setBulk] = useState<{ readonly sync: boolean; readonly keys: readonly WireManagedKey[] } | undefined>();
  const { actionsOf, dialog } = useKeyActions(caller, useArchivedTemplates());
  const fields = keyFilters(vaults, keystores ?? []);
  const total = page.data?.total_count ?? 0;

  useEffect(() => {
    // The next page is there before it is asked for.
    const next = state.offset + state.limit;
    if (next >= total || total > AHEAD || page.isFetching) return;
    const ahead = queryOf(state, next);
    const read = readKeys(ahead);
    queries
      .query({
        queryKey: ['managed_keys', ahead],
        queryFn: async ({ signal }) => (await read(signal)).body,
      })
      .catch(() => undefined);
  }, [queries, state, total, page.isFetching]);

  const keys = page.data?.managed_keys ?? [];
  const picked = keys.filter(({ id }) => chosen.has(id ?? ''));
  const usual = state.get('state').length === 0;
  // The panel shows what is asked for, whether the address or the page says so.
  const panel: ListState = usual
    ? {
        ...state,
        get: (name) => (name === 'state' ? USUAL_STATES : state.get(name)),
        set: (patch) => {
          state.set('state' in patch && patch['state']?.length === 0 ? { ...patch, state: ANY_STATE } : patch);
        },
      }
    : {
        ...state,
        get: (name) => (name === 'state' ? state.get(name).filter((each) => each !== ANY_STATE) : state.get(name)),
        set: (patch) => {
          state.set('state' in patch && patch['state']?.length === 0 ? { ...patch, state: ANY_STATE } : patch);
        },
      };
  return (
    <Page
      title={text.pages.keys}
      actions={
        <Offered refused={refusal(caller, 'create_key')}>
          {(disabled) => (
            <Button renderIcon={Add} disabled={disabled} onClick={() => void navigate('/managed-keys/create')}>
              {text.keys.create.button}
            </Button>
          )}
        </Offered>
      }
    >
      <ListTable
        table="managed-keys"
        caption={text.pages.keys}
        columns={KEY_COLUMNS}
        asked={asked(page, ({ managed_keys: rows }) => rows)}
        refused={refusal(caller, 'list')}
        state={state}
        idOf={({ id }) => id ?? ''}
        nameOf={({ label }) => label}
        actions={(key) => <ActionsMenu of={key.label} actions={actionsOf(key)} />}
        toolbar={
          <>
            <SearchBox state={state} name="label" label={text.keys.search} />
            <Button
              kind="ghost"
              size="md"
              hasIconOnly
              renderIcon={Filter}
              iconDescription={filtering ? text.table.hideFilters : text.table.showFilters}
              tooltipPosition="bottom"
              aria-expanded={filtering}
              onClick={() => {
                setFiltering(!filtering);
              }}
            />
          </>
        }
        below={
          <>
            {filtering ? <FilterPanel fields={fields} state={panel} /> : undefined}
            {usual && !filtering ? <p className="quiet list__hint">{text.keys.usualStates}</p> : undefined}
            <ActiveFilters names={KEY_FILTER_NAMES.filter((name) => name !== 'label')} fields={fields} state={state} />
          </>
        }
        empty={
          <>
            <p>{total === 0 && state.all.size === 0 ? text.keys.none : text.table.emptyFiltered}</p>
            {usual ? (
              <Button
                kind="tertiary"
                size="sm"
                onClick={() => {
                  state.set({ state: ANY_STATE });
                }}
              >
                {text.keys.showAllStates}
              </Button>
            ) : undefined}
          </>
        }
        selection={{
          chosen,
          choose,
          batch: (
            <>
              <Button
                size="sm"
                kind="tertiary"
                onClick={() => {
                  setBulk({ sync: false, keys: picked });
                }}
              >
                {text.keys.commands.verify}
              </Button>
              <Offered refused={refusal(caller, 'align_key')}>
                {(disabled) => (
                  <Button
                    size="sm"
                    kind="tertiary"
                    disabled={disabled}
                    onClick={() => {
                      setBulk({ sync: true, keys: picked });
                    }}
                  >
                    {text.keys.commands.syncKeys}
                  </Button>
                )}
              </Offered>
            </>
          ),
        }}
      />
      {dialog}
      {bulk === undefined ? undefined : (
        <VerifyDialog
          keys={bulk.keys}
          sync={bulk.sync}
          onClose={() => {
            setBulk(undefined);
          }}
        />
      )}
    </Page>
  );
}
