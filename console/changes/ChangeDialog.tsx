import { Button, InlineLoading, InlineNotification, TextInput } from '@carbon/react';
import { useEffect, useId, useRef, useState } from 'react';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { WireStatusInKeystore } from '../../lib/wire/keys.ts';
import type { WirePlannedChanges } from '../../lib/wire/planned.ts';
import { Refusal } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useReadAgain } from '../api/queries.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { text } from '../text/text.ts';
import { Dialog } from './Dialog.tsx';
import { differences } from './difference.ts';
import { PlanView } from './PlanView.tsx';
import { StatusList } from './StatusList.tsx';

/** How a change is to be sent. */
export interface How {
  readonly dryRun: boolean;
  readonly ifMatch: string;
  readonly idempotencyKey: string | undefined;
}

interface Changed {
  readonly planned_changes?: WirePlannedChanges | undefined;
  readonly status_in_keystores?: readonly WireStatusInKeystore[] | undefined;
}

type Step =
  | { readonly is: 'planning' }
  | { readonly is: 'planned' | 'running'; readonly plan: WirePlannedChanges | undefined }
  | { readonly is: 'done'; readonly result: Changed | undefined; readonly waits: boolean }
  | { readonly is: 'refused'; readonly error: unknown; readonly plan: WirePlannedChanges | undefined }
  | { readonly is: 'stale'; readonly now: Answer<unknown> };

/**
 * A change from the plan to its result: a dry run shows what would happen, the user confirms, the answer shows what each keystore says.
 * When somebody else was faster, what they changed is shown and the plan made anew.
 */
