import { Button, IconButton, Loading, Select, SelectItem, TextArea, TextInput } from '@carbon/react';
import { Add, TrashCan } from '@carbon/react/icons';
import { useState } from 'react';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import type { WireKeystoreType } from '../../lib/wire/keystore-types.ts';
import type { BodyOf } from '../../lib/wire/operations.ts';
import type { WireKeystoreProperties, WireTemplate } from '../../lib/wire/templates.ts';
import { messageFor, send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useKeystores, useKeystoreTypes, useOne, useVaults } from '../api/queries.ts';
import { SaveForm } from '../changes/SaveForm.tsx';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';
import { firstProperties, KeyPropertiesForm, typeProperties } from './KeyProperties.tsx';
import type { Properties } from './KeyProperties.tsx';
import { NamingSchemeField } from './NamingScheme.tsx';
import { ScheduleFields } from './ScheduleFields.tsx';

const words = text.templates;

/** A new template, empty or as a copy (`?copy=`), or an existing one. */
export function TemplateForm() {
  const { id } = useParams();
  const [parameters] = useSearchParams();
  const from = id ?? parameters.get('copy') ?? undefined;
  const types = useKeystoreTypes();
  const { data, error, refetch } = useOne(
    ['templates', from],
    (signal) => send('GET', '/templates/{id}', { id: from ?? '', signal }),
    {
      enabled: from !== undefined,
    },
  );
  const title = id === undefined ? words.create : words.editOf(data?.body.name ?? '');
  const above = [
    { name: text.pages.templates, to: '/key-templates' },
    ...(id === undefined || data === undefined ? [] : [{ name: data.body.name ?? '', to: `/key-templates/${id}` }]),
  ];
  return (
    <Page title={title} above={above}>
      {error === null ? undefined : <RefusalNotice error={error} retry={() => void refetch()} />}
      {(from !== undefined && data === undefined) || types.length === 0 ? (
        <Loading description={text.shell.loading} withOverlay={false} className="centered" />
      ) : (
        <Fields from={data} existing={id !== undefined} types={types} />
      )}
    </Page>
  );
}

function propertiesOf(template: WireTemplate): Properties {
  const [first] = template.keystores;
  const properties = first === undefined ? [] : typeProperties(first);
  return {
    key: template.key,
    ofType: Object.fromEntries(
      properties.filter((entry): entry is readonly [string, string] => typeof entry[1] === 'string'),
    ),
  };
}

