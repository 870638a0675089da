import { useState } from 'react';
import { useNavigate } from 'react-router';
import type { WireTemplate } from '../../lib/wire/templates.ts';
import { send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { ChangeDialog } from '../changes/ChangeDialog.tsx';
import type { How } from '../changes/use-change.ts';
import type { MenuAction } from '../shell/ActionsMenu.tsx';
import type { Caller } from '../sign-in/caller.ts';
import { refusal } from '../sign-in/caller.ts';
import { text } from '../text/text.ts';

const words = text.templates;
type Command = 'archive' | 'unarchive' | 'expose' | 'remove';

/** What can be done with a template, and the dialog of what is being done. */
export function useTemplateActions(caller: Caller) {
  const navigate = useNavigate();
  const [opened, setOpened] = useState<{ readonly command: Command; readonly template: WireTemplate } | undefined>();
  const actionsOf = (template: WireTemplate): MenuAction[] => {
    const vaultId = template.vault?.id;
    const write = refusal(caller, 'write_template', vaultId);
    const go = (to: string) => () => void navigate(to);
    const opens = (command: Command) => () => setOpened({ command, template });
    const id = template.id ?? '';
    const shadow = template.type.includes('shadow');
    return [
      { name: words.commands.edit, refused: write, run: go(`/key-templates/${id}/edit`) },
      { name: words.commands.copy, refused: write, run: go(`/key-templates/create?copy=${id}`) },
      {
        name: words.commands.keys,
        refused: refusal(caller, 'list'),
        run: go(`/managed-keys?template.id=${id}&state=any`),
      },
      template.state === 'archived'
        ? { name: words.commands.unarchive, refused: write, run: opens('unarchive') }
        : { name: words.commands.archive, refused: write, run: opens('archive') },
      ...(shadow ? [{ name: words.commands.expose, refused: write, run: opens('expose') }] : []),
      {
        name: words.commands.remove,
        danger: true,
        refused:
          template.keys_count > 0 ? words.hasKeys(template.keys_count) : refusal(caller, 'delete_template', vaultId),
        run: opens('remove'),
      },
    ];
  };
  const dialog =
    opened === undefined ? undefined : (
      <ChangeDialog
        heading={words.ask[opened.command](opened.template.name ?? '')}
        lead={words.lead[opened.command]}
        confirm={words.commands[opened.command]}
        danger={opened.command === 'remove'}
        typeName={opened.command === 'remove' ? opened.template.name : undefined}
        read={() => send('GET', '/templates/{id}', { id: opened.template.id ?? '' })}
        run={(how) => act(opened.command, opened.template.id ?? '', how)}
        onClose={(done) => {
          setOpened(undefined);
          if (done && opened.command === 'remove') void navigate('/key-templates');
        }}
      />
    );
  return { actionsOf, dialog };
}

function act(command: Command, id: string, how: How): Promise<Answer<WireTemplate | undefined>> {
  const asked = { id, query: { dry_run: how.dryRun || undefined }, ifMatch: how.ifMatch };
  if (command === 'remove') return send('DELETE', '/templates/{id}', asked);
  return send('POST', `/templates/{id}/${command}`, { ...asked, idempotencyKey: how.idempotencyKey });
}
