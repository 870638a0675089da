import { Loading } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useOne, useTemplates } from '../api/queries.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';
import { AssociatedResources } from './AssociatedResources.tsx';
import { AlignmentTag, KeyFlags, StateTag } from './flags.tsx';
import { GeneralCard } from './GeneralCard.tsx';
import { History } from './History.tsx';
import { realignRefused, useKeyActions } from './KeyActions.tsx';
import { LifecycleCard } from './LifecycleCard.tsx';
import { MaterialCard } from './MaterialCard.tsx';
import { TargetKeystores } from './TargetKeystores.tsx';
import { Versions } from './Versions.tsx';

const words = text.keys.details;

/** Which card is being edited: one at a time, so that one answer belongs to one question. */
export type Editing = 'general' | 'lifecycle' | 'keystores' | undefined;

export interface CardOfKey {
  readonly shown: Answer<WireManagedKey>;
  readonly editing: Editing;
  readonly edit: (card: Editing) => void;
  /** Why the user may not edit it; undefined when they may. */
  readonly refused: string | undefined;
}

export function KeyPage() {
  const { id = '' } = useParams();
  const {
    data: shown,
    error,
    refetch,
    isPending,
  } = useOne(['managed_keys', id], (signal) => send('GET', '/managed_keys/{id}', { id, signal }));
  if (isPending) return <Loading description={text.shell.loading} withOverlay={false} className="centered" />;
  if (shown === undefined) {
    return (
      <Page title={text.pages.keys} above={[{ name: text.pages.keys, to: '/managed-keys' }]}>
        <RefusalNotice error={error} retry={() => void refetch()} />
      </Page>
    );
  }
  return <KeyDetails key={id} shown={shown} />;
}

function KeyDetails({ shown }: { readonly shown: Answer<WireManagedKey> }) {
  const managed = shown.body;
  const caller = useCaller();
  const navigate = useNavigate();
  const [editing, edit] = useState<Editing>();
  const archived = new Set(
    useTemplates({ 'vault.id': managed.vault?.id, state: 'archived' }).data?.map((template) => template.id ?? ''),
  );
  const { actionsOf, open, dialog } = useKeyActions(caller, archived);
  const vaultId = managed.vault?.id;
  const gone = managed.state === 'destroyed' || managed.state === 'destroyed_compromised';
  const refused = gone ? words.destroyed : refusal(caller, 'edit_key', vaultId);
  const card: CardOfKey = { shown, editing, edit, refused: editing === undefined ? refused : words.oneAtATime };
  const out = managed.status_in_keystores.filter(({ keystore_sync_flag: flag }) => flag === 'out_of_sync');
  const listRefused = refusal(caller, 'list', vaultId);
  const syncRefused = refusal(caller, 'align_key', vaultId);
  const unaligned = managed.template?.alignment_status === 'unaligned' && !gone;
  const cannotRealign = realignRefused(managed, archived) ?? syncRefused;
  return (
    <Page
      title={managed.label}
      above={[{ name: text.pages.keys, to: '/managed-keys' }]}
      beside={
        <span className="tags">
          <StateTag state={managed.state} />
          <KeyFlags statuses={managed.status_in_keystores} />
          {unaligned ? <AlignmentTag status="unaligned" reason={text.keys.unalignedWhy} /> : undefined}
        </span>
      }
      actions={<ActionsMenu of={managed.label} labelled actions={actionsOf(managed, shown)} />}
    >
      {out.length === 0 ? undefined : (
        <Notice
          kind="warning"
          title={words.outOfSync}
          action={
            syncRefused === undefined
              ? { name: text.keys.commands.syncKeys, run: () => open('sync', managed, shown) }
              : undefined
          }
        >
          {words.outOfSyncIn(out.map(({ keystore }) => keystore?.name ?? ''))} {syncRefused}
        </Notice>
      )}
      {unaligned ? (
        <Notice
          kind="info"
          title={text.words.unaligned}
          action={
            cannotRealign === undefined
              ? {
                  name: text.keys.commands.realign,
                  run: () => void navigate(`/managed-keys/${managed.id ?? ''}/realign`),
                }
              : undefined
          }
        >
          {text.keys.unalignedWhy} {cannotRealign}
        </Notice>
      ) : undefined}
      <div className="cards">
        <GeneralCard {...card} />
        <LifecycleCard {...card} />
        <MaterialCard managed={managed} />
        <TargetKeystores {...card} />
        <History managed={managed} />
        <Versions managed={managed} refused={listRefused} />
        <AssociatedResources
          list={['managed_keys', managed.id ?? '']}
          refused={listRefused}
          read={(query, signal) =>
            send('GET', '/managed_keys/{id}/associated_resources', { id: managed.id ?? '', query, signal })
          }
        />
      </div>
      {dialog}
    </Page>
  );
}
