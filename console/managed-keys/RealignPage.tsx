import { Button, ButtonSet, Checkbox, Loading } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import { send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useOne } from '../api/queries.ts';
import { ChangeView } from '../changes/ChangeView.tsx';
import { valueText } from '../changes/PlanView.tsx';
import { useChange } from '../changes/use-change.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';
import { realignRefused } from './KeyActions.tsx';

const words = text.keys.realign;

/** Every difference between a key and its template, each with a box: only when all are ticked can it be realigned. */
export function RealignPage() {
  const { id = '' } = useParams();
  const {
    data: shown,
    error,
    refetch,
  } = useOne(['managed_keys', id], (signal) => send('GET', '/managed_keys/{id}', { id, signal }));
  const templateId = shown?.body.template?.id;
  const template = useOne(
    ['templates', templateId],
    (signal) => send('GET', '/templates/{id}', { id: templateId ?? '', signal }),
    {
      enabled: templateId !== undefined,
    },
  );
  const caller = useCaller();
  const above = [
    { name: text.pages.keys, to: '/managed-keys' },
    ...(shown === undefined ? [] : [{ name: shown.body.label, to: `/managed-keys/${id}` }]),
  ];
  const [done, setDone] = useState(false);
  if (shown === undefined) {
    return error === null ? (
      <Loading description={text.shell.loading} withOverlay={false} className="centered" />
    ) : (
      <Page title={words.title} above={above}>
        <RefusalNotice error={error} retry={() => void refetch()} />
      </Page>
    );
  }
  const archived = template.data?.body.state === 'archived';
  const refused =
    realignRefused(shown.body, new Set(archived ? [templateId ?? ''] : [])) ??
    refusal(caller, 'align_key', shown.body.vault?.id);
  return (
    <Page title={words.titleOf(shown.body.label)} above={above} lead={words.lead(shown.body.template?.name ?? '')}>
      {refused !== undefined && !done ? (
        <Notice kind="info" title={words.notOffered}>
          {refused}
        </Notice>
      ) : (
        <Differences shown={shown} onDone={() => setDone(true)} />
      )}
    </Page>
  );
}

function Differences({ shown, onDone }: { readonly shown: Answer<WireManagedKey>; readonly onDone: () => void }) {
  const id = shown.body.id ?? '';
  const navigate = useNavigate();
  const [ticked, tick] = useState<ReadonlySet<string>>(new Set());
  const change = useChange({
    shown,
    read: () => send('GET', '/managed_keys/{id}', { id }),
    run: (how) =>
      send('POST', '/managed_keys/{id}/update_from_template', {
        id,
        query: { dry_run: how.dryRun || undefined },
        ifMatch: how.ifMatch,
        idempotencyKey: how.idempotencyKey,
      }),
    onDone,
  });
  const { step } = change;
  const plan = step.is === 'planned' || step.is === 'running' || step.is === 'refused' ? step.plan : undefined;
  const differences = plan?.differences ?? [];
  const all = differences.every(({ property }) => ticked.has(property));
  return (
    <div className="narrow">
      {step.is === 'done' || differences.length === 0 ? undefined : (
        <fieldset className="differences" disabled={step.is === 'running'}>
          <legend>{words.confirmEach}</legend>
          {differences.map(({ property, key, template, changeable }) => (
            <div key={property} className="differences__difference">
              <Checkbox
                id={`difference-${property}`}
                labelText={text.properties[property] ?? property}
                helperText={changeable ? undefined : words.stays}
                checked={ticked.has(property)}
                onChange={() => {
                  const next = new Set(ticked);
                  if (!next.delete(property)) next.add(property);
                  tick(next);
                }}
              />
              <dl>
                <div>
                  <dt>{words.ofKey}</dt>
                  <dd>{valueText(key)}</dd>
                </div>
                <div>
                  <dt>{words.ofTemplate}</dt>
                  <dd>{valueText(template)}</dd>
                </div>
              </dl>
            </div>
          ))}
        </fieldset>
      )}
      <ChangeView {...change} />
      <ButtonSet className="form__buttons">
        <Button
          kind="secondary"
          size="md"
          disabled={step.is === 'running'}
          onClick={() => void navigate(`/managed-keys/${id}`)}
        >
          {step.is === 'done' ? words.toKey : text.shell.cancel}
        </Button>
        {step.is === 'stale' ? (
          <Button
            size="md"
            onClick={() => {
              tick(new Set());
              change.goOn();
            }}
          >
            {text.changes.goOn}
          </Button>
        ) : step.is === 'done' ? undefined : (
          <Button size="md" disabled={!change.ready || differences.length === 0 || !all} onClick={change.confirm}>
            {words.confirm}
          </Button>
        )}
      </ButtonSet>
      {change.ready && !all ? <p className="quiet">{words.tickAll}</p> : undefined}
    </div>
  );
}
