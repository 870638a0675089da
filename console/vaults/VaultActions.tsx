import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { WireVault } from '../../lib/wire/vaults.ts';
import { send } from '../api/client.ts';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import type { MenuAction } from '../shell/ActionsMenu.tsx';
import type { Caller } from '../sign-in/caller.ts';
import { refusal } from '../sign-in/caller.ts';
import { text } from '../text/text.ts';

const words = text.vaults;

/** What can be done with a vault, and the dialog of what is being done. */
export function useVaultActions(caller: Caller) {
  const navigate = useNavigate();
  const [removing, remove] = useState<WireVault | undefined>();
  const actionsOf = (vault: WireVault): MenuAction[] => {
    const write = refusal(caller, 'write_vault', vault.id);
    const list = refusal(caller, 'list', vault.id);
    const go = (to: string) => () => void navigate(to);
    const id = vault.id ?? '';
    return [
      { name: words.edit, refused: write, run: go(`/vaults/${id}/edit`) },
      { name: text.pages.keys, refused: list, run: go(`/managed-keys?vault.id=${id}`) },
      { name: text.pages.templates, refused: list, run: go(`/key-templates?vault.id=${id}`) },
      { name: text.pages.keystores, refused: list, run: go(`/keystores?vault.id=${id}`) },
      { name: text.pages.audit, refused: refusal(caller, 'read_audit', vault.id), run: go(`/audit?vault.id=${id}`) },
      {
        name: words.remove,
        danger: true,
        refused: vault.keys_count + vault.keystores_count > 0 ? words.notEmpty : write,
        run: () => remove(vault),
      },
    ];
  };
  const dialog =
    removing === undefined ? undefined : (
      <ChangeDialog
        heading={words.removeOf(removing.name)}
        confirm={words.remove}
        danger
        typeName={removing.name}
        read={() => send('GET', '/vaults/{id}', { id: removing.id ?? '' })}
        run={(how) =>
          send('DELETE', '/vaults/{id}', {
            id: removing.id ?? '',
            query: { dry_run: how.dryRun || undefined },
            ifMatch: how.ifMatch,
          })
        }
        onClose={(done) => {
          remove(undefined);
          if (done) void navigate('/vaults');
        }}
      />
    );
  return { actionsOf, dialog };
}
