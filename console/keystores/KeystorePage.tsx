import { Button, Loading, Tag } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { Link, useNavigate, useParams } from 'react-router';
import { send } from '../api/client.ts';
import { useOne, usePage } from '../api/queries.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { AssociatedResources } from '../managed-keys/AssociatedResources.tsx';
import { KeyFlags, StateTag } from '../managed-keys/flags.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { fromNow, momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { PLACEHOLDER, SETTINGS } from './fields.ts';
import { HealthTag } from './HealthTag.tsx';
import { useKeystoreActions } from './KeystoreActions.tsx';

const words = text.keystores;

export function KeystorePage() {
  const { id = '' } = useParams();
  const caller = useCaller();
  const navigate = useNavigate();
  const { actionsOf, dialog } = useKeystoreActions(caller);
  const { data, error, refetch } = useOne(
    ['keystores', id],
    (signal) => send('GET', '/keystores/{id}', { id, signal }),
    { refetchInterval: 30_000 },
  );
  const mayList = refusal(caller, 'list') === undefined;
  const keys = usePage(
    ['keystores', id, 'managed_keys'],
    (signal) => send('GET', '/keystores/{id}/managed_keys', { id, query: { limit: 10, sort: ['label'] }, signal }),
    { enabled: mayList },
  );
  const above = [{ name: text.pages.keystores, to: '/keystores' }];
  if (data === undefined) {
    return error === null ? (
      <Loading description={text.shell.loading} withOverlay={false} className="centered" />
    ) : (
      <Page title={text.pages.keystores} above={above}>
        <RefusalNotice error={error} retry={() => void refetch()} />
      </Page>
    );
  }
  const keystore = data.body;
  const values = keystore as unknown as Readonly<Record<string, unknown>>;
  const { health_status: health, message } = keystore.status;
  return (
    <Page
      title={keystore.name}
      above={above}
      lead={keystore.description}
      beside={<HealthTag status={keystore.status} />}
      actions={<ActionsMenu of={keystore.name} labelled actions={actionsOf(keystore)} />}
    >
      {health === 'not_responding' || health === 'configuration_error' ? (
        <Notice
          kind="error"

          title={text.words.health[health]}
        >
          {message}
        </Notice>
      ) : undefined}
      <div className="cards">
        <Card title={words.settings}>
          <Facts>
            <Fact name={words.columns.type}>{text.words.keystoreTypes[keystore.type]}</Fact>
            <Fact name={words.columns.location}>{keystore.location}</Fact>
            {SETTINGS[keystore.type]
              .filter(({ name }) => values[name] !== undefined)
              .map(({ name, kind }) => (
                <Fact key={name} name={words.fields[name] ?? name}>
                  {kind.endsWith('secret') ? (
                    values[name] === PLACEHOLDER ? (
                      words.secretStored
                    ) : (
                      words.secretNone
                    )
                  ) : typeof values[name] === 'boolean' ? (
                    values[name] ? (
                      text.shell.yes
                    ) : (
                      text.shell.no
                    )
                  ) : (
                    <span className="breakable">{String(values[name])}</span>
                  )}
                </Fact>
              ))}
            {keystore.tls_proxy === undefined || keystore.tls_proxy === '' ? undefined : (
              <Fact name={words.proxy}>{keystore.tls_proxy}</Fact>
            )}
          </Facts>
        </Card>
        <Card title={words.place}>
          <Facts>
            <Fact name={words.columns.vault}>
              <Link to={`/vaults/${keystore.vault?.id ?? ''}`}>{keystore.vault?.name}</Link>
            </Fact>
            <Fact name={words.columns.groups}>
              {keystore.groups.length === 0 ? undefined : (
                <span className="tags">
                  {keystore.groups.map((group) => (
                    <Tag key={group} type="outline">
                      {group}
                    </Tag>
                  ))}
                </span>
              )}
            </Fact>
            <Fact name={words.columns.health}>
              {text.words.health[health ?? 'pending_check']}
              {message === undefined || message === '' ? undefined : <p className="quiet">{message}</p>}
            </Fact>
            <Fact
              name={words.columns.heartbeat}
            >{`${momentOf(keystore.status.last_heartbeat)} (${fromNow(keystore.status.last_heartbeat)})`}</Fact>
            <Fact name={text.keys.columns.created}>
              {text.keys.details.byWhom(momentOf(keystore.created_at), keystore.created_by)}
            </Fact>
            <Fact name={words.columns.updated}>
              {text.keys.details.byWhom(momentOf(keystore.updated_at), keystore.updated_by)}
            </Fact>
          </Facts>
        </Card>
        {mayList ? (
          <Card title={words.keysIn(keys.data?.total_count ?? 0)}>
            {keys.error === null ? undefined : <RefusalNotice error={keys.error} retry={() => void keys.refetch()} />}
            <ul className="rows">
              {(keys.data?.managed_keys ?? []).map((managed) => (
                <li key={managed.id}>
                  <span className="tags">
                    <Link to={`/managed-keys/${managed.id ?? ''}`}>{managed.label}</Link>
                    <StateTag state={managed.state} />
                    <KeyFlags statuses={managed.status_in_keystores.filter((status) => status.keystore?.id === id)} />
                  </span>
                </li>
              ))}
            </ul>
            <div className="card__buttons">
              <Button
                kind="ghost"
                size="sm"
                onClick={() =>
                  void navigate(
                    `/managed-keys?referenced_keystores[].name=${encodeURIComponent(keystore.name)}&state=any`,
                  )
                }
              >
                {words.commands.keys}
              </Button>
              <Button kind="ghost" size="sm" onClick={() => void navigate(`/keystores/${id}/unmanaged-keys`)}>
                {words.commands.unmanaged}
              </Button>
            </div>
          </Card>
        ) : undefined}
        {mayList ? (
          <AssociatedResources
            list={['keystores', id]}
            read={(query, signal) => send('GET', '/keystores/{id}/associated_resources', { id, query, signal })}
          />
        ) : undefined}
      </div>
      {dialog}
    </Page>
  );
}
