import { Checkbox, TextInput } from '@carbon/react';
import type { WireScheduleRequest } from '../../lib/wire/schedule.ts';
import { messageFor } from '../api/client.ts';
import { text } from '../text/text.ts';

const words = text.upcoming;
const NUMBERS = ['rotate_every_days', 'rotate_jitter_days', 'announce_days_before'] as const;

/** What a template's schedule does to its keys, as sentences. */
export function scheduleText(schedule: WireScheduleRequest | undefined): string {
  if (schedule === undefined) return text.shell.none;
  const { enforce_dates: dates, rotate_every_days: every, rotate_jitter_days: jitter = 0 } = schedule;
  const parts = [
    ...(dates === true ? [words.datesEnforced] : []),
    ...(every === undefined ? [] : [words.rotatesEvery(every, jitter)]),
  ];
  return parts.length === 0 ? text.shell.none : parts.join(' ');
}

/** What is done to the keys of a template at their time, without people. */
export function ScheduleFields(props: {
  readonly value: WireScheduleRequest;
  readonly change: (schedule: WireScheduleRequest) => void;
  readonly error: unknown;
}) {
  const { value, change, error } = props;
  const set = (name: keyof WireScheduleRequest, next: number | boolean | undefined) => {
    const others = Object.entries(value).filter(([other]) => other !== name);
    const entries: readonly [string, unknown][] = next === undefined ? others : [...others, [name, next]];
    change(Object.fromEntries(entries));
  };
  return (
    <fieldset className="form">
      <legend className="cds--label">{words.schedule}</legend>
      <Checkbox
        id="schedule-dates"
        labelText={words.enforceDates}
        checked={value.enforce_dates === true}
        onChange={() => set('enforce_dates', value.enforce_dates === true ? undefined : true)}
      />
      {NUMBERS.filter((name) => name === 'rotate_every_days' || value.rotate_every_days !== undefined).map((name) => {
        const message = messageFor(error, `key.schedule.${name}`);
        return (
          <TextInput
            key={name}
            id={`schedule-${name}`}
            labelText={words.fields[name]}
            inputMode="numeric"
            value={value[name] === undefined ? '' : String(value[name])}
            invalid={message !== undefined}
            invalidText={message ?? ''}
            onChange={(event) => {
              const days = Math.trunc(Number(event.target.value));
              set(name, event.target.value.trim() === '' || Number.isNaN(days) ? undefined : days);
            }}
          />
        );
      })}
    </fieldset>
  );
}
