import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACTION_OPERATIONS } from './actions.ts';
import { ALIAS_OPERATIONS } from './aliases.ts';
import type { CallCounter } from './calls.ts';
import type { Cloud } from './cloud.ts';
import { badBody, badToken, errorBody, KmsError, notAllowed } from './error.ts';
import type { FaultBook, ListedFault } from './faults.ts';
import { ROLES } from './iam.ts';
import type { Iam } from './iam.ts';
import { IMPORT_TOKEN_OPERATIONS } from './import-tokens.ts';
import { KEY_RING_OPERATIONS } from './key-rings.ts';
import { KEY_OPERATIONS } from './keys.ts';
import type { Answer, Operation } from './operation.ts';
import { REGISTRATION_OPERATIONS } from './registrations.ts';
import { WRAPPING_OPERATIONS } from './wrapping.ts';

export interface Protocol {
  readonly cloud: Cloud;
  readonly iam: Iam;
  readonly faults: FaultBook;
  readonly calls: CallCounter;
}

/** Literal parts win over `{}`: `/keys/registrations` is no key. */
const OPERATIONS: readonly (Operation & { readonly pattern: RegExp })[] = [
  ...REGISTRATION_OPERATIONS,
  ...KEY_OPERATIONS,
  ...ACTION_OPERATIONS,
  ...WRAPPING_OPERATIONS,
  ...ALIAS_OPERATIONS,
  ...KEY_RING_OPERATIONS,
  ...IMPORT_TOKEN_OPERATIONS,
].map((operation) => ({
  ...operation,
  pattern: new RegExp(`^/api/v2${operation.path.replaceAll('{}', '([^/]+)')}$`),
}));

const BODY_LIMIT = 1024 * 1024;

type Answered = Answer & { readonly outcome?: string };

/** An answer that never comes: the connection is cut, or left hanging until the client gives up. */
class Silence extends Error {
  readonly rule: ListedFault;

  constructor(rule: ListedFault) {
    super(rule.kind);
    this.rule = rule;
  }
}

/** Serves the identity service at `/identity/token` and the key management below `/api/v2`. */
export function listener(protocol: Protocol): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void serve(protocol, request, response);
  };
}

async function serve(protocol: Protocol, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const found = find(request.method ?? 'GET', url.pathname);
  const isToken = url.pathname === '/identity/token';
  const name = isToken ? 'GetToken' : (found?.operation.name ?? 'unknown');
  const correlationId = headerOf(request, 'correlation-id') ?? randomUUID();
  const { calls, faults } = protocol;
  const struck = faults.strike({ operation: name, instanceId: headerOf(request, 'bluemix-instance') });
  try {
    for (const rule of struck) if (rule.kind === 'unreachable') throw new Silence(rule);
    const body = await readBody(request);
    await before(struck);
    const answer = isToken ? tokenAnswer(protocol, request, body) : await perform(protocol, request, url, found, body);
    const lost = struck.find(({ kind }) => kind === 'timeout_after' || kind === 'reset_after');
    if (lost !== undefined) throw new Silence(lost);
    calls.add(name, answer.outcome ?? 'ok');
    respond(response, correlationId, answer);
  } catch (error) {
    if (error instanceof Silence) {
      calls.add(name, error.rule.kind);
      if (!error.rule.kind.startsWith('timeout')) request.socket.destroy();
      return;
    }
    const failure = error instanceof KmsError ? error : defect(error);
    calls.add(name, failure.outcome);
    const headers: Record<string, string> = failure.status === 429 ? { 'retry-after': '1' } : {};
    respond(response, correlationId, { status: failure.status, body: errorBody(failure), headers });
  }
}

/** A defect of the sandbox itself, made visible: it must not look like IBM's own internal error. */
function defect(error: unknown): KmsError {
  console.error(error);
  return new KmsError(501, `The sandbox failed: ${error instanceof Error ? error.message : String(error)}`);
}

function find(
  method: string,
  path: string,
): { readonly operation: Operation; readonly path: readonly string[] } | undefined {
  for (const operation of OPERATIONS) {
    const match = operation.method === method ? operation.pattern.exec(path) : null;
    if (match !== null) return { operation, path: match.slice(1).map(decodeURIComponent) };
  }
  return undefined;
}

function tokenAnswer({ iam }: Protocol, request: IncomingMessage, body: Buffer): Answered {
  if (request.method !== 'POST') throw new KmsError(405, 'Tokens are made by POST');
  return iam.token(new URLSearchParams(body.toString('utf8')));
}

function perform(
  { cloud, iam }: Protocol,
  request: IncomingMessage,
  url: URL,
  found: ReturnType<typeof find>,
  body: Buffer,
): Answered | Promise<Answered> {
  if (found === undefined) throw new KmsError(404, 'The requested resource could not be found');
  const caller = iam.verify(headerOf(request, 'authorization'));
  if (caller === undefined) throw badToken();
  const instanceId = headerOf(request, 'bluemix-instance');
  if (instanceId === undefined)
    throw badBody('The request could not be served', 'the header bluemix-instance is missing');
  const instance = cloud.instances.get(instanceId);
  // As IBM does: what one may not see, one is told nothing about.
  if (instance === undefined || ROLES.indexOf(caller.role) < ROLES.indexOf(found.operation.role)) throw notAllowed();
  return found.operation.answer({
    cloud,
    instance,
    caller,
    path: found.path,
    query: url.searchParams,
    keyRing: headerOf(request, 'x-kms-key-ring'),
    minimal: headerOf(request, 'prefer') === 'return=minimal',
    body: body.length === 0 ? undefined : parseJson(body),
  });
}

async function before(struck: readonly ListedFault[]): Promise<void> {
  const delay = struck.reduce((sum, { latencyMs }) => sum + (latencyMs ?? 0), 0);
  if (delay > 0) await sleep(delay);
  for (const rule of struck) {
    switch (rule.kind) {
      case 'timeout_before':
      case 'reset_before':
        throw new Silence(rule);
      case 'throttle':
        throw new KmsError(429, 'Too many requests');
      case 'denied':
        throw notAllowed();
      case 'internal':
        throw new KmsError(500, 'An internal error occurred');
      case 'unavailable':
        throw new KmsError(503, 'The service is unavailable');
      case 'timeout_after':
      case 'reset_after':
      case 'unreachable':
      case 'latency':
        break;
    }
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw badBody('The request could not be served', 'invalid JSON');
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= BODY_LIMIT) chunks.push(chunk);
  }
  if (length > BODY_LIMIT) throw new KmsError(413, 'The request is too large');
  return Buffer.concat(chunks);
}

function respond(response: ServerResponse, correlationId: string, { status, body, headers = {} }: Answer): void {
  if (response.destroyed) return;
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...(text === '' ? {} : { 'content-type': 'application/json' }),
    'correlation-id': correlationId,
    ...headers,
  });
  response.end(text);
}
