import { Button, InlineLoading, Select, SelectItem, Tag } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useState } from 'react';
import { Link } from 'react-router';
import type { WireApproval } from '../../lib/wire/approvals.ts';
import { send } from '../api/client.ts';
import { asked, usePage, useReadAgain } from '../api/queries.ts';
import { Dialog } from '../changes/Dialog.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import type { Action, Caller } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { ListTable } from '../tables/ListTable.tsx';
import type { Column } from '../tables/ListTable.tsx';
import { queryFrom, useListState } from '../tables/list-state.ts';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.approvals;
const TAG = { pending: 'blue', approved: 'green', rejected: 'red', expired: 'gray' } as const;
const PAGES: Readonly<Record<string, string>> = { managed_key: 'managed-keys', keystore: 'keystores', vault: 'vaults' };

const COLUMNS: readonly Column<WireApproval>[] = [
  {
    id: 'summary',
    header: words.columns.what,
    cell: ({ summary, resource, operation }) => (
      <div className="wrap">
        <Link to={`/${PAGES[resource.type] ?? 'vaults'}/${resource.id}`}>
          {text.operations[operation] ?? operation}
        </Link>
        <p className="quiet">{summary}</p>
      </div>
    ),
  },
  {
    id: 'state',
    header: words.columns.state,
    sort: 'state',
    cell: ({ state }) => <Tag type={TAG[state]}>{text.words.approvalStates[state]}</Tag>,
  },
  { id: 'vault', header: words.columns.vault, cell: ({ vault }) => vault.name },
  {
    id: 'requested',
    header: words.columns.requested,
    sort: 'requested_at',
    cell: ({ requested_by: by, requested_at: at }) => text.keys.details.byWhom(momentOf(at), by),
  },
  {
    id: 'expires',
    header: words.columns.expires,
    sort: 'expires_at',
    cell: ({ expires_at: at, state }) => (state === 'pending' ? fromNow(at) : momentOf(at)),
  },
  {
    id: 'decided',
    header: words.columns.decided,
    cell: ({ decided_by: by, decided_at: at }) =>
      at === undefined ? text.dates.never : text.keys.details.byWhom(momentOf(at), by),
  },
];

/** What each operation takes: as the API judges whoever approves it. */
const NEEDS: Readonly<Record<string, readonly Action[]>> = {
  DestroyManagedKey: ['destroy_deactivated_key', 'destroy_pre_active_key'],
  UpdateManagedKeyFromTemplate: ['align_key'],
  UpdateManagedKey: ['edit_key'],
  DeleteKeystore: ['write_keystore'],
  UpdateVault: ['write_vault'],
};

function refusedFor(caller: Caller, approval: WireApproval): string | undefined {
  if (approval.state !== 'pending') return words.decided(text.words.approvalStates[approval.state]);
  const refusals = (NEEDS[approval.operation] ?? []).map((action) => refusal(caller, action, approval.vault.id));
  return refusals.length > 0 && refusals.every((each) => each !== undefined) ? refusals[0] : undefined;
}

/** Requests that wait, or waited, for a second person. */
export function ApprovalsPage() {
  const state = useListState();
  const caller = useCaller();
  const query = { ...queryFrom(state, ['vault.id']), state: state.all.get('state') ?? 'pending' };
  const shown = query.state === 'any' ? { ...query, state: undefined } : query;
  const page = usePage(['approvals', shown], (signal) => send('GET', '/approvals', { query: shown, signal }), {
    enabled: refusal(caller, 'list') === undefined,
  });
  const [deciding, decide] = useState<
    { readonly approval: WireApproval; readonly as: 'approve' | 'reject' } | undefined
  >();
  return (
    <Page title={text.pages.approvals} lead={words.lead}>
      <ListTable
        table="approvals"
        caption={text.pages.approvals}
        columns={COLUMNS}
        asked={asked(page, ({ approvals }) => approvals)}
        refused={refusal(caller, 'list')}
        state={state}
        idOf={({ id }) => id}
        nameOf={({ summary }) => summary}
        empty={<p>{query.state === 'pending' ? words.nothingWaits : text.table.emptyFiltered}</p>}
        toolbar={
          <Select
            id="approvals-state"
            size="md"
            inline
            labelText={words.columns.state}
            value={query.state}
            onChange={(event) => state.set({ state: event.target.value })}
          >
            {Object.entries(text.words.approvalStates).map(([value, name]) => (
              <SelectItem key={value} value={value} text={name} />
            ))}
            <SelectItem value="any" text={text.table.any} />
          </Select>
        }
        actions={(approval) => {
          const refused = refusedFor(caller, approval);
          const own = approval.requested_by === caller.subject ? words.own : undefined;
          return (
            <ActionsMenu
              of={approval.summary}
              actions={[
                { name: words.approve, refused: refused ?? own, run: () => decide({ approval, as: 'approve' }) },
                {
                  name: own === undefined ? words.reject : words.withdraw,
                  refused,
                  danger: true,
                  run: () => decide({ approval, as: 'reject' }),
                },
              ]}
            />
          );
        }}
      />
      {deciding === undefined ? undefined : <DecideDialog {...deciding} onClose={() => decide(undefined)} />}
    </Page>
  );
}

function DecideDialog(props: {
  readonly approval: WireApproval;
  readonly as: 'approve' | 'reject';
  readonly onClose: () => void;
}) {
  const { approval, as, onClose } = props;
  const readAgain = useReadAgain();
  const [step, setStep] = useState<'asked' | 'running' | 'done' | { readonly refused: unknown }>('asked');
  const run = async () => {
    setStep('running');
    try {
      await send('POST', `/approvals/{id}/${as}`, { id: approval.id, idempotencyKey: crypto.randomUUID() });
      setStep('done');
      await readAgain();
    } catch (refused) {
      setStep({ refused });
    }
  };
  return (
    <Dialog
      heading={as === 'approve' ? words.approveOf : words.rejectOf}
      danger={as === 'approve'}
      busy={step === 'running'}
      onClose={onClose}
      footer={
        <>
          <Button kind="secondary" disabled={step === 'running'} onClick={onClose} data-modal-primary-focus>
            {step === 'done' ? text.shell.close : text.shell.cancel}
          </Button>
          {step === 'done' ? undefined : (
            <Button
              kind={as === 'approve' ? 'danger' : 'primary'}
              disabled={step === 'running'}
              onClick={() => void run()}
            >
              {as === 'approve' ? words.approve : words.reject}
            </Button>
          )}
        </>
      }
    >
      <p className="dialog__lead">{approval.summary}</p>
      <p className="quiet">{as === 'approve' ? words.approveMeans : words.rejectMeans}</p>
      <div aria-live="polite">
        {step === 'running' ? <InlineLoading description={text.changes.running} /> : undefined}
        {step === 'done' ? (
          <Notice
            kind="success"

            title={as === 'approve' ? words.approved : words.rejected}
          />
        ) : undefined}
        {typeof step === 'object' ? <RefusalNotice error={step.refused} /> : undefined}
      </div>
    </Dialog>
  );
}
