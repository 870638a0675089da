import { useEffect, useRef, useState } from 'react';
import type { WireStatusInKeystore } from '../../lib/wire/keys.ts';
import type { WirePlannedChanges } from '../../lib/wire/planned.ts';
import { Refusal } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useReadAgain } from '../api/queries.ts';

/** How a change is to be sent. */
export interface How {
  readonly dryRun: boolean;
  readonly ifMatch: string;
  readonly idempotencyKey: string | undefined;
}

export interface Changed {
  readonly planned_changes?: WirePlannedChanges | undefined;
  readonly status_in_keystores?: readonly WireStatusInKeystore[] | undefined;
}

export type Step =
  | { readonly is: 'planning' }
  | { readonly is: 'planned' | 'running'; readonly plan: WirePlannedChanges | undefined; readonly would: unknown }
  /** `waits`: a second person has to approve it. */
  | { readonly is: 'done'; readonly result: Changed | undefined; readonly waits: boolean }
  | { readonly is: 'refused'; readonly error: unknown; readonly plan: WirePlannedChanges | undefined }
  | { readonly is: 'stale'; readonly was: unknown; readonly now: Answer<unknown> };

export interface ChangeOf<Body extends Changed | undefined> {
  /** The plan is made anew when it changes; undefined: the inputs are not complete yet. Left out: there are none. */
  readonly inputsKey?: string | undefined;
  /** What the user sees, with its ETag; read first where there is none yet. */
  readonly shown?: Answer<unknown> | undefined;
  /** Left out where nothing exists yet. */
  readonly read?: () => Promise<Answer<unknown>>;
  readonly run: (how: How) => Promise<Answer<Body>>;
  /** The operation has no dry run: it is confirmed as it is. */
  readonly withoutPlan?: boolean;
  readonly onDone?: (answer: Answer<Body>) => void;
  /** Told of what the API refused, for the fields of a form. */
  readonly onRefused?: (error: unknown) => void;
}

/**
 * A change from the plan to its result: a dry run tells what would happen, `confirm` does it. When somebody else was faster, the step is
 * `stale`, and `goOn` makes the plan anew on what there is now.
 */
export function useChange<Body extends Changed | undefined>(change: ChangeOf<Body>) {
  const readAgain = useReadAgain();
  const [step, setStep] = useState<Step>({ is: 'planning' });
  const base = useRef<Answer<unknown> | undefined>(change.shown);
  // One key for one decision: the request may be sent twice, its effect is one.
  const idempotencyKey = useRef(crypto.randomUUID());
  const turn = useRef(0);
  const inputsKey = 'inputsKey' in change ? change.inputsKey : '';

  const refusedWith = async (error: unknown, plan?: WirePlannedChanges) => {
    if (!(error instanceof Refusal) || error.status !== 412 || change.read === undefined) {
      change.onRefused?.(error);
      setStep({ is: 'refused', error, plan });
      return;
    }
    try {
      setStep({ is: 'stale', was: base.current?.body, now: await change.read() });
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
      base.current ??= await change.read?.();
      const { body } = await change.run({
        dryRun: true,
        ifMatch: base.current?.etag ?? '*',
        idempotencyKey: undefined,
      });
      if (mine === turn.current) setStep({ is: 'planned', plan: body?.planned_changes, would: body });
    } catch (error) {
      if (mine === turn.current) await refusedWith(error);
    }
  };
  useEffect(() => {
    if (inputsKey !== undefined) void plan();
  }, [inputsKey]);

  const confirm = async () => {
    const known = step.is === 'planned' || step.is === 'refused' ? step.plan : undefined;
    setStep({ is: 'running', plan: known, would: undefined });
    try {
      const answer = await change.run({
        dryRun: false,
        ifMatch: base.current?.etag ?? '*',
        idempotencyKey: idempotencyKey.current,
      });
      const waits = answer.status === 202;
      setStep({ is: 'done', result: waits ? undefined : answer.body, waits });
      await readAgain();
      if (!waits) change.onDone?.(answer);
    } catch (error) {
      await refusedWith(error, known);
    }
  };

  return {
    step,
    /** Whether there are inputs that a plan can be made for. */
    complete: inputsKey !== undefined,
    ready:
      inputsKey !== undefined &&
      (step.is === 'planned' || (step.is === 'refused' && (step.plan !== undefined || change.withoutPlan === true))),
    plan: () => void plan(),
    confirm: () => void confirm(),
    goOn: () => {
      if (step.is === 'stale') base.current = step.now;
      void plan();
    },
  };
}
