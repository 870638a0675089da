import { Button, InlineLoading, ProgressBar } from '@carbon/react';
import { useEffect, useRef, useState } from 'react';
import type { WireManagedKey, WireStatusInKeystore } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import { useReadAgain } from '../api/queries.ts';
import { Dialog } from '../changes/Dialog.tsx';
import { StatusList } from '../changes/StatusList.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { text } from '../text/text.ts';
import { inTurn } from './in-turn.ts';

type Outcome =
  | { readonly is: 'asking' }
  | { readonly is: 'told'; readonly statuses: readonly WireStatusInKeystore[] }
  | { readonly is: 'refused'; readonly error: unknown };

/** Verify and, in bulk, sync: one key after the other, a few at a time, each result as soon as it is there. */
export function VerifyDialog(props: {
  readonly keys: readonly WireManagedKey[];
  /** Whether they are also repaired. */
  readonly sync?: boolean;
  readonly onClose: () => void;
}) {
  const { keys, sync = false } = props;
  const readAgain = useReadAgain();
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map());
  const [running, setRunning] = useState(false);
  const stop = useRef<AbortController>(undefined);

  const start = async () => {
    const control = new AbortController();
    stop.current = control;
    setRunning(true);
    const tell = (id: string, outcome: Outcome) => {
      if (!control.signal.aborted) setOutcomes((before) => new Map(before).set(id, outcome));
    };
    await inTurn(keys, 3, control.signal, async (key) => {
      const id = key.id ?? '';
      tell(id, { is: 'asking' });
      try {
        const statuses = sync ? await repair(id, control.signal) : await verify(id, control.signal);
        tell(id, { is: 'told', statuses });
      } catch (error) {
        tell(id, { is: 'refused', error });
      }
    });
    if (control.signal.aborted) return;
    setRunning(false);
    await readAgain();
  };
  useEffect(() => {
    // Asking changes nothing; repairing waits until it is confirmed.
    if (!sync) void start();
    return () => stop.current?.abort();
  }, []);

  const ended = [...outcomes.values()].filter(({ is }) => is !== 'asking').length;
  const waitsForUser = sync && !running && outcomes.size === 0;
  const words = sync ? text.keys.bulkSync : text.keys.verify;
  const close = () => {
    stop.current?.abort();
    void readAgain();
    props.onClose();
  };
  return (
    <Dialog
      heading={words.heading(keys.length, keys[0]?.label ?? '')}
      onClose={close}
      footer={
        <>
          <Button kind="secondary" onClick={close} data-modal-primary-focus>
            {running || waitsForUser ? text.shell.cancel : text.shell.close}
          </Button>
          <Button disabled={running} onClick={() => void start()}>
            {waitsForUser ? words.start : words.again}
          </Button>
        </>
      }
    >
      <p className="dialog__lead">{words.lead}</p>
      {keys.length > 1 && !waitsForUser ? (
        <ProgressBar label={words.progress(ended, keys.length)} value={ended} max={keys.length} />
      ) : undefined}
      <ul className="verify" aria-live="polite">
        {keys.map((key) => {
          const outcome = outcomes.get(key.id ?? '');
          return (
            <li key={key.id}>
              {keys.length > 1 ? <h3>{key.label}</h3> : undefined}
              {outcome?.is === 'told' ? <StatusList statuses={outcome.statuses} /> : undefined}
              {outcome?.is === 'refused' ? <RefusalNotice error={outcome.error} /> : undefined}
              {outcome?.is === 'asking' ? (
                <ul className="plan__keystores">
                  {key.status_in_keystores.map(({ keystore }) => (
                    <li key={keystore?.id} className="plan__keystore">
                      <strong>{keystore?.name}</strong>
                      <InlineLoading description={words.asking} />
                    </li>
                  ))}
                </ul>
              ) : undefined}
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}

async function verify(id: string, signal: AbortSignal) {
  return (await send('GET', '/managed_keys/{id}/status_in_keystores', { id, signal })).body.status_in_keystores;
}

async function repair(id: string, signal: AbortSignal) {
  const { etag } = await send('GET', '/managed_keys/{id}', { id, signal });
  const answer = await send('POST', '/managed_keys/{id}/sync_status_in_keystores', {
    id,
    ifMatch: etag,
    idempotencyKey: crypto.randomUUID(),
    signal,
  });
  return answer.body.status_in_keystores;
}
