import { Loading, Tag } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { Link, useParams } from 'react-router';
import { send } from '../api/client.ts';
import { useOne, usePage } from '../api/queries.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { KeyFlags, StateTag } from '../managed-keys/flags.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { ActionsMenu } from '../shell/ActionsMenu.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { momentOf } from '../text/dates.ts';
import { periodText } from '../text/period.ts';
import { text } from '../text/text.ts';
import { typeProperties } from './KeyProperties.tsx';
import { scheduleText } from './ScheduleFields.tsx';
import { exampleOf } from './NamingScheme.tsx';
import { useTemplateActions } from './TemplateActions.tsx';

const words = text.templates;

export function TemplatePage() {
  const { id = '' } = useParams();
  const caller = useCaller();
  const { actionsOf, dialog } = useTemplateActions(caller);
  const { data, error, refetch } = useOne(['templates', id], (signal) =>
    send('GET', '/templates/{id}', { id, signal }),
  );
  const keys = usePage(
    ['managed_keys', 'of template', id],
    (signal) => send('GET', '/managed_keys', { query: { 'template.id': id, limit: 10, sort: ['label'] }, signal }),
    { enabled: refusal(caller, 'list') === undefined },
  );
  const above = [{ name: text.pages.templates, to: '/key-templates' }];
  if (data === undefined) {
    return error === null ? (
      <Loading description={text.shell.loading} withOverlay={false} className="centered" />
    ) : (
      <Page title={text.pages.templates} above={above}>
        <RefusalNotice error={error} retry={() => void refetch()} />
      </Page>
    );
  }
  const template = data.body;
  const { key } = template;
  return (
    <Page
      title={template.name ?? ''}
      above={above}
      lead={template.description}
      beside={
        <span className="tags">
          {template.type.map((type) => (
            <Tag key={type} type="outline">
              {text.words.templateTypes[type]}
            </Tag>
          ))}
          {template.state === 'archived' ? <Tag type="gray">{text.words.templateStates.archived}</Tag> : undefined}
        </span>
      }
      actions={<ActionsMenu of={template.name ?? ''} labelled actions={actionsOf(template)} />}
    >
      {template.state === 'archived' ? (
        <Notice
          kind="info"

          title={text.words.templateStates.archived}
        >
          {words.archivedMeans}
        </Notice>
      ) : undefined}
      <div className="cards">
        <Card title={words.keysOf}>
          <Facts>
            <Fact name={text.keys.columns.algorithm}>{text.words.algorithms[key.algorithm]}</Fact>
            <Fact name={text.keys.columns.length}>{key.size}</Fact>
            <Fact name={text.keys.columns.material}>
              {key.material === undefined ? words.materialAsUsual('') : text.words.material[key.material]}
            </Fact>
            <Fact name={words.initialState}>
              {key.state === 'active' ? words.initialActive : words.initialPreActive}
            </Fact>
            <Fact name={words.activation}>
              {key.activation_date === '' ? words.activationNone : periodText(key.activation_date)}
            </Fact>
            <Fact name={words.expiration}>
              {key.expiration_date === '' ? words.expirationNone : periodText(key.expiration_date)}
            </Fact>
            <Fact name={text.upcoming.schedule}>{scheduleText(key.schedule)}</Fact>
            <Fact name={text.autoRepair.title}>
              {text.autoRepair.templatePolicies[template.auto_repair ?? 'as_vault']}
            </Fact>
            <Fact name={text.properties['deactivate_on_rotation'] ?? ''}>
              {key.deactivate_on_rotation === true ? text.shell.yes : text.shell.no}
            </Fact>
          </Facts>
        </Card>
        <Card title={words.where}>
          <Facts>
            <Fact name={words.columns.vault}>
              <Link to={`/vaults/${template.vault?.id ?? ''}`}>{template.vault?.name}</Link>
            </Fact>
            {template.keystores.map((entry) => (
              <Fact key={entry.group} name={text.words.keystoreTypes[entry.type]}>
                {words.inGroup(entry.group ?? '')}
                {typeProperties(entry).map(([name, value]) => (
                  <p key={name} className="quiet">
                    {text.typeProperties[name] ?? name}:{' '}
                    {Array.isArray(value) ? value.join(', ') : String(value).replaceAll('_', ' ')}
                  </p>
                ))}
              </Fact>
            ))}
            <Fact name={words.columns.scheme}>
              {template.naming_scheme === undefined || template.naming_scheme === '' ? undefined : (
                <>
                  <code>{template.naming_scheme}</code>
                  <p className="quiet">{words.forExample(exampleOf(template.naming_scheme, key))}</p>
                </>
              )}
            </Fact>
            <Fact name={words.columns.version}>{template.version}</Fact>
            <Fact name={words.columns.updated}>
              {text.keys.details.byWhom(momentOf(template.updated_at), template.updated_by)}
            </Fact>
          </Facts>
        </Card>
        <Card title={words.keysMade(template.keys_count)} width="wide">
          <ul className="rows">
            {(keys.data?.managed_keys ?? []).map((managed) => (
              <li key={managed.id}>
                <span className="tags">
                  <Link to={`/managed-keys/${managed.id ?? ''}`}>{managed.label}</Link>
                  <StateTag state={managed.state} />
                  <KeyFlags statuses={managed.status_in_keystores} />
                  {managed.template?.alignment_status === 'unaligned' ? (
                    <Tag type="magenta">{text.words.unaligned}</Tag>
                  ) : undefined}
                </span>
              </li>
            ))}
          </ul>
          {(keys.data?.total_count ?? 0) > 0 ? (
            <p>
              <Link to={`/managed-keys?template.id=${id}&state=any`}>{words.allKeys}</Link>
            </p>
          ) : undefined}
        </Card>
      </div>
      {dialog}
    </Page>
  );
}
