import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireApproval, WireApprovalList } from '../../lib/wire/approvals.ts';
import type { WireAuditReport } from '../../lib/wire/audit.ts';
import { openDatabase } from '../../lib/records/database.ts';
import { ITEM } from '../../lib/records/table.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let ada: ApiClient;
let bob: ApiClient;
let outsider: ApiClient;
let vault: string;
let keystore: string;

const ROLES = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer'];

beforeAll(async () => {
  api = await startApi();
  ada = api.client(await api.token(ROLES, { sub: 'ada' }));
  bob = api.client(await api.token(ROLES, { sub: 'bob' }));
  outsider = api.client(await api.token(['manager'], { sub: 'mallory' }));
  vault = await create(ada, 'vaults', {
    name: 'Two persons',
    approval_required_for: ['destroy_key', 'disconnect_keystore', 'realign_removing_keystores'],
  });
  keystore = await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  await api.close();
});

const stateOf = async (id: string) =>
  ((await expectStatus(ada, 200, { method: 'GET', path: `/managed_keys/${id}` })).body as { state: string }).state;

async function send(
  client: ApiClient,
  status: number,
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  of?: string,
  body?: Json,
) {
  const ifMatch =
    of === undefined ? undefined : ((await expectStatus(ada, 200, { method: 'GET', path: of })).etag ?? '');
  return expectStatus(client, status, {
    method,
    path,
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(body === undefined ? {} : { body }),
  });
}

async function deactivatedKey(label: string): Promise<string> {
  const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label });
  await send(ada, 200, 'POST', `/managed_keys/${id}/deactivate`, `/managed_keys/${id}`);
  return id;
}

async function askToDestroy(id: string): Promise<WireApproval> {
  return (await send(ada, 202, 'POST', `/managed_keys/${id}/destroy`, `/managed_keys/${id}`)).body as WireApproval;
}

