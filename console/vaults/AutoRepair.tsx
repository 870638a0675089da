import { Button, Tag } from '@carbon/react';
import { useState } from 'react';
import { Link } from 'react-router';
import type { WireAutoRepairPreview } from '../../lib/wire/auto-repair.ts';
import { send } from '../api/client.ts';
import { useOne, useReadAgain } from '../api/queries.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { Notice } from '../notices/Notice.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { fromNow } from '../text/dates.ts';
import { text } from '../text/text.ts';

const words = text.autoRepair;

/** What is repaired without people in this vault, what waits for them, and why. */
export function AutoRepair({ vaultId }: { readonly vaultId: string }) {
  const caller = useCaller();
  const readAgain = useReadAgain();
  const preview = useOne(['vaults', vaultId, 'auto_repair'], (signal) =>
    send('GET', '/vaults/{id}/auto_repair', { id: vaultId, signal }),
  );
  const [refused, setRefused] = useState<unknown>();
  const found = preview.data?.body;
  const resume = async () => {
    setRefused(undefined);
    try {
      await send('POST', '/vaults/{id}/auto_repair/resume', { id: vaultId, idempotencyKey: crypto.randomUUID() });
      await readAgain();
    } catch (error) {
      setRefused(error);
    }
  };
  return (
    <Card title={words.title} width="wide">
      {preview.error === null ? undefined : (
        <RefusalNotice error={preview.error} retry={() => void preview.refetch()} />
      )}
      {refused === undefined ? undefined : <RefusalNotice error={refused} />}
      {found === undefined ? undefined : (
        <>
          {found.held === undefined ? undefined : (
            <Notice
              kind="warning"
              title={found.held.since === undefined ? words.held : words.heldSince(fromNow(found.held.since))}
              action={
                refusal(caller, 'write_vault', vaultId) === undefined
                  ? { name: words.resume, run: () => void resume() }
                  : undefined
              }
            >
              {found.held.reason}
            </Notice>
          )}
          <Facts>
            <Fact name={words.policy}>
              {words.policies[found.policy.policy]}
              {found.templates.map(({ id, name, policy }) => (
                <p key={id} className="quiet">
                  <Link to={`/key-templates/${id}`}>{name}</Link>: {words.policies[policy]}
                </p>
              ))}
            </Fact>
            <Fact name={words.maximum}>
              {words.maximumOf(found.repaired_in_this_sweep, found.policy.maximum_per_sweep)}
            </Fact>
            <Fact name={words.stopAt}>{words.percent(found.policy.stop_at_percent)}</Fact>
          </Facts>
          <Repairs title={words.would} repairs={found.would_repair} />
          {found.estimated_seconds === 0 ? undefined : (
            <p className="quiet">{words.eta(text.dates.seconds(found.estimated_seconds))}</p>
          )}
          <Repairs title={words.left} repairs={found.left_to_people} />
          {found.complete ? undefined : <p className="quiet">{words.incomplete}</p>}
        </>
      )}
    </Card>
  );
}

function Repairs({
  title,
  repairs,
}: {
  readonly title: string;
  readonly repairs: WireAutoRepairPreview['would_repair'];
}) {
  const [all, setAll] = useState(false);
  if (repairs.length === 0) return undefined;
  const shown = all ? repairs : repairs.slice(0, 5);
  return (
    <>
      <h3>{`${title} (${repairs.length})`}</h3>
      <ul className="rows">
        {shown.map(({ key, keystore, steps, reason }) => (
          <li key={`${key.id} ${key.version} ${keystore.id}`}>
            <span className="tags">
              <Link to={`/managed-keys/${key.id}`}>{key.label}</Link>
              <span>{text.drift.in(keystore.name ?? keystore.id)}</span>
              {steps.map((step) => (
                <Tag key={step} size="sm" type="blue">
                  {text.words.steps[step]}
                </Tag>
              ))}
            </span>
            <p className="quiet">{reason}</p>
          </li>
        ))}
      </ul>
      {shown.length < repairs.length ? (
        <Button kind="ghost" size="sm" onClick={() => setAll(true)}>
          {text.associated.more(repairs.length - shown.length)}
        </Button>
      ) : undefined}
    </>
  );
}
