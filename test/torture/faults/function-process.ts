/*
 * A process that runs the real functions, as AWS Lambda would: it is sent one request after another, and may be killed at any moment. It
 * ends with whoever started it.
 */
import type { Context } from 'aws-lambda';
import { deliver, loadHandlers } from '../../functions/deliver.ts';
import type { RawRequest } from '../../functions/deliver.ts';

export interface Work {
  readonly request: RawRequest;
  /** How much time the function has. */
  readonly remainingMs: number;
}

process.on('disconnect', () => process.exit(0));

const handlers = await loadHandlers();

process.on('message', ({ request, remainingMs }: Work) => {
  const end = Date.now() + remainingMs;
  const context = { getRemainingTimeInMillis: () => end - Date.now() } as Context;
  deliver(handlers, request, context).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ broken: String(error) }),
  );
});
process.send?.('ready');
