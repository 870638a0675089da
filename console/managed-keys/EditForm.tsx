import type { ReactNode } from 'react';
import type { BodyOf } from '../../lib/wire/operations.ts';
import { send } from '../api/client.ts';
import { SaveForm } from '../changes/SaveForm.tsx';
import { text } from '../text/text.ts';
import type { CardOfKey } from './KeyPage.tsx';

/** The form of a card of a key. */
export function EditForm(
  props: CardOfKey & {
    /** Only what differs; undefined when nothing does. */
    readonly body: BodyOf<'UpdateManagedKey'> | undefined;
    readonly onRefused: (error: unknown) => void;
    readonly lead?: ReactNode;
    readonly beside?: ReactNode;
    readonly children: ReactNode;
  },
) {
  const { shown, body } = props;
  const id = shown.body.id ?? '';
  return (
    <SaveForm
      label={text.shell.edit}
      heading={text.keys.details.save(shown.body.label)}
      lead={props.lead}
      complete={body !== undefined}
      beside={props.beside}
      shown={shown}
      read={() => send('GET', '/managed_keys/{id}', { id })}
      run={(how) =>
        send('PATCH', '/managed_keys/{id}', {
          id,
          query: { dry_run: how.dryRun || undefined },
          body: body ?? {},
          ifMatch: how.ifMatch,
        })
      }
      onRefused={props.onRefused}
      onCancel={() => props.edit(undefined)}
      onSaved={() => props.edit(undefined)}
    >
      {props.children}
    </SaveForm>
  );
}
