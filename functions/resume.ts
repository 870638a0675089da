import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { summarise } from '../lib/drift/open-work.ts';
import { resume } from '../lib/drift/resume.ts';
import { atItsPace } from '../lib/pace/repairs.ts';
import { chainLateAttempts } from '../lib/records/refusal.ts';
import { migrate } from '../lib/records/schema.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

const metrics = new Metrics({ namespace: 'Shearline', serviceName: 'shearline' });

/**
 * Every minute: brings the table to the version of this code, goes on with work in keystores that a crash, a deadline or a fault left open, brings attempts into the audit trail that could
 * not be written there at once, and measures what is left. Whatever event starts it.
 */
export async function handler(_event: unknown, context?: Context): Promise<{ readonly resumed: number }> {
  const signal = deadline(context);
  const { version } = await migrate(deployment().database, signal);
  const answer = await resume(atItsPace(deployment()), signal);
  const late = await chainLateAttempts(deployment().database);
  const left = await summarise(deployment());
  metrics.addMetric('ResumedWork', MetricUnit.Count, answer.resumed);
  metrics.addMetric('OpenWork', MetricUnit.Count, left.open);
  metrics.addMetric('OldestOpenWork', MetricUnit.Seconds, left.oldestSeconds);
  metrics.addMetric('GivenUpWork', MetricUnit.Count, left.givenUp);
  metrics.addMetric('UnreadableWork', MetricUnit.Count, left.unreadable);
  metrics.addMetric('LateAttempts', MetricUnit.Count, late.told);
  metrics.addMetric('UntoldAttempts', MetricUnit.Count, late.left);
  metrics.addMetric('TableVersion', MetricUnit.Count, version);
  metrics.publishStoredMetrics();
  if (answer.resumed + late.told + late.left + left.givenUp > 0)
    deployment().log.info('resumed', { ...answer, late, left });
  return answer;
}
