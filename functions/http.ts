import { Buffer } from 'node:buffer';
import { createHash, randomUUID } from 'node:crypto';
import middy from '@middy/core';
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import { callerOf } from '../lib/access/caller.ts';
import type { Caller } from '../lib/access/caller.ts';
import { notFound } from '../lib/access/permissions.ts';
import { tokenVerifier } from '../lib/access/token.ts';
import type { TokenVerifier } from '../lib/access/token.ts';
import { systemClock } from '../lib/clock.ts';
import type { Clock } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import type { Config } from '../lib/config.ts';
import { KeystoreFault } from '../lib/drivers/driver.ts';
import type { KeystoreFaultKind } from '../lib/drivers/driver.ts';
import { Fault } from '../lib/fault.ts';
import type { FaultCode, FaultTarget } from '../lib/fault.ts';
import { later } from '../lib/later.ts';
import type { WireApiError } from '../lib/wire/errors.ts';
import { parseIfMatch } from '../lib/wire/etag.ts';
import type { IfMatch } from '../lib/wire/etag.ts';
import { parseId } from '../lib/wire/fields.ts';
import { chooseMediaType } from '../lib/wire/formats.ts';
import { parseJson } from '../lib/wire/json.ts';
import { OPERATIONS } from '../lib/wire/operations.ts';
import type { AnswerOf, BodyOf, Operation, OperationId, QueryOf } from '../lib/wire/operations.ts';
import { parseBody, parseQuery } from '../lib/wire/parse.ts';
import { inFormat, queryFor } from './list-formats.ts';
import { newLog } from './log.ts';

export { etagOf, requireMatch } from '../lib/wire/etag.ts';
export type { IfMatch } from '../lib/wire/etag.ts';

type Row<Id extends OperationId> = (typeof OPERATIONS)[Id];

