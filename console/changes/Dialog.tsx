import { ComposedModal, ModalBody, ModalFooter, ModalHeader } from '@carbon/react';
import { useEffect, useId, useRef } from 'react';
import type { ReactNode } from 'react';
import { text } from '../text/text.ts';

/** A dialog over the page. It exists while it is open; afterwards, focus is where it came from. */
export function Dialog(props: {
  readonly heading: string;
  readonly size?: 'sm' | 'md' | 'lg';
  readonly danger?: boolean;
  /** Closing is not offered meanwhile. */
  readonly busy?: boolean;
  readonly footer: ReactNode;
  readonly children: ReactNode;
  readonly onClose: () => void;
}) {
  const id = useId();
  const opener = useRef<Element | null>(document.activeElement);
  useEffect(() => {
    const from = opener.current;
    return () => {
      if (from instanceof HTMLElement && from.isConnected) from.focus();
    };
  }, []);
  return (
    <ComposedModal
      open
      size={props.size ?? 'md'}
      danger={props.danger === true}
      aria-labelledby={id}
      preventCloseOnClickOutside
      isFullWidth={false}
      onClose={() => {
        if (props.busy === true) return false;
        props.onClose();
        return true;
      }}
    >
      <ModalHeader iconDescription={text.shell.close}>
        <h2 id={id} className="cds--modal-header__heading">
          {props.heading}
        </h2>
      </ModalHeader>
      <ModalBody hasForm tabIndex={0} aria-label={props.heading}>
        {props.children}
      </ModalBody>
      <ModalFooter>{props.footer}</ModalFooter>
    </ComposedModal>
  );
}
