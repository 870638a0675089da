import { CopyButton } from '@carbon/react';
import { Refusal } from '../api/client.ts';
import { text } from '../text/text.ts';
import { Notice } from './Notice.tsx';

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
    <Notice
      kind="error"
      title={text.errors.heading}
      action={retry === undefined ? undefined : { name: text.errors.retry, run: retry }}
    >
      {messages.length === 1 ? (
        <p>{messages[0]}</p>
      ) : (
        <ul className="bullets">
          {messages.map((message) => (
            <li key={message}>{message}</li>
          ))}
        </ul>
      )}
      {advice === undefined ? undefined : <p>{advice}</p>}
      {refusal?.retryAfter === undefined ? undefined : <p>{text.errors.retryAfter(refusal.retryAfter)}</p>}
      {refusal?.trace === undefined ? undefined : (
        <p className="notice__trace">
          {text.errors.trace} <code>{refusal.trace}</code>
          <CopyButton
            size="xs"
            iconDescription={text.errors.copyTrace}
            feedback={text.shell.copied}
            onClick={() => void navigator.clipboard.writeText(refusal.trace ?? '')}
          />
        </p>
      )}
    </Notice>
  );
}
