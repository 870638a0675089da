import { InlineLoading } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { Link } from 'react-router';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { text } from '../text/text.ts';
import { differences } from './difference.ts';
import { PlanView } from './PlanView.tsx';
import { StatusList } from './StatusList.tsx';
import type { Step } from './use-change.ts';

/** Where a change is: its plan, its progress, its result, or why it was not made. */
export function ChangeView({
  step,
  complete,
  plan,
}: {
  readonly step: Step;
  readonly complete: boolean;
  readonly plan: () => void;
}) {
  const statuses = step.is === 'done' ? (step.result?.status_in_keystores ?? []) : [];
  return (
    <div aria-live="polite">
      {step.is === 'planning' && complete ? <InlineLoading description={text.changes.planning} /> : undefined}
      {(step.is === 'planned' || step.is === 'running') && step.plan !== undefined ? (
        <PlanView plan={step.plan} running={step.is === 'running'} />
      ) : undefined}
      {step.is === 'running' && (step.plan?.keystores.length ?? 0) === 0 ? (
        <InlineLoading description={text.changes.running} />
      ) : undefined}
      {step.is === 'refused' ? <RefusalNotice error={step.error} retry={plan} /> : undefined}
      {step.is === 'stale' ? <Stale shown={step.was} now={step.now.body} /> : undefined}
      {step.is === 'done' && step.waits ? (
        <Notice kind="info" title={text.changes.waiting}>
          {text.changes.waitingBody} <Link to="/approvals">{text.changes.toApproval}</Link>
        </Notice>
      ) : undefined}
      {step.is === 'done' && !step.waits ? (
        <>
          <Notice kind="success" title={text.changes.done} />
          {statuses.length === 0 ? undefined : <h3>{text.changes.result}</h3>}
          <StatusList statuses={statuses} />
          {statuses.some(({ keystore_sync_flag: flag }) => flag !== 'ok') ? (
            <p>{text.changes.incomplete}</p>
          ) : undefined}
        </>
      ) : undefined}
    </div>
  );
}

function Stale({ shown, now }: { readonly shown: unknown; readonly now: unknown }) {
  const changed = differences(shown, now);
  return (
    <>
      <Notice
        kind="warning"

        title={text.changes.stale}
      >
        {text.changes.staleBody}
      </Notice>
      {changed.length === 0 ? (
        <p>{text.changes.staleNothing}</p>
      ) : (
        <PlanView plan={{ changes: changed, keystores: [], estimated_seconds: 0 }} running={false} />
      )}
    </>
  );
}
