import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectStatus } from '../../sandbox/api-client.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { create, keystoreBody, makeWorld, templateBody } from '../functions/world.ts';
import type { World } from '../functions/world.ts';
import { AXE } from './browser.ts';
import { storeKeys } from './many-keys.ts';
import { serveConsole } from './served.ts';
import type { ServedConsole } from './served.ts';

let served: ServedConsole;
let world: World;

beforeAll(async () => {
  served = await serveConsole();
  world = await makeWorld(served.client, 'world');
}, 120_000);
afterAll(async () => {
  await served.close();
});

/** Goes to another page of the console without a load, as a link does, and waits until nothing of it is still to come. */
async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    history.pushState(undefined, '', ${JSON.stringify(`/console${path}`)});
    dispatchEvent(new PopStateEvent('popstate'));
    requestAnimationFrame(() => requestAnimationFrame(resolve));
  })`);
  await page.waitForLoadState('networkidle');
  const waiting = page.locator('.cds--loading, .cds--skeleton__text, .cds--inline-loading');
  await expect.poll(() => waiting.count(), { timeout: 15_000 }).toBe(0);
  await page.getByRole('heading', { level: 1 }).waitFor();
}

describe('signing in', () => {
  it('takes one click locally, leads to where one wanted to go, survives a reload, and leaves no token anywhere', async () => {
    const page = await served.openAs('Ada', '/vaults?name=world');
    await page.getByRole('link', { name: 'world' }).waitFor();
    expect(new URL(page.url()).search).toBe('?name=world');
    await page.reload();
    await page.getByRole('link', { name: 'world' }).waitFor();
    const kept = await page.evaluate<string>(
      'JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])',
    );
    expect(kept).not.toContain('eyJ');
    expect(await page.context().cookies(served.url)).toEqual([]);
    await page.getByRole('button', { name: 'Who is signed in' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: /Ada/ }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: /Ada/ }).waitFor();
    await page.context().close();
  });

  it('is served with a policy without inline script, in nobody’s frame', async () => {
    const answer = await fetch(`${served.url}/console`);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(await answer.text()).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|style=/);
    expect((await fetch(`${served.url}/console/assets/..%2f..%2fpackage.json`)).status).toBe(404);
    expect((await fetch(`${served.url}/console/assets/gone-123.js`)).status).toBe(404);
  });

  it('a token that is refused leads back to the sign-in', async () => {
    const page = await served.openAs('Ada', '/vaults');
    await page.route('**/api/v4/**', (route) =>
      route.fulfill({
        status: 401,
        contentType: 'application/json',
        body: '{"errors":[{"code":"unauthenticated","message":"The token has expired."}]}',
      }),
    );
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('button', { name: /Ada/ }).waitFor();
    await page.context().close();
  });
});

describe('roles', () => {
  it('decide what is offered, with the reason when something is not', async () => {
    const reader = await served.openAs('Rosa', '/managed-keys');
    await reader.getByText('is needed to list.').waitFor();
    expect(await reader.getByRole('button', { name: 'Create key' }).isDisabled()).toBe(true);
    await reader.getByText('The role Key custodian – creator is needed to create or rotate keys.').waitFor();
    await goTo(reader, `/managed-keys/${world.keys.active}`);
    await reader.getByRole('heading', { name: 'world/active' }).waitFor();
    await reader.getByRole('button', { name: 'Actions' }).click();
    const sync = reader.getByRole('menuitem', { name: /^Sync key/ });
    expect(await sync.getAttribute('aria-disabled')).toBe('true');
    expect(await sync.innerText()).toContain('is needed to assign, realign or sync keys.');
    await reader.context().close();

    const deployer = await served.openAs('Dev', `/managed-keys/${world.keys.active}`);
    await deployer.getByRole('button', { name: 'Actions' }).click();
    expect(await deployer.getByRole('menuitem', { name: /^Deactivate/ }).getAttribute('aria-disabled')).toBe('false');
    expect(await deployer.getByRole('menuitem', { name: /^Rotate/ }).getAttribute('aria-disabled')).toBe('true');
    await deployer.context().close();
  });

  it('a destructive request waits for a second person, who is not the first', async () => {
    const vault = await create(served.client, 'vaults', { name: 'guarded', approval_required_for: ['destroy_key'] });
    await create(served.client, 'keystores', keystoreBody(vault, 'guarded-kms'));
    await create(served.client, 'templates', templateBody(vault, 'waiting', 'pre_activation'));
    const key = { vault: { id: vault }, template_name: 'waiting', label: 'guarded' };
    const id = await create(served.client, 'managed_keys', key);
    await expectStatus(served.client, 200, { method: 'POST', path: `/managed_keys/${id}/activate`, ifMatch: '*' });
    await expectStatus(served.client, 200, { method: 'POST', path: `/managed_keys/${id}/deactivate`, ifMatch: '*' });

    const ada = await served.openAs('Ada', `/managed-keys/${id}`);
    await ada.getByRole('button', { name: 'Actions' }).click();
    await ada.getByRole('menuitem', { name: /^Destroy/ }).click();
    const dialog = ada.getByRole('dialog', { name: 'Destroy guarded' });
    await dialog.getByLabel('Type guarded to confirm').fill('guarded');
    await dialog.getByRole('button', { name: 'Destroy' }).click();
    await dialog.getByText('A second person has to approve this').waitFor();
    await dialog.getByRole('link', { name: 'To the approvals' }).click();
    await ada.getByRole('button', { name: /Actions of DestroyManagedKey/ }).click();
    expect(await ada.getByRole('menuitem', { name: /^Approve/ }).innerText()).toContain('it takes a second person');
    await ada.context().close();

    const grace = await served.openAs('Grace', '/approvals');
    await grace.getByRole('button', { name: /Actions of DestroyManagedKey/ }).click();
    await grace.getByRole('menuitem', { name: /^Approve/ }).click();
    await grace.getByRole('dialog').getByRole('button', { name: 'Approve' }).click();
    await grace.getByText('Approved and carried out').waitFor();
    await grace.context().close();
    const { body } = await expectStatus(served.client, 200, { method: 'GET', path: `/managed_keys/${id}` });
    expect(body).toMatchObject({ state: 'destroyed' });
  });
});

describe('what goes wrong', () => {
  it('bad input is told at each field at once, and nothing is stored', async () => {
    const page = await served.openAs('Ada', `/keystores/connect?vault=${world.vault}&type=aws_kms`);
    await page.getByLabel('Name').fill('-bad-');
    await page.getByLabel('Region').fill('nowhere');
    await page.getByLabel(/Access key id/).fill('AKIA');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByText('That did not work').waitFor();
    for (const field of [page.getByLabel('Name'), page.getByLabel('Region'), page.getByLabel(/Secret access key/)]) {
      expect(await field.getAttribute('aria-invalid')).toBe('true');
    }
    await page.getByLabel('Name').fill('tested');
    await page.getByLabel('Region').fill('us_east_1');
    await page.getByLabel(/Access key id/).fill(KEYSTORE_ACCOUNT.accessKeyId);
    await page.getByLabel(/Secret access key/).fill(KEYSTORE_ACCOUNT.secretAccessKey);
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByText('The keystore answers').waitFor();
    const { body } = await expectStatus(served.client, 200, { method: 'GET', path: '/keystores?name=tested' });
    expect(body).toMatchObject({ total_count: 0 });
    await page.context().close();
  });

  it('an API that cannot be reached is said to be so, and asked again on demand', async () => {
    const page = await served.openAs('Ada', '/vaults');
    await page.getByRole('link', { name: 'world' }).waitFor();
    served.offline = true;
    try {
      await page.getByRole('button', { name: 'Refresh' }).click();
      await page.getByText('The API cannot be reached.').waitFor();
    } finally {
      served.offline = false;
    }
    await page.getByRole('button', { name: 'Try again' }).click();
    await expect.poll(() => page.getByText('The API cannot be reached.').count()).toBe(0);
    await page.getByRole('link', { name: 'world' }).waitFor();
    await page.context().close();
  });

  it('no secret of a keystore is ever in the page', async () => {
    const page = await served.openAs('Ada', `/keystores/${world.keystore}`);
    await page.getByText('stored, encrypted; never shown').waitFor();
    await goTo(page, `/keystores/${world.keystore}/edit`);
    expect(await page.getByLabel(/Secret access key/).inputValue()).toBe('');
    expect(await page.content()).not.toContain(KEYSTORE_ACCOUNT.secretAccessKey);
    await page.context().close();
  });
});

describe('the keyboard alone', () => {
  /** Tab by tab to what has this name; it must be reached. */
  async function tabTo(page: Page, name: RegExp): Promise<void> {
    for (let pressed = 0; pressed < 80; pressed += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate<string>(
        "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''",
      );
      if (name.test(focused)) return;
    }
    throw new Error(`Eighty tabs did not lead to ${String(name)}.`);
  }

  it('signs in, finds a key, verifies it, and types its name to destroy it', async () => {
    const page = await served.open('/managed-keys?label=world%2Fdeactivated&state=any');
    await page.getByRole('button', { name: /Ada/ }).waitFor();
    await tabTo(page, /^Ada/);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'world/deactivated' }).waitFor();
    await tabTo(page, /^world\/deactivated/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'world/deactivated' }).waitFor();
    await tabTo(page, /^Actions/);
    await page.keyboard.press('Enter');
    await page.locator('[role=menuitem]:focus').waitFor();
    await page.keyboard.press('Enter');
    const verify = page.getByRole('dialog', { name: 'Verify sync of world/deactivated' });
    await verify.getByText('In sync').waitFor();
    await page.keyboard.press('Escape');
    await verify.waitFor({ state: 'detached' });

    await tabTo(page, /^Actions/);
    await page.keyboard.press('Enter');
    await page.locator('[role=menuitem]:focus').waitFor();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    const destroy = page.getByRole('dialog', { name: 'Destroy world/deactivated' });
    await destroy.getByLabel('Type world/deactivated to confirm').waitFor();
    const field = destroy.locator('input:focus');
    for (let pressed = 0; pressed < 20 && (await field.count()) === 0; pressed += 1) await page.keyboard.press('Tab');
    await page.keyboard.type('world/deactivated');
    await tabTo(page, /^Destroy$/);
    await page.keyboard.press('Enter');
    await destroy.getByText('What the keystores say now').waitFor();
    await page.context().close();
  });
});

describe('every page', () => {
  const pages = (): readonly string[] => [
    '/managed-keys',
    '/managed-keys/create',
    `/managed-keys/${world.keys.active}`,
    `/managed-keys/${world.keys.destroyed}`,
    `/managed-keys/${world.keys.active}/realign`,
    '/key-templates',
    '/key-templates/create',
    `/key-templates/${world.template}`,
    `/key-templates/${world.template}/edit`,
    '/keystores',
    `/keystores/connect?vault=${world.vault}&type=azure_key_vault`,
    `/keystores/${world.keystore}`,
    `/keystores/${world.keystore}/edit`,
    `/keystores/${world.keystore}/unmanaged-keys`,
    '/vaults',
    '/vaults/create',
    `/vaults/${world.vault}`,
    '/drift',
    '/approvals?state=any',
    '/notifications',
    '/notifications/create',
    '/audit',
    '/no-such-page',
  ];
  const axe = readFileSync(AXE, 'utf8');

  interface Violation {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }
  /** What axe finds, as text; with the rules of one kind only where the rest cannot differ. */
  async function violations(page: Page, only?: readonly string[]): Promise<readonly string[]> {
    const options = JSON.stringify(only === undefined ? {} : { runOnly: only });
    const found = await page.evaluate<readonly Violation[]>(
      `axe.run(document, ${options}).then((told) => told.violations)`,
    );
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`);
  }

  it('has nothing that axe finds fault with, in either theme', { timeout: 120_000 }, async () => {
    const page = await served.open('/managed-keys');
    await page.getByRole('button', { name: /Ada/ }).waitFor();
    await page.evaluate(axe);
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: /Ada/ }).click();
    await page.getByRole('heading', { name: 'Managed keys' }).waitFor();
    await page.evaluate(axe);
    for (const path of pages()) {
      await goTo(page, path);
      expect({ path, found: await violations(page) }).toEqual({ path, found: [] });
      await page.getByRole('button', { name: 'Use the dark theme' }).click();
      expect({ path, dark: await violations(page, ['color-contrast']) }).toEqual({ path, dark: [] });
      await page.getByRole('button', { name: 'Use the light theme' }).click();
    }
    await goTo(page, '/managed-keys?state=any');
    await page.getByRole('button', { name: 'Show the filters' }).click();
    await page.getByRole('button', { name: 'Columns' }).click();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Actions of world/active' }).click();
    expect(await violations(page)).toEqual([]);
    await page.getByRole('menuitem', { name: 'Sync key' }).click();
    await page.getByText('No keystore has to be changed.').waitFor();
    expect(await violations(page)).toEqual([]);
    await page.context().close();
  });

  it('fits a window of 320 pixels: only tables scroll sideways', { timeout: 60_000 }, async () => {
    const page = await served.openAs('Ada', '/managed-keys', { viewport: { width: 320, height: 720 } });
    for (const path of pages()) {
      await goTo(page, path);
      const width = await page.evaluate<number>('document.documentElement.scrollWidth');
      expect({ path, width }).toEqual({ path, width: 320 });
    }
    await page.context().close();
  });
});

