import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { openDatabase } from '../../lib/records/database.ts';
import { TABLE_VERSION } from '../../lib/records/schema.ts';
import { ITEM } from '../../lib/records/table.ts';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';

let local: Awaited<ReturnType<typeof startTestDatabase>>;
beforeAll(async () => {
  local = await startTestDatabase();
});
afterAll(() => local.close());
beforeEach(() => {
  vi.resetModules();
  const environment = {
    TABLE_NAME: local.table,
    DYNAMODB_ENDPOINT: local.endpoint,
    CUSTODY_KEY_ID: 'alias/secret-name-of-the-custody-key',
    OIDC_ISSUER: 'https://login.example',
    OIDC_AUDIENCE: 'shearline',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
});

/** A function that has just started. */
async function ask(): Promise<{ status: number | undefined; body: string }> {
  const { handler } = await import('../../functions/health.ts');
  const { statusCode, body } = await handler();
  return { status: statusCode, body: body ?? '' };
}

const OK = { status: 'ok', configuration: 'ok', database: 'ok', table_version: 'ok' };

it('is well where the table is there, and says no more', async () => {
  const { status, body } = await ask();
  expect([status, JSON.parse(body)]).toEqual([200, OK]);
  expect(body).not.toMatch(/secret-name|shearline|127\.0\.0\.1/);
});

it('is not well without a configuration', async () => {
  vi.stubEnv('OIDC_ISSUER', '');
  expect(await ask()).toEqual({
    status: 503,
    body: '{"status":"unavailable","configuration":"wrong","database":"unknown","table_version":"unknown"}',
  });
});

it('is not well without its table', async () => {
  vi.stubEnv('TABLE_NAME', 'another-table');
  const { status, body } = await ask();
  expect([status, JSON.parse(body)]).toMatchObject([503, { status: 'unavailable', database: 'not_responding' }]);
});

it('is not well on a table that a newer version has written', async () => {
  const database = openDatabase({ table: local.table, endpoint: local.endpoint });
  await database.write({ op: 'put', item: { ...ITEM.schema(), version: TABLE_VERSION + 1 } });
  try {
    const { status, body } = await ask();
    expect([status, JSON.parse(body)]).toEqual([
      503,
      { status: 'unavailable', configuration: 'ok', database: 'ok', table_version: 'newer' },
    ]);
  } finally {
    await database.write({ op: 'delete', key: ITEM.schema() });
  }
});

it('asks the table once in five seconds, however often it is asked', async () => {
  const { handler } = await import('../../functions/health.ts');
  expect((await handler()).statusCode).toBe(200);
  const database = openDatabase({ table: local.table, endpoint: local.endpoint });
  await database.write({ op: 'put', item: { ...ITEM.schema(), version: TABLE_VERSION + 1 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => handler()));
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
});
