import { ChevronDown, OverflowMenuVertical } from '@carbon/react/icons';
import { useId, useRef } from 'react';
import type { KeyboardEvent } from 'react';
import { text } from '../text/text.ts';

export interface MenuAction {
  readonly name: string;
  /** Why it is not offered, as a sentence; undefined when it is. */
  readonly refused?: string | undefined;
  readonly danger?: boolean;
  readonly run: () => void;
}

/** A menu in the top layer, so that no scrolled table cuts it off. What is not offered can be reached too, and says why. */
export function ActionsMenu({
  of,
  actions,
  labelled,
}: {
  readonly of: string;
  readonly actions: readonly MenuAction[];
  readonly labelled?: boolean;
}) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const items = () => [...(menu.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
  const place = () => {
    const [from, list] = [button.current?.getBoundingClientRect(), menu.current];
    if (from === undefined || list === null) return;
    const { offsetWidth: width, offsetHeight: height } = list;
    const below = from.bottom + height <= innerHeight || from.top < height;
    list.style.left = `${Math.max(8, Math.min(from.right - width, innerWidth - width - 8))}px`;
    list.style.top = `${below ? Math.min(from.bottom, Math.max(8, innerHeight - height - 8)) : from.top - height}px`;
  };
  const move = (event: KeyboardEvent) => {
    const all = items();
    const at = all.findIndex((item) => item === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === 'Tab') menu.current?.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to === all.length ? 0 : to)?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={labelled === true ? 'menu-button menu-button--labelled' : 'menu-button'}
        popoverTarget={id}
        aria-haspopup="menu"
        aria-label={labelled === true ? undefined : text.shell.actionsOf(of)}
      >
        {labelled === true ? (
          <>
            {text.shell.actions} <ChevronDown />
          </>
        ) : (
          <OverflowMenuVertical />
        )}
      </button>
      <div
        ref={menu}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={text.shell.actionsOf(of)}
        className="menu"
        onKeyDown={move}
        onToggle={(event) => {
          if (event.newState !== 'open') return;
          place();
          items()[0]?.focus();
        }}
      >
        {actions.map(({ name, refused, danger, run }) => (
          <button
            key={name}
            type="button"
            role="menuitem"
            tabIndex={-1}
            aria-disabled={refused !== undefined}
            className={danger === true ? 'menu__item menu__item--danger' : 'menu__item'}
            onClick={() => {
              if (refused !== undefined) return;
              menu.current?.hidePopover();
              run();
            }}
          >
            <span>{name}</span>
            {refused === undefined ? undefined : <span className="menu__why">{refused}</span>}
          </button>
        ))}
      </div>
    </>
  );
}
