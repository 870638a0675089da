import { TextArea, TextInput } from '@carbon/react';
import { useState } from 'react';
import { Link } from 'react-router';
import { send } from '../api/client.ts';
import { messageFor } from '../api/client.ts';
import { useKeystoreTypes, useOne } from '../api/queries.ts';
import { Card, Fact, Facts } from '../cards/Card.tsx';
import { text } from '../text/text.ts';
import { EditForm } from './EditForm.tsx';
import type { CardOfKey } from './KeyPage.tsx';
import { TagsField } from './TagsField.tsx';

const words = text.keys.details;

/** Name, description, tags, and where the key belongs. */
export function GeneralCard(props: CardOfKey) {
  const { shown, editing, edit, refused } = props;
  const managed = shown.body;
  const template = managed.template;
  const { data: read } = useOne(
    ['templates', template?.id],
    (signal) => send('GET', '/templates/{id}', { id: template?.id ?? '', signal }),
    { enabled: template?.id !== undefined },
  );
  const type = managed.referenced_keystores[0]?.type ?? managed.status_in_keystores[0]?.keystore?.type;
  const kind = useKeystoreTypes().find((each) => each.type === type);
  const scheme = read?.body.naming_scheme ?? '';
  const lockedName =
    scheme !== '' || (managed.label_tags ?? []).length > 0
      ? words.namedByScheme(scheme)
      : kind?.key_can_be_renamed === false && managed.state !== 'pre_activation'
        ? words.notRenamed(text.words.keystoreTypes[kind.type])
        : undefined;
  return (
    <Card
      width="third"
      title={words.general}
      edit={{ refused, start: () => edit('general'), editing: editing === 'general' }}
    >
      {editing === 'general' ? (
        <Fields {...props} lockedName={lockedName} />
      ) : (
        <Facts>
          <Fact name={text.keys.columns.name} locked={lockedName}>
            {managed.label}
          </Fact>
          <Fact name={words.description}>{managed.description}</Fact>
          <Fact name={words.tags}>
            {(managed.tags ?? []).length === 0 ? undefined : (
              <ul className="names">
                {managed.tags?.map(({ name, value }) => (
                  <li key={name}>
                    {name} <span className="quiet">{value}</span>
                  </li>
                ))}
              </ul>
            )}
          </Fact>
          <Fact name={text.keys.columns.vault}>
            <Link to={`/vaults/${managed.vault?.id ?? ''}`}>{managed.vault?.name}</Link>
          </Fact>
          <Fact name={text.keys.columns.template} locked={words.templateLocked}>
            <Link to={`/key-templates/${template?.id ?? ''}`}>{template?.name ?? template?.id}</Link>
          </Fact>
          <Fact name={words.id}>
            <code>{managed.id}</code>
          </Fact>
        </Facts>
      )}
    </Card>
  );
}

function Fields(props: CardOfKey & { readonly lockedName: string | undefined }) {
  const managed = props.shown.body;
  const [label, setLabel] = useState(managed.label);
  const [description, setDescription] = useState(managed.description ?? '');
  const [tags, setTags] = useState(managed.tags ?? []);
  const [error, setError] = useState<unknown>();
  const full = tags.filter(({ name }) => name !== '');
  const body = {
    ...(label === managed.label ? {} : { label }),
    ...(description === managed.description ? {} : { description }),
    ...(JSON.stringify(full) === JSON.stringify(managed.tags ?? []) ? {} : { tags: full }),
  };
  const wrong = (field: string) => {
    const message = messageFor(error, field);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  return (
    <EditForm {...props} body={Object.keys(body).length === 0 ? undefined : body} onRefused={setError}>
      <TextInput
        id="key-label"
        labelText={text.keys.columns.name}
        value={label}
        readOnly={props.lockedName !== undefined}
        helperText={props.lockedName}
        {...wrong('label')}
        onChange={(event) => setLabel(event.target.value)}
      />
      <TextArea
        id="key-description"
        labelText={words.description}
        rows={2}
        value={description}
        {...wrong('description')}
        onChange={(event) => setDescription(event.target.value)}
      />
      <TagsField tags={tags} change={setTags} message={messageFor(error, 'tags')} />
    </EditForm>
  );
}
