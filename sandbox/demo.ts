import { setTimeout as wait } from 'node:timers/promises';
import { styleText } from 'node:util';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import {
  ConnectCustomKeyStoreCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  DisconnectCustomKeyStoreCommand,
  EnableKeyCommand,
  ListKeysCommand,
} from '@aws-sdk/client-kms';
import * as z from 'zod/mini';
import { ITEM } from '../lib/records/table.ts';
import { apiClient, expectStatus, UnexpectedAnswer } from './api-client.ts';
import type { Answer, ApiClient, Json } from './api-client.ts';
import { KEYSTORE_ACCOUNT, operatorClient } from './aws-accounts.ts';
import { startEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import { otherCloudsChapter } from './demo-clouds.ts';
import { ExpectationFailed, narrator } from './narrator.ts';
import { exitWith, stopOnSignals } from './process.ts';
import { readSettings } from './settings.ts';

const STATUS = z.object({
  keystore: z.object({ id: z.string(), name: z.string() }),
  status: z.string(),
  keystore_sync_flag: z.string(),
  keystore_sync_flag_detail: z.string(),
  reason: z.optional(z.string()),
  since: z.optional(z.string()),
  key_id_in_keystore: z.optional(z.string()),
  pending_destruction_until: z.optional(z.string()),
});
type Status = z.infer<typeof STATUS>;

const STATUSES = z.object({ status_in_keystores: z.array(STATUS) });

const KEY = z.object({
  id: z.string(),
  label: z.string(),
  state: z.string(),
  expiration_date: z.optional(z.string()),
  template: z.object({ alignment_status: z.string() }),
  status_in_keystores: z.array(STATUS),
});

const CREATED = z.object({ id: z.string() });

const NOTICE = z.object({ summary: z.string(), keystore: z.object({ name: z.string() }) });

const HISTORY = z.object({
  entries: z.array(
    z.object({
      at: z.string(),
      cause: z.string(),
      to: z.object({ keystore_sync_flag: z.string() }),
      keystore: z.object({ id: z.string() }),
    }),
  ),
});

/** What a dry run adds to an answer. */
const PLANNED = z.object({
  planned_changes: z.object({
    keystores: z.array(z.object({ name: z.string(), steps: z.array(z.string()), reason: z.string() })),
  }),
});

const EAST = 'us-east-1';
const CENTRAL = 'eu-central-1';
const WEST = 'us-west-2';

const tell = narrator();
const began = performance.now();
let environment: Environment | undefined;
stopOnSignals(async () => {
  await environment?.stop();
});

try {
  console.log(
    styleText('bold', 'Shearline, the whole system once through. It starts its own copy of everything; a moment.'),
  );
  environment = await startEnvironment({
    settings: readSettings(ownEnvironment()),
    dataFolder: undefined,
    schedules: false,
    reload: false,
    complain: (line) => {
      console.error(styleText('red', line, { stream: process.stderr }));
    },
  });
  tell.say(`It runs at ${environment.endpoints.api} after ${seconds()} s.`);
  await story(environment);
  await environment.stop();
  console.log(styleText('bold', `\nEverything was as expected. ${seconds()} s.`));
  process.exit(0);
} catch (error) {
  await environment?.stop();
  if (!(error instanceof ExpectationFailed || error instanceof UnexpectedAnswer)) exitWith(error);
  console.error(styleText('red', `   ✗ ${error.message}`, { stream: process.stderr }));
  process.exit(1);
}

async function story(running: Environment): Promise<void> {
  const { endpoints, kms } = running;
  const customKeyStoreId = running.customKeyStoreId;
  if (kms === undefined || customKeyStoreId === undefined) throw new Error('The demo has its own sandbox of AWS KMS');
  const as = (role: string): ApiClient =>
    tell.caller({ api: endpoints.api, token: endpoints.tokens[role] ?? '', role });
  const administrator = as('vault_administrator');
  const creator = as('key_custodian_creator');
  const deployer = as('key_custodian_deployer');
  const reader = as('reader');
  // Asks over and over: nothing to be told.
  const quietly = apiClient({ api: endpoints.api, token: endpoints.tokens['reader'] ?? '' });
  const operator = (region: string) => operatorClient(endpoints.keystores.aws_kms, region);

  const create = async (client: ApiClient, path: string, body: Json) => {
    const answer = await expectStatus(client, 201, { method: 'POST', path, body });
    return { id: CREATED.parse(answer.body).id, etag: tagOf(answer), body: answer.body };
  };
  const keyAfter = (answer: Answer) => ({ ...KEY.parse(answer.body), etag: tagOf(answer) });
  const getKey = async (id: string) =>
    keyAfter(await expectStatus(reader, 200, { method: 'GET', path: `/managed_keys/${id}` }));
  const scan = async () => {
    tell.outside('EventBridge', 'the scan runs, as it does every 15 minutes');
    const started = performance.now();
    await running.scan();
    return (performance.now() - started) / 1000;
  };
  /** Does something to a key in the cloud and waits for its flag, that no scan writes; answers how long that took. */
  const byEvent = async (id: string, name: string, flag: string, act: () => Promise<void>) => {
    await act();
    const began = performance.now();
    for (;;) {
      const { status_in_keystores: statuses } = KEY.parse(
        (await expectStatus(quietly, 200, { method: 'GET', path: `/managed_keys/${id}` })).body,
      );
      const seconds = (performance.now() - began) / 1000;
      if (flags(statuses)[name] === flag || seconds > 10) return { seconds, status_in_keystores: statuses };
      await wait(20);
    }
  };
  const stateInKms = async (region: string, arn: string) => {
    const { KeyMetadata } = await operator(region).send(new DescribeKeyCommand({ KeyId: arn }));
    tell.outside(`AWS KMS ${region}`, `DescribeKey says ${KeyMetadata?.KeyState ?? '?'}`);
    return KeyMetadata;
  };

  tell.chapter('a', 'A vault, two AWS KMS keystores in group Production, a template, an active key in both');
  const vault = await create(administrator, '/vaults', { name: 'Demo' });
  const access = {
    vault: { id: vault.id },
    aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
    aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey,
  };
  const keystore = (name: string, region: string, groups: string[]) =>
    create(administrator, '/keystores', { type: 'aws_kms', name, aws_region: region, groups, ...access });
  await keystore('kms-us', 'us_east_1', ['Production']);
  await keystore('kms-eu', 'eu_central_1', ['Production']);
  const template = await create(creator, '/templates', {
    vault: { id: vault.id },
    name: 'production-aes',
    key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: 'P1Y', state: 'active' },
    keystores: [{ type: 'aws_kms', group: 'Production' }],
  });
  const created = await create(creator, '/managed_keys', {
    vault: { id: vault.id },
    template_name: 'production-aes',
    label: 'demo/orders',
  });
  const fresh = KEY.parse(created.body);
  tell.show(statusLines(fresh.status_in_keystores));
  tell.expect('the key is active', fresh.state, 'active');
  tell.expect('and in step in both keystores', flags(fresh.status_in_keystores), { 'kms-eu': 'ok', 'kms-us': 'ok' });
  const inEu = idIn(fresh.status_in_keystores, 'kms-eu');
  const inUs = idIn(fresh.status_in_keystores, 'kms-us');
  for (const [region, arn] of [
    [EAST, inUs],
    [CENTRAL, inEu],
  ] as const) {
    const seen = await stateInKms(region, arn);
    tell.expect(`its material was imported in ${region}`, [seen?.Origin, seen?.KeyState], ['EXTERNAL', 'Enabled']);
  }

  tell.chapter('b', 'An operator disables the key in one region, outside Shearline; the scan finds it');
  await operator(CENTRAL).send(new DisableKeyCommand({ KeyId: inEu }));
  tell.outside(`AWS KMS ${CENTRAL}`, 'DisableKey, by an operator with the AWS SDK');
  await scan();
  const item = await observedItem(running, fresh.id, keystoreId(fresh.status_in_keystores, 'kms-eu'));
  tell.outside('DynamoDB', `GetItem ${item.key}`);
  tell.show([
    `keystore_sync_flag         ${item.flag}`,
    `keystore_sync_flag_detail  ${item.detail}`,
    `reason  ${item.reason}`,
    `since   ${item.since}`,
  ]);
  tell.expect(
    'the flag item says out_of_sync',
    [item.flag, item.detail],
    ['out_of_sync', 'active_key_is_not_active_in_keystore'],
  );
  tell.expect('with a reason and since when', [item.reason !== '', item.since !== ''], [true, true]);
  const drifted = await getKey(fresh.id);
  tell.show(statusLines(drifted.status_in_keystores));
  tell.expect('the API shows the same', flags(drifted.status_in_keystores), {
    'kms-eu': 'out_of_sync',
    'kms-us': 'ok',
  });
  tell.expect('and what a scan finds leaves the ETag alone', drifted.etag, created.etag);
  const verified = STATUSES.parse(
    (await expectStatus(reader, 200, { method: 'GET', path: `/managed_keys/${fresh.id}/status_in_keystores` })).body,
  );
  tell.show(statusLines(verified.status_in_keystores));
  tell.expect('so does verify sync, which asks every keystore now', detailsOf(verified.status_in_keystores, 'kms-eu'), [
    'not_active',
    'out_of_sync',
    'active_key_is_not_active_in_keystore',
  ]);

  tell.chapter('c', 'Sync repairs the keystore; the next time the event of the cloud tells at once');
  tell.show([
    `curl --request POST ${endpoints.api}/api/v4/managed_keys/${fresh.id}/sync_status_in_keystores \\`,
    `  --header "Authorization: Bearer $TOKEN" --header 'Accept: application/json' --header 'If-Match: ${drifted.etag}'`,
  ]);
  const synced = STATUSES.parse(
    (
      await expectStatus(deployer, 200, {
        method: 'POST',
        path: `/managed_keys/${fresh.id}/sync_status_in_keystores`,
        ifMatch: drifted.etag,
      })
    ).body,
  );
  tell.show(statusLines(synced.status_in_keystores));
  tell.expect('ok again in both', flags(synced.status_in_keystores), { 'kms-eu': 'ok', 'kms-us': 'ok' });
  tell.expect('and AWS KMS agrees', (await stateInKms(CENTRAL, inEu))?.KeyState, 'Enabled');
  const told = await byEvent(fresh.id, 'kms-eu', 'out_of_sync', async () => {
    await operator(CENTRAL).send(new DisableKeyCommand({ KeyId: inEu }));
    tell.outside(`AWS KMS ${CENTRAL}`, 'DisableKey once more; this time no scan runs');
    tell.outside('EventBridge', 'AWS API Call via CloudTrail: DisableKey → key-events → verify-key');
  });
  tell.show(statusLines(told.status_in_keystores));
  tell.expect(`the event alone has it flagged, after ${told.seconds.toFixed(2)} s`, told.seconds < 2, true);
  await byEvent(fresh.id, 'kms-eu', 'ok', async () => {
    await operator(CENTRAL).send(new EnableKeyCommand({ KeyId: inEu }));
    tell.outside(`AWS KMS ${CENTRAL}`, 'EnableKey, by the operator');
  });
  tell.expect('and taken back by the next', flags((await getKey(fresh.id)).status_in_keystores)['kms-eu'], 'ok');
  const history = HISTORY.parse(
    (await expectStatus(reader, 200, { method: 'GET', path: `/managed_keys/${fresh.id}/history?kind=flag&limit=3` }))
      .body,
  );
  tell.show(
    history.entries.map(({ at, cause, to, keystore: { id } }) => `${at}  ${cause}  ${to.keystore_sync_flag}  ${id}`),
  );
  tell.expect(
    'and the history of the key tells it',
    history.entries.slice(0, 2).map(({ cause, to }) => [cause, to.keystore_sync_flag]),
    [
      ['event', 'ok'],
      ['event', 'out_of_sync'],
    ],
  );

  tell.chapter('d', 'A backing key vanishes in the CloudHSM cluster, while KMS still says Enabled');
  await create(administrator, '/keystores', {
    type: 'aws_cloudhsm',
    name: 'hsm-us',
    aws_region: 'us_east_1',
    aws_custom_key_store_id: customKeyStoreId,
    groups: ['HSM'],
    ...access,
  });
  await create(creator, '/templates', {
    vault: { id: vault.id },
    name: 'hsm-aes',
    key: { algorithm: 'aes', size: '256', activation_date: '', expiration_date: '', state: 'active' },
    keystores: [{ type: 'aws_cloudhsm', group: 'HSM' }],
  });
  const hsmKeys = [];
  for (const label of ['demo/root', 'demo/signing-root']) {
    hsmKeys.push(
      KEY.parse(
        (await create(creator, '/managed_keys', { vault: { id: vault.id }, template_name: 'hsm-aes', label })).body,
      ),
    );
  }
  const [lost, kept] = hsmKeys;
  if (lost === undefined || kept === undefined) throw new Error('Two keys were made');
  tell.expect(
    'both keys are in step',
    [...flagList(lost.status_in_keystores), ...flagList(kept.status_in_keystores)],
    ['ok', 'ok'],
  );
  const inHsm = idIn(lost.status_in_keystores, 'hsm-us');
  kms.operator.deleteBackingKey(inHsm);
  tell.outside('CloudHSM cluster', `a crypto officer deletes the backing key of ${lost.label}`);
  tell.expect('AWS KMS notices nothing', (await stateInKms(EAST, inHsm))?.KeyState, 'Enabled');
  await scan();
  const probed = await getKey(lost.id);
  tell.show(statusLines(probed.status_in_keystores));
  tell.expect('the probe of the scan does', detailsOf(probed.status_in_keystores, 'hsm-us'), [
    'not_active',
    'out_of_sync',
    'active_key_is_not_active_in_keystore',
  ]);
  tell.expect('the other key in the same key store is fine', flags((await getKey(kept.id)).status_in_keystores), {
    'hsm-us': 'ok',
  });

  tell.chapter('e', 'A disconnected key store and an unreachable region are errors, never absent keys');
  await operator(EAST).send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId: customKeyStoreId }));
  tell.outside(`AWS KMS ${EAST}`, `DisconnectCustomKeyStore ${customKeyStoreId}`);
  await create(administrator, '/notification_subscriptions', {
    vault: { id: vault.id },
    type: 'webhook',
    name: 'pager',
    url: `${running.inbox.webhook}/pager`,
    secret: 'the-secret-of-a-demo-is-no-secret',
  });
  kms.faults.add({ kind: 'unreachable', region: CENTRAL });
  tell.outside(`AWS KMS ${CENTRAL}`, 'does not answer any more');
  const slow = await scan();
  const cutOff = await getKey(fresh.id);
  tell.show(statusLines(cutOff.status_in_keystores));
  tell.expect('the unreachable region is a connection error', detailsOf(cutOff.status_in_keystores, 'kms-eu'), [
    'error',
    'error',
    'connection_error',
  ]);
  tell.expect('the other region is not', flags(cutOff.status_in_keystores)['kms-us'], 'ok');
  const disconnected = await getKey(kept.id);
  tell.show(statusLines(disconnected.status_in_keystores));
  tell.expect('so is the disconnected key store', detailsOf(disconnected.status_in_keystores, 'hsm-us'), [
    'error',
    'error',
    'connection_error',
  ]);
  tell.expect(`and nobody was held up: the scan took ${slow.toFixed(1)} s`, slow < 15, true);
  const notices = await untilTold(running, ['kms-eu', 'hsm-us']);
  tell.show(notices.map(({ summary, signature }) => `POST /webhook/pager  ${summary}  ${signature.slice(0, 30)}…`));
  tell.expect(
    'and whoever subscribed is told, of each keystore and not of each key, signed',
    [...new Set(notices.map(({ keystore: { name } }) => name))].toSorted(),
    ['hsm-us', 'kms-eu'],
  );
  kms.faults.clear();
  await operator(EAST).send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId: customKeyStoreId }));
  tell.outside('AWS KMS', 'both are back');
  await scan();
  tell.expect(
    'the next scan says ok',
    [flags((await getKey(fresh.id)).status_in_keystores), flags((await getKey(kept.id)).status_in_keystores)],
    [{ 'kms-eu': 'ok', 'kms-us': 'ok' }, { 'hsm-us': 'ok' }],
  );

  tell.chapter('f', 'A third keystore joins the group, leaves it and joins again');
  const third = await keystore('kms-west', 'us_west_2', ['Staging']);
  const regroup = async (groups: string[]) => {
    const now = tagOf(await expectStatus(administrator, 200, { method: 'GET', path: `/keystores/${third.id}` }));
    await expectStatus(administrator, 200, {
      method: 'PATCH',
      path: `/keystores/${third.id}`,
      ifMatch: now,
      body: { groups },
    });
    return await getKey(fresh.id);
  };
  const realign = async (etag: string) => {
    const answer = keyAfter(
      await expectStatus(deployer, 200, {
        method: 'POST',
        path: `/managed_keys/${fresh.id}/update_from_template`,
        ifMatch: etag,
      }),
    );
    tell.show(statusLines(answer.status_in_keystores));
    return answer;
  };
  const west = operator(WEST);
  const joined = await regroup(['Staging', 'Production']);
  tell.expect('the key is unaligned', joined.template.alignment_status, 'unaligned');
  const rehearsed = await expectStatus(deployer, 200, {
    method: 'POST',
    path: `/managed_keys/${fresh.id}/update_from_template?dry_run=true`,
    ifMatch: joined.etag,
  });
  const planned = PLANNED.parse(rehearsed.body).planned_changes.keystores;
  tell.show(planned.map(({ name, steps, reason }) => `planned in ${name}: ${steps.join(', ')}. ${reason}`));
  tell.expect(
    'a dry run shows what would happen',
    planned.map(({ name, steps }) => [name, steps.includes('create'), steps.includes('import')]),
    [['kms-west', true, true]],
  );
  tell.expect(`and changes nothing in ${WEST}`, (await west.send(new ListKeysCommand({}))).Keys, []);
  tell.expect('nor in the record', (await getKey(fresh.id)).etag, joined.etag);
  const distributed = await realign(joined.etag);
  tell.expect('without it, the key is active there', detailsOf(distributed.status_in_keystores, 'kms-west'), [
    'active',
    'ok',
    'active_key_is_active_in_keystore',
  ]);
  tell.expect('and aligned', distributed.template.alignment_status, 'aligned');
  const inWest = idIn(distributed.status_in_keystores, 'kms-west');
  tell.expect('AWS KMS agrees', (await stateInKms(WEST, inWest))?.KeyState, 'Enabled');

  const left = await regroup(['Staging']);
  tell.expect('the keystore leaves the group: unaligned', left.template.alignment_status, 'unaligned');
  const unlinked = await realign(left.etag);
  tell.expect(
    'after realign, the key is deactivated there, by the user',
    detailsOf(unlinked.status_in_keystores, 'kms-west'),
    ['not_active', 'ok', 'target_keystore_removed_by_user'],
  );
  const held = await stateInKms(WEST, inWest);
  tell.expect(
    'its material stays',
    [held?.KeyState, held?.ExpirationModel],
    ['Disabled', 'KEY_MATERIAL_DOES_NOT_EXPIRE'],
  );

  const back = await regroup(['Production']);
  const again = await realign(back.etag);
  tell.expect(
    'it joins again: reactivated, the very same key',
    [idIn(again.status_in_keystores, 'kms-west'), ...detailsOf(again.status_in_keystores, 'kms-west')],
    [inWest, 'active', 'ok', 'active_key_is_active_in_keystore'],
  );

  tell.chapter('g', 'The template changes; it is archived; a stale and a missing If-Match');
  const edit = async (body: Json) => {
    const now = tagOf(await expectStatus(creator, 200, { method: 'GET', path: `/templates/${template.id}` }));
    return tagOf(
      await expectStatus(creator, 200, { method: 'PATCH', path: `/templates/${template.id}`, ifMatch: now, body }),
    );
  };
  const edited = await edit({ key: { expiration_date: 'P2Y' } });
  const longer = await getKey(fresh.id);
  tell.expect('another lifetime in the template: unaligned', longer.template.alignment_status, 'unaligned');
  const renewed = await realign(longer.etag);
  tell.say(`expires ${longer.expiration_date ?? '?'} → ${renewed.expiration_date ?? '?'}`);
  tell.expect(
    'realigned',
    [renewed.template.alignment_status, yearOf(renewed.expiration_date) - yearOf(longer.expiration_date)],
    ['aligned', 1],
  );
  const archived = tagOf(
    await expectStatus(creator, 200, { method: 'POST', path: `/templates/${template.id}/archive`, ifMatch: edited }),
  );
  const align = `/managed_keys/${fresh.id}/update_from_template`;
  await expectStatus(deployer, 409, { method: 'POST', path: align, ifMatch: renewed.etag });
  await expectStatus(creator, 409, {
    method: 'POST',
    path: '/managed_keys',
    body: { vault: { id: vault.id }, template_name: 'production-aes', label: 'demo/late' },
  });
  await expectStatus(deployer, 412, { method: 'POST', path: align, ifMatch: longer.etag });
  await expectStatus(deployer, 428, { method: 'POST', path: align });
  await expectStatus(creator, 200, { method: 'POST', path: `/templates/${template.id}/unarchive`, ifMatch: archived });

  tell.chapter('h', 'Deactivate, destroy, remove from the vault');
  const off = keyAfter(
    await expectStatus(deployer, 200, {
      method: 'POST',
      path: `/managed_keys/${fresh.id}/deactivate`,
      ifMatch: renewed.etag,
    }),
  );
  tell.show(statusLines(off.status_in_keystores));
  tell.expect(
    'deactivated everywhere',
    [off.state, ...flagList(off.status_in_keystores)],
    ['deactivated', 'ok', 'ok', 'ok'],
  );
  tell.expect('AWS KMS agrees', (await stateInKms(EAST, inUs))?.KeyState, 'Disabled');
  const destroyed = keyAfter(
    await expectStatus(administrator, 200, {
      method: 'POST',
      path: `/managed_keys/${fresh.id}/destroy`,
      ifMatch: off.etag,
    }),
  );
  tell.show(
    destroyed.status_in_keystores.map(
      ({ keystore: { name }, status, pending_destruction_until: until }) => `${name}  ${status}  ends ${until ?? '?'}`,
    ),
  );
  tell.expect(
    'destroyed; each keystore has begun its own waiting period',
    [destroyed.state, ...destroyed.status_in_keystores.map((status) => status.pending_destruction_until !== undefined)],
    ['destroyed', true, true, true],
  );
  tell.expect('in AWS KMS too', (await stateInKms(EAST, inUs))?.KeyState, 'PendingDeletion');
  await expectStatus(administrator, 204, {
    method: 'DELETE',
    path: `/managed_keys/${fresh.id}`,
    ifMatch: destroyed.etag,
  });
  await expectStatus(reader, 404, { method: 'GET', path: `/managed_keys/${fresh.id}` });
  tell.say('✓ gone from the vault');

  await otherCloudsChapter(tell, running, { administrator, creator, deployer });
}

