import {
  Button,
  ButtonSet,
  Checkbox,
  CheckboxGroup,
  ProgressIndicator,
  ProgressStep,
  Search,
  Select,
  SelectItem,
  TextArea,
  TextInput,
} from '@carbon/react';
import { useState } from 'react';
import type { ReactNode } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import type { BodyOf } from '../../lib/wire/operations.ts';
import type { WireKeystoreType } from '../../lib/wire/keystore-types.ts';
import type { WireTag } from '../../lib/wire/tag.ts';
import type { WireTemplate } from '../../lib/wire/templates.ts';
import { customPlaceholders, parseScheme, renderLabel } from '../../lib/keys/naming.ts';
import { kindOfType } from '../../lib/drivers/kinds.ts';
import { dateAfter } from '../../lib/keys/period.ts';
import { messageFor, send } from '../api/client.ts';
import { useKeystores, useKeystoreTypes, useTemplates, useVaults } from '../api/queries.ts';
import { Fact, Facts } from '../cards/Card.tsx';
import { Choice, ChoiceTile } from '../cards/Choice.tsx';
import { ChangeView } from '../changes/ChangeView.tsx';
import { useChange } from '../changes/use-change.ts';
import { firstProperties, KeyPropertiesForm } from '../key-templates/KeyProperties.tsx';
import type { Properties } from '../key-templates/KeyProperties.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';
import { TagsField } from './TagsField.tsx';

const words = text.keys.create;
const CUSTOM = 'custom';

interface Draft {
  readonly vaultId: string;
  /** A template's id, or `CUSTOM`. */
  readonly templateId: string;
  readonly type: WireKeystoreType['type'] | undefined;
  readonly keystoreIds: readonly string[];
  readonly properties: Properties | undefined;
  readonly label: string;
  readonly values: Readonly<Record<string, string>>;
  readonly description: string;
  readonly tags: readonly WireTag[];
}

