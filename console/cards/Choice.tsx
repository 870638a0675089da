import { RadioButton } from '@carbon/react';
import type { ReactNode } from 'react';

/** One of several, each as a tile. */
export function Choice({ legend, children }: { readonly legend: string; readonly children: ReactNode }) {
  return (
    <fieldset className="choice">
      <legend>{legend}</legend>
      <div className="choice__options">{children}</div>
    </fieldset>
  );
}

export function ChoiceTile(props: {
  readonly name: string;
  readonly value: string;
  readonly title: string;
  readonly detail: string;
  readonly disabled?: boolean;
  readonly chosen: string;
  readonly choose: (value: string) => void;
}) {
  const chosen = props.chosen === props.value;
  const detail = `${props.name}-${props.value}-detail`;
  return (
    <div className={chosen ? 'tile tile--marked' : 'tile'}>
      <RadioButton
        id={`${props.name}-${props.value}`}
        name={props.name}
        value={props.value}
        labelText={props.title}
        checked={chosen}
        disabled={props.disabled === true}
        onChange={() => props.choose(props.value)}
        aria-describedby={detail}
      />
      <p id={detail} className="quiet tile__detail">
        {props.detail}
      </p>
    </div>
  );
}
