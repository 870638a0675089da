import { Button } from '@carbon/react';
import { CheckmarkFilled, ErrorFilled, InformationFilled, WarningFilled } from '@carbon/react/icons';
import type { ReactNode } from 'react';

const ICONS = {
  error: ErrorFilled,
  warning: WarningFilled,
  info: InformationFilled,
  success: CheckmarkFilled,
} as const;

/** Something that the user should know, in the page, with what can be done about it. It never takes the focus. */
export function Notice(props: {
  readonly kind: keyof typeof ICONS;
  readonly title: string;
  readonly action?: { readonly name: string; readonly run: () => void } | undefined;
  readonly children?: ReactNode;
}) {
  const { kind, title, action, children } = props;
  const Icon = ICONS[kind];
  return (
    <div className={`notice notice--${kind}`} role={kind === 'error' ? 'alert' : 'status'}>
      <Icon size={20} className="notice__icon" />
      <div className="notice__text">
        <p className="notice__title">{title}</p>
        {children === undefined || children === '' ? undefined : <div className="notice__body">{children}</div>}
      </div>
      {action === undefined ? undefined : (
        <Button kind="ghost" size="sm" onClick={action.run}>
          {action.name}
        </Button>
      )}
    </div>
  );
}
