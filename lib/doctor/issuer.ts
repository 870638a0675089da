import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import { oneLine } from './finding.ts';
import type { Finding } from './finding.ts';

const DISCOVERY = z.object({ issuer: z.string(), jwks_uri: z.string() });
const KEYS = z.object({ keys: z.array(z.unknown()).check(z.minLength(1)) });

/** Tokens are judged by the clock; further apart, good ones are refused. */
const MOST_SKEW_SECONDS = 60;

/** Whether tokens can be verified: the issuer answers, has keys, and its clock is ours. */
export async function examineIssuer(issuer: string, clock: Clock, signal: AbortSignal): Promise<readonly Finding[]> {
  const about = { subject: 'issuer', name: issuer, check: 'keys' } as const;
  try {
    const discovery = await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, signal);
    const { issuer: named, jwks_uri: at } = DISCOVERY.parse(discovery.body);
    if (named !== issuer) {
      return [
        {
          ...about,
          verdict: 'failed',
          message: `It calls itself ${oneLine(named)}: no token of it is accepted.`,
          advice: 'Set OIDC_ISSUER to exactly that.',
        },
      ];
    }
    const { keys } = KEYS.parse((await get(at, signal)).body);
    const found: Finding[] = [
      { ...about, verdict: 'ok', message: `It answers, with ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}.` },
    ];
    return discovery.date === undefined ? found : [...found, skew(clock(), discovery.date)];
  } catch (error) {
    const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : undefined;
    return [
      {
        ...about,
        verdict: 'failed',
        message: `Its keys cannot be read: ${oneLine(reason?.message ?? 'no answer')}.`,
        advice: 'Who has no token that was verified a moment ago is refused: check the issuer, and the way to it.',
      },
    ];
  }
}

/** Pure. */
export function skew(here: Date, there: Date): Finding {
  const seconds = Math.round((here.getTime() - there.getTime()) / 1000);
  const about = { subject: 'clock', name: 'functions', check: 'difference to the issuer' } as const;
  if (Math.abs(seconds) <= MOST_SKEW_SECONDS) return { ...about, verdict: 'ok', message: `${Math.abs(seconds)} s.` };
  return {
    ...about,
    verdict: 'failed',
    message: `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}: good tokens may be refused.`,
    advice: 'Set the clock right that is wrong; Lambda’s own is.',
  };
}

async function get(
  url: string,
  signal: AbortSignal,
): Promise<{ readonly body: unknown; readonly date: Date | undefined }> {
  const response = await fetch(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
    redirect: 'error',
  });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const date = Date.parse(response.headers.get('date') ?? '');
  return { body: await response.json(), date: Number.isNaN(date) ? undefined : new Date(date) };
}
