import { Button, TextInput } from '@carbon/react';
import { useId, useState } from 'react';
import type { ReactNode } from 'react';
import { text } from '../text/text.ts';
import { ChangeView } from './ChangeView.tsx';
import { Dialog } from './Dialog.tsx';
import { useChange } from './use-change.ts';
import type { Changed, ChangeOf } from './use-change.ts';

/** A change in a dialog: the plan, a confirmation, the result. */
export function ChangeDialog<Body extends Changed | undefined>(
  props: ChangeOf<Body> & {
    readonly heading: string;
    readonly lead?: ReactNode;
    /** Above the plan: what the change depends on. */
    readonly inputs?: ReactNode;
    readonly confirm: string;
    readonly danger?: boolean;
    /** The name that must be typed first. */
    readonly typeName?: string | undefined;
    /** `done` when the change was made, or waits for a second person. */
    readonly onClose: (done: boolean) => void;
  },
) {
  const id = useId();
  const change = useChange(props);
  const { step } = change;
  const [typed, setTyped] = useState('');
  const ended = step.is === 'done';
  const named = props.typeName === undefined || typed === props.typeName;
  const close = () => props.onClose(ended);
  return (
    <Dialog
      heading={props.heading}
      danger={props.danger === true}
      busy={step.is === 'running'}
      onClose={close}
      footer={
        <>
          <Button kind="secondary" disabled={step.is === 'running'} onClick={close} data-modal-primary-focus>
            {ended ? text.shell.close : text.shell.cancel}
          </Button>
          {ended ? undefined : step.is === 'stale' ? (
            <Button onClick={change.goOn}>{text.changes.goOn}</Button>
          ) : (
            <Button
              kind={props.danger === true ? 'danger' : 'primary'}
              disabled={!change.ready || !named}
              onClick={change.confirm}
            >
              {props.confirm}
            </Button>
          )}
        </>
      }
    >
      {props.lead === undefined || ended ? undefined : <p className="dialog__lead">{props.lead}</p>}
      {ended || step.is === 'running' ? undefined : props.inputs}
      <ChangeView {...change} />
      {props.typeName === undefined || !(step.is === 'planned' || step.is === 'refused') ? undefined : (
        <TextInput
          id={`${id}-name`}
          className="dialog__name"
          labelText={text.changes.typeName(props.typeName)}
          helperText={text.changes.typeNameHelp}
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      )}
    </Dialog>
  );
}
