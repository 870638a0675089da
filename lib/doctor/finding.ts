export const FINDING_SUBJECTS = [
  'configuration',
  'clock',
  'issuer',
  'table',
  'custody_key',
  'queue',
  'open_work',
  'keystore',
] as const;
/** `unknown`: it could not be told, which is never taken for ok. */
export const FINDING_VERDICTS = ['ok', 'warning', 'failed', 'unknown'] as const;
export type FindingVerdict = (typeof FINDING_VERDICTS)[number];

/** What one harmless look at one part of the deployment found. */
export interface Finding {
  readonly subject: (typeof FINDING_SUBJECTS)[number];
  /** Which one, by its name. */
  readonly name: string;
  /** What was looked at: `point-in-time recovery`. */
  readonly check: string;
  readonly verdict: FindingVerdict;
  /** A sentence; never a secret. */
  readonly message: string;
  /** What to do, as a sentence; where there is something to do. */
  readonly advice?: string;
}

/** Runs a look that may fail: what keeps it from knowing is a finding too. */
export async function tried(
  about: Pick<Finding, 'subject' | 'name' | 'check'>,
  look: () => Promise<readonly Finding[]>,
  advice: string,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    const denied = DENIED.has(name);
    return [
      {
        ...about,
        verdict: UNSUPPORTED.has(name) ? 'unknown' : 'failed',
        message: denied
          ? `The function may not ask (${name}).`
          : `It could not be asked (${name}): ${oneLine(message)}`,
        advice,
      },
    ];
  }
}

const DENIED = new Set(['AccessDeniedException', 'AccessDenied', 'AccessDeniedError']);
/** What a stand-in of AWS answers that does not have the call. */
const UNSUPPORTED = new Set(['UnknownOperationException', 'UnsupportedOperationException', 'NotImplementedException']);

/** Messages of providers may be long; nothing in them is needed to the last word. */
export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300);
}