/** The notices to the webhook, once there is one of each of these keystores. */
async function untilTold({ inbox }: Environment, keystores: readonly string[]) {
  for (let waited = 0; ; waited += 50) {
    const notices = inbox.received.map(({ body, headers }) => ({
      ...NOTICE.parse(JSON.parse(body)),
      signature: headers['x-shearline-signature'] ?? '',
    }));
    if (keystores.every((name) => notices.some(({ keystore }) => keystore.name === name))) return notices;
    if (waited > 15_000) throw new ExpectationFailed(`${keystores.join(' and ')} should have been told of`);
    await wait(50);
  }
}

/** Everything is the demo's own: what stands ready for npm start is neither used nor touched. */
function ownEnvironment(): Record<string, string | undefined> {
  const own = /^(?:AWS_|DYNAMODB_|OIDC_|PKCS11_|SOFTHSM2_)|^(?:PORT|SEED|TABLE_NAME|CUSTODY_KEY_ID|PUBLIC_URL)$/;
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name))), PORT: '0' };
}

async function observedItem({ endpoints }: Environment, keyId: string, keystoreId: string) {
  const { pk, sk } = ITEM.observed(keyId, 1, keystoreId);
  const client = new DynamoDBClient({
    endpoint: endpoints.dynamodb.endpoint,
    region: EAST,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const { Item } = await client.send(
    new GetItemCommand({ TableName: endpoints.dynamodb.table, Key: { pk: { S: pk }, sk: { S: sk } } }),
  );
  client.destroy();
  const text = (name: string) => Item?.[name]?.S ?? '';
  return {
    key: `${pk} ${sk}`,
    flag: text('keystore_sync_flag'),
    detail: text('keystore_sync_flag_detail'),
    reason: text('reason'),
    since: text('since'),
  };
}

function statusLines(statuses: readonly Status[]): string[] {
  const width = Math.max(0, ...statuses.map(({ keystore }) => keystore.name.length));
  return statuses.flatMap(
    ({ keystore, status, keystore_sync_flag: flag, keystore_sync_flag_detail: detail, reason }) => [
      `${keystore.name.padEnd(width)}  ${status}  ${flag}  ${detail}`,
      ...(flag === 'ok' || reason === undefined ? [] : [`${' '.repeat(width)}  ${reason}`]),
    ],
  );
}

function flags(statuses: readonly Status[]): Record<string, string> {
  return Object.fromEntries(
    statuses.map(({ keystore, keystore_sync_flag: flag }): [string, string] => [keystore.name, flag]).toSorted(),
  );
}

function flagList(statuses: readonly Status[]): string[] {
  return statuses.map((status) => status.keystore_sync_flag);
}

function statusIn(statuses: readonly Status[], name: string): Status {
  const found = statuses.find(({ keystore }) => keystore.name === name);
  if (found === undefined)
    throw new ExpectationFailed(
      `The key should be in ${name}, it is in ${statuses.map(({ keystore }) => keystore.name).join(', ')}`,
    );
  return found;
}

function detailsOf(statuses: readonly Status[], name: string): string[] {
  const { status, keystore_sync_flag: flag, keystore_sync_flag_detail: detail } = statusIn(statuses, name);
  return [status, flag, detail];
}

function idIn(statuses: readonly Status[], name: string): string {
  return statusIn(statuses, name).key_id_in_keystore ?? '';
}

function keystoreId(statuses: readonly Status[], name: string): string {
  return statusIn(statuses, name).keystore.id;
}

function tagOf(answer: Answer): string {
  if (answer.etag === undefined) throw new ExpectationFailed('The answer should carry an ETag');
  return answer.etag;
}

function yearOf(date: string | undefined): number {
  return Number(date?.slice(0, 4));
}

function seconds(): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
