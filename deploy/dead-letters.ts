/**
 * `npm run dead-letters`: what lies in the dead-letter queues of a deployment, messages that failed too often. `-- redrive` sends them back to
 * the queues they came from; with the name of a queue (`-- redrive sweep`) only those of that one. `--stage <name>` is `dev` when left out.
 * Asks SQS with the credentials and the region of the environment; `AWS_ENDPOINT_URL_SQS` is that of a local start. Ends with 1 when anything
 * lies there that was not sent back.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  paginateListQueues,
  SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';

export interface DeadLetters {
  /** Of the queue that they failed in, without service and stage: `sweep`. */
  readonly queue: string;
  readonly arn: string;
  /** About as many as there are. */
  readonly messages: number;
}

const DEAD = /-dead(?:\.fifo)?$/;

/** The dead-letter queues whose names begin so (`shearline-prod-`), in order of their names. */
export async function deadLettersOf(client: SQSClient, prefix: string): Promise<DeadLetters[]> {
  const found: DeadLetters[] = [];
  for await (const { QueueUrls = [] } of paginateListQueues(
    { client },
    { QueueNamePrefix: prefix, MaxResults: 1000 },
  )) {
    for (const url of QueueUrls) {
      const name = url.slice(url.lastIndexOf('/') + 1);
      if (!DEAD.test(name)) continue;
      const { Attributes = {} } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn', 'ApproximateNumberOfMessages'] }),
      );
      found.push({
        queue: name.slice(prefix.length).replace(DEAD, ''),
        arn: Attributes.QueueArn ?? '',
        messages: Number(Attributes.ApproximateNumberOfMessages ?? 0),
      });
    }
  }
  return found.toSorted((a, b) => (a.queue < b.queue ? -1 : 1));
}

/**
 * Sends the messages of a dead-letter queue back to where they came from, and answers how many that were once it is done. A move that is under
 * way already is waited for. Throws with SQS's own reason when it fails.
 */
export async function redriven(client: SQSClient, { arn }: DeadLetters): Promise<number> {
  await client.send(new StartMessageMoveTaskCommand({ SourceArn: arn })).catch(async (error: unknown) => {
    if ((await latestMove(client, arn))?.Status !== 'RUNNING') throw error;
  });
  for (;;) {
    const task = await latestMove(client, arn);
    if (task?.Status === 'COMPLETED') return task.ApproximateNumberOfMessagesMoved ?? 0;
    if (task?.Status !== 'RUNNING') {
      throw new Error(`The messages of ${arn} were not moved: ${task?.FailureReason ?? task?.Status ?? 'no task'}.`);
    }
    await wait(500);
  }
}

async function latestMove(client: SQSClient, arn: string) {
  const { Results = [] } = await client.send(new ListMessageMoveTasksCommand({ SourceArn: arn, MaxResults: 1 }));
  return Results[0];
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { stage: { type: 'string', default: 'dev' } },
  });
  const [command = 'list', only] = positionals;
  if (command !== 'list' && command !== 'redrive') throw new Error(`There is no ${command}; choose list or redrive.`);
  const client = new SQSClient({});
  const all = await deadLettersOf(client, `shearline-${values.stage}-`);
  const chosen = all.filter(({ queue }) => only === undefined || queue === only);
  if (chosen.length === 0) {
    throw new Error(`There is no such dead-letter queue; there are: ${all.map(({ queue }) => queue).join(', ')}.`);
  }
  let left = 0;
  for (const letters of chosen) {
    const sent = command === 'redrive' && letters.messages > 0 ? await redriven(client, letters) : 0;
    left += Math.max(0, letters.messages - sent);
    console.log(`${letters.queue.padEnd(12)} ${letters.messages} dead${sent > 0 ? `, ${sent} sent back` : ''}`);
  }
  process.exitCode = left === 0 ? 0 : 1;
}

if (import.meta.main) await main();
