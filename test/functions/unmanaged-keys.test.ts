import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  KMSClient,
  TagResourceCommand,
} from '@aws-sdk/client-kms';
import type { CreateKeyCommandInput } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireManagedKey, WireStatusInKeystores } from '../../lib/wire/keys.ts';
import type { WireUnmanagedKey } from '../../lib/wire/unmanaged-keys.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { CUSTODY_ACCOUNT, KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { difference, startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { act, create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let ada: ApiClient;
let reader: ApiClient;
let kms: KMSClient;
let vault: string;
let keystore: string;

beforeAll(async () => {
  api = await startApi();
  ada = api.client(
    await api.token(['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer'], { sub: 'ada' }),
  );
  reader = api.client(await api.token(['manager'], { sub: 'mona' }));
  kms = new KMSClient({ endpoint: api.kms.endpoint, region: 'us-east-1', credentials: KEYSTORE_ACCOUNT });
  vault = await create(ada, 'vaults', { name: 'Adopting' });
  keystore = await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  kms.destroy();
  await api.close();
});

/** A key as somebody else in the account makes it. */
async function foreign(alias?: string, input: CreateKeyCommandInput = {}): Promise<string> {
  const { KeyMetadata: made } = await kms.send(new CreateKeyCommand({ Description: 'made by hand', ...input }));
  if (alias !== undefined) {
    await kms.send(new CreateAliasCommand({ AliasName: `alias/${alias}`, TargetKeyId: made?.KeyId }));
  }
  return made?.Arn ?? '';
}

/** Matches a sentence that has these words. */
const says = (words: string): unknown => expect.stringContaining(words);

interface Page {
  readonly unmanaged_keys: readonly WireUnmanagedKey[];
  readonly next?: { readonly href: string };
}

async function unmanaged(of = keystore, limit = 100): Promise<{ keys: WireUnmanagedKey[]; pages: number }> {
  const keys: WireUnmanagedKey[] = [];
  let path: string | undefined = `/keystores/${of}/unmanaged_keys?limit=${limit}`;
  let pages = 0;
  while (path !== undefined) {
    const page = (await expectStatus(ada, 200, { method: 'GET', path })).body as Page;
    keys.push(...page.unmanaged_keys);
    expect(page.unmanaged_keys.length).toBeLessThanOrEqual(limit);
    pages += 1;
    path = page.next?.href.replace(/^.*\/api\/v4/, '');
  }
  return { keys, pages };
}