describe('a request that takes two persons', () => {
  it('waits, is listed, and is carried out when somebody else approves it', async () => {
    const id = await deactivatedKey('destroyed-by-two');
    const approval = await askToDestroy(id);
    expect(approval).toMatchObject({ operation: 'DestroyManagedKey', state: 'pending', requested_by: 'ada' });
    expect(await stateOf(id)).toBe('deactivated');
    const waiting = await expectStatus(bob, 200, { method: 'GET', path: `/approvals?state=pending&vault.id=${vault}` });
    expect((waiting.body as WireApprovalList).approvals.map((each) => each.id)).toContain(approval.id);

    const done = await send(bob, 200, 'POST', `/approvals/${approval.id}/approve`);
    expect(done.body).toMatchObject({ id, state: 'destroyed' });
    const after = await expectStatus(ada, 200, { method: 'GET', path: `/approvals/${approval.id}` });
    expect(after.body).toMatchObject({ state: 'approved', decided_by: 'bob' });
  });

  it('is never approved by who asked for it, nor by somebody without the right to it', async () => {
    const id = await deactivatedKey('not-alone');
    const approval = await askToDestroy(id);
    await send(ada, 403, 'POST', `/approvals/${approval.id}/approve`);
    await send(outsider, 403, 'POST', `/approvals/${approval.id}/approve`);
    expect(await stateOf(id)).toBe('deactivated');
  });

  it('is carried out once, however many approve it at once', async () => {
    const id = await deactivatedKey('once');
    const approval = await askToDestroy(id);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => bob.send({ method: 'POST', path: `/approvals/${approval.id}/approve` })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await stateOf(id)).toBe('destroyed');
  });

  it('is void once the resource was changed', async () => {
    const id = await deactivatedKey('changed-since');
    const approval = await askToDestroy(id);
    await send(ada, 200, 'PATCH', `/managed_keys/${id}`, `/managed_keys/${id}`, { description: 'Keep this.' });
    await send(bob, 412, 'POST', `/approvals/${approval.id}/approve`);
    expect(await stateOf(id)).toBe('deactivated');
  });

  it('ends when it is rejected or withdrawn', async () => {
    const id = await deactivatedKey('rejected');
    const approval = await askToDestroy(id);
    await send(ada, 200, 'POST', `/approvals/${approval.id}/reject`);
    await send(bob, 409, 'POST', `/approvals/${approval.id}/approve`);
    expect(await stateOf(id)).toBe('deactivated');
  });

  it('is refused at once when it could not be carried out anyway', async () => {
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'still-active' });
    await send(ada, 409, 'POST', `/managed_keys/${id}/destroy`, `/managed_keys/${id}`);
  });

  it('covers disconnecting a keystore, and loosening the rule itself', async () => {
    await send(ada, 202, 'DELETE', `/keystores/${keystore}?mode=disconnect`, `/keystores/${keystore}`);
    const loosened = await send(ada, 202, 'PATCH', `/vaults/${vault}`, `/vaults/${vault}`, {
      approval_required_for: [],
    });
    expect(loosened.body).toMatchObject({ operation: 'UpdateVault' });
    await send(ada, 200, 'PATCH', `/vaults/${vault}`, `/vaults/${vault}`, { description: 'Needs nobody else.' });
  });

  it('answers an approved disconnection as the disconnection itself: with no content', async () => {
    const leaving = await create(ada, 'keystores', keystoreBody(vault, 'leaving', ['Elsewhere']));
    const { body } = await send(ada, 202, 'DELETE', `/keystores/${leaving}?mode=disconnect`, `/keystores/${leaving}`);
    const answer = await send(bob, 204, 'POST', `/approvals/${(body as WireApproval).id}/approve`);
    expect(answer.body).toBeUndefined();
    await expectStatus(ada, 404, { method: 'GET', path: `/keystores/${leaving}` });
  });

  it('covers a realign that takes a keystore out, not one that brings one in', async () => {
    const extra = await create(ada, 'keystores', { ...keystoreBody(vault, 'extra'), aws_region: 'eu_central_1' });
    const id = await create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label: 'realigned' });
    await send(ada, 200, 'PATCH', `/keystores/${extra}`, `/keystores/${extra}`, { groups: ['Elsewhere'] });
    const path = `/managed_keys/${id}`;
    const approval = (await send(ada, 202, 'POST', `${path}/update_from_template`, path)).body as WireApproval;
    await send(bob, 200, 'POST', `/approvals/${approval.id}/approve`);
    await send(ada, 200, 'PATCH', `/keystores/${extra}`, `/keystores/${extra}`, { groups: ['Production'] });
    await send(ada, 200, 'POST', `${path}/update_from_template`, path);
  });
});

describe('the audit trail', () => {
  it('shows who asked and who approved', async () => {
    const { body } = await expectStatus(ada, 200, { method: 'GET', path: `/audit/events?vault.id=${vault}` });
    const events = String(body)
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as {
            operation: string;
            subject: string;
            status: number;
            after?: { approval?: { requestedBy?: string } };
          },
      );
    expect(
      events.some(
        (event) => event.operation === 'DestroyManagedKey' && event.status === 202 && event.subject === 'ada',
      ),
    ).toBe(true);
    const approved = events.find((event) => event.operation === 'DestroyManagedKey' && event.status === 200);
    expect(approved).toMatchObject({ subject: 'bob', after: { approval: { requestedBy: 'ada' } } });
  });

  it('is proved whole, and an altered event is found', async () => {
    const verify = async () =>
      ((await expectStatus(ada, 200, { method: 'GET', path: '/audit/verify' })).body as WireAuditReport).trails;
    expect((await verify()).every(({ intact }) => intact)).toBe(true);

    const database = openDatabase({
      table: process.env['TABLE_NAME'] ?? '',
      endpoint: process.env['DYNAMODB_ENDPOINT'],
    });
    await database.write({
      op: 'update',
      key: ITEM.auditEvent(vault, 2),
      expression: 'SET #subject = :nobody',
      names: { '#subject': 'subject' },
      values: { ':nobody': 'nobody' },
    });
    expect((await verify()).find((each) => each.vault_id === vault)).toMatchObject({
      intact: false,
      broken: 'event 2 was altered',
    });
  });
});
