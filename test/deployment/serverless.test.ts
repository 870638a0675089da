import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod/mini';
import { CONSOLE_ROUTES } from '../../functions/console.ts';
import { HEALTH_ROUTE } from '../../functions/health.ts';
import { ROUTES } from '../../functions/openapi.ts';
import { readConfig } from '../../lib/config.ts';
import { tableDefinition } from '../../lib/records/table.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

const SERVICE = z.object({
  provider: z.object({ environment: z.record(z.string(), z.string()) }),
  functions: z.record(
    z.string(),
    z.object({
      handler: z.string(),
      events: z.array(
        z.object({ httpApi: z.optional(z.union([z.string(), z.object({ method: z.string(), path: z.string() })])) }),
      ),
    }),
  ),
  resources: z.object({
    Resources: z.object({ Table: z.object({ Properties: z.record(z.string(), z.unknown()) }) }),
  }),
});

describe('serverless.yml', () => {
  let service: z.infer<typeof SERVICE>;
  beforeAll(async () => {
    const environment = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(?:AWS_|OIDC_|TABLE_NAME|DYNAMODB_)/.test(name)),
    );
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(PROJECT, 'node_modules/serverless/bin/serverless.js'), 'print', '--format', 'json'],
      { cwd: PROJECT, env: { ...environment, OIDC_ISSUER: 'https://login.example' } },
    );
    service = SERVICE.parse(JSON.parse(stdout));
  });

  test('has the table of lib/records/table.ts', () => {
    expect(service.resources.Resources.Table.Properties).toMatchObject(tableDefinition('shearline-dev'));
  });

  test('has one route for each operation, those of the OpenAPI page, and one for everything else', () => {
    const routes = Object.values(service.functions).flatMap(({ events }) =>
      events.flatMap(({ httpApi }) =>
        httpApi === undefined ? [] : [typeof httpApi === 'string' ? httpApi : `${httpApi.method} ${httpApi.path}`],
      ),
    );
    const expected = [
      '*',
      ...Object.keys(ROUTES),
      ...CONSOLE_ROUTES,
      HEALTH_ROUTE,
      ...Object.values(OPERATIONS).map(({ method, path }) => `${method} ${path}`),
    ];
    expect(routes.toSorted()).toEqual(expected.toSorted());
  });

  test('has a file for each function', () => {
    for (const { handler } of Object.values(service.functions)) {
      expect(existsSync(join(PROJECT, handler.replace(/\.handler$/, '.ts'))), handler).toBe(true);
    }
  });

  test('gives the functions an environment that they accept', () => {
    expect(readConfig(service.provider.environment)).toMatchObject({
      table: 'shearline-dev',
      issuer: 'https://login.example',
      audience: 'shearline',
      custodyKeyId: 'alias/shearline-dev-custody',
    });
  });
});