export function ChangeDialog<Body extends Changed | undefined>(props: {
  readonly heading: string;
  readonly lead?: ReactNode;
  /** Above the plan: what the change depends on. */
  readonly inputs?: ReactNode;
  /** The plan is made anew when it changes; undefined: the inputs are not complete yet. */
  readonly inputsKey?: string | undefined;
  readonly confirm: string;
  readonly danger?: boolean;
  /** The name that must be typed first. */
  readonly typeName?: string | undefined;
  /** What the user sees, with its ETag; read first where there is none yet. */
  readonly shown?: Answer<unknown> | undefined;
  readonly read: () => Promise<Answer<unknown>>;
  readonly run: (how: How) => Promise<Answer<Body>>;
  readonly onClose: () => void;
  readonly onDone?: (answer: Answer<Body>) => void;
}) {
  const id = useId();
  const readAgain = useReadAgain();
  const [step, setStep] = useState<Step>({ is: 'planning' });
  const [typed, setTyped] = useState('');
  const base = useRef<Answer<unknown> | undefined>(props.shown);
  // One key for one decision: the request may be sent twice, its effect is one.
  const idempotencyKey = useRef(crypto.randomUUID());
  const turn = useRef(0);
  const inputsKey = 'inputsKey' in props ? props.inputsKey : '';

  const refusedWith = async (error: unknown, plan?: WirePlannedChanges) => {
    if (!(error instanceof Refusal) || error.status !== 412) {
      setStep({ is: 'refused', error, plan });
      return;
    }
    try {
      setStep({ is: 'stale', now: await props.read() });
    } catch (late) {
      setStep({ is: 'refused', error: late, plan });
    }
  };

  const plan = async () => {
    turn.current += 1;
    const mine = turn.current;
    setStep({ is: 'planning' });
    idempotencyKey.current = crypto.randomUUID();
    try {
      base.current ??= await props.read();
      const { body } = await props.run({ dryRun: true, ifMatch: base.current.etag ?? '*', idempotencyKey: undefined });
      if (mine === turn.current) setStep({ is: 'planned', plan: body?.planned_changes });
    } catch (error) {
      if (mine === turn.current) await refusedWith(error);
    }
  };
  useEffect(() => {
    if (inputsKey !== undefined) void plan();
  }, [inputsKey]);

  const run = async () => {
    const known = step.is === 'planned' || step.is === 'refused' ? step.plan : undefined;
    setStep({ is: 'running', plan: known });
    try {
      const answer = await props.run({
        dryRun: false,
        ifMatch: base.current?.etag ?? '*',
        idempotencyKey: idempotencyKey.current,
      });
      const waits = answer.status === 202;
      setStep({ is: 'done', result: waits ? undefined : answer.body, waits });
      await readAgain();
      if (!waits) props.onDone?.(answer);
    } catch (error) {
      await refusedWith(error, known);
    }
  };

  const named = props.typeName === undefined || typed === props.typeName;
  const ended = step.is === 'done';
  const ready =
    inputsKey !== undefined && (step.is === 'planned' || (step.is === 'refused' && step.plan !== undefined));
  const statuses = step.is === 'done' ? (step.result?.status_in_keystores ?? []) : [];
  return (
    <Dialog
      heading={props.heading}
      danger={props.danger === true}
      busy={step.is === 'running'}
      onClose={props.onClose}
      footer={
        <>
          <Button kind="secondary" disabled={step.is === 'running'} onClick={props.onClose}>
            {ended ? text.shell.close : text.shell.cancel}
          </Button>
          {ended ? undefined : step.is === 'stale' ? (
            <Button
              onClick={() => {
                base.current = step.now;
                void plan();
              }}
            >
              {text.changes.goOn}
            </Button>
          ) : (
            <Button
              kind={props.danger === true ? 'danger' : 'primary'}
              disabled={!ready || !named}
              onClick={() => void run()}
            >
              {props.confirm}
            </Button>
          )}
        </>
      }
    >
      {props.lead === undefined || ended ? undefined : <p className="dialog__lead">{props.lead}</p>}
      {ended || step.is === 'running' ? undefined : props.inputs}
      <div aria-live="polite">
        {step.is === 'planning' && inputsKey !== undefined ? (
          <InlineLoading description={text.changes.planning} />
        ) : undefined}
        {(step.is === 'planned' || step.is === 'running') && step.plan !== undefined ? (
          <PlanView plan={step.plan} running={step.is === 'running'} />
        ) : undefined}
        {step.is === 'running' && step.plan === undefined ? (
          <InlineLoading description={text.changes.running} />
        ) : undefined}
        {step.is === 'refused' ? <RefusalNotice error={step.error} retry={() => void plan()} /> : undefined}
        {step.is === 'stale' ? <Stale shown={base.current?.body} now={step.now.body} /> : undefined}
        {step.is === 'done' && step.waits ? (
          <InlineNotification kind="info" lowContrast hideCloseButton title={text.changes.waiting}>
            {text.changes.waitingBody} <Link to="/approvals">{text.changes.toApproval}</Link>
          </InlineNotification>
        ) : undefined}
        {step.is === 'done' && !step.waits ? (
          <>
            <InlineNotification kind="success" lowContrast hideCloseButton title={text.changes.done} />
            {statuses.length === 0 ? undefined : <h3>{text.changes.result}</h3>}
            <StatusList statuses={statuses} />
            {statuses.some(({ keystore_sync_flag: flag }) => flag !== 'ok') ? (
              <p>{text.changes.incomplete}</p>
            ) : undefined}
          </>
        ) : undefined}
      </div>
      {props.typeName === undefined || !(step.is === 'planned' || step.is === 'refused') ? undefined : (
        <TextInput
          id={`${id}-name`}
          className="dialog__name"
          labelText={text.changes.typeName(props.typeName)}
          helperText={text.changes.typeNameHelp}
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
          }}
        />
      )}
    </Dialog>
  );
}

function Stale({ shown, now }: { readonly shown: unknown; readonly now: unknown }) {
  const changed = differences(shown, now);
  return (
    <>
      <InlineNotification
        kind="warning"
        lowContrast
        hideCloseButton
        title={text.changes.stale}
        subtitle={text.changes.staleBody}
      />
      {changed.length === 0 ? (
        <p>{text.changes.staleNothing}</p>
      ) : (
        <PlanView plan={{ changes: changed, keystores: [], estimated_seconds: 0 }} running={false} />
      )}
    </>
  );
}
