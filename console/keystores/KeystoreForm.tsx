import { Button, InlineLoading, Loading, Select, SelectItem, TextArea, TextInput } from '@carbon/react';
import { Notice } from '../notices/Notice.tsx';
import { useState } from 'react';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import type { WireKeystore } from '../../lib/wire/keystores.ts';
import type { BodyOf } from '../../lib/wire/operations.ts';
import { messageFor, send } from '../api/client.ts';
import type { Answer } from '../api/client.ts';
import { useKeystoreTypes, useOne, useVaults } from '../api/queries.ts';
import { Choice, ChoiceTile } from '../cards/Choice.tsx';
import { SaveForm } from '../changes/SaveForm.tsx';
import type { How } from '../changes/use-change.ts';
import { RefusalNotice } from '../notices/RefusalNotice.tsx';
import { Page } from '../shell/Page.tsx';
import { refusal } from '../sign-in/caller.ts';
import { useCaller } from '../sign-in/use-caller.ts';
import { text } from '../text/text.ts';
import { PLACEHOLDER, SETTINGS } from './fields.ts';
import type { KeystoreType } from './fields.ts';
import { settingsBody, SettingFields } from './SettingFields.tsx';
import type { Values } from './SettingFields.tsx';

const words = text.keystores;

/** Connects a keystore, or changes one. */
export function KeystoreForm() {
  const { id } = useParams();
  const { data, error, refetch } = useOne(
    ['keystores', id],
    (signal) => send('GET', '/keystores/{id}', { id: id ?? '', signal }),
    {
      enabled: id !== undefined,
    },
  );
  const above = [
    { name: text.pages.keystores, to: '/keystores' },
    ...(data === undefined ? [] : [{ name: data.body.name, to: `/keystores/${id ?? ''}` }]),
  ];
  return (
    <Page title={id === undefined ? words.connect : words.editOf(data?.body.name ?? '')} above={above}>
      {error === null ? undefined : <RefusalNotice error={error} retry={() => void refetch()} />}
      {id !== undefined && data === undefined ? (
        <Loading description={text.shell.loading} withOverlay={false} className="centered" />
      ) : (
        <Fields shown={data} />
      )}
    </Page>
  );
}

function valuesOf(keystore: WireKeystore | undefined): Values {
  if (keystore === undefined) return {};
  const given = keystore as unknown as Readonly<Record<string, string | boolean | undefined>>;
  return Object.fromEntries(
    SETTINGS[keystore.type].flatMap(({ name, kind }) => {
      const value = given[name];
      return value === undefined || kind.endsWith('secret') ? [] : [[name, value]];
    }),
  );
}

