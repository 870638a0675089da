import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { privateKeyOf } from './algorithms.ts';
import type { Cloud } from './cloud.ts';
import { errorInfo, GoogleError } from './error.ts';

/** Who may call, and what. */
export interface SandboxServiceAccount {
  /** The project whose keys it sees. */
  projectId: string;
  /** Default: `shearline@<project>.iam.gserviceaccount.com`. */
  clientEmail?: string;
  /** IAM permissions such as `cloudkms.cryptoKeys.get`. Default: all. */
  permissions?: readonly string[];
}

/** The JSON file of a service account's key, as the console hands it out. */
export interface ServiceAccountFile {
  type: 'service_account';
  project_id: string;
  private_key_id: string;
  private_key: string;
  client_email: string;
  client_id: string;
  auth_uri: string;
  token_uri: string;
  auth_provider_x509_cert_url: string;
  client_x509_cert_url: string;
  universe_domain: string;
}

export interface Caller {
  readonly projectId: string;
  readonly email: string;
  permissions: readonly string[] | undefined;
}

/** An error of the token endpoint: RFC 6749, section 5.2. */
export class TokenError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.name = 'TokenError';
    this.error = error;
    this.status = status;
  }
}

export interface Tokens {
  /** Answers the body of a token request, or throws a TokenError. */
  exchange(form: URLSearchParams): Record<string, unknown>;
  /** Who a request comes from, by its Authorization header. */
  callerOf(authorization: string | undefined): Caller;
  /** Makes every token that was handed out worthless. */
  revoke(): void;
  /** Gives the account exactly these permissions; undefined for all. */
  grant(clientEmail: string, permissions: readonly string[] | undefined): void;
  /** Seconds that new tokens live. */
  lifetimeSeconds: number;
  /** Of the project's first account, or of that with this address. */
  file(projectId: string, clientEmail?: string): ServiceAccountFile;
}

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** What Google's own libraries put in, wherever they are told to send it. */
const GOOGLE_AUDIENCE = 'https://oauth2.googleapis.com/token';
const SCOPES = ['https://www.googleapis.com/auth/cloudkms', 'https://www.googleapis.com/auth/cloud-platform'];

interface Account extends Caller {
  readonly keyId: string;
  readonly privateKey: Buffer;
  readonly publicKey: KeyObject;
}

/**
 * Google's token endpoint for service accounts. It goes by real time and not by the sandbox's clock: callers sign their assertions by
 * their own clocks, which nobody moves.
 */
export function tokenEndpoint(
  accounts: readonly SandboxServiceAccount[],
  cloud: Cloud,
  tokenUri: () => string,
): Tokens {
  const known = new Map(accounts.map((account) => open(account, cloud)).map((account) => [account.email, account]));
  const tokens = new Map<string, { readonly account: Account; readonly until: number }>();

  return {
    lifetimeSeconds: 3600,
    exchange(form) {
      if (form.get('grant_type') !== GRANT) throw new TokenError('unsupported_grant_type', 'Invalid grant_type');
      const account = accountOf(form.get('assertion') ?? '', known, tokenUri());
      const token = `ya29.sandbox-${randomBytes(32).toString('base64url')}`;
      tokens.set(token, { account, until: Date.now() + this.lifetimeSeconds * 1000 });
      return { access_token: token, expires_in: this.lifetimeSeconds, token_type: 'Bearer' };
    },
    callerOf(authorization) {
      const token = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) {
        throw unauthenticated(
          'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
          'CREDENTIALS_MISSING',
        );
      }
      const found = tokens.get(token);
      if (found === undefined || Date.now() >= found.until) {
        throw unauthenticated(
          'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
          'ACCESS_TOKEN_EXPIRED',
        );
      }
      return found.account;
    },
    revoke() {
      tokens.clear();
    },
    grant(clientEmail, permissions) {
      const account = known.get(clientEmail);
      if (account === undefined) throw new GoogleError('NOT_FOUND', `There is no service account ${clientEmail}.`);
      account.permissions = permissions;
    },
    file(projectId, clientEmail) {
      const account = [...known.values()].find(
        (each) => each.projectId === projectId && (clientEmail ?? each.email) === each.email,
      );
      if (account === undefined) throw new Error(`No service account belongs to the project ${projectId}.`);
      return fileOf(account, tokenUri());
    },
  };
}

const unauthenticated = (message: string, reason: string): GoogleError =>
  new GoogleError('UNAUTHENTICATED', message, [errorInfo(reason)]);

function open({ projectId, clientEmail, permissions }: SandboxServiceAccount, cloud: Cloud): Account {
  const email = clientEmail ?? `shearline@${projectId}.iam.gserviceaccount.com`;
  const saved = cloud.savedServiceAccount(email);
  const keyId = saved?.keyId ?? randomBytes(20).toString('hex');
  const privateKey =
    saved?.privateKey ??
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'der' });
  if (saved === undefined) cloud.saveServiceAccount(email, keyId, privateKey);
  return { projectId, email, permissions, keyId, privateKey, publicKey: createPublicKey(privateKeyOf(privateKey)) };
}

function fileOf({ projectId, email, keyId, privateKey }: Account, tokenUri: string): ServiceAccountFile {
  return {
    type: 'service_account',
    project_id: projectId,
    private_key_id: keyId,
    private_key: privateKeyOf(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: email,
    client_id: '100000000000000000001',
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: tokenUri,
    auth_provider_x509_cert_url: 'https://www.googleapis.com/oauth2/v1/certs',
    client_x509_cert_url: `https://www.googleapis.com/robot/v1/metadata/x509/${encodeURIComponent(email)}`,
    universe_domain: 'googleapis.com',
  };
}

function accountOf(assertion: string, known: ReadonlyMap<string, Account>, audience: string): Account {
  const [head, claims, signature, ...more] = assertion.split('.');
  if (head === undefined || claims === undefined || signature === undefined || more.length > 0) {
    throw new TokenError('invalid_request', 'Bad Request');
  }
  const header = jsonOf(head);
  const given = jsonOf(claims);
  const account = known.get(String(given['iss']));
  if (account === undefined) throw new TokenError('invalid_grant', 'Invalid grant: account not found');
  const signed = Buffer.from(`${head}.${claims}`);
  const good =
    header['alg'] === 'RS256' && verify('sha256', signed, account.publicKey, Buffer.from(signature, 'base64url'));
  const ofKey = header['kid'] === undefined || header['kid'] === account.keyId;
  if (!good || !ofKey) throw new TokenError('invalid_grant', 'Invalid JWT Signature.');
  if (![audience, GOOGLE_AUDIENCE].includes(String(given['aud'])))
    throw new TokenError('invalid_grant', 'Invalid JWT: Failed audience check.');
  requireShortLived(Number(given['iat']), Number(given['exp']));
  const { scope } = given;
  const scopes = typeof scope === 'string' ? scope.split(' ') : [];
  if (!scopes.some((scope) => SCOPES.includes(scope))) {
    throw new TokenError('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
  }
  return account;
}

function requireShortLived(issuedAt: number, expiresAt: number): void {
  const now = Date.now() / 1000;
  const good = expiresAt > now && issuedAt < now + 60 && expiresAt - issuedAt <= 3600;
  if (good) return;
  throw new TokenError(
    'invalid_grant',
    'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
  );
}

function jsonOf(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the same refusal as JSON that is no object.
  }
  throw new TokenError('invalid_grant', 'Invalid JWT: cannot be parsed.');
}
