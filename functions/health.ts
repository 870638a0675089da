import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { readTableVersion, requireKnown, TABLE_VERSION } from '../lib/records/schema.ts';
import { records } from './records.ts';

/** What is served beside the operations of the API. */
export const HEALTH_ROUTE = 'GET /health';

/** Whoever asks more often gets the answer of before: nobody can make the table work by asking. */
const KEPT_MS = 5_000;

interface Health {
  readonly status: 'ok' | 'unavailable';
  readonly configuration: 'ok' | 'wrong';
  readonly database: 'ok' | 'not_responding' | 'unknown';
  readonly table_version: 'ok' | 'older' | 'newer' | 'unknown';
}

let asked: { readonly at: number; readonly health: Promise<Health> } | undefined;

/**
 * Whether a request can be served: for load balancers and uptime checks, without a token. 200 or 503. It tells nothing that an attacker could
 * use: no name, no version of software, no error. What is wrong stands in the log.
 */
export async function handler(): Promise<APIGatewayProxyStructuredResultV2> {
  const now = performance.now();
  if (asked === undefined || now - asked.at > KEPT_MS) asked = { at: now, health: look() };
  const health = await asked.health;
  return {
    statusCode: health.status === 'ok' ? 200 : 503,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: JSON.stringify(health),
  };
}

async function look(): Promise<Health> {
  let parts: ReturnType<typeof records>;
  try {
    parts = records();
  } catch {
    return { status: 'unavailable', configuration: 'wrong', database: 'unknown', table_version: 'unknown' };
  }
  try {
    const version = await readTableVersion(parts.database);
    const table_version = version === undefined || version.version === TABLE_VERSION ? 'ok' : 'older';
    if (version !== undefined) requireKnown(version);
    return { status: 'ok', configuration: 'ok', database: 'ok', table_version };
  } catch (error) {
    parts.log.error('not well', { error: error as Error });
    const isNewer = error instanceof Error && 'code' in error && error.code === 'table_too_new';
    return {
      status: 'unavailable',
      configuration: 'ok',
      database: isNewer ? 'ok' : 'not_responding',
      table_version: isNewer ? 'newer' : 'unknown',
    };
  }
}
