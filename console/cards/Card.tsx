import { Button } from '@carbon/react';
import { Edit, Locked } from '@carbon/react/icons';
import { useId } from 'react';
import type { ReactNode } from 'react';
import { Reasoned } from '../managed-keys/flags.tsx';
import { text } from '../text/text.ts';

/** A part of what a page shows, with a heading of its own. */
export function Card(props: {
  readonly title: string;
  readonly beside?: ReactNode;
  /** How much of the page's width; half of it when left out. */
  readonly width?: 'third' | 'wide';
  /** Left out where nothing of it can be edited. */
  readonly edit?: { readonly refused: string | undefined; readonly start: () => void; readonly editing: boolean };
  readonly children: ReactNode;
}) {
  const id = useId();
  const { edit } = props;
  return (
    <section className={props.width === undefined ? 'card' : `card card--${props.width}`} aria-labelledby={id}>
      <div className="card__head">
        <h2 id={id}>{props.title}</h2>
        {props.beside}
        {edit === undefined || edit.editing ? undefined : edit.refused === undefined ? (
          <Button
            kind="ghost"
            size="sm"
            renderIcon={Edit}
            onClick={edit.start}
            aria-label={text.cards.edit(props.title)}
          >
            {text.shell.edit}
          </Button>
        ) : (
          <Reasoned reason={edit.refused}>
            <span className="card__locked">
              <Locked aria-label={text.cards.locked} />
            </span>
          </Reasoned>
        )}
      </div>
      {props.children}
    </section>
  );
}

/** A list of what something is: names and values. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact(props: {
  readonly name: string;
  readonly locked?: string | undefined;
  readonly children: ReactNode;
}) {
  return (
    <div className="facts__fact">
      <dt>
        {props.name}
        {props.locked === undefined ? undefined : (
          <Reasoned reason={props.locked}>
            <Locked aria-label={text.cards.locked} />
          </Reasoned>
        )}
      </dt>
      <dd>{props.children === undefined || props.children === '' ? text.dates.never : props.children}</dd>
    </div>
  );
}
