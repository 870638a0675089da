import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod/mini';
import { CommandProblem, EXIT } from './exit.ts';
import type { ExitCode } from './exit.ts';

/** A body as JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

export interface Request {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/api/v4`, without a query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: Json;
  readonly ifMatch?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly etag: string | undefined;
  readonly date: Date | undefined;
  /** Parsed JSON; text where it is none; undefined for an empty body. */
  readonly body: unknown;
}

export interface Api {
  /** Base of the API, without `/api/v4` and without a trailing slash. */
  readonly url: string;
  /** Sends one request. Throws a `CommandProblem` for every answer that is not a success, and when there is none. */
  send(request: Request): Promise<Answer>;
}

const ERROR_BODY = z.object({
  trace: z.optional(z.string()),
  errors: z.array(
    z.object({
      code: z.string(),
      message: z.string(),
      target: z.optional(z.object({ type: z.optional(z.string()), name: z.optional(z.string()) })),
    }),
  ),
});

/** Longer than any function of Shearline takes. */
const TIMEOUT = 35_000;
const ATTEMPTS = 3;
const LONGEST_WAIT_SECONDS = 30;

/**
 * Speaks to the API as whoever has the token, which is asked for before each request. What reads is repeated when the API is busy or does not
 * answer; so is a POST, under one Idempotency-Key, so that it happens once.
 */
export function openApi(options: {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly onWait?: (says: string) => void;
}): Api {
  const { url, token, onWait = () => undefined } = options;
  return {
    url,
    async send(request) {
      const idempotencyKey = request.method === 'POST' ? randomUUID() : undefined;
      const repeatable = request.method === 'GET' || request.method === 'POST';
      for (let attempt = 1; ; attempt += 1) {
        const given = await once(url, await token(), request, idempotencyKey);
        const again = repeatable && attempt < ATTEMPTS ? secondsToWait(given, attempt) : undefined;
        if (again === undefined) return judged(url, request, given);
        onWait(`The API ${'status' in given ? `says ${given.status}` : 'does not answer'}; again in ${again} s`);
        await wait(again * 1000);
      }
    },
  };
}

type Given =
  | (Answer & { readonly retryAfter: number | undefined; readonly trace: string | undefined })
  | { readonly error: unknown };

async function once(url: string, token: string, request: Request, idempotencyKey: string | undefined): Promise<Given> {
  try {
    const response = await fetch(`${url}/api/v4${request.path}${queryOf(request.query)}`, {
      method: request.method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        'user-agent': 'shearline-cli',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(request.ifMatch === undefined ? {} : { 'if-match': request.ifMatch }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      // The API redirects nobody; whatever does must not be followed with a token.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const text = await response.text();
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
    const date = Date.parse(response.headers.get('date') ?? '');
    return {
      status: response.status,
      etag: response.headers.get('etag') ?? undefined,
      date: Number.isNaN(date) ? undefined : new Date(date),
      body: text === '' ? undefined : contentOf(text),
      retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
      trace: response.headers.get('x-correlation-id') ?? undefined,
    };
  } catch (error) {
    return { error };
  }
}

function queryOf(query: Request['query'] = {}): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

/** Who is not there now is not there in a second either; who hung up in the middle may be. */
const HUNG_UP = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET']);

function secondsToWait(given: Given, attempt: number): number | undefined {
  if ('error' in given) return HUNG_UP.has(reasonOf(given.error).code ?? '') ? attempt : undefined;
  if (given.status !== 429 && given.status !== 503) return undefined;
  const seconds = given.retryAfter ?? attempt;
  return seconds > LONGEST_WAIT_SECONDS ? undefined : seconds;
}

function reasonOf(error: unknown): { readonly code: string | undefined; readonly message: string } {
  const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : undefined;
  const code = (reason as { readonly code?: unknown } | undefined)?.code;
  return { code: typeof code === 'string' ? code : undefined, message: reason?.message ?? 'no answer' };
}

function judged(url: string, request: Request, given: Given): Answer {
  if ('error' in given) throw unreachable(url, given.error);
  if (given.status < 400) return given;
  const parsed = ERROR_BODY.safeParse(given.body);
  const errors = parsed.success ? parsed.data.errors : [];
  const told = errors.map(({ message, target: { type, name = '' } = {} }) =>
    // Most messages about a field name it themselves.
    name === '' || type === 'header' || message.startsWith(name) ? message : `${name}: ${message}`,
  );
  const asked = `${request.method} /api/v4${request.path}`;
  const said =
    told.length === 0 ? `${asked} was answered with ${given.status}, and not by Shearline.` : told.join('\n');
  throw new CommandProblem(EXITS[given.status] ?? EXIT.failed, said, {
    advice: ADVICE[given.status] ?? (given.status >= 500 ? BROKEN : undefined),
    trace: (parsed.success ? parsed.data.trace : undefined) ?? given.trace,
    body: { ...(typeof given.body === 'object' ? given.body : {}), status_code: given.status },
  });
}

const EXITS: Readonly<Partial<Record<number, ExitCode>>> = {
  401: EXIT.denied,
  403: EXIT.denied,
  503: EXIT.unknown,
};
const BROKEN = 'Try again; when it stays so, give the trace to whoever runs Shearline: it is in its logs.';
const ADVICE: Readonly<Partial<Record<number, string>>> = {
  401: 'Sign in again: shearline login. In a pipeline: give a fresh token in SHEARLINE_TOKEN.',
  403: 'shearline whoami shows the roles that you have; ask a vault administrator for what is missing.',
  404: 'Lists show what you may see: shearline keys list, keystores list, templates list, vaults list.',
  412: 'Somebody changed it meanwhile. Look at it again, then repeat the command.',
  429: 'Wait a little; the limit is per caller and minute.',
  502: 'The keystore said no: shearline doctor shows what it allows.',
  503: 'What was begun goes on by itself: shearline open-work list shows it.',
};

function unreachable(url: string, error: unknown): CommandProblem {
  const { code, message } = reasonOf(error);
  return new CommandProblem(EXIT.unknown, `${url} cannot be reached: ${code ?? message}.`, {
    advice: LOCAL.test(url)
      ? 'npm start, in a checkout, starts a local one; --url names another.'
      : 'Check the address (--url, SHEARLINE_URL) and the network.',
    cause: error,
  });
}

export const LOCAL = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::|\/|$)/;

function contentOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
