import type { KeyClient } from '@azure/keyvault-keys';
import { request as open } from 'node:http';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { AzureKeyVaultSandbox, SandboxApplication } from '../../sandbox/azure-key-vault/server.ts';
import { startAzureKeyVaultSandbox } from '../../sandbox/azure-key-vault/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { clientOf } from '../drivers/azure-sandbox.ts';

export const TENANT = 'aaaaaaaa-0000-0000-0000-000000000001';
export const APPLICATION: SandboxApplication = {
  tenantId: TENANT,
  clientId: 'reader-and-writer',
  clientSecret: 'secret~1',
};
export const LOOKER: SandboxApplication = {
  tenantId: TENANT,
  clientId: 'looker',
  clientSecret: 'secret~2',
  permissions: ['get', 'list'],
};
export const HOST = 'test-vault.vault.azure.net';

export interface Vaults {
  readonly sandbox: AzureKeyVaultSandbox;
  readonly clock: SandboxClock;
  readonly client: KeyClient;
  /** A plain request to the vault, as curl would send it; with a token unless `authorization` says otherwise. */
  readonly ask: (
    method: string,
    path: string,
    more?: { body?: unknown; authorization?: string; host?: string },
  ) => Promise<Answer>;
  readonly token: (changes?: Readonly<Record<string, string>>, tenant?: string) => Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
  /** The error's code, and the inner one where there is one. */
  readonly codes: readonly (string | undefined)[];
}

/** A sandbox with a premium vault `test-vault` and a standard one, for the tests of one file. */
export function useVaults(): Vaults {
  const clock = sandboxClock();
  let sandbox: AzureKeyVaultSandbox | undefined;
  let client: KeyClient | undefined;
  beforeAll(async () => {
    sandbox = await startAzureKeyVaultSandbox({
      clock,
      vaults: [
        { name: 'test-vault', tenantId: TENANT },
        { name: 'standard-vault', tenantId: TENANT, sku: 'standard', recoverableDays: 7, purgeProtection: true },
        { name: 'other-tenant', tenantId: 'bbbbbbbb-0000-0000-0000-000000000002' },
      ],
      applications: [APPLICATION, LOOKER],
    });
    client = clientOf(sandbox.endpoint, 'test-vault', APPLICATION);
  });
  afterAll(() => sandbox?.close());
  beforeEach(() => {
    sandbox?.faults.clear();
    sandbox?.calls.reset();
    sandbox?.settle(0);
  });
  const up = () => given(sandbox);

  async function token(changes: Readonly<Record<string, string>> = {}, tenant = TENANT): Promise<Answer> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: APPLICATION.clientId,
      client_secret: APPLICATION.clientSecret,
      scope: 'https://vault.azure.net/.default',
      ...changes,
    });
    return send('POST', `${up().authorityHost}/${tenant}/oauth2/v2.0/token`, {}, form);
  }

  return {
    clock,
    token,
    get sandbox() {
      return up();
    },
    get client() {
      return given(client);
    },
    async ask(method, path, { body, authorization, host = HOST } = {}) {
      const bearer = authorization ?? `Bearer ${String((await token()).body['access_token'])}`;
      return request(up().port, method, path, host, bearer, body);
    },
  };
}

export function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Nothing is there.');
  return value;
}

async function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  body?: URLSearchParams,
): Promise<Answer> {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return answerOf(response.status, response.headers, await response.text());
}

/** `fetch` lets nobody set the Host header, and that is what names the vault. */
function request(
  port: number,
  method: string,
  path: string,
  host: string,
  authorization: string,
  body: unknown,
): Promise<Answer> {
  const content = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = open({
      port,
      host: '127.0.0.1',
      method,
      path,
      headers: {
        host,
        ...(authorization === '' ? {} : { authorization }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const headers = new Headers();
        for (const [name, value] of Object.entries(response.headers)) headers.set(name, String(value));
        resolve(answerOf(response.statusCode ?? 0, headers, Buffer.concat(chunks).toString('utf8')));
      });
    });
    sent.end(content);
  });
}

function answerOf(status: number, headers: Headers, text: string): Answer {
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  const error = (typeof body['error'] === 'object' ? body['error'] : {}) as {
    code?: string;
    innererror?: { code?: string };
  };
  return { status, headers, body, codes: [error.code, error.innererror?.code] };
}
