import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from '@aws-sdk/client-sqs';
import pMap from 'p-map';
import { tried } from './finding.ts';
import type { Finding } from './finding.ts';

/** How full the queues are, by their names. One whose name has `dead` in it should be empty. */
export async function examineQueues(names: readonly string[], signal: AbortSignal): Promise<readonly Finding[]> {
  if (names.length === 0) return [];
  const client = new SQSClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  const options = { abortSignal: signal };
  try {
    const findings = await pMap(
      names,
      (name) =>
        tried(
          { subject: 'queue', name, check: 'messages' },
          async () => {
            const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: name }), options);
            const { Attributes = {} } = await client.send(
              new GetQueueAttributesCommand({
                QueueUrl,
                AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
              }),
              options,
            );
            const waiting = Number(Attributes['ApproximateNumberOfMessages'] ?? 0);
            const inWork = Number(Attributes['ApproximateNumberOfMessagesNotVisible'] ?? 0);
            return [describe(name, waiting, inWork)];
          },
          'A queue that is missing comes back with a deployment; to ask one, the function needs sqs:GetQueueUrl and sqs:GetQueueAttributes.',
        ),
      { concurrency: 4 },
    );
    return findings.flat();
  } finally {
    client.destroy();
  }
}

/** Pure. */
export function describe(name: string, waiting: number, inWork: number): Finding {
  const about = { subject: 'queue', name, check: 'messages' } as const;
  if (/dead/i.test(name) && waiting + inWork > 0) {
    return {
      ...about,
      verdict: 'failed',
      message: `${waiting + inWork} messages failed too often.`,
      advice: 'The function’s log says why; when that is mended, redrive the queue (docs/operate.md).',
    };
  }
  return { ...about, verdict: 'ok', message: `${waiting} waiting, ${inWork} in work.` };
}
