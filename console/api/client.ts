import type { WireApiError } from '../../lib/wire/errors.ts';
import type { AnswerOf, BodyOf, OPERATIONS, OperationId, QueryOf } from '../../lib/wire/operations.ts';
import { accessToken, signOut } from '../sign-in/session.ts';
import { text } from '../text/text.ts';

type Row<Id extends OperationId> = (typeof OPERATIONS)[Id];
type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type PathOf<M extends Method, Id extends OperationId = OperationId> = Id extends OperationId
  ? Row<Id> extends { readonly method: M; readonly path: `/api/v4${infer Path}` }
    ? Path
    : never
  : never;
type OperationAt<M extends Method, Path extends string, Id extends OperationId = OperationId> = Id extends OperationId
  ? Row<Id> extends { readonly method: M; readonly path: `/api/v4${Path}` }
    ? Id
    : never
  : never;

export type QueryValue = string | number | boolean | readonly string[] | undefined;

interface Request<Id extends OperationId> {
  readonly id?: string;
  readonly query?: { readonly [Name in keyof QueryOf<Id>]?: QueryValue };
  readonly body?: BodyOf<Id> | undefined;
  /** The ETag that the decision was made on. */
  readonly ifMatch?: string | undefined;
  /** Makes a POST happen once, however often it is sent. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface Answer<Body> {
  /** 202: the request waits for a second person, and `body` is the approval. */
  readonly status: number;
  readonly body: Body;
  readonly etag: string | undefined;
}

export interface Approvable {
  readonly id: string;
  readonly summary: string;
}

/** A request that was not granted: refused by the API, or never answered. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** 0 when there was no answer. */
  readonly status: number;
  readonly errors: WireApiError['errors'];
  readonly trace: string | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;

  constructor(status: number, errors: WireApiError['errors'], trace?: string, retryAfter?: number) {
    super(errors.map(({ message }) => message).join(' '));
    this.status = status;
    this.errors = errors;
    this.trace = trace;
    this.retryAfter = retryAfter;
  }

  get code(): string {
    return this.errors[0]?.code ?? 'unknown';
  }
}

/** Sends a request of the contract. Throws a `Refusal` for whatever is not a success. */
export async function send<M extends Method, Path extends PathOf<M>>(
  method: M,
  path: Path,
  request: Request<OperationAt<M, Path>> = {},
): Promise<Answer<AnswerOf<OperationAt<M, Path>>>> {
  const token = await accessToken();
  const url = new URL(`/api/v4${path.replace('{id}', encodeURIComponent(request.id ?? ''))}`, location.origin);
  for (const [name, value] of Object.entries<QueryValue>(request.query ?? {})) {
    if (value === undefined || value === '') continue;
    for (const each of typeof value === 'object' ? value : [value]) url.searchParams.append(name, String(each));
  }
  let response: Response;
  let content: unknown;
  try {
    response = await fetch(url, {
      method,
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(request.ifMatch === undefined ? {} : { 'if-match': request.ifMatch }),
        ...(request.idempotencyKey === undefined ? {} : { 'idempotency-key': request.idempotencyKey }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      credentials: 'omit',
      cache: 'no-store',
    });
    content = await contentOf(response);
  } catch (error) {
    if (request.signal?.aborted === true) throw error;
    throw new Refusal(0, [{ code: 'offline', message: text.errors.offline }]);
  }
  if (!response.ok) {
    if (response.status === 401) signOut();
    throw refusalFrom(response, content);
  }
  return {
    status: response.status,
    body: content as AnswerOf<OperationAt<M, Path>>,
    etag: response.headers.get('etag') ?? undefined,
  };
}

async function contentOf(response: Response): Promise<unknown> {
  const received = await response.text();
  if (received === '') return undefined;
  return /[/+]json\b/.test(response.headers.get('content-type') ?? '') ? (JSON.parse(received) as unknown) : received;
}

function refusalFrom(response: Response, content: unknown): Refusal {
  const given = typeof content === 'object' && content !== null ? (content as Partial<WireApiError>) : {};
  const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new Refusal(
    response.status,
    given.errors !== undefined && given.errors.length > 0
      ? given.errors
      : [{ code: 'unknown', message: text.errors.withoutBody(response.status) }],
    given.trace ?? response.headers.get('x-correlation-id') ?? undefined,
    Number.isFinite(wait) ? wait : undefined,
  );
}

/** What the API says about one field of a form; undefined when nothing. List positions are left to the field that has them. */
export function messageFor(error: unknown, field: string): string | undefined {
  if (!(error instanceof Refusal)) return undefined;
  const said = error.errors.filter(({ target }) => {
    const name = target?.type === 'field' ? target.name : undefined;
    return name === field || name?.startsWith(`${field}[`) === true || name?.startsWith(`${field}.`) === true;
  });
  return said.length === 0 ? undefined : said.map(({ message }) => message).join(' ');
}
