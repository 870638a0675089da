import * as z from 'zod/mini';
import { KeystoreFault } from '../driver.ts';
import { exchange } from '../outgoing.ts';
import { abandoned, faultFrom, noAnswer } from './faults.ts';

/** Access tokens of one API key. */
export interface Tokens {
  /** A token that is good for a while yet; asks for one only when there is none. Throws a `KeystoreFault`. */
  get(signal: AbortSignal): Promise<string>;
  /** The service did not take this token: it is not handed out again. */
  drop(token: string): void;
}

const GRANT_TYPE = 'urn:ibm:params:oauth:grant-type:apikey';
const TIMEOUT_MS = 10_000;
/** A token is replaced so long before its end, or in the last tenth of its life: one in use must not run out under way. */
const MARGIN_MS = 300_000;

const answer = z.object({ access_token: z.string().check(z.minLength(1)), expires_in: z.number() });
const refusal = z.object({ errorCode: z.optional(z.string()), errorMessage: z.optional(z.string()) });

/** Tokens for an API key, kept until shortly before they expire. Callers who come together share one request. */
export function tokensFor(endpoint: string, apiKey: string): Tokens {
  let kept: { readonly token: string; readonly until: number } | undefined;
  let asking: Promise<string> | undefined;

  async function ask(): Promise<string> {
    const askedAt = Date.now();
    const { access_token: token, expires_in: seconds } = await request(endpoint, apiKey);
    const life = seconds * 1000;
    kept = { token, until: askedAt + life - Math.min(MARGIN_MS, life / 10) };
    return token;
  }

  return {
    async get(signal) {
      if (signal.aborted) throw abandoned('GetToken', signal.reason);
      if (kept !== undefined && kept.until > Date.now()) return kept.token;
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return unlessAborted(asking, signal);
    },
    drop(token) {
      if (kept?.token === token) kept = undefined;
    },
  };
}

/** What many wait for is not ended by one of them leaving. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: (() => void) | undefined;
  const left = new Promise<never>((_resolve, reject) => {
    leave = () => {
      reject(abandoned('GetToken', signal.reason));
    };
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, left]);
  } finally {
    if (leave !== undefined) signal.removeEventListener('abort', leave);
  }
}

async function request(endpoint: string, apiKey: string): Promise<z.infer<typeof answer>> {
  let status: number;
  let body: unknown;
  try {
    const response = await exchange(endpoint, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: GRANT_TYPE, apikey: apiKey }).toString(),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    status = response.status;
    body = parsedJson(response.text);
  } catch (error) {
    throw noAnswer('GetToken', error);
  }
  if (status < 200 || status > 299) {
    const said = z.safeParse(refusal, body);
    const { errorCode: code, errorMessage: message } = said.success ? said.data : {};
    throw faultFrom({ status, code, message }, 'GetToken');
  }
  const parsed = z.safeParse(answer, body);
  // The cause would quote the token.
  if (!parsed.success) throw new KeystoreFault('broken', 'IBM Cloud answered GetToken without a usable token.');
  return parsed.data;
}

function parsedJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
