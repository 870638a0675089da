import { Checkbox, CheckboxGroup, Loading, PasswordInput, Select, SelectItem, TextInput } from '@carbon/react';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import type { WireSubscription } from '../../lib/wire/notifications.ts';
import type { BodyOf } from '../../lib/wire/operations.ts';
import { messageFor, send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useOne, useVaults } from '../api/queries.ts';
import { SaveForm } from '../changes/SaveForm.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';

const words = text.notifications;
type Flag = WireSubscription['flags'][number];
const FLAGS: readonly Flag[] = ['out_of_sync', 'error', 'ok'];

/** A new subscription, or an existing one. */
export function SubscriptionForm() {
  const { id } = useParams();
  const { data, error, refetch } = useOne(
    ['notification_subscriptions', id],
    (signal) => send('GET', '/notification_subscriptions/{id}', { id: id ?? '', signal }),
    { enabled: id !== undefined },
  );
  return (
    <Page
      title={id === undefined ? words.create : words.editOf(data?.body.name ?? '')}
      above={[{ name: text.pages.notifications, to: '/notifications' }]}
    >
      {error === null ? undefined : <RefusalNotice error={error} retry={() => void refetch()} />}
      {id !== undefined && data === undefined ? (
        <Loading description={text.shell.loading} withOverlay={false} className="centered" />
      ) : (
        <Fields shown={data} />
      )}
    </Page>
  );
}

function Fields({ shown }: { readonly shown: Answer<WireSubscription> | undefined }) {
  const known = shown?.body;
  const navigate = useNavigate();
  const caller = useCaller();
  const vaults = useVaults().filter(({ id }) => refusal(caller, 'write_subscription', id) === undefined);
  const [chosenVault, setVault] = useState(known?.vault.id ?? '');
  const vaultId = chosenVault === '' && vaults.length === 1 ? (vaults[0]?.id ?? '') : chosenVault;
  const [type, setType] = useState<WireSubscription['type']>(known?.type ?? 'webhook');
  const [name, setName] = useState(known?.name ?? '');
  const [url, setUrl] = useState(known?.url ?? '');
  const [secret, setSecret] = useState('');
  const [topic, setTopic] = useState(known?.topic_arn ?? '');
  const [flags, setFlags] = useState<readonly Flag[]>(known?.flags ?? FLAGS);
  const [announcements, setAnnouncements] = useState(known?.announcements ?? true);
  const [error, setError] = useState<unknown>();
  const wrong = (field: string) => {
    const message = messageFor(error, field);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  const created = {
    type,
    vault: { id: vaultId },
    name,
    flags,
    announcements,
    ...(type === 'webhook' ? { url, secret } : { topic_arn: topic }),
  } as BodyOf<'CreateNotificationSubscription'>;
  const edited: BodyOf<'UpdateNotificationSubscription'> = {
    ...(name === known?.name ? {} : { name }),
    ...(flags.toSorted().join() === known?.flags.toSorted().join() ? {} : { flags }),
    ...(announcements === known?.announcements ? {} : { announcements }),
    ...(url === (known?.url ?? '') ? {} : { url }),
    ...(secret === '' ? {} : { secret }),
    ...(topic === (known?.topic_arn ?? '') ? {} : { topic_arn: topic }),
  };
  const id = known?.id ?? '';
  const back = () => void navigate('/notifications');
  return (
    <div className="narrow">
      <SaveForm
        label={words.create}
        heading={known === undefined ? words.createOf(name) : words.editOf(known.name)}
        confirm={known === undefined ? words.create : text.shell.save}
        withoutPlan
        complete={
          name !== '' && vaultId !== '' && flags.length > 0 && (known === undefined || Object.keys(edited).length > 0)
        }
        shown={shown}
        read={known === undefined ? undefined : () => send('GET', '/notification_subscriptions/{id}', { id })}
        run={async (how) => {
          const answer =
            known === undefined
              ? await send('POST', '/notification_subscriptions', { body: created, idempotencyKey: how.idempotencyKey })
              : await send('PATCH', '/notification_subscriptions/{id}', { id, body: edited, ifMatch: how.ifMatch });
          return { ...answer, body: undefined };
        }}
        onRefused={setError}
        onCancel={back}
        onSaved={back}
      >
        {known === undefined ? (
          <>
            <Select
              id="subscription-vault"
              labelText={words.columns.vault}
              value={vaultId}
              {...wrong('vault')}
              onChange={(event) => setVault(event.target.value)}
            >
              <SelectItem value="" text={text.keys.create.choose} />
              {vaults.map((vault) => (
                <SelectItem key={vault.id} value={vault.id} text={vault.name} />
              ))}
            </Select>
            <Select
              id="subscription-type"
              labelText={words.columns.type}
              value={type}
              onChange={(event) => setType(event.target.value as WireSubscription['type'])}
            >
              {Object.entries(words.types).map(([value, shownAs]) => (
                <SelectItem key={value} value={value} text={shownAs} />
              ))}
            </Select>
          </>
        ) : undefined}
        <TextInput
          id="subscription-name"
          labelText={words.columns.name}
          value={name}
          {...wrong('name')}
          onChange={(event) => setName(event.target.value)}
        />
        {type === 'webhook' ? (
          <>
            <TextInput
              id="subscription-url"
              labelText={words.url}
              value={url}
              placeholder="https://example.org/drift"
              {...wrong('url')}
              onChange={(event) => setUrl(event.target.value)}
            />
            <PasswordInput
              id="subscription-secret"
              labelText={words.secret}
              autoComplete="off"
              helperText={known === undefined ? words.secretHint : text.keystores.secretUnchanged}
              showPasswordLabel={text.keystores.showSecret}
              hidePasswordLabel={text.keystores.hideSecret}
              value={secret}
              {...wrong('secret')}
              onChange={(event) => setSecret(event.target.value)}
            />
          </>
        ) : (
          <TextInput
            id="subscription-topic"
            labelText={words.topic}
            value={topic}
            placeholder="arn:aws:sns:eu-central-1:111122223333:drift"
            {...wrong('topic_arn')}
            onChange={(event) => setTopic(event.target.value)}
          />
        )}
        <CheckboxGroup legendText={words.columns.flags}>
          {FLAGS.map((flag) => (
            <Checkbox
              key={flag}
              id={`subscription-${flag}`}
              labelText={text.words.flags[flag]}
              checked={flags.includes(flag)}
              onChange={() => setFlags(flags.includes(flag) ? flags.filter((each) => each !== flag) : [...flags, flag])}
            />
          ))}
          <Checkbox
            id="subscription-announcements"
            labelText={words.announcements}
            checked={announcements}
            onChange={() => setAnnouncements(!announcements)}
          />
        </CheckboxGroup>
      </SaveForm>
    </div>
  );
}