/** Vault, template, properties, summary with the plan; then what each keystore says. */
export function CreatePage() {
  const [parameters] = useSearchParams();
  const vaults = useVaults();
  const caller = useCaller();
  const navigate = useNavigate();
  const [at, setAt] = useState(0);
  const [error, setError] = useState<unknown>();
  const [draft, setDraft] = useState<Draft>({
    vaultId: parameters.get('vault') ?? '',
    templateId: parameters.get('template') ?? '',
    type: undefined,
    keystoreIds: [],
    properties: undefined,
    label: '',
    values: {},
    description: '',
    tags: [],
  });
  const set = (patch: Partial<Draft>) => setDraft((before) => ({ ...before, ...patch }));
  const [only] = vaults;
  const vaultId = draft.vaultId === '' && vaults.length === 1 ? (only?.id ?? '') : draft.vaultId;
  const { data: templates } = useTemplates(
    { 'vault.id': vaultId, state: 'unarchived', 'type[]': 'user_defined' },
    vaultId !== '',
  );
  const template = templates?.find(({ id }) => id === draft.templateId);
  const types = useKeystoreTypes();
  const { data: keystores } = useKeystores({ 'vault.id': vaultId }, vaultId !== '');
  const custom = draft.templateId === CUSTOM;
  const type = custom ? draft.type : template?.keystores[0]?.type;
  const scheme = custom ? '' : (template?.naming_scheme ?? '');
  const label = scheme === '' ? draft.label : labelOf(scheme, draft.values, template);
  const wrongName = nameRefusal(label, scheme, draft.values, type);
  const complete = [
    vaultId !== '' && refusal(caller, 'create_key', vaultId) === undefined,
    custom
      ? type !== undefined && draft.keystoreIds.length > 0 && draft.properties !== undefined
      : template !== undefined,
    label !== '' && wrongName === undefined,
    false,
  ];
  const body: BodyOf<'CreateManagedKey'> = {
    vault: { id: vaultId },
    ...(custom
      ? {
          key: draft.properties?.key ?? firstProperties(undefined).key,
          keystores: draft.keystoreIds.map((id) => ({ id })),
        }
      : { template_name: template?.name }),
    ...(scheme === ''
      ? { label: draft.label }
      : { label_tags: Object.entries(draft.values).map(([name, value]) => ({ name, value })) }),
    ...(draft.description === '' ? {} : { description: draft.description }),
    ...(draft.tags.some(({ name }) => name !== '') ? { tags: draft.tags.filter(({ name }) => name !== '') } : {}),
  };
  const steps = [words.steps.vault, words.steps.template, words.steps.properties, words.steps.summary];
  const buttons = (
    <ButtonSet className="form__buttons">
      <Button kind="secondary" size="md" onClick={() => (at === 0 ? void navigate('/managed-keys') : setAt(at - 1))}>
        {at === 0 ? text.shell.cancel : text.shell.back}
      </Button>
      <Button type="submit" size="md" disabled={complete[at] !== true}>
        {text.shell.next}
      </Button>
    </ButtonSet>
  );
  const contents: readonly ReactNode[] = [
    <Choice key="vault" legend={words.whichVault}>
      {vaults.map((vault) => (
        <ChoiceTile
          key={vault.id}
          name="vault"
          value={vault.id ?? ''}
          title={vault.name}
          detail={refusal(caller, 'create_key', vault.id) ?? vault.description}
          disabled={refusal(caller, 'create_key', vault.id) !== undefined}
          chosen={vaultId}
          choose={(id) => set({ vaultId: id, templateId: '', keystoreIds: [] })}
        />
      ))}
    </Choice>,
    <TemplateChoice key="template" templates={templates ?? []} draft={draft} set={set}>
      {custom ? (
        <>
          <Select
            id="custom-type"
            labelText={words.keystoreType}
            value={draft.type ?? ''}
            onChange={(event) => {
              const chosen = types.find((each) => each.type === event.target.value);
              set({ type: chosen?.type, keystoreIds: [], properties: firstProperties(chosen) });
            }}
          >
            <SelectItem value="" text={words.choose} />
            {types
              .filter((each) => keystores?.some((keystore) => keystore.type === each.type) === true)
              .map((each) => (
                <SelectItem key={each.type} value={each.type} text={text.words.keystoreTypes[each.type]} />
              ))}
          </Select>
          {draft.type === undefined ? undefined : (
            <>
              <CheckboxGroup legendText={words.whichKeystores}>
                {(keystores ?? [])
                  .filter((keystore) => keystore.type === draft.type)
                  .map((keystore) => (
                    <Checkbox
                      key={keystore.id}
                      id={`custom-${keystore.id ?? ''}`}
                      labelText={`${keystore.name} (${keystore.location})`}
                      checked={draft.keystoreIds.includes(keystore.id ?? '')}
                      onChange={() =>
                        set({
                          keystoreIds: draft.keystoreIds.includes(keystore.id ?? '')
                            ? draft.keystoreIds.filter((id) => id !== keystore.id)
                            : [...draft.keystoreIds, keystore.id ?? ''],
                        })
                      }
                    />
                  ))}
              </CheckboxGroup>
              {draft.properties === undefined ? undefined : (
                <KeyPropertiesForm
                  type={types.find((each) => each.type === draft.type)}
                  value={draft.properties}
                  change={(properties) => set({ properties })}
                  error={error}
                  withTypeProperties={false}
                />
              )}
            </>
          )}
        </>
      ) : undefined}
    </TemplateChoice>,
    <div key="properties" className="form">
      {scheme === '' ? (
        <TextInput
          id="create-label"
          labelText={text.keys.columns.name}
          value={draft.label}
          invalid={(draft.label !== '' && wrongName !== undefined) || messageFor(error, 'label') !== undefined}
          invalidText={(draft.label === '' ? undefined : wrongName) ?? messageFor(error, 'label') ?? ''}
          helperText={words.nameHint(type === undefined ? '' : text.words.keystoreTypes[type])}
          onChange={(event) => {
            setError(undefined);
            set({ label: event.target.value });
          }}
        />
      ) : (
        <>
          <p>
            {words.byScheme} <code>{scheme}</code>
          </p>
          {placeholdersOf(scheme).map((name) => (
            <TextInput
              key={name}
              id={`placeholder-${name}`}
              labelText={name}
              value={draft.values[name] ?? ''}
              helperText={words.placeholderHint}
              onChange={(event) => {
                setError(undefined);
                set({ values: { ...draft.values, [name]: event.target.value } });
              }}
            />
          ))}
          <div className="live-name" role="status">
            <span className="quiet">{words.liveName}</span> <strong>{label}</strong>
            {wrongName === undefined ? undefined : <p className="quiet">{wrongName}</p>}
          </div>
        </>
      )}
      <TextArea
        id="create-description"
        labelText={`${text.keys.details.description} (${text.shell.optional})`}
        rows={2}
        value={draft.description}
        invalid={messageFor(error, 'description') !== undefined}
        invalidText={messageFor(error, 'description') ?? ''}
        onChange={(event) => set({ description: event.target.value })}
      />
      <TagsField tags={draft.tags} change={(tags) => set({ tags })} message={messageFor(error, 'tags')} />
    </div>,
    <Summary
      key="summary"
      body={body}
      label={label}
      draft={draft}
      template={template}
      back={() => setAt(2)}
      onRefused={setError}
    />,
  ];
  return (
    <Page title={words.title} above={[{ name: text.pages.keys, to: '/managed-keys' }]}>
      <div className="narrow">
        <ProgressIndicator currentIndex={at} spaceEqually className="steps">
          {steps.map((name) => (
            <ProgressStep key={name} label={name} />
          ))}
        </ProgressIndicator>
        {at === 3 ? (
          contents[3]
        ) : (
          <form
            aria-label={steps[at]}
            onSubmit={(event) => {
              event.preventDefault();
              if (complete[at] === true) setAt(at + 1);
            }}
          >
            {contents[at]}
            {buttons}
          </form>
        )}
      </div>
    </Page>
  );
}

