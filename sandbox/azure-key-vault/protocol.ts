import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallCounter } from './calls.ts';
import type { Cloud } from './cloud.ts';
import { badParameter, forbidden, VaultError } from './error.ts';
import { faultError, throttled } from './faults.ts';
import type { FaultBook, ListedFault } from './faults.ts';
import type { Answer } from './operation.ts';
import type { Quota } from './quota.ts';
import { routeOf } from './routes.ts';
import type { Route } from './routes.ts';
import type { Tokens } from './tokens.ts';
import { keyTypes, newestOf } from './world.ts';
import type { Vault } from './world.ts';

export interface Protocol {
  readonly cloud: Cloud;
  readonly tokens: Tokens;
  readonly faults: FaultBook;
  readonly calls: CallCounter;
  readonly quota: Quota;
}

const bodyLimit = 1024 * 1024;
const apiVersions = /^(2016-10-01|7\.[0-6](-preview\.\d)?|20(2[5-9]|[3-9]\d)-\d\d-\d\d(-preview)?)$/;

/** A rule that swallows the answer. */
class Silence extends Error {
  readonly rule: ListedFault;

  constructor(rule: ListedFault) {
    super(rule.kind);
    this.rule = rule;
  }
}

/**
 * One listener for the vaults and for the token endpoint. Which is meant is told by the Host header, as in the cloud: the name of a vault,
 * or anything else for tokens.
 */
export function vaultListener(protocol: Protocol): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    const vault = protocol.cloud.vault(host);
    if (vault !== undefined) {
      void serveVault(protocol, vault, request, response);
    } else if (/\.vault\./.test(host)) {
      // A vault that does not exist has no name in the DNS either.
      request.socket.destroy();
    } else {
      void serveTokens(protocol, request, response);
    }
  };
}

async function serveVault(
  protocol: Protocol,
  vault: Vault,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (protocol.faults.unreachable(vault.name)) {
    protocol.calls.add(vault.name, 'unknown', 'unreachable');
    request.socket.destroy();
    return;
  }
  let operationName = 'unknown';
  try {
    const body = await readBody(request);
    const url = new URL(request.url ?? '/', `https://${vault.host}`);
    const route = routeOf(request.method ?? 'GET', url.pathname);
    operationName = route.operationName;
    const answer = await perform(protocol, vault, route, request, url, body);
    protocol.calls.add(vault.name, operationName, 'ok');
    respond(response, answer === undefined ? 204 : 200, answer);
  } catch (error) {
    fail(protocol, vault.name, operationName, request, response, error);
  }
}

async function perform(
  { cloud, tokens, faults, quota }: Protocol,
  vault: Vault,
  { operationName, operation, name, version }: Route,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
): Promise<Answer> {
  // The challenge comes before anything of the request is looked at: clients send their first request without its body.
  const application = tokens.bearer(request.headers.authorization, vault);
  const apiVersion = url.searchParams.get('api-version');
  if (apiVersion === null) throw badParameter('api-version must be specified');
  if (!apiVersions.test(apiVersion)) {
    throw badParameter(`The specified version (${apiVersion}) is not recognized.`);
  }
  if (application.permissions?.includes(operation.permission) === false) {
    throw forbidden(
      'ForbiddenByPolicy',
      `The user, group or application 'appid=${application.clientId}' does not have keys ${operation.permission} permission on key vault '${vault.name}'.`,
    );
  }
  const struck = faults.strike({ vault: vault.name, operation: operationName, key: name });
  await before(struck, operationName);
  const input = parseJson(body, request);
  admit(quota, vault, operationName, name, input);
  const now = cloud.tick();
  const path = url.pathname.replace(/\/$/, '');
  const answer = await operation.run({ cloud, vault, now, path, name, version, query: url.searchParams, body: input });
  after(struck);
  return answer;
}

function admit(quota: Quota, vault: Vault, operation: string, name: string, input: unknown): void {
  if (!quota.enabled) return;
  if (operation === 'CreateKey') {
    const wanted = (input as { kty?: unknown } | undefined)?.kty;
    const kty = keyTypes.find((each) => each === wanted) ?? 'RSA';
    if (!quota.admitCreation(vault.name, kty)) throw throttled('VaultKeyCreateLimitReached');
    return;
  }
  const key = vault.key(name);
  if (!quota.admit(vault.name, key === undefined ? undefined : newestOf(key).publicMembers)) {
    throw throttled('VaultRequestTypeLimitReached');
  }
}

async function serveTokens(protocol: Protocol, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { calls, faults, tokens } = protocol;
  const path = new URL(request.url ?? '/', 'http://127.0.0.1').pathname;
  const tenant = /^\/([^/]+)\/oauth2\/v2\.0\/token$/.exec(path)?.[1];
  try {
    const form = new URLSearchParams((await readBody(request)).toString('utf8'));
    if (tenant === undefined || request.method !== 'POST') {
      throw new VaultError(404, 'NotFound', 'This is neither a vault nor the token endpoint.');
    }
    const struck = faults.strike({ vault: tenant, operation: 'Token' });
    await before(struck, 'Token');
    const { status, body } = tokens.issue(decodeURIComponent(tenant), form);
    after(struck);
    calls.add(tenant, 'Token', status === 200 ? 'ok' : String(body['error']));
    respond(response, status, body);
  } catch (error) {
    fail(protocol, tenant ?? '', 'Token', request, response, error);
  }
}

async function before(struck: readonly ListedFault[], operation: string): Promise<void> {
  const delay = struck.reduce((sum, rule) => sum + (rule.latencyMs ?? 0), 0);
  if (delay > 0) await sleep(delay);
  for (const rule of struck) {
    if (rule.kind === 'timeout_before' || rule.kind === 'reset_before') throw new Silence(rule);
    const error = faultError(rule, operation);
    if (error) throw error;
  }
}

function after(struck: readonly ListedFault[]): void {
  const rule = struck.find(({ kind }) => kind === 'timeout_after' || kind === 'reset_after');
  if (rule) throw new Silence(rule);
}

function fail(
  { calls }: Protocol,
  vault: string,
  operation: string,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  if (error instanceof Silence) {
    calls.add(vault, operation, error.rule.kind);
    if (error.rule.kind.startsWith('reset')) request.socket.destroy();
    return;
  }
  const failure = error instanceof VaultError ? error : broken(error);
  calls.add(vault, operation, failure.inner ?? failure.code);
  respond(response, failure.status, failure.body, failure.headers);
}

/** A defect of the sandbox itself, made visible: it must not look like Azure's own internal error. */
function broken(error: unknown): VaultError {
  console.error(error);
  return new VaultError(
    501,
    'SandboxDefect',
    `The sandbox failed: ${error instanceof Error ? error.message : String(error)}`,
  );
}

function parseJson(body: Buffer, request: IncomingMessage): unknown {
  if (body.length === 0) return undefined;
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim();
  if (type !== 'application/json') throw new VaultError(415, 'UnsupportedMediaType', 'The body must be JSON.');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw badParameter('The request body is not valid JSON.');
  }
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
  if (length > bodyLimit) throw new VaultError(413, 'RequestEntityTooLarge', 'The body is larger than 1 MB.');
  return Buffer.concat(chunks);
}

function respond(
  response: ServerResponse,
  status: number,
  answer: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  const body = answer === undefined ? '' : JSON.stringify(answer);
  response.writeHead(status, {
    ...(body === '' ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-cache',
    'x-ms-request-id': randomUUID(),
    'x-ms-keyvault-service-version': '1.9.0.0',
    ...headers,
  });
  response.end(body);
}