/** One request of an operation: authenticated, and checked against the contract. What the caller may do is not judged yet. */
export interface Call<Id extends OperationId> {
  readonly operation: Id;
  readonly caller: Caller;
  /** The path's id, a UUID in lower case; undefined where the path has none. */
  readonly id: Row<Id>['path'] extends `${string}{id}${string}` ? string : undefined;
  readonly query: QueryOf<Id>;
  readonly body: BodyOf<Id>;
  /** For `requireMatch`. Undefined only where the operation does not require it. */
  readonly ifMatch: Row<Id>['ifMatch'] extends true ? IfMatch : IfMatch | undefined;
  /** Only of a POST. */
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of method, path, query and body: two requests with the same one ask for the same. */
  readonly fingerprint: string;
  /** `UKO-Vault`, for `requireVault`. */
  readonly vaultHeader: string | undefined;
  /** `dry_run=true`. */
  readonly dryRun: boolean;
  readonly accept: string | undefined;
  readonly correlationId: string;
  readonly origin: Origin;
  /** Absolute, without trailing slash and without `/api/v4`. */
  readonly baseUrl: string;
  /** The absolute URL that was asked, with its query. */
  readonly url: string;
  /** Aborts while there is still time to answer; its reason is a `Fault`. */
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Where a request came from. */
export interface Origin {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

/** Never hand it bodies, tokens, credentials or key material. */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

interface AnswerHead {
  /** The operation's own success status where it is left out. */
  readonly status?: number | undefined;
  readonly etag?: string | undefined;
  /** Absolute URL of what was created. */
  readonly location?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A success. The body is JSON, or whatever `contentType` says. */
export type Answer<Id extends OperationId> =
  | (AnswerHead & { readonly body?: AnswerOf<Id> | undefined; readonly contentType?: undefined })
  | (AnswerHead & { readonly body: string | Uint8Array; readonly contentType: string });

/** Serves one operation. Throws a `Fault` for every answer that is not a success. */
export type Route<Id extends OperationId> = (call: Call<Id>) => Promise<Answer<Id>>;

export type Routes = { readonly [Id in OperationId]?: Route<Id> };

/** A finished mutating request, refused or not; all that an audit event of a refusal needs. */
export interface Attempt {
  readonly operation: OperationId;
  readonly id: string | undefined;
  readonly vaultHeader: string | undefined;
  /** Undefined when nobody was authenticated. */
  readonly caller: Caller | undefined;
  readonly outcome: 'success' | 'refused' | 'failed';
  readonly status: number;
  /** Undefined after a success. */
  readonly fault: Fault | undefined;
  readonly dryRun: boolean;
  readonly correlationId: string;
  readonly origin: Origin;
  readonly startedAt: Date;
  readonly log: Log;
}

type HttpConfig = Pick<Config, 'issuer' | 'audience' | 'rolesClaim' | 'publicUrl'>;

/** What is left out comes from the environment, once per process. */
export interface ServeOptions {
  readonly config?: HttpConfig;
  readonly clock?: Clock;
  readonly verify?: TokenVerifier;
  readonly log?: Log;
  /** Awaited for each authenticated caller, before anything is read for them; throws for one who asks too often. */
  readonly admit?: (caller: Caller) => Promise<void>;
  /** Awaited once for each finished mutating request of a known operation. Its failure is logged and changes no answer. */
  readonly onAttempt?: (attempt: Attempt) => Promise<void>;
}

export type HttpHandler = (event: unknown, context?: Context) => Promise<APIGatewayProxyStructuredResultV2>;

const MAXIMUM_BODY = 1_048_576;
// Lambda cannot answer more than 6 MB; the rest is for the quoting of the body inside its answer.
const MAXIMUM_ANSWER = 5_000_000;
/** Before the function's end: handlers stop and say how far they came. */
const SIGNAL_MARGIN = 1500;
/** Before the function's end: whatever the handler does, the caller gets an answer. */
const LAST_MARGIN = 400;

/**
 * The handler of one Lambda function behind an API Gateway HTTP API (payload 2.0): everything between the event and the operations in
 * `routes`, each chosen by its route key. It never throws: every failure is answered with the contract's error body.
 */
export function serve(routes: Routes, options: ServeOptions = {}): HttpHandler {
  const parts = partsOf(options);
  const stack = middy<Exchange, Result, unknown>({
    timeoutEarlyInMillis: LAST_MARGIN,
    timeoutEarlyResponse: () => {
      throw tookTooLong();
    },
  });
  stack
    .before(({ event }) => {
      chooseOperation(event, routes);
    })
    .before(async ({ event }) => {
      await authenticate(event, parts);
    })
    .before(({ event }) => {
      readTarget(event);
      readInput(event);
    })
    .handler((event) => answer(event, routes, parts))
    .after(async ({ event, response }) => {
      await finish(event, response?.statusCode ?? 500, undefined, parts);
    })
    .onError(async (request) => {
      const fault = faultOf(request.error, request.event);
      request.response = refusal(request.event, fault);
      await finish(request.event, fault.status, fault, parts);
    });
  return async (event, context) => await stack(open(event, context, parts), context ?? NO_CONTEXT);
}

/** Throws 404 when a 4.7 client's `UKO-Vault` names another vault than the resource's. */
export function requireVault(vaultHeader: string | undefined, vaultId: string): void {
  if (vaultHeader !== undefined && vaultHeader !== vaultId) throw notFound();
}

type Result = APIGatewayProxyStructuredResultV2;

/** What is known of a request so far; each part of the stack adds to it. It takes the place of the event inside the stack. */
interface Exchange {
  readonly event: Partial<APIGatewayProxyEventV2>;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly startedAt: Date;
  readonly started: number;
  readonly correlationId: string;
  readonly origin: Origin;
  readonly vaultHeader: string | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly release: () => void;
  operation: OperationId | undefined;
  caller: Caller | undefined;
  id: string | undefined;
  ifMatch: IfMatch | undefined;
  idempotencyKey: string | undefined;
  query: object;
  body: unknown;
  fingerprint: string;
}

// `invoke local` and tests may call without one.
const NO_CONTEXT = {} as Context;
const CORRELATION_ID = /^[A-Za-z0-9._-]{1,128}$/;
const LONGEST_USER_AGENT = 512;

function open(event: unknown, context: Context | undefined, parts: Parts): Exchange {
  const given: Partial<APIGatewayProxyEventV2> = typeof event === 'object' && event !== null ? event : {};
  const headers = Object.fromEntries(
    Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const wanted = headers['x-correlation-id'];
  const correlationId = wanted !== undefined && CORRELATION_ID.test(wanted) ? wanted : randomUUID();
  const http = given.requestContext?.http;
  const vault = headers['uko-vault'];
  return {
    event: given,
    headers,
    startedAt: parts.clock(),
    started: performance.now(),
    correlationId,
    origin: {
      ip: http?.sourceIp,
      userAgent: (http?.userAgent ?? headers['user-agent'])?.slice(0, LONGEST_USER_AGENT),
    },
    vaultHeader: vault === undefined || vault === '' ? undefined : (parseId(vault) ?? vault),
    log: withCorrelation(parts.log, correlationId),
    ...deadline(context),
    operation: undefined,
    caller: undefined,
    id: undefined,
    ifMatch: undefined,
    idempotencyKey: undefined,
    query: {},
    body: undefined,
    fingerprint: '',
  };
}

function deadline(context: Context | undefined): Pick<Exchange, 'signal' | 'release'> {
  const controller = new AbortController();
  if (typeof context?.getRemainingTimeInMillis !== 'function') {
    return { signal: controller.signal, release: () => undefined };
  }
  const timer = setTimeout(
    () => {
      controller.abort(tookTooLong());
    },
    Math.max(0, context.getRemainingTimeInMillis() - SIGNAL_MARGIN),
  );
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer);
    },
  };
}

const tookTooLong = (): Fault =>
  new Fault(
    'busy',
    'This took too long to finish now. What was begun goes on: read the resource again to see how far it is.',
    {
      retryAfter: 10,
    },
  );

const ROUTE_KEYS: ReadonlyMap<string, OperationId> = new Map(
  Object.entries(OPERATIONS).map(([id, row]) => [`${row.method} ${row.path}`, id as OperationId]),
);

function chooseOperation(exchange: Exchange, routes: Routes): void {
  const { event } = exchange;
  if (event.requestContext === undefined || typeof event.routeKey !== 'string') {
    throw new Fault(
      'malformed',
      'This function answers requests of an API Gateway HTTP API (payload format 2.0) only.',
    );
  }
  const operation = ROUTE_KEYS.get(event.routeKey);
  if (operation === undefined || routes[operation] === undefined) {
    throw new Fault('not_found', 'There is no such path, or not with this method.');
  }
  exchange.operation = operation;
}

function rowOf(exchange: Exchange): Operation {
  if (exchange.operation === undefined) throw new Error('No operation was chosen.');
  return OPERATIONS[exchange.operation];
}

async function authenticate(exchange: Exchange, parts: Parts): Promise<void> {
  const claims = await parts.verify()(exchange.headers['authorization']);
  const caller = callerOf(claims, parts.config().rolesClaim);
  if (caller === undefined)
    throw new Fault('unauthenticated', 'The token names nobody: it has no subject and no client.');
  exchange.caller = caller;
  await parts.admit?.(caller);
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** What the request is about, and on which conditions: judged before its content. */
function readTarget(exchange: Exchange): void {
  const { event, headers } = exchange;
  const { path, method, ifMatch } = rowOf(exchange);
  if (path.includes('{id}')) {
    exchange.id = parseId(decoded(event.pathParameters?.['id'] ?? ''));
    if (exchange.id === undefined) throw notFound();
  }
  const given = headers['if-match'];
  if (given !== undefined) exchange.ifMatch = parseIfMatch(given);
  else if (ifMatch) {
    throw new Fault('precondition_required', {
      message: 'Send If-Match with the ETag that the resource was read with, or * for any.',
      target: { type: 'header', name: 'If-Match' },
    });
  }
  const key = headers['idempotency-key'];
  if (method !== 'POST' || key === undefined) return;
  if (!IDEMPOTENCY_KEY.test(key)) {
    throw new Fault('invalid_header', {
      message: 'Idempotency-Key must have 1 to 128 visible ASCII characters.',
      target: { type: 'header', name: 'Idempotency-Key' },
    });
  }
  exchange.idempotencyKey = key;
}

function decoded(parameter: string): string {
  try {
    return decodeURIComponent(parameter);
  } catch {
    throw notFound();
  }
}

function readInput(exchange: Exchange): void {
  const { event } = exchange;
  const row = rowOf(exchange);
  const queryString = event.rawQueryString ?? '';
  const bytes = row.method === 'GET' ? EMPTY : bodyBytes(event);
  if (bytes.length > 0) requireJson(exchange.headers['content-type']);
  const json = bytes.length === 0 ? undefined : parseJson(utf8(bytes));
  // Both faults of a request in one answer would need a mixed target; parameters come first, as in the URL.
  exchange.query = parseQuery(row.query(), queryString);
  if (json === undefined && !row.body().safeParse(undefined).success) {
    throw new Fault('malformed', 'This request needs a JSON body.');
  }
  exchange.body = parseBody(row.body(), json);
  exchange.fingerprint = createHash('sha256')
    .update(`${row.method} ${row.path.replace('{id}', exchange.id ?? '')}?${queryString}\n`)
    .update(bytes)
    .digest('base64url');
}

const EMPTY = new Uint8Array();

function bodyBytes(event: Partial<APIGatewayProxyEventV2>): Uint8Array {
  const { body } = event;
  if (typeof body !== 'string' || body === '') return EMPTY;
  const bytes = Buffer.from(body, event.isBase64Encoded === true ? 'base64' : 'utf8');
  if (bytes.length > MAXIMUM_BODY) throw new Fault('too_large', 'The body is larger than 1 MB.');
  return bytes;
}

const JSON_TYPE = /^application\/(?:json|[A-Za-z0-9.!#$&^_-]+\+json)$/i;

function requireJson(contentType: string | undefined): void {
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter));
  if (JSON_TYPE.test(type) && (charset === undefined || /^charset="?utf-8"?$/i.test(charset))) return;
  throw new Fault('unsupported_media_type', {
    message: 'The body must be JSON in UTF-8: Content-Type: application/json.',
    target: { type: 'header', name: 'Content-Type' },
  });
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Fault('malformed', 'The body is not valid UTF-8.');
  }
}

async function answer(exchange: Exchange, routes: Routes, parts: Parts): Promise<Result> {
  const { operation, caller, event, headers, query } = exchange;
  if (operation === undefined || caller === undefined) throw new Error('The request was not prepared.');
  const baseUrl = baseUrlOf(exchange, parts.config().publicUrl);
  // What the parts above checked against the operation's row cannot be followed through an index by the compiler.
  const run = routes[operation] as ((call: unknown) => Promise<Answer<OperationId>>) | undefined;
  if (run === undefined) throw notFound();
  const mediaType = chooseMediaType(operation, headers['accept']);
  const given = await run({
    operation,
    caller,
    id: exchange.id,
    query: queryFor(query, mediaType),
    body: exchange.body,
    ifMatch: exchange.ifMatch,
    idempotencyKey: exchange.idempotencyKey,
    fingerprint: exchange.fingerprint,
    vaultHeader: exchange.vaultHeader,
    dryRun: isDryRun(query),
    accept: headers['accept'],
    correlationId: exchange.correlationId,
    origin: exchange.origin,
    baseUrl,
    url: `${baseUrl}${apiPath(event.rawPath)}${event.rawQueryString ? `?${event.rawQueryString}` : ''}`,
    signal: exchange.signal,
    log: exchange.log,
  } satisfies { readonly [Part in keyof Call<OperationId>]: unknown });
  return resultOf(exchange, await inFormat(operation, given, mediaType));
}

function isDryRun(query: object): boolean {
  return 'dry_run' in query && query.dry_run === true;
}

const HOST = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(?::\d{1,5})?$/;
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::|$)/;