function Fields({ shown }: { readonly shown: Answer<WireKeystore> | undefined }) {
  const keystore = shown?.body;
  const navigate = useNavigate();
  const caller = useCaller();
  const [parameters] = useSearchParams();
  const types = useKeystoreTypes();
  const vaults = useVaults().filter(({ id }) => refusal(caller, 'write_keystore', id) === undefined);
  const asked = types.find(({ type }) => type === parameters.get('type'))?.type;
  const [chosenType, setType] = useState<KeystoreType | undefined>(keystore?.type);
  const type = chosenType ?? asked;
  const [chosenVault, setVault] = useState(keystore?.vault?.id ?? parameters.get('vault') ?? '');
  const vaultId = chosenVault === '' && vaults.length === 1 ? (vaults[0]?.id ?? '') : chosenVault;
  const [name, setName] = useState(keystore?.name ?? '');
  const [description, setDescription] = useState(keystore?.description ?? '');
  const [groups, setGroups] = useState(keystore?.groups.join(', ') ?? '');
  const [values, setValues] = useState<Values>(valuesOf(keystore));
  const [error, setError] = useState<unknown>();
  const [madeId, setMadeId] = useState(keystore?.id ?? '');
  const listed = groups
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  const wrong = (field: string) => {
    const message = messageFor(error, field);
    return { invalid: message !== undefined, invalidText: message ?? '' };
  };
  const id = keystore?.id ?? '';
  const general = {
    ...(keystore !== undefined && name === keystore.name ? {} : { name }),
    ...(description === (keystore?.description ?? '') ? {} : { description }),
    ...(listed.join('\n') === (keystore?.groups.join('\n') ?? '') ? {} : { groups: listed }),
  };
  const settings = type === undefined ? {} : settingsBody(type, values);
  const were = valuesOf(keystore);
  const edited = {
    ...general,
    ...Object.fromEntries(
      Object.entries(settings).filter(([field, value]) => were[field] !== value && value !== PLACEHOLDER),
    ),
  };
  const created = { type, vault: { id: vaultId }, ...general, ...settings } as BodyOf<'CreateKeystore'>;
  const run = (how: How): Promise<Answer<WireKeystore>> =>
    keystore === undefined
      ? send('POST', '/keystores', {
          query: { dry_run: how.dryRun || undefined },
          body: created,
          idempotencyKey: how.idempotencyKey,
        })
      : send('PATCH', '/keystores/{id}', {
          id,
          query: { dry_run: how.dryRun || undefined },
          body: edited,
          ifMatch: how.ifMatch,
        });
  return (
    <div className="narrow">
      {keystore === undefined ? (
        <Choice legend={words.whichType}>
          {types.map((each) => (
            <ChoiceTile
              key={each.type}
              name="type"
              value={each.type}
              title={text.words.keystoreTypes[each.type]}
              detail={each.reason ?? words.typeHints[each.type]}
              disabled={!each.connectable}
              chosen={type ?? ''}
              choose={() => {
                setType(each.type);
                setValues(each.type === 'ibm_cloud_kms' ? { ibm_variant: 'key_protect' } : {});
                setError(undefined);
              }}
            />
          ))}
        </Choice>
      ) : undefined}
      {type === undefined ? undefined : (
        <SaveForm
          label={words.connect}
          heading={keystore === undefined ? words.connectOf(name) : words.editOf(keystore.name)}
          lead={keystore === undefined ? words.connectLead : words.editLead}
          confirm={keystore === undefined ? words.connect : text.shell.save}
          complete={vaultId !== '' && name !== '' && (keystore === undefined || Object.keys(edited).length > 0)}
          beside={
            keystore === undefined ? (
              <TestConnection run={run} onTold={setError} complete={vaultId !== '' && name !== ''} />
            ) : undefined
          }
          shown={shown}
          read={keystore === undefined ? undefined : () => send('GET', '/keystores/{id}', { id })}
          run={run}
          onRefused={setError}
          onDone={({ body }) => setMadeId(body.id ?? '')}
          onCancel={() => void navigate(keystore === undefined ? '/keystores' : `/keystores/${id}`)}
          onSaved={() => void navigate(`/keystores/${madeId}`)}
        >
          {keystore === undefined ? (
            <Select
              id="keystore-vault"
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
          ) : undefined}
          <TextInput
            id="keystore-name"
            labelText={words.columns.name}
            value={name}
            {...wrong('name')}
            onChange={(event) => setName(event.target.value)}
          />
          <TextArea
            id="keystore-description"
            labelText={`${words.columns.description} (${text.shell.optional})`}
            rows={2}
            value={description}
            {...wrong('description')}
            onChange={(event) => setDescription(event.target.value)}
          />
          <TextInput
            id="keystore-groups"
            labelText={words.columns.groups}
            helperText={words.groupsHint}
            value={groups}
            {...wrong('groups')}
            onChange={(event) => setGroups(event.target.value)}
          />
          <SettingFields
            type={type}
            values={values}
            change={setValues}
            error={error}
            existing={keystore !== undefined}
          />
        </SaveForm>
      )}
    </div>
  );
}

/** Only tries the connection: nothing is stored. */
function TestConnection(props: {
  readonly run: (how: How) => Promise<Answer<WireKeystore>>;
  readonly onTold: (error: unknown) => void;
  readonly complete: boolean;
}) {
  const [state, setState] = useState<
    'idle' | 'trying' | { readonly told: WireKeystore['status'] } | { readonly refused: unknown }
  >('idle');
  const attempt = async () => {
    setState('trying');
    try {
      const { body } = await props.run({ dryRun: true, ifMatch: '*', idempotencyKey: undefined });
      props.onTold(undefined);
      setState({ told: body.status });
    } catch (refused) {
      props.onTold(refused);
      setState({ refused });
    }
  };
  return (
    <div className="test-connection">
      <Button kind="tertiary" size="md" disabled={!props.complete || state === 'trying'} onClick={() => void attempt()}>
        {words.test}
      </Button>
      <div aria-live="polite">
        {state === 'trying' ? <InlineLoading description={words.testing} /> : undefined}
        {typeof state === 'object' && 'told' in state ? (
          <Notice
            kind={state.told.health_status === 'ok' ? 'success' : 'error'}

            title={
              state.told.health_status === 'ok'
                ? words.testOk
                : text.words.health[state.told.health_status ?? 'pending_check']
            }
          >
            {state.told.message}
          </Notice>
        ) : undefined}
        {typeof state === 'object' && 'refused' in state ? <RefusalNotice error={state.refused} /> : undefined}
      </div>
    </div>
  );
}