describe('20,000 keys', () => {
  it('are paged, sorted, searched and selected a page at a time', { timeout: 180_000 }, async () => {
    const vaultId = await create(served.client, 'vaults', { name: 'many' });
    const keystore = await create(served.client, 'keystores', keystoreBody(vaultId, 'many-kms'));
    await storeKeys(20_000, { vaultId, templateId: world.template, keystoreIds: [keystore] });
    const page = await served.openAs('Ada', `/managed-keys?vault.id=${vaultId}&sort=label`);
    page.setDefaultTimeout(60_000);
    await page.getByText('1–20 of 20,000').waitFor();
    expect(await page.getByRole('row').count()).toBe(21);
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.getByText('21–40 of 20,000').waitFor();
    await page.getByRole('link', { name: 'key-00020' }).waitFor();
    await page.getByLabel('Page', { exact: true }).fill('1000');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'key-19999' }).waitFor();
    await page.getByRole('button', { name: 'Name' }).click();
    await page.getByRole('link', { name: 'key-19999' }).waitFor();
    expect(new URL(page.url()).searchParams.get('sort')).toBe('-label');
    await page.getByRole('searchbox').fill('key-1234');
    await page.getByText('1–10 of 10').waitFor();
    const lists = served.requests.filter(
      ({ path }) => path.startsWith('/api/v4/managed_keys?') && path.includes(vaultId),
    );
    expect(lists.every(({ path }) => new URL(path, served.url).searchParams.get('limit') === '20')).toBe(true);
    await page.context().close();
  });
});

it('nothing went wrong unnoticed', () => {
  expect(served.faults).toEqual([]);
});
