import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod/mini';
import { expectStatus } from '../../sandbox/api-client.ts';
import { create, keystoreBody, templateBody } from '../functions/world.ts';
import { serveConsole } from './served.ts';
import type { ServedConsole } from './served.ts';

const KEY = z.object({
  state: z.string(),
  label: z.string(),
  referenced_keystores: z.array(z.object({ name: z.string() })),
  template: z.object({ alignment_status: z.string() }),
  status_in_keystores: z.array(
    z.object({
      keystore: z.object({ name: z.string() }),
      keystore_sync_flag: z.string(),
      key_id_in_keystore: z.optional(z.string()),
    }),
  ),
});

let served: ServedConsole;
let vault: string;
let template: string;
let kmsUs: string;

beforeAll(async () => {
  served = await serveConsole();
  const { client } = served;
  vault = await create(client, 'vaults', { name: 'Payments' });
  kmsUs = await create(client, 'keystores', keystoreBody(vault, 'kms-us'));
  await create(client, 'keystores', { ...keystoreBody(vault, 'kms-eu'), aws_region: 'eu_central_1' });
  template = await create(client, 'templates', templateBody(vault, 'aes'));
  await create(client, 'templates', { ...templateBody(vault, 'named'), naming_scheme: '<app>-<env>-key' });
}, 120_000);
afterAll(async () => {
  await served.close();
});

const make = (label: string) =>
  create(served.client, 'managed_keys', { vault: { id: vault }, template_name: 'aes', label });
const read = async (id: string) =>
  KEY.parse((await expectStatus(served.client, 200, { method: 'GET', path: `/managed_keys/${id}` })).body);
const tile = (page: Page, name: string) => page.locator('.tile').filter({ hasText: name });
const disableIn = async (id: string, keystore: string) => {
  const found = (await read(id)).status_in_keystores.find((each) => each.keystore.name === keystore);
  await served.api.kms.operator.disable(found?.key_id_in_keystore ?? '');
};

describe('a key that drifts', () => {
  it('is verified, flagged with the reason, and synced, step by step', async () => {
    const id = await make('drifting');
    const page = await served.openAs('Ada', '/managed-keys');
    await page.getByRole('link', { name: 'drifting' }).click();
    await page.getByRole('heading', { name: 'drifting' }).waitFor();
    await tile(page, 'kms-us').getByText('In sync').waitFor();

    await disableIn(id, 'kms-us');
    await page.getByRole('button', { name: 'Actions' }).click();
    await page.getByRole('menuitem', { name: 'Verify sync' }).click();
    const verify = page.getByRole('dialog', { name: 'Verify sync of drifting' });
    await verify
      .locator('p')
      .filter({ hasText: /The key is disabled.*Sync would enable it/ })
      .waitFor();
    await verify.getByRole('button', { name: 'Close' }).last().click();

    await page.getByText('Key out of sync').waitFor();
    const flag = tile(page, 'kms-us').getByRole('button', { name: 'Out of sync' });
    await flag.focus();
    expect(await page.getByRole('tooltip').filter({ visible: true }).innerText()).toMatch(
      /disabled.*Sync would enable it/,
    );

    await page.getByRole('button', { name: 'Sync keys' }).click();
    const sync = page.getByRole('dialog', { name: 'Sync drifting' });
    expect(await sync.getByRole('checkbox', { name: /kms-us/ }).isChecked()).toBe(true);
    expect(await sync.getByRole('checkbox', { name: /kms-eu/ }).isChecked()).toBe(false);
    await sync.getByText('enable', { exact: true }).waitFor();
    await sync.getByRole('button', { name: 'Sync keys' }).click();
    await sync.getByText('What the keystores say now').waitFor();
    await sync.getByRole('button', { name: 'Close' }).last().click();
    await tile(page, 'kms-us').getByText('In sync').waitFor();
    await expect.poll(() => page.getByText('Key out of sync').count()).toBe(0);
    expect((await read(id)).status_in_keystores.map((each) => each.keystore_sync_flag)).toEqual(['ok', 'ok']);
    await page
      .getByRole('list', { name: 'Everything that happened, newest first' })
      .getByText('Sync key, by ada')
      .waitFor();
    await page.context().close();
  });

  it('is found by its flag in a shareable address, and several are synced at once', async () => {
    const ids = await Promise.all([make('bulk-one'), make('bulk-two')]);
    for (const id of ids) {
      await disableIn(id, 'kms-eu');
      await expectStatus(served.client, 200, { method: 'GET', path: `/managed_keys/${id}/status_in_keystores` });
    }
    const page = await served.openAs(
      'Ada',
      '/managed-keys?label=bulk&status_in_keystores%5B%5D.keystore_sync_flag=out_of_sync',
    );
    await page.getByText('1–2 of 2').waitFor();
    await page.getByRole('checkbox', { name: 'Select all rows of this page' }).check({ force: true });
    await page.getByText('2 selected').waitFor();
    await page.getByRole('button', { name: 'Sync keys' }).click();
    const dialog = page.getByRole('dialog', { name: 'Sync 2 keys' });
    await dialog.getByRole('button', { name: 'Sync keys' }).click();
    await dialog.getByText('2 of 2 keys done').waitFor();
    expect(await dialog.getByText('In sync').count()).toBe(4);
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('Nothing matches these filters.').waitFor();
    await page.context().close();
  });
});

