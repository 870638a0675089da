import { ActionableNotification, CopyButton } from '@carbon/react';
import { Refusal } from '../api/client.ts';
import { text } from '../text/text.ts';

/** What was refused or failed, what to do about it, and the trace id for who has to look into it. */
export function RefusalNotice({
  error,
  retry,
}: {
  readonly error: unknown;
  readonly retry?: (() => void) | undefined;
}) {
  const refusal = error instanceof Refusal ? error : undefined;
  const advice =
    refusal === undefined ? undefined : (text.errors.advice[refusal.code] ?? text.errors.advice[refusal.status]);
  const messages = refusal?.errors.map(({ message }) => message) ?? [
    error instanceof Error ? error.message : String(error),
  ];
  return (
    <ActionableNotification
      kind="error"
      lowContrast
      inline
      hideCloseButton
      className="refusal"
      title={text.errors.heading}
      actionButtonLabel={retry === undefined ? '' : text.errors.retry}
      {...(retry === undefined ? {} : { onActionButtonClick: retry })}
    >
      <div className="refusal__body">
        {messages.length === 1 ? (
          <p>{messages[0]}</p>
        ) : (
          <ul>
            {messages.map((message) => (
              <li key={message}>{message}</li>
            ))}
          </ul>
        )}
        {advice === undefined ? undefined : <p>{advice}</p>}
        {refusal?.retryAfter === undefined ? undefined : <p>{text.errors.retryAfter(refusal.retryAfter)}</p>}
        {refusal?.trace === undefined ? undefined : (
          <p className="refusal__trace">
            {text.errors.trace} <code>{refusal.trace}</code>
            <CopyButton
              size="xs"
              iconDescription={text.errors.copyTrace}
              feedback={text.shell.copied}
              onClick={() => void navigator.clipboard.writeText(refusal.trace ?? '')}
            />
          </p>
        )}
      </div>
    </ActionableNotification>
  );
}