/** The base of every `href`: absolute, without trailing slash and without `/api/v4`. `headers` by names in lower case. */
export function baseUrlOf(
  { event, headers }: Pick<Exchange, 'event' | 'headers'>,
  publicUrl: string | undefined,
): string {
  if (publicUrl !== undefined) return publicUrl;
  const asked = headers['host'] ?? '';
  const host = HOST.test(asked) ? asked : (event.requestContext?.domainName ?? 'localhost');
  const path = event.rawPath ?? '';
  // A stage or a base path mapping comes before the API's own path.
  const prefix = path.slice(0, Math.max(0, path.indexOf('/api/v4/')));
  return `${LOOPBACK.test(host) ? 'http' : 'https'}://${host}${prefix}`;
}

function apiPath(rawPath = ''): string {
  return rawPath.slice(Math.max(0, rawPath.indexOf('/api/v4/')));
}

function commonHeaders(exchange: Exchange): Record<string, string> {
  return {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-correlation-id': exchange.correlationId,
  };
}

const JSON_UTF8 = 'application/json; charset=utf-8';

function resultOf(exchange: Exchange, given: Answer<OperationId>): Result {
  const { status = rowOf(exchange).success, body, etag, location } = given;
  const headers: Record<string, string> = { ...given.headers, ...commonHeaders(exchange) };
  if (etag !== undefined) headers['etag'] = etag;
  if (location !== undefined) headers['location'] = location;
  if (body === undefined) return { statusCode: status, headers };
  headers['content-type'] = given.contentType ?? JSON_UTF8;
  const content = given.contentType === undefined ? JSON.stringify(body) : given.body;
  if (typeof content !== 'string') {
    const encoded = Buffer.from(content).toString('base64');
    refuseTooLarge(encoded.length);
    return { statusCode: status, headers, body: encoded, isBase64Encoded: true };
  }
  refuseTooLarge(Buffer.byteLength(content));
  return { statusCode: status, headers, body: content };
}

