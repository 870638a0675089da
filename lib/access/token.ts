import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import { Fault } from '../fault.ts';

export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly clock: Clock;
  /** Milliseconds to wait for the issuer. */
  readonly timeout?: number;
  /** Milliseconds after which the issuer's keys are fetched anew: how long a withdrawn key may still be good. */
  readonly cacheMaxAge?: number;
  /** Milliseconds between two fetches that an unknown key id, or a failure, can cause. */
  readonly cooldown?: number;
}

/**
 * Verifies an `Authorization` header and answers the token's claims. Throws `unauthenticated` when the token is at fault, and `busy`
 * when the issuer cannot be asked: that must not look like a bad token.
 */
export type TokenVerifier = (authorization: string | undefined) => Promise<JWTPayload>;

/** Only algorithms whose verification key is public: with a symmetric one, the issuer's public key would be the secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const LONGEST_TOKEN = 8192;
const CLOCK_TOLERANCE_SECONDS = 60;
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/i;

/** One verifier serves a whole process: it keeps the issuer's keys, and fetches them again when they rotate. */
export function tokenVerifier(rules: TokenRules): TokenVerifier {
  const { issuer, audience, clock } = rules;
  const keys = issuerKeys(rules);
  return async (authorization) => {
    const token = bearerToken(authorization);
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: clock(),
        requiredClaims: ['exp'],
      });
      return payload;
    } catch (error) {
      throw faultOf(error);
    }
  };
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization === '') {
    throw new Fault('unauthenticated', 'Send a token: Authorization: Bearer <JWT>.');
  }
  if (authorization.length > LONGEST_TOKEN) {
    throw new Fault('unauthenticated', `The Authorization header is longer than ${LONGEST_TOKEN} characters.`);
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) throw new Fault('unauthenticated', 'The Authorization header must be: Bearer <JWT>.');
  return token;
}

const DISCOVERY = z.object({ issuer: z.string(), jwks_uri: z.string() });

class IssuerUnusable extends Error {
  override readonly name = 'IssuerUnusable';
}

function issuerKeys(rules: TokenRules): JWTVerifyGetKey {
  const { timeout = 5000, cacheMaxAge = 600_000, cooldown = 30_000 } = rules;
  let discovered: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined;
  let failed: { readonly at: number; readonly error: unknown } | undefined;
  // While the issuer is down, every request would otherwise wait for the whole timeout.
  const refuseWhileDown = (): void => {
    if (failed !== undefined && Date.now() - failed.at < Math.min(cooldown, 5000)) throw failed.error;
  };
  return async (header, token) => {
    if (discovered === undefined) refuseWhileDown();
    discovered ??= discover(rules.issuer, timeout).then((url) =>
      createRemoteJWKSet(url, { timeoutDuration: timeout, cacheMaxAge, cooldownDuration: cooldown }),
    );
    let keys: ReturnType<typeof createRemoteJWKSet>;
    try {
      keys = await discovered;
    } catch (error) {
      discovered = undefined;
      failed = { at: Date.now(), error };
      throw error;
    }
    // Keys that are still fresh serve on: a forged key id during an outage must not lock out everybody else.
    if (!keys.fresh) refuseWhileDown();
    try {
      return await keys(header, token);
    } catch (error) {
      if (messageOf(error) === undefined) failed = { at: Date.now(), error };
      throw error;
    }
  };
}

async function discover(issuer: string, timeout: number): Promise<URL> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(timeout) });
  if (!response.ok) throw new IssuerUnusable(`The issuer answered ${response.status} to its discovery.`);
  const document = DISCOVERY.safeParse(await response.json());
  if (!document.success) throw new IssuerUnusable('The discovery document of the issuer has no issuer or jwks_uri.');
  if (document.data.issuer !== issuer) throw new IssuerUnusable('The discovery document is of another issuer.');
  const url = new URL(document.data.jwks_uri);
  // Plain HTTP only where the issuer itself was configured so, for development.
  if (url.protocol !== 'https:' && url.protocol !== new URL(issuer).protocol) {
    throw new IssuerUnusable('The jwks_uri of the issuer is not https.');
  }
  return url;
}

function faultOf(error: unknown): Fault {
  const message = messageOf(error);
  if (message !== undefined) return new Fault('unauthenticated', message);
  return new Fault('busy', 'The issuer of the tokens cannot be reached to check yours.', {
    cause: error,
    retryAfter: 5,
  });
}

/** What is wrong with the token; undefined when it is not the token. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) return claimMessage(error.claim);
  if (error instanceof errors.JOSEAlgNotAllowed) return 'The token is signed with an algorithm that is not accepted.';
  if (error instanceof errors.JWKSNoMatchingKey) return 'The token is signed with a key that its issuer does not list.';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'The token does not name the key that signed it (kid).';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature of the token is wrong.';
  if (
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JOSENotSupported
  ) {
    return 'The token is not a JWT that can be checked.';
  }
  return undefined;
}

function claimMessage(claim: string): string {
  switch (claim) {
    case 'iss':
      return 'The token is of another issuer.';
    case 'aud':
      return 'The token is for another audience.';
    case 'nbf':
      return 'The token is not valid yet.';
    case 'exp':
      return 'The token has no expiry.';
    default:
      return 'A claim of the token is missing or wrong.';
  }
}
