import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { atItsPace } from '../lib/pace/repairs.ts';
import { runSchedule } from '../lib/schedule/run.ts';
import type { ScheduleRun } from '../lib/schedule/run.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

const metrics = new Metrics({ namespace: 'Shearline', serviceName: 'shearline' });

/** Every minute: announces and does what keys' schedules have come to, once each. Whatever event starts it. */
export async function handler(_event: unknown, context?: Context): Promise<ScheduleRun> {
  const run = await runSchedule(atItsPace(deployment()), deadline(context));
  metrics.addMetric('ScheduleAnnounced', MetricUnit.Count, run.announced);
  metrics.addMetric('ScheduleDone', MetricUnit.Count, run.done);
  metrics.addMetric('SchedulePostponed', MetricUnit.Count, run.postponed);
  metrics.publishStoredMetrics();
  if (run.announced + run.done + run.postponed > 0) deployment().log.info('schedule', { run });
  return run;
}