function refuseTooLarge(size: number): void {
  if (size <= MAXIMUM_ANSWER) return;
  throw new Fault('invalid_parameter', {
    message:
      'The answer would be larger than 5 MB. Ask for less at once: with a smaller limit, or a file with more filters.',
    target: { type: 'parameter', name: 'limit' },
  });
}

const KEYSTORE_FAULTS: Readonly<Record<KeystoreFaultKind, FaultCode>> = {
  denied: 'keystore_refused',
  throttled: 'keystore_throttled',
  unreachable: 'keystore_unreachable',
  not_found: 'keystore_refused',
  conflict: 'keystore_refused',
  unsupported: 'unsupported_by_keystore',
  unavailable: 'keystore_unreachable',
  broken: 'keystore_refused',
};

function faultOf(error: unknown, exchange: Exchange): Fault {
  if (error instanceof Fault) return error;
  if (error instanceof KeystoreFault) return new Fault(KEYSTORE_FAULTS[error.kind], error.message, { cause: error });
  // Whatever gave up because the deadline passed is late, not broken.
  if (exchange.signal.aborted && error instanceof Error && error.name === 'AbortError') return tookTooLong();
  return new Fault('internal', 'Something went wrong here. The trace helps to find out what.', { cause: error });
}

/** What such faults are always about. */
const STANDARD_TARGETS: Readonly<Partial<Record<FaultCode, FaultTarget>>> = {
  unauthenticated: { type: 'header', name: 'Authorization' },
};

