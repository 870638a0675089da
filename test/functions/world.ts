import * as z from 'zod/mini';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';

/** A vault with something in it of every kind and in every state. */
export interface World {
  readonly vault: string;
  /** To a webhook. */
  readonly subscription: string;
  /** Holds all the keys. */
  readonly keystore: string;
  readonly emptyKeystore: string;
  /** Active keys are from it. */
  readonly template: string;
  readonly templateName: string;
  readonly templateWithoutKeys: string;
  readonly archivedTemplate: string;
  readonly shadowTemplate: string;
  readonly keys: {
    readonly preActive: string;
    readonly active: string;
    readonly deactivated: string;
    readonly destroyed: string;
    /** Active, with a shadow template. */
    readonly shadow: string;
  };
}

const CREATED = z.object({ id: z.string() });

/** Posts to a list and answers the id of what was created; throws at any status but 201. */
export async function create(client: ApiClient, list: string, body: Readonly<Record<string, Json>>): Promise<string> {
  const answer = await expectStatus(client, 201, { method: 'POST', path: `/${list}`, body });
  return CREATED.parse(answer.body).id;
}

/** The body that connects a keystore of the sandbox. */
export function keystoreBody(vault: string, name: string, groups: readonly string[] = ['Production']) {
  return {
    vault: { id: vault },
    name,
    type: 'aws_kms',
    groups,
    aws_region: 'us_east_1',
    aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
    aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey,
  } as const;
}

/** The body of a template for keys in the keystores of a group. */
export function templateBody(vault: string, name: string, state: 'active' | 'pre_activation' = 'active') {
  return {
    vault: { id: vault },
    name,
    key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: '', state, material: 'native' },
    keystores: [{ type: 'aws_kms', group: 'Production' }],
  } as const;
}

/** Makes a vault and all that belongs to it, over the API. `name` must be good for a vault, a template and a label. */
export async function makeWorld(client: ApiClient, name: string): Promise<World> {
  const vault = await create(client, 'vaults', { name });
  const keystore = await create(client, 'keystores', keystoreBody(vault, `${name}-keystore`));
  const emptyKeystore = await create(client, 'keystores', keystoreBody(vault, `${name}-empty`, ['Elsewhere']));
  const templateName = `${name}-active`;
  const template = await create(client, 'templates', templateBody(vault, templateName));
  await create(client, 'templates', templateBody(vault, `${name}-waiting`, 'pre_activation'));
  const templateWithoutKeys = await create(client, 'templates', templateBody(vault, `${name}-unused`));
  const archivedTemplate = await create(client, 'templates', templateBody(vault, `${name}-archived`));
  await act(client, `templates/${archivedTemplate}/archive`);

  const key = (label: string, from = templateName) =>
    create(client, 'managed_keys', { vault: { id: vault }, template_name: from, label: `${name}/${label}` });
  const preActive = await key('waiting', `${name}-waiting`);
  const active = await key('active');
  const deactivated = await key('deactivated');
  await act(client, `managed_keys/${deactivated}/deactivate`);
  const destroyed = await key('destroyed', `${name}-waiting`);
  await act(client, `managed_keys/${destroyed}/destroy`);
  const shadow = await create(client, 'managed_keys', {
    vault: { id: vault },
    label: `${name}/shadow`,
    key: templateBody(vault, '').key,
    keystores: [{ id: keystore }],
  });
  const shadowTemplate = z
    .object({ template: z.object({ id: z.string() }) })
    .parse((await expectStatus(client, 200, { method: 'GET', path: `/managed_keys/${shadow}` })).body).template.id;
  const subscription = await create(client, 'notification_subscriptions', {
    vault: { id: vault },
    type: 'webhook',
    name: `${name}-pager`,
    url: 'https://hooks.example.org/pager',
    secret: 'nothing-is-ever-sent-to-this-webhook',
  });
  return {
    vault,
    subscription,
    keystore,
    emptyKeystore,
    template,
    templateName,
    templateWithoutKeys,
    archivedTemplate,
    shadowTemplate,
    keys: { preActive, active, deactivated, destroyed, shadow },
  };
}

/** Runs an action of a resource, whatever its ETag; throws unless it succeeds. */
export async function act(client: ApiClient, path: string): Promise<void> {
  await expectStatus(client, 200, { method: 'POST', path: `/${path}`, ifMatch: '*' });
}
