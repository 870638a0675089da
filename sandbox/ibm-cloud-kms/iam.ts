import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { SandboxClock } from '../clock.ts';

/** IBM's service access roles, each with what the one before may. */
export const ROLES = ['Reader', 'Writer', 'Manager'] as const;
export type Role = (typeof ROLES)[number];

/** Who may call. */
export interface SandboxApiKey {
  readonly apiKey: string;
  /** Default `Manager`. */
  readonly role?: Role;
}

export interface Caller {
  readonly id: string;
  readonly role: Role;
}

export interface IamAnswer {
  readonly status: number;
  readonly outcome: string;
  readonly body: unknown;
}

/** IBM Cloud's identity service: tokens for API keys, good for an hour. */
export interface Iam {
  token(form: URLSearchParams): IamAnswer;
  /** Whose token this is; undefined when it is not ours, altered or expired. */
  verify(authorization: string | undefined): Caller | undefined;
  /** Takes every token back. */
  revokeTokens(): void;
}

const GRANT = 'urn:ibm:params:oauth:grant-type:apikey';
const LIFETIME_SECONDS = 3600;

export function iam(clock: SandboxClock, apiKeys: readonly SandboxApiKey[]): Iam {
  let secret = randomBytes(32);
  const sign = (content: string) => createHmac('sha256', secret).update(content).digest('base64url');
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    token(form) {
      if (form.get('grant_type') !== GRANT) {
        return refusal(400, 'BXNIM0137E', 'Bad request, the grant type is not supported');
      }
      const index = apiKeys.findIndex(({ apiKey }) => apiKey === form.get('apikey'));
      if (index < 0) return refusal(400, 'BXNIM0415E', 'Provided API key could not be found.');
      const issuedAt = Math.floor(clock.now().getTime() / 1000);
      const expiration = issuedAt + LIFETIME_SECONDS;
      const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: index, iat: issuedAt, exp: expiration })}`;
      return {
        status: 200,
        outcome: 'ok',
        body: {
          access_token: `${content}.${sign(content)}`,
          refresh_token: 'not_supported',
          token_type: 'Bearer',
          expires_in: LIFETIME_SECONDS,
          expiration,
          scope: 'ibm openid',
        },
      };
    },
    verify(authorization) {
      const [, content, signature] =
        /^Bearer ([\w-]+\.[\w-]+)\.([\w-]+)$/i.exec(authorization ?? '') ?? ([] as (string | undefined)[]);
      if (content === undefined || signature === undefined) return undefined;
      const [given, expected] = [Buffer.from(signature), Buffer.from(sign(content))];
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
      const claims = JSON.parse(Buffer.from(content.split('.')[1] ?? '', 'base64url').toString()) as {
        sub: number;
        exp: number;
      };
      if (claims.exp * 1000 <= clock.now().getTime()) return undefined;
      const found = apiKeys[claims.sub];
      return found && { id: `iam-ServiceId-sandbox-${claims.sub}`, role: found.role ?? 'Manager' };
    },
    revokeTokens() {
      secret = randomBytes(32);
    },
  };
}

function refusal(status: number, errorCode: string, errorMessage: string): IamAnswer {
  return { status, outcome: errorCode, body: { errorCode, errorMessage } };
}
