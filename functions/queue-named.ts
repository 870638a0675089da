import { ConfigError } from '../lib/config.ts';
import { later } from '../lib/later.ts';
import { SqsQueue } from '../lib/sqs-queue.ts';

/** The queue whose name the environment has under this variable, opened once. Throws a `ConfigError` without it. */
export function queueNamed(variable: string): () => SqsQueue {
  return later(() => {
    const name = process.env[variable] ?? '';
    if (name === '') throw new ConfigError(`${variable} must be set.`);
    return new SqsQueue(name);
  });
}
