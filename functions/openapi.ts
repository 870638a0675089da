import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { requirePermission, visibleVaults } from '../lib/access/permissions.ts';
import { readConfig } from '../lib/config.ts';
import { presentKeystoreTypes } from '../lib/keystores/types.ts';
import { later } from '../lib/later.ts';
import { openApiDocument } from '../lib/wire/openapi.ts';
import { baseUrlOf, serve } from './http.ts';
import { answerContent, staticContent } from './static-content.ts';
import type { StaticContent } from './static-content.ts';

const require = createRequire(import.meta.url);

const TITLE = 'Shearline API';
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${TITLE}</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="api"></div>
    <noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;
// The library sends what it loads to a validator on the internet unless it is told not to.
const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#api',
  deepLinking: true,
  filter: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
`;

/** Scripts, styles and requests of this origin only, nothing inline, in nobody's frame. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Makes what a route serves. */
type Make = (request: { readonly baseUrl: string }) => StaticContent;

/** What is served beside the operations, by route. */
export const ROUTES: Readonly<Record<string, Make>> = {
  'GET /api/v4/openapi.json': perBase((baseUrl) =>
    content(
      'application/json; charset=utf-8',
      JSON.stringify(openApiDocument({ version: '4.13.2', serverUrl: baseUrl })),
    ),
  ),
  'GET /api/v4/docs': later(() => content('text/html; charset=utf-8', PAGE)),
  'GET /api/v4/docs/start.js': later(() => content('text/javascript; charset=utf-8', START)),
  'GET /api/v4/docs/swagger-ui-bundle.js': library('swagger-ui-bundle.js', 'text/javascript; charset=utf-8'),
  'GET /api/v4/docs/swagger-ui.css': library('swagger-ui.css', 'text/css; charset=utf-8'),
  'GET /.well-known/oauth-protected-resource': perBase((baseUrl) =>
    content('application/json; charset=utf-8', JSON.stringify(protectedResource(baseUrl))),
  ),
};

/** Where to sign in, and as which client (RFC 9728): so that the command line needs to be told nothing but the address. */
function protectedResource(baseUrl: string): object {
  return {
    resource: baseUrl,
    resource_name: 'Shearline',
    authorization_servers: [readConfig(process.env).issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: (process.env['OIDC_CLI_SCOPE'] || 'openid profile offline_access').split(' '),
    shearline_cli_client_id: process.env['OIDC_CLI_CLIENT_ID'] || 'shearline-cli',
  };
}

const otherwise = serve({
  GetKeystoreTypes: async ({ caller }) => {
    const vaults = visibleVaults(caller);
    if (vaults !== 'all' && vaults.size === 0) requirePermission(caller, 'read', undefined);
    return Promise.resolve({ body: { keystore_types: presentKeystoreTypes() } });
  },
});

/**
 * The OpenAPI document and a page to read it with, for everybody: neither tells more than the source does. And what keystores of each type can
 * hold, for those who have a token.
 */
export async function handler(event: unknown, context?: Context): Promise<APIGatewayProxyStructuredResultV2> {
  const given: Partial<APIGatewayProxyEventV2> = typeof event === 'object' && event !== null ? event : {};
  const make = ROUTES[given.routeKey ?? ''];
  if (make === undefined || given.requestContext === undefined) return await otherwise(event, context);
  const headers = Object.fromEntries(
    Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const baseUrl = baseUrlOf({ event: given, headers }, readConfig(process.env).publicUrl);
  return answerContent(make({ baseUrl }), headers, { 'content-security-policy': PAGE_POLICY });
}

function content(type: string, text: string | Buffer): StaticContent {
  return staticContent(type, Buffer.from(text));
}

function library(file: string, type: string): Make {
  return later(() => content(type, readFileSync(require.resolve(`swagger-ui-dist/${file}`))));
}

/** The last one is kept: a deployment is asked under one name nearly always. */
function perBase(make: (baseUrl: string) => StaticContent): Make {
  let made: { readonly baseUrl: string; readonly content: StaticContent } | undefined;
  return ({ baseUrl }) => {
    if (made?.baseUrl !== baseUrl) made = { baseUrl, content: make(baseUrl) };
    return made.content;
  };
}