const RETRY_AFTER_SECONDS: Readonly<Partial<Record<number, number>>> = { 429: 60, 503: 5 };

function refusal(exchange: Exchange, fault: Fault): Result {
  const headers: Record<string, string> = { ...commonHeaders(exchange), 'content-type': JSON_UTF8 };
  const retryAfter = fault.retryAfter ?? RETRY_AFTER_SECONDS[fault.status];
  if (retryAfter !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfter)));
  if (fault.status === 401) {
    headers['www-authenticate'] =
      exchange.headers['authorization'] === undefined ? 'Bearer' : 'Bearer error="invalid_token"';
  }
  const body: WireApiError = {
    status_code: fault.status,
    trace: exchange.correlationId,
    errors: fault.details.map(({ code, message, target = STANDARD_TARGETS[fault.code] }) => ({
      code: code ?? fault.code,
      message,
      ...(target === undefined ? {} : { target }),
    })),
  };
  return { statusCode: fault.status, headers, body: JSON.stringify(body) };
}

async function finish(exchange: Exchange, status: number, fault: Fault | undefined, parts: Parts): Promise<void> {
  exchange.release();
  const { operation, caller, log } = exchange;
  const outcome = status < 400 ? 'success' : status < 500 ? 'refused' : 'failed';
  const line = {
    operation: operation ?? 'none',
    status,
    duration_ms: Math.round(performance.now() - exchange.started),
    subject: caller?.subject,
    fault: fault?.code,
  };
  if (outcome === 'failed') log.error('request', { ...line, reason: fault?.message, error: fault?.cause });
  else log.info('request', line);
  if (operation === undefined || OPERATIONS[operation].method === 'GET') return;
  try {
    await parts.onAttempt?.({
      operation,
      id: exchange.id,
      vaultHeader: exchange.vaultHeader,
      caller,
      outcome,
      status,
      fault,
      dryRun: isDryRun(exchange.query),
      correlationId: exchange.correlationId,
      origin: exchange.origin,
      startedAt: exchange.startedAt,
      log,
    });
  } catch (error) {
    log.error('The attempt could not be recorded.', { operation, error });
  }
}

