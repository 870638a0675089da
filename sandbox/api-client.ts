/** A body as JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

export interface Request {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v4`, with its query. */
  readonly path: string;
  readonly body?: Json;
  readonly ifMatch?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly etag: string | undefined;
  /** Parsed JSON; undefined for an empty body. */
  readonly body: unknown;
}

export interface ApiClient {
  /** Sends one request and answers whatever came back, errors of the API included. */
  send(request: Request): Promise<Answer>;
}

/** Speaks to a running API as one caller. `watch` is shown every exchange. */
export function apiClient(options: {
  readonly api: string;
  readonly token: string;
  readonly watch?: (request: Request, answer: Answer) => void;
}): ApiClient {
  return {
    async send(request) {
      const response = await fetch(`${options.api}/api/v4${request.path}`, {
        method: request.method,
        headers: {
          authorization: `Bearer ${options.token}`,
          accept: 'application/json',
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(request.ifMatch === undefined ? {} : { 'if-match': request.ifMatch }),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(35_000),
      });
      const text = await response.text();
      const answer: Answer = {
        status: response.status,
        headers: response.headers,
        etag: response.headers.get('etag') ?? undefined,
        body: text === '' ? undefined : parse(text),
      };
      options.watch?.(request, answer);
      return answer;
    },
  };
}

/** An answer that was not the one expected; the message carries what the API said. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';

  constructor(request: Request, answer: Answer, expected: number) {
    super(
      `${request.method} /api/v4${request.path}: expected ${expected}, got ${answer.status} ${JSON.stringify(answer.body ?? null)}`,
    );
  }
}

/** Sends a request and answers its result; throws an `UnexpectedAnswer` at any status but this one. */
export async function expectStatus(client: ApiClient, status: number, request: Request): Promise<Answer> {
  const answer = await client.send(request);
  if (answer.status !== status) throw new UnexpectedAnswer(request, answer, status);
  return answer;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
