import { readFileSync } from 'node:fs';
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import type { JWTPayload } from 'jose';
import type { HttpHandler } from '../../functions/http.ts';
import { ROUTES } from '../../functions/openapi.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
import type { ApiClient } from '../../sandbox/api-client.ts';
import { CUSTODY_ACCOUNT, CUSTODY_REGION, KEYSTORE_ACCOUNT, prepareCustody } from '../../sandbox/aws-accounts.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';
import { Issuer } from '../access/issuer.ts';
import { requireDescribed } from '../wire/answers.ts';
import type { WireAnswer } from '../wire/answers.ts';

export const BASE_URL = 'https://keys.example.org';

/** A request as it reaches API Gateway: nothing about it needs to be in order. */
export interface RawRequest {
  readonly method: string;
  /** As in the request line, before any decoding. */
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
}

/** Every function behind its routes in this process, with a database and an AWS KMS of their own. */
export interface TestApi {
  readonly issuer: Issuer;
  readonly kms: AwsKmsSandbox;
  /** Id of a connected CloudHSM key store in the sandbox, in us-east-1. */
  readonly customKeyStoreId: string;
  /** A token with these roles: `<role>` or `<role>@<vault id>`. */
  token(roles: readonly string[], claims?: JWTPayload): Promise<string>;
  /** Speaks to the functions as whoever has the token. Every answer is held against the OpenAPI document. */
  client(token: string): ApiClient;
  /** Sends a request as it is. The answer is held against the OpenAPI document where an operation gave it. */
  send(request: RawRequest): Promise<WireAnswer>;
  /** Every item of the table as text, in a stable order, without those of which `leaveOut` is true. */
  items(leaveOut?: (item: { readonly pk: string; readonly sk: string }) => boolean): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * Starts all that the functions need and loads them. Call it once per test file, before anything else imports a function: they read their
 * environment once.
 */
export async function startApi(environment: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const [database, issuer, kms] = await Promise.all([
    startTestDatabase(),
    Issuer.start(),
    startAwsKmsSandbox({ clock: sandboxClock(), accounts: [KEYSTORE_ACCOUNT, CUSTODY_ACCOUNT] }),
  ]);
  const custodyKeyId = 'alias/shearline-custody';
  const { accessKeyId, secretAccessKey } = CUSTODY_ACCOUNT;
  const aws = { region: CUSTODY_REGION, credentials: { accessKeyId, secretAccessKey } };
  await prepareCustody({ endpoint: kms.endpoint, aws, keyId: custodyKeyId, create: true });
  Object.assign(process.env, {
    TABLE_NAME: database.table,
    DYNAMODB_ENDPOINT: database.endpoint,
    CUSTODY_KEY_ID: custodyKeyId,
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: 'shearline',
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
    AWS_REGION: CUSTODY_REGION,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    DESTROY_COOL_DOWN_HOURS: '0',
    SETTLING_SECONDS: '0',
    RATE_LIMIT_PER_MINUTE: '0',
    POWERTOOLS_LOG_LEVEL: 'SILENT',
    ...environment,
  });
  const handlers = await loadHandlers();
  const send = (request: RawRequest) => deliver(handlers, request);
  const dynamodb = new DynamoDBClient({ endpoint: database.endpoint });
  return {
    issuer,
    kms,
    customKeyStoreId: kms.operator.seedCustomKeyStore('us-east-1', KEYSTORE_ACCOUNT.accountId, 'test'),
    token: (roles, claims = {}) => issuer.token({ roles: [...roles], ...claims }),
    client: (token) => inProcess(token, send),
    send,
    items: async (leaveOut = () => false) => {
      const found: string[] = [];
      for await (const page of paginateScan({ client: dynamodb }, { TableName: database.table })) {
        for (const item of page.Items ?? []) {
          if (!leaveOut({ pk: item['pk']?.S ?? '', sk: item['sk']?.S ?? '' })) found.push(inOrder(item));
        }
      }
      return found.sort();
    },
    close: async () => {
      dynamodb.destroy();
      await Promise.all([kms.close(), issuer.stop(), database.close()]);
    },
  };
}

/** What is in one of two listings of the table and not in the other. */
export function difference(before: readonly string[], after: readonly string[]): readonly string[] {
  const [was, is] = [new Set(before), new Set(after)];
  return [
    ...before.filter((item) => !is.has(item)).map((item) => `- ${item}`),
    ...after.filter((item) => !was.has(item)).map((item) => `+ ${item}`),
  ];
}

/** The database gives attributes in any order. */
function inOrder(item: object): string {
  return JSON.stringify(item, (_name, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** By route, as the deployment has them. */
async function loadHandlers(): Promise<ReadonlyMap<string, HttpHandler>> {
  const service = readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8');
  const handlers = new Map<string, HttpHandler>();
  let file = '';
  for (const [, handler, route] of service.matchAll(/^ +(?:handler: functions\/(\S+)\.handler|- httpApi: (.+))$/gm)) {
    if (handler !== undefined) file = handler;
    if (route === undefined) continue;
    const loaded = (await import(`../../functions/${file}.ts`)) as { readonly handler: HttpHandler };
    handlers.set(route.replaceAll("'", ''), loaded.handler);
  }
  return handlers;
}

const ROUTE_OF_OPERATION = new Map(
  Object.entries(OPERATIONS).map(([id, row]) => [`${row.method} ${row.path}`, id as OperationId]),
);
const TEMPLATES = [...ROUTE_OF_OPERATION.keys(), ...Object.keys(ROUTES)].map((route) => {
  const [method = '', path = ''] = route.split(' ');
  const pattern = path.replaceAll('.', '\\.').replace('{id}', '([^/]+)');
  return { route, method, pattern: new RegExp(`^(?:/[a-z]+)?${pattern}$`) };
});

async function deliver(handlers: ReadonlyMap<string, HttpHandler>, request: RawRequest): Promise<WireAnswer> {
  const { method, path, query = '', headers = {}, body } = request;
  const found = TEMPLATES.find((each) => each.method === method && each.pattern.test(path));
  const id = found?.pattern.exec(path)?.[1];
  const route = found?.route ?? '$default';
  const handler = handlers.get(found?.route ?? '*');
  if (handler === undefined) throw new Error(`No function serves ${route}.`);
  const binary = body instanceof Uint8Array;
  const event = {
    version: '2.0',
    routeKey: route,
    rawPath: path,
    rawQueryString: query,
    headers: { host: new URL(BASE_URL).host, ...lowerCase(headers) },
    ...(id === undefined ? {} : { pathParameters: { id: decoded(id) } }),
    requestContext: {
      domainName: 'abc.execute-api.eu-central-1.amazonaws.com',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'test' },
      requestId: 'r',
      routeKey: route,
      stage: '$default',
    },
    ...(body === undefined ? {} : { body: binary ? Buffer.from(body).toString('base64') : body }),
    isBase64Encoded: binary,
  };
  const result = await handler(event);
  const answer: WireAnswer = {
    status: result.statusCode ?? 200,
    headers: lowerCase(
      Object.fromEntries(Object.entries(result.headers ?? {}).map(([name, value]) => [name, String(value)])),
    ),
    body: result.body,
    base64: result.isBase64Encoded === true,
  };
  const operation = ROUTE_OF_OPERATION.get(route);
  if (operation !== undefined) requireDescribed(operation, answer);
  return answer;
}

/** API Gateway decodes path parameters once, and leaves alone what cannot be. */
function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter);
  } catch {
    return parameter;
  }
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** As `apiClient` of the sandbox, without a socket between. */
function inProcess(token: string, send: TestApi['send']): ApiClient {
  return {
    async send({ method, path, body, ifMatch, headers }) {
      const { pathname, search } = new URL(`${BASE_URL}/api/v4${path}`);
      const answer = await send({
        method,
        path: pathname,
        query: search.slice(1),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const given = Object.entries(answer.headers).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, value]],
      );
      return {
        status: answer.status,
        headers: new Headers(given),
        etag: answer.headers['etag'],
        body: contentOf(answer),
      };
    },
  };
}

/** JSON parsed, bytes as they are, anything else as text; undefined for an empty body. */
function contentOf({ body, base64, headers }: WireAnswer): unknown {
  if (body === undefined || body === '') return undefined;
  if (base64 === true) return Buffer.from(body, 'base64');
  return /[/+]json\b/.test(headers['content-type'] ?? '') ? (JSON.parse(body) as unknown) : body;
}