function withCorrelation(log: Log, correlationId: string): Log {
  const also = (fields?: Readonly<Record<string, unknown>>) => ({ ...fields, correlation_id: correlationId });
  return {
    info: (message, fields) => {
      log.info(message, also(fields));
    },
    warn: (message, fields) => {
      log.warn(message, also(fields));
    },
    error: (message, fields) => {
      log.error(message, also(fields));
    },
  };
}

/** What `serve` works with; the rest of the environment is read, and the issuer asked, when the first request needs it. */
interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => HttpConfig;
  readonly verify: () => TokenVerifier;
  readonly admit: ((caller: Caller) => Promise<void>) | undefined;
  readonly onAttempt: ((attempt: Attempt) => Promise<void>) | undefined;
}

function partsOf(options: ServeOptions): Parts {
  const clock = options.clock ?? systemClock;
  const config = later(() => options.config ?? readConfig(process.env));
  return {
    clock,
    log: options.log ?? powertoolsLog(),
    config,
    verify: later(() => options.verify ?? tokenVerifier({ ...config(), clock })),
    admit: options.admit,
    onAttempt: options.onAttempt,
  };
}

/** Once it worked: what was thrown is tried again. */

function powertoolsLog(): Log {
  const logger = newLog();
  return {
    info: (message, fields = {}) => {
      logger.info(message, fields);
    },
    warn: (message, fields = {}) => {
      logger.warn(message, fields);
    },
    error: (message, fields = {}) => {
      logger.error(message, fields);
    },
  };
}