function TemplateChoice(props: {
  readonly templates: readonly WireTemplate[];
  readonly draft: Draft;
  readonly set: (patch: Partial<Draft>) => void;
  readonly children: ReactNode;
}) {
  const { templates, draft, set } = props;
  const [search, setSearch] = useState('');
  const shown = templates.filter(({ name }) => name?.toLowerCase().includes(search.toLowerCase()) === true);
  return (
    <div className="form">
      {templates.length > 8 ? (
        <Search
          size="md"
          labelText={words.searchTemplates}
          placeholder={words.searchTemplates}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      ) : undefined}
      <Choice legend={words.whichTemplate}>
        {shown.map((template) => (
          <ChoiceTile
            key={template.id}
            name="template"
            value={template.id ?? ''}
            title={template.name ?? ''}
            detail={[
              `${text.words.algorithms[template.key.algorithm]} ${template.key.size}`,
              template.keystores[0] === undefined
                ? ''
                : `${text.words.keystoreTypes[template.keystores[0].type]}, ${template.keystores.map(({ group }) => group).join(', ')}`,
              template.description,
            ]
              .filter((each) => each !== '')
              .join(' · ')}
            chosen={draft.templateId}
            choose={(templateId) => set({ templateId, values: {} })}
          />
        ))}
        <ChoiceTile
          name="template"
          value={CUSTOM}
          title={words.custom}
          detail={words.customHint}
          chosen={draft.templateId}
          choose={(templateId) => set({ templateId })}
        />
      </Choice>
      {props.children}
    </div>
  );
}

function Summary(props: {
  readonly body: BodyOf<'CreateManagedKey'>;
  readonly label: string;
  readonly draft: Draft;
  readonly template: WireTemplate | undefined;
  readonly back: () => void;
  readonly onRefused: (error: unknown) => void;
}) {
  const { body, label, template } = props;
  const navigate = useNavigate();
  const [made, setMade] = useState<string>();
  const change = useChange({
    run: (how) =>
      send('POST', '/managed_keys', {
        query: { dry_run: how.dryRun || undefined },
        body,
        idempotencyKey: how.idempotencyKey,
      }),
    onDone: ({ body: key }) => setMade(key.id),
    onRefused: props.onRefused,
  });
  const { step } = change;
  const key = body.key ?? template?.key;
  return (
    <>
      <Facts>
        <Fact name={text.keys.columns.name}>{label}</Fact>
        <Fact name={text.keys.columns.template}>{template?.name ?? words.custom}</Fact>
        <Fact name={text.keys.columns.algorithm}>
          {key === undefined ? '' : `${text.words.algorithms[key.algorithm]} ${key.size}`}
        </Fact>
        <Fact name={text.keys.columns.state}>{key === undefined ? '' : text.words.states[key.state]}</Fact>
        <Fact name={text.keys.details.description}>{body.description}</Fact>
      </Facts>
      <ChangeView {...change} />
      <ButtonSet className="form__buttons">
        {step.is === 'done' ? (
          <Button
            size="md"
            onClick={() => void navigate(made === undefined ? '/managed-keys' : `/managed-keys/${made}`)}
          >
            {words.toKey}
          </Button>
        ) : (
          <>
            <Button kind="secondary" size="md" disabled={step.is === 'running'} onClick={props.back}>
              {text.shell.back}
            </Button>
            <Button size="md" disabled={!change.ready} onClick={change.confirm}>
              {words.button}
            </Button>
          </>
        )}
      </ButtonSet>
    </>
  );
}

export function placeholdersOf(scheme: string): readonly string[] {
  const parts = parseScheme(scheme);
  return 'wrong' in parts ? [] : customPlaceholders(parts);
}

/** The name as far as it is known: a placeholder without a value stands for itself. */
export function labelOf(
  scheme: string,
  values: Readonly<Record<string, string>>,
  template: Pick<WireTemplate, 'key'> | undefined,
): string {
  if ('wrong' in parseScheme(scheme)) return '';
  const createdAt = new Date();
  const activation = template === undefined ? undefined : dateAfter(createdAt, template.key.activation_date);
  const given = placeholdersOf(scheme).map((name) => {
    const value = values[name] ?? '';
    return { name, value: value.length < 2 ? `<${name}>` : value };
  });
  return renderLabel(scheme, given, {
    createdAt,
    activeAt: activation === undefined ? createdAt : new Date(activation),
  });
}

function nameRefusal(
  label: string,
  scheme: string,
  values: Readonly<Record<string, string>>,
  type: WireKeystoreType['type'] | undefined,
): string | undefined {
  const open = scheme === '' ? [] : placeholdersOf(scheme).filter((name) => (values[name] ?? '').length < 2);
  if (open.length > 0) return words.openPlaceholders(open);
  if (label === '') return words.noName;
  return type === undefined ? undefined : kindOfType(type)?.refusesLabel(label);
}
