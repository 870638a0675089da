import { ConfigError } from '../lib/config.ts';
import { SqsQueue } from '../lib/sqs-queue.ts';

let opened: SqsQueue | undefined;

/** The queue of scopes that are to be swept. Throws a `ConfigError` without SWEEP_QUEUE, its name. */
export function sweepQueue(): SqsQueue {
  if (opened !== undefined) return opened;
  const name = process.env['SWEEP_QUEUE'] ?? '';
  if (name === '') throw new ConfigError('SWEEP_QUEUE must be set.');
  return (opened = new SqsQueue(name));
}
