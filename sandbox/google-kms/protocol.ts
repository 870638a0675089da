import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallCounter } from '../aws-kms/calls.ts';
import type { Answer, Call } from './call.ts';
import { objectOf } from './call.ts';
import type { Cloud } from './cloud.ts';
import { asNames, asNumbers } from './enums.ts';
import { errorInfo, GoogleError, invalid } from './error.ts';
import { denied, faultError, throttled } from './faults.ts';
import type { FaultBook, FaultTarget, ListedFault } from './faults.ts';
import type { Caller, Tokens } from './oauth.ts';
import { TokenError } from './oauth.ts';
import type { Quota } from './quota.ts';
import type { Route } from './routes.ts';
import { routes } from './routes.ts';

export interface Protocol {
  cloud: Cloud;
  tokens: Tokens;
  faults: FaultBook;
  calls: CallCounter;
  quota: Quota;
}

/** Google's own: the largest request to Cloud KMS. */
const bodyLimit = 256 * 1024;

/** An answer that never comes: the connection is cut, or left hanging until the client gives up. */
class Silence extends Error {
  readonly rule: ListedFault;

  constructor(rule: ListedFault) {
    super(rule.kind);
    this.name = 'Silence';
    this.rule = rule;
  }

  get cuts(): boolean {
    return this.rule.kind.startsWith('reset') || this.rule.kind === 'unreachable';
  }
}

interface Reply {
  readonly status: number;
  readonly body: Answer;
  readonly outcome: string;
}

/** Serves the REST API of Cloud KMS v1, and the token endpoint at `/token`. */
export function googleListener(protocol: Protocol): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void serve(protocol, request, response);
  };
}

async function serve(protocol: Protocol, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const route = routeOf(request.method ?? 'GET', url);
  const target: FaultTarget = {
    operation: route?.found.operation ?? (url.pathname === '/token' ? 'Token' : 'unknown'),
    location: route?.name.split('/')[3] ?? '',
    resource: route?.name ?? '',
  };
  try {
    const struck = protocol.faults.strike(target);
    const cut = struck.find((rule) => rule.kind === 'unreachable');
    if (cut !== undefined) throw new Silence(cut);
    const body = await readBody(request);
    await delay(struck);
    const reply =
      url.pathname === '/token' ? token(protocol, struck, body) : api(protocol, request, url, route, struck, body);
    const lost = struck.find(({ kind }) => kind === 'timeout_after' || kind === 'reset_after');
    if (lost !== undefined) throw new Silence(lost);
    protocol.calls.add(target.location, target.operation, reply.outcome);
    respond(response, reply.status, reply.body);
  } catch (error) {
    fail(protocol, target, request, response, error);
  }
}

function fail(
  { calls }: Protocol,
  target: FaultTarget,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  if (error instanceof Silence) {
    calls.add(target.location, target.operation, error.rule.kind);
    if (error.cuts) request.socket.destroy();
    return;
  }
  const failure = error instanceof GoogleError ? error : defect(error);
  calls.add(target.location, target.operation, failure.status);
  respond(response, failure.httpStatus, failure.body);
}

/** A defect of the sandbox itself, made visible: it must not look like Google's own internal error. */
function defect(error: unknown): GoogleError {
  console.error(error);
  return new GoogleError(
    'UNIMPLEMENTED',
    `The sandbox failed: ${error instanceof Error ? error.message : String(error)}`,
  );
}

interface Matched {
  readonly found: Route;
  readonly name: string;
}

function routeOf(method: string, url: URL): Matched | undefined {
  const path = decodeURIComponent(url.pathname).replace(/^\/v1\//, '');
  for (const found of routes) {
    const name = found.method === method ? found.path.exec(path)?.[1] : undefined;
    if (name !== undefined) return { found, name };
  }
  return undefined;
}

async function delay(struck: readonly ListedFault[]): Promise<void> {
  const ms = struck.reduce((sum, rule) => sum + (rule.latencyMs ?? 0), 0);
  if (ms > 0) await sleep(ms);
}

/** Throws what the rules that come before the operation say. */
function strikeBefore(struck: readonly ListedFault[], permission: string, resource: string): void {
  for (const rule of struck) {
    if (rule.kind === 'timeout_before' || rule.kind === 'reset_before') throw new Silence(rule);
    const error = faultError(rule, permission, resource);
    if (error !== undefined) throw error;
  }
}

function token({ tokens }: Protocol, struck: readonly ListedFault[], body: Buffer): Reply {
  strikeBefore(struck, 'iam.serviceAccounts.getAccessToken', 'token');
  try {
    return { status: 200, body: tokens.exchange(new URLSearchParams(body.toString('utf8'))), outcome: 'ok' };
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    return {
      status: error.status,
      body: { error: error.error, error_description: error.message },
      outcome: error.error,
    };
  }
}

function api(
  protocol: Protocol,
  request: IncomingMessage,
  url: URL,
  route: Matched | undefined,
  struck: readonly ListedFault[],
  body: Buffer,
): Reply {
  if (route === undefined) throw new GoogleError('NOT_FOUND', `The requested URL ${url.pathname} was not found.`);
  const { found, name } = route;
  const caller = protocol.tokens.callerOf(request.headers.authorization);
  strikeBefore(struck, found.permission, name);
  admit(protocol, caller, found, name);
  const numeric = (url.searchParams.get('$alt') ?? '').includes('enum-encoding=int');
  const call: Call = {
    cloud: protocol.cloud,
    now: protocol.cloud.tick(),
    encode: numeric ? asNumbers : asNames,
    name,
    query: url.searchParams,
    body: found.method === 'GET' ? {} : jsonOf(body),
  };
  return { status: 200, body: found.answer(call), outcome: 'ok' };
}

/** Permissions first, so that nobody learns of what exists elsewhere; then the rates. */
function admit({ quota }: Protocol, caller: Caller, route: Route, name: string): void {
  const [, project, , location] = name.split('/');
  for (const permission of [route.permission, route.alsoNeeds ?? route.permission]) {
    const allowed = caller.permissions === undefined || caller.permissions.includes(permission);
    if (project !== caller.projectId || !allowed) throw denied(permission, name);
  }
  if (!quota.admit(`${project} ${location ?? ''}`, route.sort)) {
    throw throttled(
      `Quota exceeded for quota metric '${route.sort} requests' and limit '${route.sort} requests per minute' of service 'cloudkms.googleapis.com' for consumer 'project:${project}'.`,
    );
  }
}

function jsonOf(body: Buffer): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    throw invalid('Invalid JSON payload received.');
  }
  // Google's own client writes an empty message so.
  return parsed === '' ? {} : objectOf(parsed, 'body');
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    // Read on without keeping anything: a client that is still sending would not see an answer otherwise.
    if (length <= bodyLimit) chunks.push(chunk);
    if (length > 8 * bodyLimit) request.socket.destroy();
  }
  if (length > bodyLimit)
    throw new GoogleError('INVALID_ARGUMENT', 'Request payload size exceeds the limit.', [errorInfo('PAYLOAD')]);
  return Buffer.concat(chunks);
}

function respond(response: ServerResponse, status: number, answer: Answer): void {
  if (response.destroyed) return;
  const body = JSON.stringify(answer, null, 2);
  response.writeHead(status, {
    'content-type': 'application/json; charset=UTF-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'private',
    ...(status === 401 ? { 'www-authenticate': 'Bearer realm="https://accounts.google.com/"' } : {}),
  });
  response.end(body);
}
