import { Loading } from '@carbon/react';
import { Link, useParams } from 'react-router';
import { send } from '../api/client.ts';
import { useOne } from '../api/queries.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Page } from '../shell/Page.tsx';
import { useCaller } from '../sign-in/use-caller.ts';
import { momentOf } from '../text/dates.ts';
import { text } from '../text/text.ts';
import { AutoRepair } from './AutoRepair.tsx';
import { useVaultActions } from './VaultActions.tsx';

const words = text.vaults;

export function VaultPage() {
  const { id = '' } = useParams();
  const { actionsOf, dialog } = useVaultActions(useCaller());
  const { data, error, refetch } = useOne(['vaults', id], (signal) => send('GET', '/vaults/{id}', { id, signal }));
  const above = [{ name: text.pages.vaults, to: '/vaults' }];
  if (data === undefined) {
    return error === null ? (
      <Loading description={text.shell.loading} withOverlay={false} className="centered" />
    ) : (
      <Page title={text.pages.vaults} above={above}>
        <RefusalNotice error={error} retry={() => void refetch()} />
      </Page>
    );
  }
  const vault = data.body;
  const subjects = vault.approval_required_for ?? [];
  return (
    <Page
      title={vault.name}
      above={above}
      lead={vault.description}
      actions={<ActionsMenu of={vault.name} labelled actions={actionsOf(vault)} />}
    >
      <div className="cards">
        <Card title={words.content}>
          <Facts>
            <Fact name={text.pages.keys}>
              <Link to={`/managed-keys?vault.id=${id}`}>{vault.keys_count}</Link>
            </Fact>
            <Fact name={text.pages.templates}>
              <Link to={`/key-templates?vault.id=${id}`}>{vault.key_templates_count}</Link>
            </Fact>
            <Fact name={text.pages.keystores}>
              <Link to={`/keystores?vault.id=${id}`}>{vault.keystores_count}</Link>
            </Fact>
          </Facts>
        </Card>
        <Card title={words.rules}>
          <Facts>
            <Fact name={words.columns.approval}>
              {subjects.length === 0 ? (
                text.shell.none
              ) : (
                <ul className="bullets">
                  {subjects.map((subject) => (
                    <li key={subject}>{text.words.approvalSubjects[subject]}</li>
                  ))}
                </ul>
              )}
            </Fact>
            <Fact name={words.recoveryKey}>{vault.recovery_key_label}</Fact>
            <Fact name={text.keys.columns.created}>
              {text.keys.details.byWhom(momentOf(vault.created_at), vault.created_by)}
            </Fact>
            <Fact name={words.columns.updated}>
              {text.keys.details.byWhom(momentOf(vault.updated_at), vault.updated_by)}
            </Fact>
            <Fact name={text.keys.details.id}>
              <code>{vault.id}</code>
            </Fact>
          </Facts>
        </Card>
        <AutoRepair vaultId={id} />
      </div>
      {dialog}
    </Page>
  );
}
