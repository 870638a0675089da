import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { VaultError } from './error.ts';
import type { Vault } from './world.ts';

/** An application in Microsoft Entra and what it may do with keys. */
export interface SandboxApplication {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  /** Of an access policy for keys (`get`, `list`, `create`, …); all when left out. */
  permissions?: readonly string[];
}

/** What the token endpoint answers: RFC 6749, with Entra's own members in errors. */
export interface TokenAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Seconds that a token lasts. Real ones: a token is about the line, not about calendar time. */
const lifetime = 3599;

export interface Tokens {
  issue(tenant: string, form: URLSearchParams): TokenAnswer;
  /** Who holds this token for the vault. Throws 401 as Key Vault does, with the challenge. */
  bearer(authorization: string | undefined, vault: Vault): SandboxApplication;
}

export function tokens(applications: readonly SandboxApplication[]): Tokens {
  const signature = (application: SandboxApplication, content: string) =>
    createHmac('sha256', `sandbox ${application.clientSecret}`).update(content).digest('base64url');

  return {
    issue(tenant, form) {
      const refused = refusal(applications, tenant, form);
      if (refused !== undefined) return refused;
      const application = applications.find(({ clientId }) => clientId === form.get('client_id'));
      const scope = form.get('scope') ?? '';
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        aud: scope.replace(/\/\.default$/, ''),
        iss: `https://sts.windows.net/${application?.tenantId ?? ''}/`,
        iat: now,
        nbf: now,
        exp: now + lifetime,
        appid: application?.clientId,
        tid: application?.tenantId,
      };
      const content = [{ typ: 'JWT', alg: 'HS256' }, claims].map(encoded).join('.');
      const token = application === undefined ? '' : `${content}.${signature(application, content)}`;
      return {
        status: 200,
        body: { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: token },
      };
    },

    bearer(authorization, vault) {
      const token = /^bearer (.+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw challenge(vault, 'AKV10000: Request is missing a Bearer or PoP token.');
      const [header = '', body = '', mac = ''] = token.split('.');
      const claims = decoded(body);
      const application = applications.find(({ clientId }) => clientId === claims['appid']);
      if (application === undefined || !same(mac, signature(application, `${header}.${body}`))) {
        throw challenge(vault, 'AKV10002: Token validation failed: the signature is invalid.', 'invalid_token');
      }
      if (Number(claims['exp']) * 1000 <= Date.now()) {
        throw challenge(vault, 'AKV10001: Token has expired.', 'invalid_token');
      }
      if (claims['aud'] !== `https://${vault.suffix}`) {
        throw challenge(vault, 'AKV10022: Invalid audience.', 'invalid_token');
      }
      if (claims['tid'] !== vault.tenantId) {
        throw challenge(
          vault,
          `AKV10032: Invalid issuer. Expected https://sts.windows.net/${vault.tenantId}/, found ${String(claims['iss'])}.`,
          'invalid_token',
        );
      }
      return application;
    },
  };
}

function refusal(
  applications: readonly SandboxApplication[],
  tenant: string,
  form: URLSearchParams,
): TokenAnswer | undefined {
  const clientId = form.get('client_id') ?? '';
  if (form.get('grant_type') !== 'client_credentials') {
    return failure(400, 'unsupported_grant_type', 'AADSTS70003: The app requested an unsupported grant type.');
  }
  if (!applications.some(({ tenantId }) => tenantId === tenant)) {
    return failure(400, 'invalid_request', `AADSTS90002: Tenant '${tenant}' not found.`);
  }
  const application = applications.find((each) => each.tenantId === tenant && each.clientId === clientId);
  if (application === undefined) {
    return failure(
      400,
      'unauthorized_client',
      `AADSTS700016: Application with identifier '${clientId}' was not found in the directory '${tenant}'.`,
    );
  }
  if (!same(form.get('client_secret') ?? '', application.clientSecret)) {
    return failure(
      401,
      'invalid_client',
      `AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
    );
  }
  if (!/^https:\/\/[a-z.]+\/\.default$/.test(form.get('scope') ?? '')) {
    return failure(400, 'invalid_scope', 'AADSTS1002012: The provided value for scope is not valid.');
  }
  return undefined;
}

function failure(status: number, error: string, sentence: string): TokenAnswer {
  const code = Number(/^AADSTS(\d+)/.exec(sentence)?.[1]);
  const description = `${sentence}\r\nTrace ID: 00000000-0000-0000-0000-000000000000\r\nTimestamp: ${new Date().toISOString()}`;
  return { status, body: { error, error_description: description, error_codes: [code] } };
}

function challenge(vault: Vault, message: string, error?: string): VaultError {
  const why = error === undefined ? '' : `, error="${error}", error_description="${message}"`;
  const header = `Bearer authorization="https://login.microsoftonline.com/${vault.tenantId}", resource="https://${vault.suffix}"${why}`;
  return new VaultError(401, 'Unauthorized', message, { headers: { 'www-authenticate': header } });
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decoded(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // No token of ours.
  }
  return {};
}

function same(one: string, other: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}
