import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import * as z from 'zod/mini';
import type { ConsoleSettings } from '../lib/wire/console-settings.ts';
import { serve } from './http.ts';
import { answerContent, staticContent } from './static-content.ts';
import type { StaticContent } from './static-content.ts';

const origin = z
  .string()
  .check(z.regex(/^https?:\/\/[^\s/;,']+$/, 'must be origins such as https://login.example.org'));
const environment = z.object({
  OIDC_ISSUER: z.string().check(z.url()),
  OIDC_AUDIENCE: z._default(z.string(), 'shearline'),
  OIDC_ROLES_CLAIM: z._default(z.string(), 'roles'),
  OIDC_CONSOLE_CLIENT_ID: z._default(z.string(), 'shearline-console'),
  OIDC_CONSOLE_SCOPE: z._default(z.string(), 'openid profile'),
  /** Where else than at the issuer's origin the token endpoint is; more than one with spaces between. */
  OIDC_CONSOLE_ORIGINS: z._default(
    z.pipe(
      z.transform((text: string) => text.split(' ').filter((word) => word !== '')),
      z.array(origin),
    ),
    [],
  ),
  OIDC_LOCAL: z._default(z.enum(['true', 'false']), 'false'),
  CONSOLE_FOLDER: z._default(z.string(), 'console/dist'),
});

interface Content extends StaticContent {
  /** Its name changes with its content. */
  readonly immutable: boolean;
}

interface Console {
  readonly files: ReadonlyMap<string, () => Content>;
  readonly settings: Content;
  readonly policy: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
};

/** The routes of the console. Every page of it is the same document: which one is shown, the console itself reads from the address. */
export const CONSOLE_ROUTES = ['GET /console', 'GET /console/{path+}'] as const;

const BASE = '/console';
const otherwise = serve({});
let made: Console | undefined;

/** Serves the built console, and `/console/settings.json`, to everybody: neither tells more than the source and the API do. */
export async function handler(event: unknown, context?: Context): Promise<APIGatewayProxyStructuredResultV2> {
  const given: Partial<APIGatewayProxyEventV2> = typeof event === 'object' && event !== null ? event : {};
  made ??= load();
  const path = (given.rawPath ?? BASE).slice(BASE.length).replace(/^\//, '');
  const content = contentAt(made, path);
  if (content === undefined || given.requestContext === undefined) return await otherwise(event, context);
  return answer(content, made.policy, given.headers ?? {});
}

function contentAt({ files, settings }: Console, path: string): Content | undefined {
  if (path === 'settings.json') return settings;
  // A file that is missing is no page: whoever asks for a script of an older deployment must not be given HTML.
  return (files.get(path) ?? (path.startsWith('assets/') ? undefined : files.get('index.html')))?.();
}

function load(): Console {
  const read = environment.safeParse(
    Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined && value !== '')),
  );
  if (!read.success) {
    const said = read.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
    throw new Error(`The console cannot start: ${said.join('; ')}.`);
  }
  const settings: ConsoleSettings = {
    issuer: read.data.OIDC_ISSUER,
    client_id: read.data.OIDC_CONSOLE_CLIENT_ID,
    audience: read.data.OIDC_AUDIENCE,
    scope: read.data.OIDC_CONSOLE_SCOPE,
    roles_claim: read.data.OIDC_ROLES_CLAIM,
    local: read.data.OIDC_LOCAL === 'true',
  };
  return {
    files: filesIn(read.data.CONSOLE_FOLDER),
    settings: contentOf('.json', Buffer.from(JSON.stringify(settings)), false),
    policy: policyFor([new URL(settings.issuer).origin, ...read.data.OIDC_CONSOLE_ORIGINS]),
  };
}

/** Only what is in the listing can be asked for, so no path leads out of the folder. Each file is read when it is first asked for. */
function filesIn(folder: string): ReadonlyMap<string, () => Content> {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (cause) {
    throw new Error(`The console is not built: there is no ${folder}. Run npm run build before a deployment.`, {
      cause,
    });
  }
  return new Map(
    names
      .filter((name) => extname(name) in TYPES)
      .map((name) => {
        let content: Content | undefined;
        const path = name.replaceAll('\\', '/');
        return [
          path,
          () => (content ??= contentOf(extname(name), readFileSync(join(folder, name)), path.startsWith('assets/'))),
        ];
      }),
  );
}

function contentOf(extension: string, plain: Buffer, immutable: boolean): Content {
  return { ...staticContent(TYPES[extension] ?? 'application/octet-stream', plain), immutable };
}

/** Scripts, styles and images of this origin only, nothing inline; requests to it and to the issuer; in nobody's frame. */
function policyFor(origins: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    `connect-src 'self' ${[...new Set(origins)].join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

function answer(
  content: Content,
  policy: string,
  given: Readonly<Record<string, string | undefined>>,
): APIGatewayProxyStructuredResultV2 {
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]));
  return answerContent(content, headers, {
    ...(content.immutable ? { 'cache-control': 'public, max-age=31536000, immutable' } : {}),
    'content-security-policy': policy,
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  });
}
