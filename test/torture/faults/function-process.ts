/*
 * A process that runs the real functions, as AWS Lambda would: it is sent one request after another, and may be killed at any moment. It
 * ends with whoever started it.
 */
import type { Context } from 'aws-lambda';
import { deliver, loadHandlers } from '../../functions/deliver.ts';
import type { RawRequest } from '../../functions/deliver.ts';
import type { WireAnswer } from '../../wire/answers.ts';

export interface Work {
  /** A request, or the name of a scheduled function. */
  readonly request: RawRequest | string;
  /** How much time the function has. */
  readonly remainingMs: number;
}

process.on('disconnect', () => process.exit(0));

const handlers = await loadHandlers();

/** What a scheduled function answers, in the form of an answer; it throws where Lambda would say that it failed. */
async function invoked(name: string, context: Context): Promise<WireAnswer> {
  const { handler } = (await import(`../../../functions/${name}.ts`)) as {
    readonly handler: (event: unknown, context: Context) => Promise<unknown>;
  };
  try {
    return { status: 200, headers: {}, body: JSON.stringify(await handler({}, context)) };
  } catch (error) {
    return { status: 500, headers: {}, body: String(error) };
  }
}

process.on('message', ({ request, remainingMs }: Work) => {
  const end = Date.now() + remainingMs;
  const context = { getRemainingTimeInMillis: () => end - Date.now() } as Context;
  const answered = typeof request === 'string' ? invoked(request, context) : deliver(handlers, request, context);
  answered.then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ broken: String(error) }),
  );
});
process.send?.('ready');
