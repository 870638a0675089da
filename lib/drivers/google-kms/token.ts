import { importPKCS8, SignJWT } from 'jose';
import type { CryptoKey } from 'jose';
import { KeystoreFault } from '../driver.ts';
import type { ServiceAccount } from './credentials.ts';
import { abandoned, faultFromSilence, faultFromTokenAnswer } from './faults.ts';
import { tokenAnswer } from './resources.ts';

/** The narrowest scope that all calls of this driver are allowed under. */
const SCOPE = 'https://www.googleapis.com/auth/cloudkms';

/** Seconds that an assertion is valid, the most that Google takes; and how long before its end a token is not used any more. */
const ASSERTION_SECONDS = 3600;
const SPARE_SECONDS = 300;

const TIMEOUT_MS = 5_000;

/** Access tokens of one service account, asked for when needed and kept until shortly before they expire. */
export interface AccessTokens {
  get(signal: AbortSignal): Promise<string>;
  /** Lets go of a token that was refused. */
  forget(token: string): void;
}

/** Tokens by the JWT bearer grant (RFC 7523). Callers who come together share one request. */
export function accessTokens(account: ServiceAccount): AccessTokens {
  let signingKey: Promise<CryptoKey> | undefined;
  let kept: { readonly token: string; readonly until: number } | undefined;
  let underWay: Promise<string> | undefined;

  async function ask(): Promise<string> {
    signingKey ??= importKey(account.privateKey);
    const answer = await exchange(account.tokenUri, await assertion(account, await signingKey));
    const spare = Math.min(SPARE_SECONDS, answer.expires_in / 2);
    kept = { token: answer.access_token, until: Date.now() + (answer.expires_in - spare) * 1000 };
    return answer.access_token;
  }

  return {
    get(signal) {
      if (kept !== undefined && Date.now() < kept.until) return Promise.resolve(kept.token);
      underWay ??= ask().finally(() => {
        underWay = undefined;
      });
      return orAborted(underWay, signal);
    },
    forget(token) {
      if (kept?.token === token) kept = undefined;
    },
  };
}

async function importKey(pem: string): Promise<CryptoKey> {
  try {
    return await importPKCS8(pem, 'RS256');
  } catch {
    // Without its cause, which may quote the key.
    throw new KeystoreFault('denied', 'The private_key in google_credentials is not an RSA key in PKCS #8 PEM.');
  }
}

function assertion(account: ServiceAccount, key: CryptoKey): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ scope: SCOPE })
    .setProtectedHeader({
      alg: 'RS256',
      typ: 'JWT',
      ...(account.privateKeyId === undefined ? {} : { kid: account.privateKeyId }),
    })
    .setIssuer(account.clientEmail)
    .setAudience(account.tokenUri)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .sign(key);
}

async function exchange(uri: string, assertion: string): Promise<{ access_token: string; expires_in: number }> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(uri, {
      method: 'POST',
      // A redirect would carry the assertion elsewhere.
      redirect: 'error',
      body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    body = await response.json().catch(() => undefined);
  } catch (error) {
    throw faultFromSilence('the request for an access token', error);
  }
  if (!response.ok) throw faultFromTokenAnswer(response.status, body);
  const parsed = tokenAnswer.safeParse(body);
  if (!parsed.success) throw new KeystoreFault('broken', "Google's token endpoint answered without an access token.");
  return parsed.data;
}

/** The work goes on for others who wait for it. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const what = 'the request for an access token';
  if (signal.aborted) {
    work.catch(() => undefined);
    throw abandoned(what, signal.reason);
  }
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => {
      reject(abandoned(what, signal.reason));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    work.catch(() => undefined);
  }
}
