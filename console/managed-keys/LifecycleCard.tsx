import { TextInput } from '@carbon/react';
import { useState } from 'react';
import { messageFor } from '../api/client.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { dayOf, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { EditForm } from './EditForm.tsx';
import type { CardOfKey } from './KeyPage.tsx';

const words = text.keys.details;

/** State and dates. */
export function LifecycleCard(props: CardOfKey) {
  const { shown, editing, edit, refused } = props;
  const managed = shown.body;
  return (
    <Card
      width="third"
      title={words.lifecycle}
      edit={{ refused, start: () => edit('lifecycle'), editing: editing === 'lifecycle' }}
    >
      {editing === 'lifecycle' ? (
        <Fields {...props} />
      ) : (
        <Facts>
          <Fact name={text.keys.columns.state} locked={words.stateLocked}>
            {text.words.states[managed.state]}
          </Fact>
          <Fact name={text.keys.columns.activation}>{dayOf(managed.activation_date)}</Fact>
          <Fact name={text.keys.columns.expiration}>{dayOf(managed.expiration_date)}</Fact>
          {managed.deactivation_date === undefined ? undefined : (
            <Fact name={text.keys.columns.deactivation}>{dayOf(managed.deactivation_date)}</Fact>
          )}
          <Fact name={words.deactivateOnRotation} locked={words.templateDecides}>
            {managed.deactivate_on_rotation === true ? text.shell.yes : text.shell.no}
          </Fact>
          {managed.schedule === undefined ? undefined : (
            <Fact name={text.upcoming.schedule} locked={words.templateDecides}>
              {managed.schedule.upcoming.length === 0
                ? text.shell.none
                : managed.schedule.upcoming.map(({ action, due_at: due }) => (
                    <p key={action}>{text.upcoming.on(text.upcoming.actions[action], dayOf(due))}</p>
                  ))}
            </Fact>
          )}
          <Fact name={text.keys.columns.rotated}>{momentOf(managed.rotated_at)}</Fact>
          <Fact name={text.keys.columns.created}>{words.byWhom(momentOf(managed.created_at), managed.created_by)}</Fact>
          <Fact name={text.keys.columns.updated}>{words.byWhom(momentOf(managed.updated_at), managed.updated_by)}</Fact>
        </Facts>
      )}
    </Card>
  );
}

function Fields(props: CardOfKey) {
  const managed = props.shown.body;
  const [dates, setDates] = useState({
    activation_date: managed.activation_date ?? '',
    expiration_date: managed.expiration_date ?? '',
  });
  const [error, setError] = useState<unknown>();
  const body = Object.fromEntries(
    Object.entries(dates).filter(([name, date]) => date !== '' && date !== managed[name as keyof typeof dates]),
  );
  const field = (name: keyof typeof dates, label: string) => {
    const message = messageFor(error, name);
    return (
      <TextInput
        id={`key-${name}`}
        type="date"
        labelText={label}
        value={dates[name]}
        invalid={message !== undefined}
        invalidText={message ?? ''}
        onChange={(event) => setDates({ ...dates, [name]: event.target.value })}
      />
    );
  };
  return (
    <EditForm
      {...props}
      body={Object.keys(body).length === 0 ? undefined : body}
      onRefused={setError}
      lead={words.datesLead}
    >
      {field('activation_date', text.keys.columns.activation)}
      {field('expiration_date', text.keys.columns.expiration)}
    </EditForm>
  );
}
