import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { autoRepair } from '../lib/auto-repair/run.ts';
import type { AutoRepairRun } from '../lib/auto-repair/run.ts';
import { atItsPace } from '../lib/pace/repairs.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

const metrics = new Metrics({ namespace: 'Shearline', serviceName: 'shearline' });

/**
 * Every minute: repairs what was found out of sync where a vault's or a template's policy lets it. It starts from what is flagged, so that
 * nothing is lost between whoever found it and here. Whatever event starts it.
 */
export async function handler(_event: unknown, context?: Context): Promise<AutoRepairRun> {
  const run = await autoRepair(atItsPace(deployment()), deadline(context));
  metrics.addMetric('AutoRepaired', MetricUnit.Count, run.repaired);
  metrics.addMetric('AutoRepairLeft', MetricUnit.Count, run.left);
  metrics.addMetric('AutoRepairHeld', MetricUnit.Count, run.held);
  metrics.addMetric('AutoRepairCapped', MetricUnit.Count, run.capped);
  metrics.publishStoredMetrics();
  if (run.repaired + run.held + run.capped > 0) deployment().log.info('auto-repair', { run });
  return run;
}
