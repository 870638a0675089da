import type { Template } from './privileges.ts';

/** What there is to watch. */
export interface Watched {
  readonly service: string;
  readonly stage: string;
  /** Names as in serverless.yml. */
  readonly functions: readonly string[];
  /** CloudFormation's names of all queues; those for what failed have `Dead` in theirs. */
  readonly queues: readonly string[];
  readonly naming: { getLambdaLogicalId(name: string): string };
}

interface Alarm {
  /** What it means, for who is woken by it; docs/operate.md says what to do. */
  readonly says: string;
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions?: Readonly<Record<string, Template>>;
  readonly statistic: 'Sum' | 'Maximum' | 'Minimum' | 'Average';
  readonly above: number;
  /** Seconds of one measure, and how many of them in a row must be above. */
  readonly period: number;
  readonly times: number;
  /** What silence means: nothing to tell (`notBreaching`), or that nobody measures any more (`breaching`). */
  readonly silence: 'notBreaching' | 'breaching';
}

const MINUTE = 60;
const SERVICE = { service: 'shearline' };
const own = (metric: string) => ({ namespace: 'Shearline', metric, dimensions: SERVICE });

/** The alarms beside those of each function and each queue of failures. Titles in docs/operate.md are these names. */
const ALARMS: Readonly<Record<string, Alarm>> = {
  OldestOpenWork: {
    says: 'Work in a keystore has been open for more than an hour.',
    ...own('OldestOpenWork'),
    statistic: 'Maximum',
    above: 3_600,
    period: 5 * MINUTE,
    times: 3,
    silence: 'notBreaching',
  },
  ResumeIsSilent: {
    says: 'Nobody goes on with open work: the function resume has measured nothing for 15 minutes.',
    ...own('OpenWork'),
    statistic: 'Maximum',
    above: Number.MAX_SAFE_INTEGER,
    period: 15 * MINUTE,
    times: 1,
    silence: 'breaching',
  },
  GivenUpWork: {
    says: 'Work in a keystore was given up: a person has to look.',
    ...own('GivenUpWork'),
    statistic: 'Maximum',
    above: 0,
    period: 5 * MINUTE,
    times: 1,
    silence: 'notBreaching',
  },
  UnreadableWork: {
    says: 'An item of open work cannot be read by this version.',
    ...own('UnreadableWork'),
    statistic: 'Maximum',
    above: 0,
    period: 5 * MINUTE,
    times: 1,
    silence: 'notBreaching',
  },
  AutoRepairHeld: {
    says: 'So much has drifted at once in a vault that auto-repair leaves it to people: somebody may have meant it.',
    ...own('AutoRepairHeld'),
    statistic: 'Maximum',
    above: 0,
    period: 5 * MINUTE,
    times: 1,
    silence: 'notBreaching',
  },
  UntoldAttempts: {
    says: 'Refused attempts could not be written into the audit trail for a quarter of an hour: they wait beside it.',
    ...own('UntoldAttempts'),
    statistic: 'Maximum',
    above: 0,
    period: 5 * MINUTE,
    times: 3,
    silence: 'notBreaching',
  },
  SweepAge: {
    says: 'A keystore has not been swept to its end for more than two hours.',
    ...own('SweepAge'),
    statistic: 'Maximum',
    above: 7_200,
    period: 15 * MINUTE,
    times: 1,
    silence: 'breaching',
  },
  KeysOutOfSync: {
    says: 'Keys are out of sync with what was decided.',
    ...own('KeysOutOfSync'),
    statistic: 'Maximum',
    above: 0,
    period: 15 * MINUTE,
    times: 2,
    silence: 'notBreaching',
  },
  KeysNotAsked: {
    says: 'Keys could not be looked at: their keystore does not answer, or refuses.',
    ...own('KeysNotAsked'),
    statistic: 'Maximum',
    above: 0,
    period: 15 * MINUTE,
    times: 2,
    silence: 'notBreaching',
  },
  ServerErrors: {
    says: 'The API answers with errors of its own.',
    namespace: 'AWS/ApiGateway',
    metric: '5xx',
    dimensions: { ApiId: { Ref: 'HttpApi' } },
    statistic: 'Sum',
    above: 5,
    period: 5 * MINUTE,
    times: 1,
    silence: 'notBreaching',
  },
  TableThrottles: {
    says: 'DynamoDB throttles the table: a partition is hot, or the account’s quota is reached.',
    namespace: 'AWS/DynamoDB',
    metric: 'ThrottledRequests',
    dimensions: { TableName: { Ref: 'Table' } },
    statistic: 'Sum',
    above: 10,
    period: 5 * MINUTE,
    times: 2,
    silence: 'notBreaching',
  },
};

