import { Checkbox, CheckboxGroup } from '@carbon/react';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { usePage, useTemplates } from '../api/queries.ts';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import type { How } from '../changes/use-change.ts';
import type { MenuAction } from '../shell/ActionsMenu.tsx';
import type { Action, Caller } from '../sign-in/caller.ts';
import { refusal } from '../sign-in/caller.ts';
import { text } from '../text/text.ts';
import { VerifyDialog } from './VerifyDialog.tsx';

const words = text.keys;

type Command = 'activate' | 'deactivate' | 'destroy' | 'rotate' | 'remove' | 'sync' | 'verify';

interface Opened {
  readonly command: Command;
  readonly key: WireManagedKey;
  readonly shown: Answer<WireManagedKey> | undefined;
}

type State = WireManagedKey['state'];
const FROM: Record<'activate' | 'deactivate' | 'destroy' | 'rotate' | 'remove', readonly State[]> = {
  activate: ['pre_activation', 'deactivated'],
  deactivate: ['active'],
  destroy: ['pre_activation', 'deactivated'],
  rotate: ['active'],
  remove: ['destroyed', 'destroyed_compromised'],
};

/** Ids of the templates that are archived: their keys cannot be realigned. */
export function useArchivedTemplates(): ReadonlySet<string> {
  const { data } = useTemplates({ state: 'archived' });
  return new Set(data?.map(({ id }) => id ?? ''));
}

/** What can be done with a key, and the dialog of what is being done. `shown` has the ETag where the page shows a single key. */
export function useKeyActions(caller: Caller, archived: ReadonlySet<string>) {
  const [opened, setOpened] = useState<Opened | undefined>();
  const navigate = useNavigate();
  const open = (command: Command, key: WireManagedKey, shown?: Answer<WireManagedKey>) => {
    setOpened({ command, key, shown });
  };

  const actionsOf = (key: WireManagedKey, shown?: Answer<WireManagedKey>): MenuAction[] => {
    const { state } = key;
    const vaultId = key.vault?.id;
    const refusedBy = (action: Action) => refusal(caller, action, vaultId);
    const changes = (command: keyof typeof FROM, action: Action, why?: string): MenuAction => ({
      name: words.commands[command],
      danger: command === 'destroy' || command === 'remove',
      refused: FROM[command].includes(state)
        ? (refusedBy(action) ?? why)
        : words.notInState(
            text.words.states[state],
            FROM[command].map((each) => text.words.states[each]),
          ),
      run: () => {
        open(command, key, shown);
      },
    });
    return [
      ...(shown === undefined
        ? [{ name: words.commands.details, run: () => void navigate(`/managed-keys/${key.id ?? ''}`) }]
        : []),
      {
        name: words.commands.verify,
        refused: refusedBy('read'),
        run: () => {
          open('verify', key, shown);
        },
      },
      {
        name: words.commands.sync,
        refused: refusedBy('align_key'),
        run: () => {
          open('sync', key, shown);
        },
      },
      {
        name: words.commands.realign,
        refused: realignRefused(key, archived) ?? refusedBy('align_key'),
        run: () => void navigate(`/managed-keys/${key.id ?? ''}/realign`),
      },
      changes('rotate', 'create_key', key.is_rotatable === false ? words.notRotatable : undefined),
      changes('activate', 'change_key_state'),
      changes('deactivate', 'change_key_state'),
      changes('destroy', state === 'pre_activation' ? 'destroy_pre_active_key' : 'destroy_deactivated_key'),
      changes('remove', 'destroy_deactivated_key'),
    ];
  };

  const close = () => {
    setOpened(undefined);
  };
  const dialog =
    opened === undefined ? undefined : opened.command === 'verify' ? (
      <VerifyDialog keys={[opened.key]} onClose={close} />
    ) : opened.command === 'sync' ? (
      <SyncDialog managed={opened.key} shown={opened.shown} onClose={close} />
    ) : (
      <CommandDialog
        command={opened.command}
        managed={opened.key}
        shown={opened.shown}
        onClose={close}
        onRemoved={() => {
          close();
          void navigate('/managed-keys');
        }}
      />
    );
  return { actionsOf, open, dialog };
}

/** Why realigning is not offered, as a sentence; undefined when it is. */
export function realignRefused(key: WireManagedKey, archived: ReadonlySet<string>): string | undefined {
  if (archived.has(key.template?.id ?? '')) return words.realign.archived;
  if (!(['pre_activation', 'active', 'deactivated'] as readonly State[]).includes(key.state)) {
    return words.notInState(text.words.states[key.state], [text.words.states.active, text.words.states.deactivated]);
  }
  return key.template?.alignment_status === 'unaligned' ? undefined : words.realign.aligned;
}

