import * as z from 'zod/mini';
import { isQuotaName } from './pace/quotas.ts';
import type { PaceSettings } from './pace/pace.ts';
import { networksFrom } from './drivers/outgoing.ts';

/** Everything the functions take from the environment, parsed once at start. */
export interface Config {
  readonly table: string;
  /** Set for a DynamoDB other than AWS's own in the function's region. */
  readonly dynamodbEndpoint: string | undefined;
  /** KMS key (id, ARN or alias) that wraps key material and keystore credentials. */
  readonly custodyKeyId: string;
  readonly issuer: string;
  readonly audience: string;
  /** Claim that carries the roles: a list, or one string, of `<role>` or `<role>@<vault id>`. */
  readonly rolesClaim: string;
  /** Base of every `href`, without a trailing slash; undefined: taken from each request. */
  readonly publicUrl: string | undefined;
  /** Hours between deactivating and destroying a key. 0–8760. */
  readonly destroyCoolDownHours: number;
  /** For this many seconds after we changed a key in a keystore, scans do not judge it there: keystores are eventually consistent. */
  readonly settlingSeconds: number;
  /** Requests that one caller may send in a minute; 0: any number. */
  readonly rateLimitPerMinute: number;
  /** Calls in flight to one keystore during a scan. 1–500. */
  readonly scanConcurrency: number;
  /** How much of the providers' quotas sweeps and their repairs use. */
  readonly pace: PaceSettings;
  /** Where a listing does not show all of a key, it is looked at by itself in every so-manieth sweep. 1–10,000. */
  readonly probeEverySweeps: number;
}

/** A setting that is missing or wrong; the message names each by its environment variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const number = (fallback: number, minimum: number, maximum: number) =>
  z._default(
    z.pipe(
      z.pipe(
        z.string().check(z.regex(/^\d+(\.\d+)?$/, `must be a number from ${minimum} to ${maximum}`)),
        z.transform(Number),
      ),
      z
        .number()
        .check(
          z.gte(minimum, `must be a number from ${minimum} to ${maximum}`),
          z.lte(maximum, `must be a number from ${minimum} to ${maximum}`),
        ),
    ),
    fallback,
  );

function areNetworks(setting: string): boolean {
  try {
    networksFrom(setting);
    return true;
  } catch {
    return false;
  }
}

const url = z.string().check(z.regex(/^https?:\/\/[^\s]+[^\s/]$/, 'must be an http(s) URL without a trailing slash'));
const required = z.string('must be set').check(z.minLength(1, 'must be set'));

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const ENVIRONMENT = z.object({
  TABLE_NAME: z._default(z.string().check(z.minLength(3, 'must be a table name')), 'shearline'),
  DYNAMODB_ENDPOINT: z.optional(url),
  CUSTODY_KEY_ID: required,
  OIDC_ISSUER: z.string('must be set').check(z.regex(/^https?:\/\/\S+$/, 'must be the issuer’s http(s) URL')),
  OIDC_AUDIENCE: required,
  OIDC_ROLES_CLAIM: z._default(z.string().check(z.minLength(1)), 'roles'),
  PUBLIC_URL: z.optional(url),
  DESTROY_COOL_DOWN_HOURS: number(4, 0, 8760),
  SETTLING_SECONDS: number(30, 0, 3600),
  RATE_LIMIT_PER_MINUTE: number(3000, 0, 1_000_000),
  SCAN_CONCURRENCY: number(32, 1, 500),
  SWEEP_QUOTA_PERCENT: number(50, 1, 100),
  REPAIR_QUOTA_PERCENT: number(50, 1, 100),
  PROVIDER_QUOTAS: z._default(
    z.pipe(
      z.pipe(
        z.string().check(z.refine(isJson, 'must be a JSON object of quotas in calls a second')),
        z.transform((text): unknown => JSON.parse(text)),
      ),
      z.record(z.string().check(z.refine(isQuotaName, 'is not the name of a quota')), z.number().check(z.positive())),
    ),
    {},
  ),
  PROBE_EVERY_SWEEPS: number(24, 1, 10_000),
  // Read where connections are made; here only so that a mistake is told at the start.
  ALLOWED_PRIVATE_NETWORKS: z.optional(
    z.string().check(z.refine(areNetworks, 'must be networks such as 10.20.0.0/16, separated by commas')),
  ),
});

/** Parses the environment. Throws a `ConfigError` that names every wrong variable at once. An empty value counts as not set. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = ENVIRONMENT.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
    throw new ConfigError(`The environment is not usable: ${faults.join('; ')}.`);
  }
  const value = parsed.data;
  return {
    table: value.TABLE_NAME,
    dynamodbEndpoint: value.DYNAMODB_ENDPOINT,
    custodyKeyId: value.CUSTODY_KEY_ID,
    issuer: value.OIDC_ISSUER,
    audience: value.OIDC_AUDIENCE,
    rolesClaim: value.OIDC_ROLES_CLAIM,
    publicUrl: value.PUBLIC_URL,
    destroyCoolDownHours: value.DESTROY_COOL_DOWN_HOURS,
    settlingSeconds: value.SETTLING_SECONDS,
    rateLimitPerMinute: value.RATE_LIMIT_PER_MINUTE,
    scanConcurrency: value.SCAN_CONCURRENCY,
    pace: {
      readShare: value.SWEEP_QUOTA_PERCENT / 100,
      changeShare: value.REPAIR_QUOTA_PERCENT / 100,
      quotas: value.PROVIDER_QUOTAS,
    },
    probeEverySweeps: value.PROBE_EVERY_SWEEPS,
  };
}