describe('the target keystores of a key', () => {
  it('are ticked and cleared, planned, and saved', async () => {
    const id = await create(served.client, 'managed_keys', {
      vault: { id: vault },
      label: 'moving',
      key: templateBody(vault, '').key,
      keystores: [{ id: kmsUs }],
    });
    const page = await served.openAs('Ada', `/managed-keys/${id}`);
    await page.getByRole('button', { name: 'Edit Target keystores' }).click();
    expect(await page.getByRole('button', { name: 'Edit General' }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
    await page.getByRole('checkbox', { name: 'kms-eu' }).check({ force: true });
    await page.getByRole('checkbox', { name: 'kms-us' }).uncheck({ force: true });
    await page.getByRole('button', { name: 'Save' }).click();
    const dialog = page.getByRole('dialog', { name: 'Save moving' });
    await dialog.getByText('create the key', { exact: true }).waitFor();
    await dialog.getByText('disable', { exact: true }).waitFor();
    expect((await read(id)).referenced_keystores.map(({ name }) => name).sort()).toEqual(['kms-us']);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('What the keystores say now').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await tile(page, 'kms-us').getByText('Removed by a user').waitFor();
    expect((await read(id)).referenced_keystores.map(({ name }) => name).sort()).toEqual(['kms-eu']);
    await page.context().close();
  });
});

describe('realigning', () => {
  it('takes a tick for every difference; an archived template offers none', async () => {
    const ownTemplate = await create(served.client, 'templates', templateBody(vault, 'realigned'));
    const id = await create(served.client, 'managed_keys', {
      vault: { id: vault },
      template_name: 'realigned',
      label: 'unaligned',
    });
    await expectStatus(served.client, 200, {
      method: 'PATCH',
      path: `/templates/${ownTemplate}`,
      ifMatch: '*',
      body: { key: { expiration_date: 'P2Y', deactivate_on_rotation: true } },
    });
    const page = await served.openAs('Ada', `/managed-keys/${id}`);
    await page.getByRole('button', { name: 'Realign with template' }).click();
    await page.getByRole('heading', { name: 'Realign unaligned' }).waitFor();
    const boxes = page.getByRole('group', { name: 'Confirm each difference' }).getByRole('checkbox');
    await boxes.first().waitFor();
    expect(await boxes.count()).toBe(3);
    const confirm = page.getByRole('button', { name: 'Realign', exact: true });
    for (let at = 0; at < 3; at += 1) {
      expect(await confirm.isDisabled()).toBe(true);
      await boxes.nth(at).check({ force: true });
    }
    await confirm.click();
    await page.getByText('Done', { exact: true }).waitFor();
    expect((await read(id)).template.alignment_status).toBe('aligned');

    await expectStatus(served.client, 200, {
      method: 'PATCH',
      path: `/templates/${ownTemplate}`,
      ifMatch: '*',
      body: { key: { expiration_date: 'P3Y' } },
    });
    await expectStatus(served.client, 200, { method: 'POST', path: `/templates/${ownTemplate}/archive`, ifMatch: '*' });
    await page.getByRole('button', { name: 'Back to the key' }).click();
    await page.reload();
    await page
      .locator('.notice')
      .getByText(/Its template is archived/)
      .waitFor();
    await page.getByRole('button', { name: 'Actions' }).click();
    const item = page.getByRole('menuitem', { name: 'Realign with template' });
    expect(await item.getAttribute('aria-disabled')).toBe('true');
    expect(await item.innerText()).toContain('archived');
    await page.context().close();
  });
});

describe('creating a key', () => {
  it('goes from vault to template to a name that is made while one types, to the plan, to each keystore', async () => {
    const page = await served.openAs('Ada', '/managed-keys/create');
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('radio', { name: 'named' }).check({ force: true });
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByLabel('app').fill('billing');
    await page.getByText('billing-<env>-key').waitFor();
    expect(await page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    await page.getByLabel('env').fill('prod');
    await page.getByText('billing-prod-key').waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('create the key', { exact: true }).first().waitFor();
    await page.getByRole('button', { name: 'Create key' }).click();
    await page.getByText('What the keystores say now').waitFor();
    expect(await page.getByText('In sync').count()).toBe(2);
    await page.getByRole('button', { name: 'Show the key' }).click();
    await page.getByRole('heading', { name: 'billing-prod-key' }).waitFor();
    await page.context().close();
  });

  it('says at once what name a keystore type refuses, and at the field what the API refuses', async () => {
    await make('taken');
    const page = await served.openAs('Ada', `/managed-keys/create?template=${template}`);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByLabel('Name', { exact: true }).fill('AWS/mine');
    await page
      .getByText(/must not (?:begin|start)|reserved|AWS itself/i)
      .first()
      .waitFor();
    expect(await page.getByRole('button', { name: 'Next' }).isDisabled()).toBe(true);
    await page.getByLabel('Name', { exact: true }).fill('taken');
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('That did not work').waitFor();
    expect(await page.getByText('Trace id').count()).toBe(1);
    await page.getByRole('button', { name: 'Back' }).click();
    expect(await page.getByLabel('Name', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    await page.context().close();
  });
});

describe('a change that somebody else was faster with', () => {
  it('shows what is different, and goes on when told to', async () => {
    const id = await make('contested');
    const page = await served.openAs('Ada', `/managed-keys/${id}`);
    await page.getByRole('button', { name: 'Edit General' }).click();
    await page.getByLabel('Description').fill('mine');
    await expectStatus(served.client, 200, {
      method: 'PATCH',
      path: `/managed_keys/${id}`,
      ifMatch: '*',
      body: { expiration_date: '2040-01-01' },
    });
    await page.getByRole('button', { name: 'Save' }).click();
    const dialog = page.getByRole('dialog', { name: 'Save contested' });
    await dialog.getByText('It was changed meanwhile').waitFor();
    await dialog.getByText('2040-01-01').waitFor();
    await dialog.getByRole('button', { name: 'Look at the plan again' }).click();
    await dialog.getByText('mine').waitFor();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('Done', { exact: true }).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('mine').first().waitFor();
    await page.context().close();
  });
});

describe('the end of a key', () => {
  it('takes the name, typed, and leads from deactivated to destroyed', async () => {
    const id = await make('ending');
    const page = await served.openAs('Ada', `/managed-keys/${id}`);
    const command = async (name: string) => {
      await page.getByRole('button', { name: 'Actions' }).click();
      await page.getByRole('menuitem', { name, exact: true }).click();
    };
    await command('Deactivate');
    const deactivate = page.getByRole('dialog', { name: 'Deactivate ending' });
    await deactivate.getByText('disable', { exact: true }).first().waitFor();
    await deactivate.getByRole('button', { name: 'Deactivate' }).click();
    await deactivate.getByText('What the keystores say now').waitFor();
    await deactivate.getByRole('button', { name: 'Close' }).last().click();

    await command('Destroy');
    const destroy = page.getByRole('dialog', { name: 'Destroy ending' });
    await destroy.getByText('schedule its deletion').first().waitFor();
    const confirm = destroy.getByRole('button', { name: 'Destroy' });
    expect(await confirm.isDisabled()).toBe(true);
    await destroy.getByLabel('Type ending to confirm').fill('endin');
    expect(await confirm.isDisabled()).toBe(true);
    await destroy.getByLabel('Type ending to confirm').fill('ending');
    await confirm.click();
    await destroy.getByText('What the keystores say now').waitFor();
    await destroy.getByRole('button', { name: 'Close' }).last().click();
    expect((await read(id)).state).toBe('destroyed');
    await page.getByText('Pending').first().waitFor();
    await page.context().close();
  });
});

it('nothing went wrong unnoticed', () => {
  expect(served.faults).toEqual([]);
});