/** CloudFormation resources of all alarms; each tells the topic of alarms when it goes off and when it is over. */
export function alarmsOf(watched: Watched): Record<string, Template> {
  const alarms: Record<string, Alarm> = { ...ALARMS };
  for (const name of watched.functions) {
    const id = watched.naming.getLambdaLogicalId(name).replace(/LambdaFunction$/, '');
    const of = {
      namespace: 'AWS/Lambda',
      dimensions: { FunctionName: { Ref: `${id}LambdaFunction` } },
      statistic: 'Sum',
      period: 5 * MINUTE,
      silence: 'notBreaching',
    } as const;
    alarms[`${id}Errors`] = { ...of, says: `The function ${name} fails.`, metric: 'Errors', above: 0, times: 1 };
    alarms[`${id}Throttles`] = {
      ...of,
      says: `The function ${name} is throttled: too many run at once in this account.`,
      metric: 'Throttles',
      above: 10,
      times: 2,
    };
  }
  for (const queue of watched.queues.filter((id) => id.includes('Dead'))) {
    alarms[`${queue}Depth`] = {
      says: `There is something in ${queue} that could not be done.`,
      namespace: 'AWS/SQS',
      metric: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: { 'Fn::GetAtt': [queue, 'QueueName'] } },
      statistic: 'Maximum',
      above: 0,
      period: 5 * MINUTE,
      times: 1,
      silence: 'notBreaching',
    };
  }
  return Object.fromEntries(
    Object.entries(alarms).map(([name, alarm]) => [`${name}Alarm`, resourceOf(name, alarm, watched)]),
  );
}

function resourceOf(name: string, alarm: Alarm, { service, stage }: Watched): Template {
  return {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: `${service}-${stage}-${name}`,
      AlarmDescription: `${alarm.says} What to do: docs/operate.md.`,
      Namespace: alarm.namespace,
      MetricName: alarm.metric,
      Dimensions: Object.entries(alarm.dimensions ?? {}).map(([Name, Value]) => ({ Name, Value })),
      Statistic: alarm.statistic,
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: alarm.above,
      Period: alarm.period,
      EvaluationPeriods: alarm.times,
      TreatMissingData: alarm.silence,
      AlarmActions: [{ Ref: 'AlarmTopic' }],
      OKActions: [{ Ref: 'AlarmTopic' }],
    },
  };
}

/** One dashboard: the fleet first, then what carries it. */
export function dashboardOf(watched: Watched): Record<string, Template> {
  const { service, stage, functions, queues } = watched;
  const body = {
    widgets: [
      graph(0, 0, 'Keys', [own('KeysSwept'), own('KeysOutOfSync'), own('KeysNotAsked')], 'Maximum'),
      graph(8, 0, 'Work in keystores', [own('OpenWork'), own('ResumedWork'), own('GivenUpWork')], 'Maximum'),
      graph(16, 0, 'Ages in seconds', [own('OldestOpenWork'), own('SweepAge')], 'Maximum'),
      graph(
        0,
        6,
        'API',
        ['Count', '4xx', '5xx'].map((metric) => ({
          namespace: 'AWS/ApiGateway',
          metric,
          dimensions: { ApiId: '${HttpApi}' },
        })),
        'Sum',
      ),
      graph(8, 6, 'Errors of functions', functions.map(lambda(watched, 'Errors')), 'Sum'),
      graph(16, 6, 'Duration of functions', functions.map(lambda(watched, 'Duration')), 'Maximum'),
      graph(
        0,
        12,
        'Queues',
        queues.map((queue) => ({
          namespace: 'AWS/SQS',
          metric: 'ApproximateNumberOfMessagesVisible',
          dimensions: { QueueName: `\${${queue}.QueueName}` },
        })),
        'Maximum',
      ),
      graph(
        8,
        12,
        'Table',
        ['ConsumedReadCapacityUnits', 'ConsumedWriteCapacityUnits', 'ThrottledRequests'].map((metric) => ({
          namespace: 'AWS/DynamoDB',
          metric,
          dimensions: { TableName: '${Table}' },
        })),
        'Sum',
      ),
    ],
  };
  return {
    Dashboard: {
      Type: 'AWS::CloudWatch::Dashboard',
      Properties: { DashboardName: `${service}-${stage}`, DashboardBody: { 'Fn::Sub': JSON.stringify(body) } },
    },
  };
}

interface Series {
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

function lambda({ naming }: Watched, metric: string): (name: string) => Series {
  return (name) => ({
    namespace: 'AWS/Lambda',
    metric,
    dimensions: { FunctionName: `\${${naming.getLambdaLogicalId(name)}}` },
  });
}

function graph(x: number, y: number, title: string, series: readonly Series[], stat: string): object {
  const metrics = series.map(({ namespace, metric, dimensions }) => [
    namespace,
    metric,
    ...Object.entries(dimensions).flat(),
  ]);
  return {
    type: 'metric',
    x,
    y,
    width: 8,
    height: 6,
    properties: { title, metrics, stat, period: 300, region: '${AWS::Region}' },
  };
}
