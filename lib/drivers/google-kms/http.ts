import { KeystoreFault } from '../driver.ts';
import { abandoned, faultFromAnswer, faultFromSilence } from './faults.ts';
import type { AccessTokens } from './token.ts';

/** One REST call. `path` is the resource's name, with the custom method where there is one. */
export interface RestCall {
  /** Google's name of the method, for messages: `GetCryptoKey`. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Sends a call and answers its JSON. Throws a `KeystoreFault` and nothing else. */
export type Send = (call: RestCall, signal: AbortSignal) => Promise<unknown>;

const TIMEOUT_MS = 5_000;

/**
 * Calls of the REST API at `endpoint`. A read whose connection broke is tried once more; a write never is, because it may have had its
 * effect. A call that Google refused for its token is sent again with a new one.
 */
export function restSender(endpoint: string, tokens: AccessTokens): Send {
  return async (call, signal) => {
    const first = await attempt(endpoint, tokens, call, signal);
    if (first.status !== 401) return answerOf(call, first);
    tokens.forget(first.token);
    return answerOf(call, await attempt(endpoint, tokens, call, signal));
  };
}

interface Answered {
  readonly status: number;
  readonly body: unknown;
  readonly token: string;
}

function answerOf(call: RestCall, { status, body }: Answered): unknown {
  if (status >= 200 && status < 300) return body;
  throw faultFromAnswer(call.name, status, body);
}

async function attempt(endpoint: string, tokens: AccessTokens, call: RestCall, signal: AbortSignal): Promise<Answered> {
  if (signal.aborted) throw abandoned(call.name, signal.reason);
  const token = await tokens.get(signal);
  try {
    return await once(endpoint, token, call, signal);
  } catch (error) {
    const retry = call.method === 'GET' && error instanceof KeystoreFault && isBrokenConnection(error.cause);
    if (!retry) throw error;
  }
  return once(endpoint, token, call, signal);
}

/** `fetch` throws a TypeError when the connection could not be made or was cut, and DOMExceptions when time ran out. */
function isBrokenConnection(error: unknown): boolean {
  return error instanceof TypeError;
}

async function once(endpoint: string, token: string, call: RestCall, signal: AbortSignal): Promise<Answered> {
  const query = new URLSearchParams({ ...call.query, alt: 'json' });
  try {
    const response = await fetch(`${endpoint}/v1/${call.path}?${query.toString()}`, {
      method: call.method,
      redirect: 'error',
      headers: {
        authorization: `Bearer ${token}`,
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text), token };
  } catch (error) {
    if (signal.aborted) throw abandoned(call.name, signal.reason);
    throw faultFromSilence(call.name, error);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