const adoption = (body: Json, query = '', of = keystore) => ({
  method: 'POST' as const,
  path: `/keystores/${of}/unmanaged_keys/adopt${query}`,
  body,
});
const adopt = async (body: Json) => (await expectStatus(ada, 201, adoption(body))).body as WireManagedKey;
const shown = async (arn: string) => (await unmanaged()).keys.find(({ key_id_in_keystore: id }) => id === arn);
const operated = (arn: string) => api.kms.operator.keys().find((key) => key.arn === arn);
const verified = async (id: string) =>
  (
    (await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}/status_in_keystores` }))
      .body as WireStatusInKeystores
  ).status_in_keystores;

describe('the unmanaged keys of a keystore', () => {
  it('are those that no managed key owns, with what they are and whether they can be adopted', async () => {
    const plain = await foreign('orders/plain');
    const signing = await foreign('orders/signing', { KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY' });
    const disabled = await foreign('orders/disabled');
    await api.kms.operator.disable(disabled);
    const { keys } = await unmanaged();
    const of = (arn: string) => keys.find(({ key_id_in_keystore: id }) => id === arn);
    expect(of(plain)).toMatchObject({
      names: ['orders/plain'],
      state: 'enabled',
      provider_type: 'SYMMETRIC_DEFAULT',
      algorithm: 'aes',
      size: '256',
      age_days: 0,
      adoptable: true,
    });
    expect(of(signing)).toMatchObject({ algorithm: 'ec', size: '384', adoptable: true });
    expect(of(disabled)).toMatchObject({ state: 'disabled', adoptable: true });
  });

  it('are shown with the reason where they cannot be adopted', async () => {
    const imported = await foreign('no/imported', { Origin: 'EXTERNAL' });
    const replicated = await foreign('no/replicated', { MultiRegion: true });
    const ending = await foreign('no/ending');
    await api.kms.operator.scheduleDeletion(ending);
    expect(await shown(imported)).toMatchObject({ adoptable: false, reason: says('imported') });
    expect(await shown(replicated)).toMatchObject({
      adoptable: false,
      reason: says('multi-Region'),
    });
    expect(await shown(ending)).toMatchObject({
      adoptable: false,
      state: 'pending_deletion',
      reason: says('scheduled for deletion'),
    });
    for (const arn of [imported, replicated, ending]) {
      const { status } = await ada.send(adoption({ key_id_in_keystore: arn, label: `no/${arn.slice(-8)}` }));
      expect([409, 422]).toContain(status);
    }
  });

  it('are none of ours: neither managed keys nor what carries the marks of one', async () => {
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'ours' });
    const [status] = await verified(id);
    const arn = status?.key_id_in_keystore ?? '';
    expect(await shown(arn)).toBeUndefined();

    // Neither without its marks: our records know it.
    await api.kms.operator.untag(arn, ['shearline:key', 'shearline:version']);
    expect(await shown(arn)).toBeUndefined();
    const { body } = await expectStatus(ada, 409, adoption({ key_id_in_keystore: arn, label: 'twice' }));
    expect(JSON.stringify(body)).toContain('owns this key already');

    // Nor the key of another deployment.
    const other = await foreign('theirs');
    await kms.send(
      new TagResourceCommand({ KeyId: other, Tags: [{ TagKey: 'shearline:key', TagValue: 'elsewhere' }] }),
    );
    expect(await shown(other)).toBeUndefined();
    await expectStatus(ada, 409, adoption({ key_id_in_keystore: other }));
  });

  it('do not show, and do not give away, the key that wraps all that Shearline keeps', async () => {
    const account = await create(ada, 'vaults', { name: 'The deployment itself' });
    const { accessKeyId, secretAccessKey } = CUSTODY_ACCOUNT;
    const own = await create(ada, 'keystores', {
      ...keystoreBody(account, 'own account'),
      aws_region: process.env['AWS_REGION'] ?? '',
      aws_access_key_id: accessKeyId,
      aws_secret_access_key: secretAccessKey,
    });
    const custody = api.kms.operator.keys().find(({ aliases }) => aliases.includes('alias/shearline-custody'));
    expect(custody).toBeDefined();
    const { keys } = await unmanaged(own);
    expect(keys.map(({ key_id_in_keystore: id }) => id)).not.toContain(custody?.arn);
    await expectStatus(ada, 409, adoption({ key_id_in_keystore: custody?.arn ?? '' }, '', own));
  });

  it('come in pages that leave none out and show none twice', async () => {
    await foreign('paged/one');
    await foreign('paged/two');
    await foreign('paged/three');
    const all = (await unmanaged()).keys.map(({ key_id_in_keystore: id }) => id);
    const { keys, pages } = await unmanaged(keystore, 2);
    expect(keys.map(({ key_id_in_keystore: id }) => id)).toEqual(all);
    expect(new Set(all).size).toBe(all.length);
    expect(pages).toBeGreaterThanOrEqual(Math.ceil(all.length / 2));
  });

  it('refuse a place that no page has named, and say nothing when the keystore does not answer', async () => {
    const path = `/keystores/${keystore}/unmanaged_keys`;
    await expectStatus(ada, 400, { method: 'GET', path: `${path}?after=WzFd` });
    api.kms.faults.add({ kind: 'denied', operation: 'ListKeys' });
    await expectStatus(ada, 502, { method: 'GET', path });
    api.kms.faults.clear();
  });

  it('show a key that may not be looked at, and the others all the same', async () => {
    const hidden = await foreign('hidden');
    const visible = await foreign('visible');
    const before = (await unmanaged()).keys.length;
    api.kms.faults.add({ kind: 'denied', operation: 'DescribeKey', keyId: hidden.replace(/^.*\//, '') });
    const { keys } = await unmanaged();
    api.kms.faults.clear();
    expect(keys).toHaveLength(before);
    expect(keys.find(({ key_id_in_keystore: id }) => id === hidden)).toMatchObject({
      adoptable: false,
      reason: says('could not be looked at'),
    });
    expect(keys.find(({ key_id_in_keystore: id }) => id === visible)).toMatchObject({ adoptable: true });
  });
});

describe('adopting a key', () => {
  it('makes a managed key of it that verifies ok, and leaves its material and its state as they are', async () => {
    const arn = await foreign('billing/master');
    const sealed = await kms.send(new EncryptCommand({ KeyId: arn, Plaintext: Buffer.from('before') }));
    const material = operated(arn)?.currentKeyMaterialId;

    const key = await adopt({ key_id_in_keystore: arn });
    expect(key).toMatchObject({
      label: 'billing/master',
      description: 'made by hand',
      state: 'active',
      algorithm: 'aes',
      material: 'native',
      template: { type: ['shadow'], alignment_status: 'aligned' },
    });
    expect(await verified(key.id ?? '')).toMatchObject([
      { keystore_sync_flag: 'ok', status: 'active', key_id_in_keystore: arn },
    ]);
    expect(material).toBeDefined();
    expect(operated(arn)).toMatchObject({ state: 'Enabled', currentKeyMaterialId: material });
    const opened = await kms.send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob }));
    expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('before');
    expect(await shown(arn)).toBeUndefined();
  });

  it('gives it the label that was asked for, beside the names that others gave it', async () => {
    const arn = await foreign('old/name');
    const key = await adopt({ key_id_in_keystore: arn, label: 'new/name', tags: [{ name: 'team', value: 'blue' }] });
    expect(await verified(key.id ?? '')).toMatchObject([{ keystore_sync_flag: 'ok' }]);
    expect(operated(arn)?.aliases.toSorted()).toEqual(['alias/new/name', 'alias/old/name']);
    expect(operated(arn)?.tags).toMatchObject({ team: 'blue', 'shearline:key': key.id });
  });

  it('takes a disabled key as a deactivated one', async () => {
    const arn = await foreign('asleep');
    await api.kms.operator.disable(arn);
    const key = await adopt({ key_id_in_keystore: arn });
    expect(key.state).toBe('deactivated');
    expect(await verified(key.id ?? '')).toMatchObject([{ keystore_sync_flag: 'ok', status: 'not_active' }]);
    expect(operated(arn)?.state).toBe('Disabled');
  });

  it('is a managed key like any other from then on', async () => {
    const arn = await foreign('like/any', { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    const { id = '' } = await adopt({ key_id_in_keystore: arn });
    await act(ada, `managed_keys/${id}/rotate`);
    expect(await verified(id)).toMatchObject([{ keystore_sync_flag: 'ok' }]);
    expect(operated(arn)?.aliases).toEqual([]);
    await act(ada, `managed_keys/${id}/deactivate`);
    expect(operated(arn)?.state).toBe('Disabled');
    await act(ada, `managed_keys/${id}/destroy`);
    expect(operated(arn)?.state).toBe('PendingDeletion');
    await expectStatus(ada, 204, { method: 'DELETE', path: `/managed_keys/${id}`, ifMatch: '*' });
  });

  it('shows by a dry run what it would be and do, and writes nothing', async () => {
    const arn = await foreign('dry');
    const [items, tags] = [await api.items(), operated(arn)?.tags];
    const { body } = await expectStatus(ada, 200, adoption({ key_id_in_keystore: arn, label: 'wet' }, '?dry_run=true'));
    expect(body).toMatchObject({
      label: 'wet',
      state: 'active',
      planned_changes: { keystores: [{ id: keystore, key: 'wet', steps: ['rename', 'tag'] }] },
    });
    expect(difference(items, await api.items())).toEqual([]);
    expect(operated(arn)).toMatchObject({ tags, aliases: ['alias/dry'] });
  });

  it('is done once for one Idempotency-Key, and by one of two at once', async () => {
    const arn = await foreign('once');
    const request = { ...adoption({ key_id_in_keystore: arn }), headers: { 'idempotency-key': 'adopt-once' } };
    const [first, again] = [await ada.send(request), await ada.send(request)];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);

    const contested = await foreign('contested');
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((label) =>
        ada.send(adoption({ key_id_in_keystore: contested, label: `contested/${label}` })),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409]);
    const winner = answers.find(({ status }) => status === 201)?.body as WireManagedKey;
    expect(await verified(winner.id ?? '')).toMatchObject([{ keystore_sync_flag: 'ok' }]);
    expect(operated(contested)?.tags['shearline:key']).toBe(winner.id);
  });

  it('refuses a label that the vault has, and one whose name leads to another key', async () => {
    const arn = await foreign('wanted');
    await create(ada, 'templates', templateBody(vault, 'waiting', 'pre_activation'));
    await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'waiting', label: 'reserved' });
    await foreign('taken/there');
    const { body } = await expectStatus(ada, 409, adoption({ key_id_in_keystore: arn, label: 'reserved' }));
    expect(JSON.stringify(body)).toContain('name_taken');
    await expectStatus(ada, 409, adoption({ key_id_in_keystore: arn, label: 'taken/there' }));
    await expectStatus(ada, 404, adoption({ key_id_in_keystore: arn.replace(/.{12}$/, '000000000000') }));
    expect((await shown(arn))?.adoptable).toBe(true);
  });

  it('is for who may create keys, and is written down with who did it', async () => {
    const arn = await foreign('audited');
    await expectStatus(reader, 403, adoption({ key_id_in_keystore: arn }));
    const { id } = await adopt({ key_id_in_keystore: arn });
    const { body } = await expectStatus(ada, 200, { method: 'GET', path: `/audit/events?vault.id=${vault}` });
    const events = String(body)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ resource_id: of }) => of === id)).toMatchObject({
      operation: 'AdoptKeyInKeystore',
      subject: 'ada',
      outcome: 'success',
      after: { key_id_in_keystore: arn },
    });
    expect(events.find(({ subject }) => subject === 'mona')).toMatchObject({ outcome: 'refused', status: 403 });
  });
});
