import type { Context } from 'aws-lambda';

/** Time to finish writing before the function is ended. */
const MARGIN_MS = 5_000;

/** Aborts shortly before the function's own end; never where there is none (`invoke local`). */
export function deadline(context: Context | undefined): AbortSignal {
  if (typeof context?.getRemainingTimeInMillis !== 'function') return new AbortController().signal;
  return AbortSignal.timeout(Math.max(1_000, context.getRemainingTimeInMillis() - MARGIN_MS));
}