function Fields(props: {
  readonly from: Answer<WireTemplate> | undefined;
  readonly existing: boolean;
  readonly types: readonly WireKeystoreType[];
}) {
  const { from, existing, types } = props;
  const template = from?.body;
  const navigate = useNavigate();
  const caller = useCaller();
  const vaults = useVaults().filter(({ id }) => refusal(caller, 'write_template', id) === undefined);
  const [parameters] = useSearchParams();
  const [vaultId, setVaultId] = useState(template?.vault?.id ?? parameters.get('vault') ?? '');
  const [name, setName] = useState(
    existing ? (template?.name ?? '') : template === undefined ? '' : words.copyName(template.name ?? ''),
  );
  const [description, setDescription] = useState(template?.description ?? '');
  const [typeName, setType] = useState<WireKeystoreType['type']>(template?.keystores[0]?.type ?? 'aws_kms');
  const [groups, setGroups] = useState<readonly string[]>(template?.keystores.map(({ group }) => group ?? '') ?? ['']);
  const [scheme, setScheme] = useState(template?.naming_scheme ?? '');
  const type = types.find((each) => each.type === typeName);
  const [properties, setProperties] = useState<Properties>(
    template === undefined ? firstProperties(type) : propertiesOf(template),
  );
  const [repair, setRepair] = useState(template?.auto_repair ?? ('as_vault' as const));
  const [error, setError] = useState<unknown>();
  const chosenVault = vaultId === '' && vaults.length === 1 ? (vaults[0]?.id ?? '') : vaultId;
  const { data: keystores } = useKeystores({ 'vault.id': chosenVault, type: typeName }, chosenVault !== '');
  const known = [...new Set(keystores?.flatMap((keystore) => keystore.groups))].filter(
    (group) => !groups.includes(group),
  );
  const full = groups.filter((group) => group !== '');
  const wrong = (field: string) => {
    const message = messageFor(error, field);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  const entries = full.map((group) => ({
    type: typeName,
    group,
    ...properties.ofType,
  })) as readonly WireKeystoreProperties[];
  const created: BodyOf<'CreateKeyTemplate'> = {
    vault: { id: chosenVault },
    name,
    description,
    key: properties.key,
    keystores: entries,
    ...(scheme === '' ? {} : { naming_scheme: scheme }),
    ...(repair === 'as_vault' ? {} : { auto_repair: repair }),
  };
  const edited: BodyOf<'UpdateKeyTemplate'> =
    template === undefined ? {} : editOf(template, { name, description, properties, groups: full, repair });
  const id = template?.id ?? '';
  const run = (how: {
    dryRun: boolean;
    ifMatch: string;
    idempotencyKey: string | undefined;
  }): Promise<Answer<WireTemplate>> =>
    existing
      ? send('PATCH', '/templates/{id}', {
          id,
          query: { dry_run: how.dryRun || undefined },
          body: edited,
          ifMatch: how.ifMatch,
        })
      : send('POST', '/templates', {
          query: { dry_run: how.dryRun || undefined },
          body: created,
          idempotencyKey: how.idempotencyKey,
        });
  const [madeId, setMadeId] = useState(id);
  return (
    <div className="narrow">
      <SaveForm
        label={existing ? words.editOf(name) : words.create}
        heading={existing ? words.editOf(template?.name ?? '') : words.createOf(name)}
        lead={existing ? words.editLead : undefined}
        confirm={existing ? text.shell.save : words.create}
        complete={name !== '' && chosenVault !== '' && full.length > 0 && (!existing || Object.keys(edited).length > 0)}
        shown={existing ? from : undefined}
        read={existing ? () => send('GET', '/templates/{id}', { id }) : undefined}
        run={run}
        onRefused={setError}
        onDone={({ body }) => setMadeId(body.id ?? '')}
        onCancel={() => void navigate(existing ? `/key-templates/${id}` : '/key-templates')}
        onSaved={() => void navigate(`/key-templates/${madeId}`)}
      >
        <Select
          id="template-vault"
          labelText={words.columns.vault}
          value={chosenVault}
          disabled={existing}
          {...wrong('vault')}
          onChange={(event) => setVaultId(event.target.value)}
        >
          <SelectItem value="" text={text.keys.create.choose} />
          {(existing && template?.vault !== undefined
            ? [{ id: template.vault.id, name: template.vault.name ?? '' }]
            : vaults
          ).map((vault) => (
            <SelectItem key={vault.id} value={vault.id} text={vault.name} />
          ))}
        </Select>
        <TextInput
          id="template-name"
          labelText={words.columns.name}
          value={name}
          helperText={words.nameHint}
          {...wrong('name')}
          onChange={(event) => setName(event.target.value)}
        />
        <TextArea
          id="template-description"
          labelText={`${text.keys.details.description} (${text.shell.optional})`}
          rows={2}
          value={description}
          {...wrong('description')}
          onChange={(event) => setDescription(event.target.value)}
        />
        <Select
          id="template-type"
          labelText={words.columns.keystores}
          value={typeName}
          disabled={existing}
          onChange={(event) => {
            const chosen = types.find((each) => each.type === event.target.value);
            if (chosen === undefined) return;
            setType(chosen.type);
            setProperties(firstProperties(chosen));
          }}
        >
          {types
            .filter(({ connectable }) => connectable)
            .map((each) => (
              <SelectItem key={each.type} value={each.type} text={text.words.keystoreTypes[each.type]} />
            ))}
        </Select>
        <fieldset className="pairs">
          <legend className="cds--label">{words.columns.groups}</legend>
          <p className="quiet">{words.groupsHint}</p>
          {groups.map((group, position) => (
            <div key={position} className="pairs__pair">
              <TextInput
                id={`template-group-${position}`}
                size="md"
                labelText={words.group(position + 1)}
                hideLabel
                value={group}
                {...wrong(`keystores[${position}].group`)}
                onChange={(event) => setGroups(groups.map((each, at) => (at === position ? event.target.value : each)))}
              />
              {groups.length > 1 && !existing ? (
                <IconButton
                  kind="ghost"
                  size="md"
                  label={words.removeGroup(group)}
                  align="left"
                  onClick={() => setGroups(groups.filter((_, at) => at !== position))}
                >
                  <TrashCan />
                </IconButton>
              ) : undefined}
            </div>
          ))}
          {known.length === 0 ? undefined : (
            <div className="tags">
              <span className="quiet">{words.groupsKnown}</span>
              {known.slice(0, 8).map((group) => (
                <Button
                  key={group}
                  kind="ghost"
                  size="sm"
                  onClick={() =>
                    setGroups(
                      groups.includes('') ? groups.map((each) => (each === '' ? group : each)) : [...groups, group],
                    )
                  }
                >
                  {group}
                </Button>
              ))}
            </div>
          )}
          {existing ? undefined : (
            <Button kind="ghost" size="sm" renderIcon={Add} onClick={() => setGroups([...groups, ''])}>
              {words.addGroup}
            </Button>
          )}
        </fieldset>
        {existing ? (
          <TextInput
            id="template-scheme"
            labelText={words.columns.scheme}
            value={scheme === '' ? text.shell.none : scheme}
            readOnly
            helperText={words.schemeLocked}
          />
        ) : (
          <NamingSchemeField
            value={scheme}
            properties={properties.key}
            change={setScheme}
            message={messageFor(error, 'naming_scheme')}
          />
        )}
        <KeyPropertiesForm
          type={type}
          value={properties}
          change={setProperties}
          error={error}
          fixed={existing}
          withTypeProperties={!existing || typeName === 'google_kms'}
        />
        <ScheduleFields
          value={properties.key.schedule ?? {}}
          change={(schedule) => setProperties({ ...properties, key: { ...properties.key, schedule } })}
          error={error}
        />
        <Select
          id="template-repair"
          labelText={text.autoRepair.title}
          helperText={text.autoRepair.hint}
          value={repair}
          {...wrong('auto_repair')}
          onChange={(event) => setRepair(event.target.value as typeof repair)}
        >
          {Object.entries(text.autoRepair.templatePolicies).map(([value, shownAs]) => (
            <SelectItem key={value} value={value} text={shownAs} />
          ))}
        </Select>
      </SaveForm>
    </div>
  );
}

/** Only what differs: a change that is none must not raise the version and so unalign every key. */
function editOf(
  template: WireTemplate,
  next: {
    readonly name: string;
    readonly description: string;
    readonly properties: Properties;
    readonly groups: readonly string[];
    readonly repair: NonNullable<WireTemplate['auto_repair']>;
  },
): BodyOf<'UpdateKeyTemplate'> {
  const { key } = next.properties;
  const was = propertiesOf(template);
  const changed = (['size', 'activation_date', 'expiration_date', 'state', 'deactivate_on_rotation'] as const).filter(
    (name) => (key[name] ?? false) !== (template.key[name] ?? false),
  );
  const rescheduled = JSON.stringify(key.schedule ?? {}) !== JSON.stringify(template.key.schedule ?? {});
  const regrouped = template.keystores.some(({ group }, position) => group !== next.groups[position]);
  const google = JSON.stringify(was.ofType) !== JSON.stringify(next.properties.ofType);
  return {
    ...(next.name === template.name ? {} : { name: next.name }),
    ...(next.repair === (template.auto_repair ?? 'as_vault') ? {} : { auto_repair: next.repair }),
    ...(next.description === template.description ? {} : { description: next.description }),
    ...(changed.length === 0 && !rescheduled
      ? {}
      : {
          key: {
            ...Object.fromEntries(changed.map((name) => [name, key[name]])),
            ...(rescheduled ? { schedule: key.schedule ?? {} } : {}),
          },
        }),
    ...(regrouped || google
      ? { keystores: next.groups.map((group) => ({ group, ...(google ? next.properties.ofType : {}) })) }
      : {}),
  };
}
