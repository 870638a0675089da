/** `npm run screenshots`: pictures of the main pages, with a sample in which something has drifted, into docs/screenshots. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import * as z from 'zod/mini';
import { apiClient, expectStatus } from '../../sandbox/api-client.ts';
import { startEnvironment } from '../../sandbox/environment.ts';
import { PROJECT } from '../../sandbox/project.ts';
import { seed } from '../../sandbox/seed.ts';
import { readSettings } from '../../sandbox/settings.ts';
import { launchChromium } from './browser.ts';

const FOLDER = join(PROJECT, 'docs/screenshots');
const KEYS = z.object({
  managed_keys: z.array(
    z.object({
      id: z.string(),
      label: z.string(),
      status_in_keystores: z.array(
        z.object({ keystore: z.object({ name: z.string() }), key_id_in_keystore: z.optional(z.string()) }),
      ),
    }),
  ),
});
const TEMPLATES = z.object({ templates: z.array(z.object({ id: z.string(), name: z.string() })) });

interface Picture {
  readonly name: string;
  readonly path: string;
  /** Told that the page is complete. */
  readonly shows: string;
  readonly theme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
  readonly then?: (page: Page) => Promise<void>;
}

const environment = await startEnvironment({
  settings: readSettings({ PORT: '0' }),
  dataFolder: undefined,
  schedules: false,
  reload: false,
  console: true,
  progress: (sentence) => {
    console.log(sentence);
  },
  complain: (line) => {
    console.error(line);
  },
});
const browser = await launchChromium();
try {
  const { endpoints, kms, customKeyStoreId } = environment;
  if (endpoints.console === null || kms === undefined || customKeyStoreId === undefined) {
    throw new Error('There is no console to take pictures of.');
  }
  const client = apiClient({ api: endpoints.api, token: endpoints.tokens['all'] ?? '' });
  await seed(client, customKeyStoreId, environment.otherKeystores);
  const { body } = await expectStatus(client, 200, { method: 'GET', path: '/managed_keys?limit=100' });
  const keys = KEYS.parse(body).managed_keys;
  const keyNamed = (label: string) => {
    const key = keys.find((each) => each.label === label);
    if (key === undefined) throw new Error(`The sample has no key ${label}.`);
    return key;
  };
  const card = keyNamed('payments/card-data');
  const inKeystore = card.status_in_keystores.find(({ keystore }) => keystore.name === 'aws-eu-central-1');
  // On a busy machine, something of the sample may be unfinished still.
  await environment.invoke('resume');
  await environment.scan();
  await kms.operator.disable(inKeystore?.key_id_in_keystore ?? '');
  const list = TEMPLATES.parse(
    (await expectStatus(client, 200, { method: 'GET', path: '/templates?name=google' })).body,
  );
  await expectStatus(client, 200, {
    method: 'PATCH',
    path: `/templates/${list.templates[0]?.id ?? ''}`,
    ifMatch: '*',
    body: { key: { expiration_date: 'P2Y', deactivate_on_rotation: true } },
  });
  await expectStatus(client, 200, { method: 'GET', path: `/managed_keys/${card.id}/status_in_keystores` });

  const pictures: readonly Picture[] = [
    { name: 'managed-keys', path: '/managed-keys', shows: 'Out of sync' },
    { name: 'managed-keys-dark', path: '/managed-keys', shows: 'Out of sync', theme: 'dark' },
    { name: 'key', path: `/managed-keys/${card.id}`, shows: 'Everything that happened', height: 1480 },
    { name: 'key-narrow', path: `/managed-keys/${card.id}`, shows: 'Key out of sync', width: 360 },
    {
      name: 'sync',
      path: `/managed-keys/${card.id}`,
      shows: 'Key out of sync',
      theme: 'dark',
      then: async (page) => {
        await page.getByRole('button', { name: 'Sync keys' }).click();
        await page.getByText('enable', { exact: true }).waitFor();
      },
    },
    {
      name: 'realign',
      path: `/managed-keys/${keyNamed('payments-data').id}/realign`,
      shows: 'Confirm each difference',
    },
    {
      name: 'create-key',
      path: '/managed-keys/create',
      shows: 'In which vault?',
      then: async (page) => {
        await page.getByRole('button', { name: 'Next' }).click();
        await page.getByRole('radio', { name: 'data-aes-256' }).check({ force: true });
      },
    },
    { name: 'drift', path: '/drift', shows: 'What changed', height: 1180 },
    { name: 'drift-dark', path: '/drift', shows: 'What changed', theme: 'dark', height: 1180 },
    { name: 'keystores', path: '/keystores', shows: 'aws-us-east-1' },
    { name: 'audit', path: '/audit', shows: 'The trail is whole' },
  ];
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, path, shows, theme = 'light', width = 1280, height = 860, then } of pictures) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    await page.goto(`${endpoints.console}${path}`);
    await page.getByRole('button', { name: 'Ada' }).click();
    await page.getByText(shows).or(page.getByLabel(shows)).first().waitFor();
    await page.waitForLoadState('networkidle');
    await then?.(page);
    await page.mouse.move(0, 0);
    const file = join(FOLDER, `${name}.png`);
    await page.screenshot({ path: file });
    console.log(`${name}.png  ${Math.round(statSync(file).size / 1024)} KB`);
    await context.close();
  }
} finally {
  await browser.close();
  await environment.stop();
}
process.exit(0);
