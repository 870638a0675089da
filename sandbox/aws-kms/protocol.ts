import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallCounter } from './calls.ts';
import type { Cloud } from './cloud.ts';
import { dispatch, operationNamed } from './dispatch.ts';
import { KmsError } from './error.ts';
import { faultError } from './faults.ts';
import type { FaultBook, ListedFault } from './faults.ts';
import { namesKey } from './key-reference.ts';
import type { Answer, Principal } from './operation.ts';
import type { Quota } from './quota.ts';
import { claimedRegion } from './sigv4.ts';
import type { Caller, SignedRequest } from './sigv4.ts';
import type { World } from './world.ts';

export interface Protocol {
  cloud: Cloud;
  verify: (request: SignedRequest) => Caller;
  faults: FaultBook;
  calls: CallCounter;
  quota: Quota;
}

const bodyLimit = 1024 * 1024;
const targetPrefix = 'TrentService.';

/** An answer that never comes: the connection is cut, or left hanging until the client gives up. */
class Silence extends Error {
  readonly rule: ListedFault;

  constructor(rule: ListedFault) {
    super(rule.kind);
    this.name = 'Silence';
    this.rule = rule;
  }

  get cuts(): boolean {
    return this.rule.kind.startsWith('reset');
  }
}

/** Serves AWS JSON 1.1 as AWS KMS speaks it. */
export function kmsListener(protocol: Protocol): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    void answer(protocol, request, response);
  };
}

async function answer(protocol: Protocol, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { calls, faults } = protocol;
  const region = claimedRegion(request.headers) ?? 'unknown';
  const operation = operationOf(request);
  if (faults.unreachable(region)) {
    calls.add(region, operation, 'unreachable');
    request.socket.destroy();
    return;
  }
  const requestId = randomUUID();
  try {
    const body = await readBody(request);
    const result = await perform(protocol, request, body, requestId);
    calls.add(region, operation, 'ok');
    respond(response, 200, requestId, result);
  } catch (error) {
    if (error instanceof Silence) {
      calls.add(region, operation, error.rule.kind);
      if (error.cuts) request.socket.destroy();
      return;
    }
    const failure = error instanceof KmsError ? error : broken(error);
    calls.add(region, operation, failure.type);
    respond(response, failure.status, requestId, { __type: failure.type, message: failure.message });
  }
}

/** A defect of the sandbox itself, made visible: it must not look like AWS's own internal error. */
function broken(error: unknown): KmsError {
  console.error(error);
  return new KmsError(
    'SandboxDefect',
    `The sandbox failed: ${error instanceof Error ? error.message : String(error)}`,
    501,
  );
}

function operationOf(request: IncomingMessage): string {
  const target = request.headers['x-amz-target'];
  return typeof target === 'string' && target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : 'unknown';
}

async function perform(protocol: Protocol, request: IncomingMessage, body: Buffer, requestId: string): Promise<Answer> {
  const { cloud, faults } = protocol;
  checkTransport(request);
  const { headers } = request;
  const caller = protocol.verify({ method: request.method ?? '', url: request.url ?? '/', headers, body });
  const operation = operationOf(request);
  operationNamed(operation);
  const input = parseJson(body);
  const world = cloud.world(caller.account.accountId, caller.region);
  const principal = principalOf(caller, world, headers['user-agent']);
  const named = referencesIn(input);
  const struck = faults.strike({
    region: world.region,
    accountId: world.accountId,
    operation,
    names: (keyId) => named.some((reference) => namesKey(world, reference, keyId)),
  });
  await beforeOperation(struck, operation, principal);
  checkQuota(protocol, world, operation, named);
  const result = await dispatch(cloud, { world, operation, input, principal, requestId });
  afterOperation(struck);
  return result;
}

async function beforeOperation(struck: readonly ListedFault[], operation: string, principal: Principal): Promise<void> {
  const delay = struck.reduce((sum, rule) => sum + (rule.latencyMs ?? 0), 0);
  if (delay > 0) await sleep(delay);
  for (const rule of struck) {
    if (rule.kind === 'timeout_before' || rule.kind === 'reset_before') throw new Silence(rule);
    const error = faultError(rule, operation, principal.arn);
    if (error) throw error;
  }
}

function afterOperation(struck: readonly ListedFault[]): void {
  const rule = struck.find(({ kind }) => kind === 'timeout_after' || kind === 'reset_after');
  if (rule) throw new Silence(rule);
}

function checkQuota({ quota }: Protocol, world: World, operation: string, named: readonly string[]): void {
  if (!quota.enabled) return;
  const stores = [...world.customKeyStores.keys()];
  const storeId = stores.length === 0 ? undefined : storeOfFirstKey(world, named);
  if (!quota.admit(world.name, operation, storeId)) throw new KmsError('ThrottlingException', 'Rate exceeded');
}

function storeOfFirstKey(world: World, named: readonly string[]): string | undefined {
  const reference = named[0] ?? '';
  const resource = reference.slice(reference.lastIndexOf(':') + 1).replace(/^key\//, '');
  const key = world.keys.get(resource) ?? world.keys.get(world.aliases.get(resource)?.targetKeyId ?? '');
  return key?.customKeyStoreId;
}

const referenceMembers = ['KeyId', 'TargetKeyId', 'AliasName', 'SourceKeyId', 'DestinationKeyId'];

function referencesIn(input: unknown): string[] {
  const members = input as Record<string, unknown>;
  return referenceMembers.map((name) => members[name]).filter((value) => typeof value === 'string');
}

function principalOf({ account }: Caller, world: World, userAgent: string | undefined): Principal {
  const partition = world.arn('').split(':')[1] ?? 'aws';
  return {
    accountId: account.accountId,
    accessKeyId: account.accessKeyId,
    userName: account.accessKeyId,
    arn: `arn:${partition}:iam::${account.accountId}:user/${account.accessKeyId}`,
    userAgent: userAgent ?? '',
  };
}

function checkTransport(request: IncomingMessage): void {
  const path = (request.url ?? '/').split('?', 1)[0];
  if (request.method !== 'POST' || path !== '/') throw new KmsError('UnknownOperationException', '', 404);
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim();
  if (type !== 'application/x-amz-json-1.1') throw new KmsError('UnknownOperationException', '', 404);
}

function parseJson(body: Buffer): object {
  try {
    const parsed: unknown = JSON.parse(body.length === 0 ? '{}' : body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  } catch {
    // Falls through to the same refusal as JSON that is no object.
  }
  throw new KmsError('SerializationException', '');
}

/** By events: an iterator takes as long as the rest of a call. */
function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      // Read on without keeping anything: a client that is still sending would not see an answer otherwise.
      if (length <= bodyLimit) chunks.push(chunk);
      if (length > 8 * bodyLimit) request.socket.destroy();
    });
    request.on('end', () => {
      if (length <= bodyLimit)
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
      else reject(new KmsError('RequestEntityTooLargeException', 'Request size exceeded 1048576 bytes', 413));
    });
    request.on('error', reject);
    request.on('close', () => {
      reject(new KmsError('IncompleteBody', 'The request ended before its body did.'));
    });
  });
}

function respond(response: ServerResponse, status: number, requestId: string, answerBody: Answer): void {
  if (response.destroyed) return;
  const body = answerBody === undefined ? '' : JSON.stringify(answerBody);
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': Buffer.byteLength(body),
    'x-amzn-requestid': requestId,
    'cache-control': 'no-cache, no-store, must-revalidate, private',
  });
  response.end(body);
}
