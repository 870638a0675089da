import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireAutoRepairPreview } from '../../lib/wire/auto-repair.ts';
import type { WireManagedKey } from '../../lib/wire/keys.ts';
import type { WireUpcomingChange } from '../../lib/wire/schedule.ts';
import type { WireTemplate } from '../../lib/wire/templates.ts';
import type { WireVault } from '../../lib/wire/vaults.ts';
import { expectStatus } from '../../sandbox/api-client.ts';
import type { ApiClient, Json } from '../../sandbox/api-client.ts';
import { difference, startApi } from './api.ts';
import type { TestApi } from './api.ts';
import { act, create, keystoreBody, templateBody } from './world.ts';

let api: TestApi;
let ada: ApiClient;
let mona: ApiClient;
let vault: string;
let template: string;

beforeAll(async () => {
  api = await startApi();
  const roles = ['vault_administrator', 'key_custodian_creator', 'key_custodian_deployer'];
  ada = api.client(await api.token(roles, { sub: 'ada' }));
  mona = api.client(await api.token(['manager'], { sub: 'mona' }));
  vault = await create(ada, 'vaults', { name: 'Policies' });
  await create(ada, 'keystores', keystoreBody(vault, 'kms'));
  template = await create(ada, 'templates', templateBody(vault, 'aes'));
});
afterAll(async () => {
  await api.close();
});

const read = async <T>(path: string) => (await expectStatus(ada, 200, { method: 'GET', path })).body as T;
const patch = async <T>(path: string, body: Json, status = 200) =>
  (await expectStatus(ada, status, { method: 'PATCH', path, ifMatch: '*', body })).body as T;
const key = (label: string) => create(ada, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label });

describe('the auto-repair of a vault', () => {
  it('flags unless somebody says otherwise, and keeps what an edit does not name', async () => {
    expect((await read<WireVault>(`/vaults/${vault}`)).auto_repair).toEqual({
      policy: 'flag',
      maximum_per_sweep: 100,
      stop_at_percent: 20,
    });
    const changed = await patch<WireVault>(`/vaults/${vault}`, { auto_repair: { maximum_per_sweep: 7 } });
    expect(changed.auto_repair).toEqual({ policy: 'flag', maximum_per_sweep: 7, stop_at_percent: 20 });
    await patch(`/vaults/${vault}`, { auto_repair: { stop_at_percent: 0 } }, 400);
    await patch(`/vaults/${vault}`, { auto_repair: { policy: 'destroy' } }, 400);
  });

  it('can be tried before it is set, and nothing is done by that', async () => {
    const id = await key('tried');
    const [found] = api.kms.operator.keys().filter(({ tags }) => tags['shearline:key'] === id);
    await api.kms.operator.disable(found?.arn ?? '');
    await read(`/managed_keys/${id}/status_in_keystores`);
    const before = await api.items();
    const preview = await read<WireAutoRepairPreview>(`/vaults/${vault}/auto_repair?policy=sync`);
    expect(preview).toMatchObject({
      policy: { policy: 'sync', maximum_per_sweep: 7 },
      would_repair: [{ key: { id, label: 'tried' }, steps: ['enable'], policy_from: 'vault' }],
      left_to_people: [],
      complete: true,
    });
    const now = await read<WireAutoRepairPreview>(`/vaults/${vault}/auto_repair`);
    expect(now).toMatchObject({ would_repair: [], left_to_people: [{ key: { id } }] });
    expect(difference(before, await api.items())).toEqual([]);
  });

  it('is resumed by a vault administrator, where it is held', async () => {
    const path = `/vaults/${vault}/auto_repair/resume`;
    await expectStatus(ada, 409, { method: 'POST', path });
    await expectStatus(mona, 403, { method: 'POST', path });
  });

  it("is gone before by a template's, which changes no version", async () => {
    const before = await read<WireTemplate>(`/templates/${template}`);
    expect(before.auto_repair).toBe('as_vault');
    const after = await patch<WireTemplate>(`/templates/${template}`, { auto_repair: 'sync' });
    expect(after).toMatchObject({ auto_repair: 'sync', version: before.version });
    const { templates } = await read<WireAutoRepairPreview>(`/vaults/${vault}/auto_repair`);
    expect(templates).toMatchObject([{ id: template, policy: 'sync' }]);
  });
});

describe('the schedule of a template', () => {
  const upcoming = async (query = '') =>
    (await read<{ upcoming_changes: readonly WireUpcomingChange[] }>(`/upcoming_changes?${query}`)).upcoming_changes;

  it('is followed by keys that are made, and by others when they are realigned', async () => {
    const old = await key('before');
    expect(await upcoming()).toEqual([]);
    const schedule = { enforce_dates: true, rotate_every_days: 20, rotate_jitter_days: 0, announce_days_before: 5 };
    const after = await patch<WireTemplate>(`/templates/${template}`, { key: { schedule, expiration_date: 'P25D' } });
    expect(after.key.schedule).toEqual(schedule);
    const made = await key('after');
    expect((await read<WireManagedKey>(`/managed_keys/${old}`)).schedule).toBeUndefined();
    expect((await upcoming()).map(({ action, key: { id } }) => [action, id])).toEqual([
      ['rotate', made],
      ['deactivate', made],
    ]);

    const dry = await expectStatus(ada, 200, {
      method: 'POST',
      path: `/managed_keys/${old}/update_from_template?dry_run=true`,
      ifMatch: '*',
    });
    expect(JSON.stringify(dry.body)).toContain('rotate_every_days');
    await act(ada, `managed_keys/${old}/update_from_template`);
    const followed = await read<WireManagedKey>(`/managed_keys/${old}`);
    expect(followed.schedule).toMatchObject({
      ...schedule,
      upcoming: [{ action: 'rotate' }, { action: 'deactivate' }],
    });
    expect(await upcoming(`action=deactivate&vault.id=${vault}`)).toHaveLength(2);
    expect(await upcoming('until=2026-01-01')).toEqual([]);
  });

  it('ends with an empty one, and refuses what makes no sense', async () => {
    await patch(`/templates/${template}`, { key: { schedule: { rotate_every_days: 5, rotate_jitter_days: 5 } } }, 400);
    await patch(`/templates/${template}`, { key: { schedule: { rotate_every_days: 0 } } }, 400);
    const ended = await patch<WireTemplate>(`/templates/${template}`, { key: { schedule: {} } });
    expect(ended.key.schedule).toBeUndefined();
  });
});
