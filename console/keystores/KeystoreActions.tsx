import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { WireKeystore } from '../../lib/wire/keystores.ts';
import type { QueryOf } from '../../lib/wire/operations.ts';
import { send } from '../api/client.ts';
import { Choice, ChoiceTile } from '../cards/Choice.tsx';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import type { MenuAction } from '../shell/ActionsMenu.tsx';
import type { Caller } from '../sign-in/caller.ts';
import { refusal } from '../sign-in/caller.ts';
import { text } from '../text/text.ts';

const words = text.keystores;
type Mode = NonNullable<QueryOf<'DeleteKeystore'>['mode']>;
const MODES: readonly Mode[] = ['restrict', 'deactivate', 'destroy', 'disconnect'];

/** What can be done with a keystore, and the dialog of what is being done. */
export function useKeystoreActions(caller: Caller) {
  const navigate = useNavigate();
  const [removing, remove] = useState<WireKeystore | undefined>();
  const actionsOf = (keystore: WireKeystore): MenuAction[] => {
    const write = refusal(caller, 'write_keystore', keystore.vault?.id);
    const list = refusal(caller, 'list', keystore.vault?.id);
    const id = keystore.id ?? '';
    return [
      { name: words.commands.edit, refused: write, run: () => void navigate(`/keystores/${id}/edit`) },
      {
        name: words.commands.keys,
        refused: list,
        run: () =>
          void navigate(`/managed-keys?referenced_keystores[].name=${encodeURIComponent(keystore.name)}&state=any`),
      },
      { name: words.commands.unmanaged, refused: list, run: () => void navigate(`/keystores/${id}/unmanaged-keys`) },
      { name: words.commands.remove, danger: true, refused: write, run: () => remove(keystore) },
    ];
  };
  const dialog =
    removing === undefined ? undefined : (
      <RemoveDialog
        keystore={removing}
        onClose={(done) => {
          remove(undefined);
          if (done) void navigate('/keystores');
        }}
      />
    );
  return { actionsOf, dialog };
}

/** How a keystore leaves: each way with what it does to the keys, and the plan of the one that is chosen. */
function RemoveDialog({
  keystore,
  onClose,
}: {
  readonly keystore: WireKeystore;
  readonly onClose: (done: boolean) => void;
}) {
  const [mode, setMode] = useState<Mode>('restrict');
  const id = keystore.id ?? '';
  return (
    <ChangeDialog
      heading={words.removeOf(keystore.name)}
      confirm={words.commands.remove}
      danger
      typeName={keystore.name}
      inputsKey={mode}
      inputs={
        <Choice legend={words.removeHow}>
          {MODES.map((each) => (
            <ChoiceTile
              key={each}
              name="mode"
              value={each}
              title={words.modes[each].name}
              detail={words.modes[each].does}
              chosen={mode}
              choose={() => setMode(each)}
            />
          ))}
        </Choice>
      }
      read={() => send('GET', '/keystores/{id}', { id })}
      run={(how) =>
        send('DELETE', '/keystores/{id}', {
          id,
          query: { mode, dry_run: how.dryRun || undefined },
          ifMatch: how.ifMatch,
        })
      }
      onClose={onClose}
    />
  );
}