/** The body answered by a command; a 204 has none. */
type Body = WireManagedKey | undefined;

function send204(id: string, how: How): Promise<Answer<Body>> {
  return send('DELETE', '/managed_keys/{id}', {
    id,
    query: { dry_run: how.dryRun || undefined },
    ifMatch: how.ifMatch,
  });
}

function CommandDialog(props: {
  readonly command: Exclude<Command, 'sync' | 'verify'>;
  readonly managed: WireManagedKey;
  readonly shown: Answer<WireManagedKey> | undefined;
  readonly onClose: () => void;
  readonly onRemoved: () => void;
}) {
  const { command, managed } = props;
  const id = managed.id ?? '';
  const danger = command === 'destroy' || command === 'remove';
  const run = (how: How): Promise<Answer<Body>> => {
    if (command === 'remove') return send204(id, how);
    return send('POST', `/managed_keys/{id}/${command}`, {
      id,
      query: { dry_run: how.dryRun || undefined },
      ifMatch: how.ifMatch,
      idempotencyKey: how.idempotencyKey,
    });
  };
  return (
    <ChangeDialog
      heading={words.ask[command](managed.label)}
      lead={words.lead[command]}
      confirm={words.commands[command]}
      danger={danger}
      typeName={danger ? managed.label : undefined}
      inputs={command === 'deactivate' ? <UsedBy id={id} /> : undefined}
      shown={props.shown}
      read={() => send('GET', '/managed_keys/{id}', { id })}
      run={run}
      onClose={props.onClose}
      onDone={() => {
        if (command === 'remove') props.onRemoved();
      }}
    />
  );
}

/** What uses the key: whoever disables it must have seen it. */
function UsedBy({ id }: { readonly id: string }) {
  const page = usePage(['managed_keys', id, 'associated_resources', 'used by'], (signal) =>
    send('GET', '/managed_keys/{id}/associated_resources', { id, query: { limit: 20 }, signal }),
  );
  const resources = page.data?.associated_resources ?? [];
  if (resources.length === 0) return undefined;
  return (
    <>
      <h3>{words.usedBy(page.data?.total_count ?? resources.length)}</h3>
      <ul className="bullets">
        {resources.map((resource) => (
          <li key={resource.id}>{resource.name}</li>
        ))}
      </ul>
    </>
  );
}

/** Sync: the user confirms the keystores, sees what would be done, runs it, and sees each result. */
export function SyncDialog(props: {
  readonly managed: WireManagedKey;
  readonly shown: Answer<WireManagedKey> | undefined;
  readonly onClose: () => void;
}) {
  const { managed } = props;
  const id = managed.id ?? '';
  const all = managed.status_in_keystores.flatMap(({ keystore, keystore_sync_flag: flag }) =>
    keystore?.id === undefined ? [] : [{ id: keystore.id, name: keystore.name ?? keystore.id, flag }],
  );
  const out = all.filter(({ flag }) => flag !== 'ok');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(
    new Set((out.length > 0 ? out : all).map((each) => each.id)),
  );
  return (
    <ChangeDialog
      heading={words.ask.sync(managed.label)}
      lead={words.lead.sync}
      confirm={words.commands.syncKeys}
      inputsKey={chosen.size === 0 ? undefined : [...chosen].sort().join(' ')}
      inputs={
        <CheckboxGroup legendText={words.syncWhere} className="dialog__choice">
          {all.map((keystore) => (
            <Checkbox
              key={keystore.id}
              id={`sync-${keystore.id}`}
              labelText={`${keystore.name} – ${text.words.flags[keystore.flag]}`}
              checked={chosen.has(keystore.id)}
              onChange={() => {
                const next = new Set(chosen);
                if (!next.delete(keystore.id)) next.add(keystore.id);
                setChosen(next);
              }}
            />
          ))}
        </CheckboxGroup>
      }
      shown={props.shown}
      read={() => send('GET', '/managed_keys/{id}', { id })}
      run={(how) =>
        send('POST', '/managed_keys/{id}/sync_status_in_keystores', {
          id,
          query: { dry_run: how.dryRun || undefined },
          body: { keystores: [...chosen].map((keystore) => ({ id: keystore })) },
          ifMatch: how.ifMatch,
          idempotencyKey: how.idempotencyKey,
        })
      }
      onClose={props.onClose}
    />
  );
}
