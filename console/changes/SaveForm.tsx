import { Button, ButtonSet, Form } from '@carbon/react';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { text } from '../text/text.ts';
import { ChangeDialog } from './ChangeDialog.tsx';
import type { Changed, ChangeOf } from './use-change.ts';

/** A form whose change is shown as a plan, then saved. */
export function SaveForm<Body extends Changed | undefined>(
  props: ChangeOf<Body> & {
    readonly label: string;
    readonly heading: string;
    readonly lead?: ReactNode;
    readonly confirm?: string;
    /** False while there is nothing to save. */
    readonly complete: boolean;
    readonly beside?: ReactNode;
    readonly children: ReactNode;
    readonly onCancel: () => void;
    /** When the dialog of a change that was made, or waits for a second person, is closed. */
    readonly onSaved: () => void;
  },
) {
  const [saving, setSaving] = useState(false);
  const {
    label,
    heading,
    lead,
    confirm = text.shell.save,
    complete,
    beside,
    children,
    onCancel,
    onSaved,
    ...change
  } = props;
  return (
    <Form
      aria-label={label}
      className="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (complete) setSaving(true);
      }}
    >
      {children}
      <ButtonSet className="form__buttons">
        <Button kind="secondary" size="md" onClick={onCancel}>
          {text.shell.cancel}
        </Button>
        <Button type="submit" size="md" disabled={!complete}>
          {confirm}
        </Button>
        {beside}
      </ButtonSet>
      {saving ? (
        <ChangeDialog
          {...change}
          heading={heading}
          lead={lead}
          confirm={confirm}
          onClose={(done) => {
            setSaving(false);
            if (done) onSaved();
          }}
        />
      ) : undefined}
    </Form>
  );
}
