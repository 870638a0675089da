import { readFileSync } from 'node:fs';
import type { Context } from 'aws-lambda';
import type { HttpHandler } from '../../functions/http.ts';
import { ROUTES } from '../../functions/openapi.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
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

/** Every function by its routes, as the deployment has them. They read their environment once. */
export async function loadHandlers(): Promise<ReadonlyMap<string, HttpHandler>> {
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

/** Hands a request to the function that serves it, as API Gateway does. The answer is held against the OpenAPI document. */
export async function deliver(
  handlers: ReadonlyMap<string, HttpHandler>,
  request: RawRequest,
  context?: Context,
): Promise<WireAnswer> {
  const { operation, answer } = await invoke(handlers, request, context);
  if (operation !== undefined) requireDescribed(operation, answer);
  return answer;
}

/** As `deliver`; nobody looks at the answer. */
export async function invoke(
  handlers: ReadonlyMap<string, HttpHandler>,
  request: RawRequest,
  context?: Context,
): Promise<{ readonly operation: OperationId | undefined; readonly answer: WireAnswer }> {
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
  const result = await handler(event, context);
  const answer: WireAnswer = {
    status: result.statusCode ?? 200,
    headers: lowerCase(
      Object.fromEntries(Object.entries(result.headers ?? {}).map(([name, value]) => [name, String(value)])),
    ),
    body: result.body,
    base64: result.isBase64Encoded === true,
  };
  return { operation: ROUTE_OF_OPERATION.get(route), answer };
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
