import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import * as z from 'zod/mini';
import type { Run } from '../lib/sweep/keystore.ts';
import { queued, readMessage } from '../lib/sweep/message.ts';
import type { SweepMessage } from '../lib/sweep/message.ts';
import { sweepScope } from '../lib/sweep/scope.ts';
import type { SweptScope } from '../lib/sweep/scope.ts';
import type { SweepState } from '../lib/sweep/state.ts';
import { eachMessage } from './batches.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';
import { sweepQueue } from './sweep-queue.ts';

/** Time for the calls that are under way, and for handing over. */
const HAND_OVER_MS = 20_000;

const metrics = new Metrics({ namespace: 'Shearline', serviceName: 'shearline' });
/** A direct call: a message, and perhaps after how many seconds to answer with what is done so far. */
const DIRECT = z.object({ message: z.unknown(), seconds: z.optional(z.number().check(z.positive())) });

/**
 * Sweeps the keystores of a scope: messages of the sweep queue, or one by itself. What does not get done before the deadline is handed over to
 * the next message, with its cursor. A message that failed comes again; the others of its batch do not.
 */
export async function handler(
  event: SQSEvent | z.input<typeof DIRECT>,
  context?: Context,
): Promise<SQSBatchResponse | SweptScope> {
  if (!('Records' in event)) {
    const { message, seconds } = DIRECT.parse(event);
    return sweepScope(deployment(), readMessage(message), runUntil(context, seconds));
  }
  const answer = await eachMessage(event, async ({ body }) => {
    await work(readMessage(JSON.parse(body)), runUntil(context));
    return 'done';
  });
  metrics.publishStoredMetrics();
  return answer;
}

async function work(message: SweepMessage, run: Run): Promise<void> {
  const { outcome, state } = await sweepScope(deployment(), message, run);
  if (outcome === 'more') await sweepQueue().send([queued({ ...message, part: message.part + 1 })]);
  if (outcome === 'done') measure(state);
  deployment().log.info('swept', { scope: message.scope, outcome, etaSeconds: state.etaSeconds });
}

function runUntil(context: Context | undefined, seconds = Number.POSITIVE_INFINITY): Run {
  const left =
    typeof context?.getRemainingTimeInMillis === 'function'
      ? context.getRemainingTimeInMillis() - HAND_OVER_MS
      : Number.POSITIVE_INFINITY;
  const end = performance.now() + Math.min(left, seconds * 1000);
  return { signal: deadline(context), isTimeUp: () => performance.now() >= end };
}

function measure({ startedAt, updatedAt, keystores }: SweepState): void {
  const scans = Object.values(keystores).map(({ scan }) => scan);
  const sum = (of: (scan: (typeof scans)[number]) => number) => scans.reduce((total, scan) => total + of(scan), 0);
  metrics.addMetric('SweepDuration', MetricUnit.Seconds, (updatedAt.getTime() - startedAt.getTime()) / 1000);
  metrics.addMetric(
    'KeysSwept',
    MetricUnit.Count,
    sum(({ keys }) => keys),
  );
  metrics.addMetric(
    'KeysOutOfSync',
    MetricUnit.Count,
    sum(({ flags }) => flags.out_of_sync),
  );
  metrics.addMetric(
    'KeysNotAsked',
    MetricUnit.Count,
    sum(({ flags }) => flags.error),
  );
  metrics.addMetric('KeystoresNotWell', MetricUnit.Count, scans.filter(({ health }) => health !== 'ok').length);
  for (const scan of scans) deployment().log.info('scanned', { keystore: scan });
}
