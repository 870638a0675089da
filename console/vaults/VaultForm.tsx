import { Checkbox, CheckboxGroup, Loading, Select, SelectItem, TextArea, TextInput } from '@carbon/react';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import type { WireVault } from '../../lib/wire/vaults.ts';
import { messageFor, send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useOne } from '../api/queries.ts';
import { SaveForm } from '../changes/SaveForm.tsx';
import type { How } from '../changes/use-change.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { text } from '../text/text.ts';

const words = text.vaults;
type Subject = NonNullable<WireVault['approval_required_for']>[number];
const SUBJECTS: readonly Subject[] = ['destroy_key', 'disconnect_keystore', 'realign_removing_keystores'];

/** A new vault, or an existing one. */
export function VaultForm() {
  const { id } = useParams();
  const { data, error, refetch } = useOne(
    ['vaults', id],
    (signal) => send('GET', '/vaults/{id}', { id: id ?? '', signal }),
    { enabled: id !== undefined },
  );
  const above = [
    { name: text.pages.vaults, to: '/vaults' },
    ...(data === undefined ? [] : [{ name: data.body.name, to: `/vaults/${id ?? ''}` }]),
  ];
  return (
    <Page title={id === undefined ? words.create : words.editOf(data?.body.name ?? '')} above={above}>
      {error === null ? undefined : <RefusalNotice error={error} retry={() => void refetch()} />}
      {id !== undefined && data === undefined ? (
        <Loading description={text.shell.loading} withOverlay={false} className="centered" />
      ) : (
        <Fields shown={data} />
      )}
    </Page>
  );
}

function Fields({ shown }: { readonly shown: Answer<WireVault> | undefined }) {
  const vault = shown?.body;
  const id = vault?.id ?? '';
  const navigate = useNavigate();
  const [name, setName] = useState(vault?.name ?? '');
  const [description, setDescription] = useState(vault?.description ?? '');
  const [recovery, setRecovery] = useState(vault?.recovery_key_label ?? '');
  const [subjects, setSubjects] = useState<readonly Subject[]>(vault?.approval_required_for ?? []);
  const [repair, setRepair] = useState({
    policy: vault?.auto_repair?.policy ?? ('flag' as const),
    maximum_per_sweep: String(vault?.auto_repair?.maximum_per_sweep ?? 100),
    stop_at_percent: String(vault?.auto_repair?.stop_at_percent ?? 20),
  });
  const [error, setError] = useState<unknown>();
  const [madeId, setMadeId] = useState(id);
  const wrong = (field: string) => {
    const message = messageFor(error, field);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  const fields = {
    ...(description === (vault?.description ?? '') ? {} : { description }),
    ...(recovery === (vault?.recovery_key_label ?? '') ? {} : { recovery_key_label: recovery }),
    ...(subjects.toSorted().join() === (vault?.approval_required_for ?? []).toSorted().join()
      ? {}
      : { approval_required_for: subjects }),
  };
  const numbers = (['maximum_per_sweep', 'stop_at_percent'] as const).filter(
    (name) => repair[name] !== String(vault?.auto_repair?.[name] ?? (name === 'stop_at_percent' ? 20 : 100)),
  );
  const repairChanged = {
    ...(repair.policy === (vault?.auto_repair?.policy ?? 'flag') ? {} : { policy: repair.policy }),
    ...Object.fromEntries(numbers.map((name) => [name, Number(repair[name])])),
  };
  const changed = {
    ...fields,
    ...(Object.keys(repairChanged).length === 0 ? {} : { auto_repair: repairChanged }),
  };
  const edited = { ...(name === vault?.name ? {} : { name }), ...changed };
  const run = (how: How): Promise<Answer<WireVault>> =>
    vault === undefined
      ? send('POST', '/vaults', {
          query: { dry_run: how.dryRun || undefined },
          body: { name, ...changed },
          idempotencyKey: how.idempotencyKey,
        })
      : send('PATCH', '/vaults/{id}', {
          id,
          query: { dry_run: how.dryRun || undefined },
          body: edited,
          ifMatch: how.ifMatch,
        });
  return (
    <div className="narrow">
      <SaveForm
        label={vault === undefined ? words.create : words.edit}
        heading={vault === undefined ? words.createOf(name) : words.editOf(vault.name)}
        confirm={vault === undefined ? words.create : text.shell.save}
        complete={name !== '' && (vault === undefined || Object.keys(edited).length > 0)}
        shown={shown}
        read={vault === undefined ? undefined : () => send('GET', '/vaults/{id}', { id })}
        run={run}
        onRefused={setError}
        onDone={({ body }) => setMadeId(body.id ?? '')}
        onCancel={() => void navigate(vault === undefined ? '/vaults' : `/vaults/${id}`)}
        onSaved={() => void navigate(`/vaults/${madeId}`)}
      >
        <TextInput
          id="vault-name"
          labelText={words.columns.name}
          value={name}
          {...wrong('name')}
          onChange={(event) => setName(event.target.value)}
        />
        <TextArea
          id="vault-description"
          labelText={`${words.columns.description} (${text.shell.optional})`}
          rows={2}
          value={description}
          {...wrong('description')}
          onChange={(event) => setDescription(event.target.value)}
        />
        <CheckboxGroup legendText={words.columns.approval} helperText={words.approvalHint}>
          {SUBJECTS.map((subject) => (
            <Checkbox
              key={subject}
              id={`subject-${subject}`}
              labelText={text.words.approvalSubjects[subject]}
              checked={subjects.includes(subject)}
              onChange={() =>
                setSubjects(
                  subjects.includes(subject) ? subjects.filter((each) => each !== subject) : [...subjects, subject],
                )
              }
            />
          ))}
        </CheckboxGroup>
        <Select
          id="vault-repair"
          labelText={text.autoRepair.title}
          helperText={text.autoRepair.hint}
          value={repair.policy}
          {...wrong('auto_repair.policy')}
          onChange={(event) => setRepair({ ...repair, policy: event.target.value as typeof repair.policy })}
        >
          {Object.entries(text.autoRepair.policies).map(([value, name]) => (
            <SelectItem key={value} value={value} text={name} />
          ))}
        </Select>
        {repair.policy === 'flag' ? undefined : (
          <>
            <TextInput
              id="vault-repair-maximum"
              labelText={text.autoRepair.maximum}
              inputMode="numeric"
              value={repair.maximum_per_sweep}
              {...wrong('auto_repair.maximum_per_sweep')}
              onChange={(event) => setRepair({ ...repair, maximum_per_sweep: event.target.value })}
            />
            <TextInput
              id="vault-repair-stop"
              labelText={text.autoRepair.stopAt}
              inputMode="numeric"
              value={repair.stop_at_percent}
              {...wrong('auto_repair.stop_at_percent')}
              onChange={(event) => setRepair({ ...repair, stop_at_percent: event.target.value })}
            />
          </>
        )}
        <TextInput
          id="vault-recovery"
          labelText={`${words.recoveryKey} (${text.shell.optional})`}
          value={recovery}
          {...wrong('recovery_key_label')}
          onChange={(event) => setRecovery(event.target.value)}
        />
      </SaveForm>
    </div>
  );
}
