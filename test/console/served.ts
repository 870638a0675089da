import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { buildConsole, consoleFolder } from '../../console/build.ts';
import { ROLES, startIssuer } from '../../sandbox/issuer.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { startApi } from '../functions/api.ts';
import type { TestApi } from '../functions/api.ts';
import { launchChromium } from './browser.ts';

/** The console as it is served, beside the API and an issuer of its own, and a browser to look at it with. */
export interface ServedConsole {
  readonly url: string;
  readonly api: TestApi;
  readonly browser: Browser;
  /** The API as somebody with every role. */
  readonly client: ApiClient;
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
  }[];
  /** Whether the API answers at all; the console's own files always do. */
  offline: boolean;
  /** Opens a path of the console, not signed in. */
  open(path: string, options?: BrowserContextOptions): Promise<Page>;
  /** Opens a path of the console and signs in as one of the people of the local issuer. */
  openAs(person: string, path: string, options?: BrowserContextOptions): Promise<Page>;
  /** What went wrong unnoticed: answers unlike their description, errors in a page's console, what its security policy refused. */
  readonly faults: readonly string[];
  close(): Promise<void>;
}

type Handler = (event: unknown) => Promise<APIGatewayProxyStructuredResultV2>;

/** Starts all of it. Call it once per test file, before anything else imports a function. */
export async function serveConsole(environment: Readonly<Record<string, string>> = {}): Promise<ServedConsole> {
  const folder = consoleFolder();
  const [issuer, browser] = await Promise.all([startIssuer(), launchChromium(), buildConsole(folder)]);
  const api = await startApi({
    OIDC_ISSUER: issuer.url,
    OIDC_LOCAL: 'true',
    CONSOLE_FOLDER: folder,
    ...environment,
  });
  const { handler } = (await import('../../functions/console.ts')) as { readonly handler: Handler };
  const faults: string[] = [];
  const requests: { method: string; path: string; headers: IncomingMessage['headers'] }[] = [];
  const served = { offline: false };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://console');
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    if (pathname.startsWith('/console')) {
      const event = { rawPath: pathname, headers, routeKey: 'GET /console/{path+}', requestContext: {} };
      const result = await handler(event);
      response.writeHead(result.statusCode ?? 200, result.headers as Record<string, string>);
      response.end(Buffer.from(result.body ?? '', result.isBase64Encoded === true ? 'base64' : 'utf8'));
      return;
    }
    requests.push({ method: request.method ?? '', path: `${pathname}${search}`, headers: request.headers });
    if (served.offline) {
      request.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const result = await api.send({
      method: request.method ?? 'GET',
      path: pathname,
      query: search.slice(1),
      headers,
      body: body === '' ? undefined : body,
    });
    response.writeHead(result.status, result.headers as Record<string, string>);
    response.end(Buffer.from(result.body ?? '', result.base64 === true ? 'base64' : 'utf8'));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      faults.push(
        `${request.method ?? ''} ${request.url ?? ''}: ${error instanceof Error ? error.message : String(error)}`,
      );
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const open = async (path: string, options: BrowserContextOptions = {}): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(`${path}: ${error.message}`));
    page.on('console', (message) => {
      // The browser itself reports every answer that is no success, and there are tests of those.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        faults.push(`${path}: ${message.text()}`);
      }
    });
    await page.goto(`${url}/console${path}`);
    return page;
  };
  return {
    url,
    api,
    browser,
    client: api.client(await issuer.mint({ subject: 'seed', roles: ROLES })),
    requests,
    faults,
    get offline() {
      return served.offline;
    },
    set offline(value) {
      served.offline = value;
    },
    open,
    openAs: async (person, path, options) => {
      const page = await open(path, options);
      await page.getByRole('button', { name: person }).click();
      await page.getByRole('heading', { level: 1 }).filter({ hasNotText: 'Shearline' }).first().waitFor();
      return page;
    },
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      await Promise.all([api.close(), issuer.close()]);
    },
  };
}
