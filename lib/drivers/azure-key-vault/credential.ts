import type { IncomingMessage } from 'node:http';
import { request as requestPlain } from 'node:http';
import type { Agent } from 'node:https';
import { request as requestTls } from 'node:https';
import { text } from 'node:stream/consumers';
import { KeystoreFault } from '../driver.ts';
import { faultFrom } from './faults.ts';

/** Who asks for tokens, and where. */
export interface ServicePrincipal {
  readonly authorityHost: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly password: string;
  /** The one thing tokens are asked for, such as `https://vault.azure.net/.default`. */
  readonly scope: string;
  /** What connects to the authority; the process's own agent when left out. */
  readonly agent?: Agent | undefined;
}

/** What the Azure SDK asks for a token. */
export interface AzureCredential {
  getToken(scopes: string | string[]): Promise<{ token: string; expiresOnTimestamp: number }>;
}

interface Token {
  readonly token: string;
  readonly expiresOnTimestamp: number;
}

/** A token is not used in its last five minutes: clocks differ, and calls under way take time. */
const MARGIN_MS = 5 * 60_000;
const PATIENCE_MS = 10_000;

/**
 * A credential by the OAuth 2.0 client credentials grant: one token at a time, used until shortly before it expires, and asked for once
 * however many calls wait for it. Asks only for its own scope: a vault's challenge cannot have a token made out for anybody else.
 */
export function clientCredential(principal: ServicePrincipal): AzureCredential {
  let token: Token | undefined;
  let asking: Promise<Token> | undefined;
  return {
    async getToken(scopes) {
      const [scope, ...more] = typeof scopes === 'string' ? [scopes] : scopes;
      if (scope !== principal.scope || more.length > 0) {
        throw new KeystoreFault(
          'denied',
          `The vault asks for a token for ${String(scope)}, which is not what azure_environment stands for.`,
        );
      }
      if (token !== undefined && Date.now() < token.expiresOnTimestamp - MARGIN_MS) return token;
      asking ??= requestToken(principal).finally(() => {
        asking = undefined;
      });
      token = await asking;
      return token;
    },
  };
}

async function requestToken({
  authorityHost,
  tenant,
  clientId,
  password,
  scope,
  agent,
}: ServicePrincipal): Promise<Token> {
  const asked = Date.now();
  const url = `${authorityHost.replace(/\/$/, '')}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: password,
    scope,
  });
  let status: number;
  let answer: unknown;
  try {
    ({ status, answer } = await post(url, form.toString(), agent));
  } catch (error) {
    throw faultFrom(error, 'token request');
  }
  const { access_token: token, expires_in: expiresIn, error, error_description: description } = members(answer);
  if (status === 200 && typeof token === 'string' && typeof expiresIn === 'number') {
    return { token, expiresOnTimestamp: asked + expiresIn * 1000 };
  }
  const said = typeof description === 'string' ? description : `it answered ${status}`;
  throw faultFrom(
    Object.assign(new Error(said), { statusCode: status === 200 ? 500 : status, code: error }),
    'token request',
  );
}

async function post(url: string, form: string, agent: Agent | undefined): Promise<{ status: number; answer: unknown }> {
  const secure = url.startsWith('https:');
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = (secure ? requestTls : requestPlain)(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(form) },
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(secure && agent !== undefined ? { agent } : {}),
    });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.end(form);
  });
  const status = response.statusCode ?? 0;
  const body = await text(response);
  try {
    return { status, answer: JSON.parse(body) };
  } catch {
    return { status, answer: undefined };
  }
}

function members(answer: unknown): Readonly<Record<string, unknown>> {
  return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
}
