import {
  DescribeContinuousBackupsCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import type { TableDescription } from '@aws-sdk/client-dynamodb';
import { INDEXES } from '../records/table.ts';
import { tried } from './finding.ts';
import type { Finding } from './finding.ts';

const DOCS = 'serverless.yml sets it: deploy the stack again, and look what has changed the table since.';

/** Whether the table is there, whole, and protected as the deployment wants it. */
export async function examineTable(
  table: string,
  endpoint: string | undefined,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const client = new DynamoDBClient({
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  const about = (check: string) => ({ subject: 'table', name: table, check }) as const;
  const options = { abortSignal: signal };
  try {
    return (
      await Promise.all([
        tried(
          about('state'),
          async () => {
            const { Table } = await client.send(new DescribeTableCommand({ TableName: table }), options);
            return describe(table, Table ?? {}, endpoint !== undefined);
          },
          'Check TABLE_NAME, and the function’s permission dynamodb:DescribeTable.',
        ),
        ...(endpoint === undefined ? protections(client, about, options) : []),
      ])
    ).flat();
  } finally {
    client.destroy();
  }
}

/** What AWS alone can do for a table: not asked of a stand-in. */
function protections(
  client: DynamoDBClient,
  about: (check: string) => About,
  options: { readonly abortSignal: AbortSignal },
): readonly Promise<readonly Finding[]>[] {
  return [
    tried(
      about('point-in-time recovery'),
      async () => {
        const given = await client.send(new DescribeContinuousBackupsCommand({ TableName: about('').name }), options);
        const recovery = given.ContinuousBackupsDescription?.PointInTimeRecoveryDescription;
        return recovery?.PointInTimeRecoveryStatus === 'ENABLED'
          ? [
              {
                ...about('point-in-time recovery'),
                verdict: 'ok',
                message: since(recovery.EarliestRestorableDateTime),
              },
            ]
          : [bad(about('point-in-time recovery'), 'It is off: what is deleted by mistake cannot be brought back.')];
      },
      'The function needs dynamodb:DescribeContinuousBackups.',
    ),
    tried(
      about('expiry'),
      async () => {
        const given = await client.send(new DescribeTimeToLiveCommand({ TableName: about('').name }), options);
        const { TimeToLiveStatus: status, AttributeName: attribute } = given.TimeToLiveDescription ?? {};
        return status === 'ENABLED' && attribute === 'ttl'
          ? [{ ...about('expiry'), verdict: 'ok', message: 'What is to expire does, by the attribute ttl.' }]
          : [bad(about('expiry'), 'It is off: history and idempotency records are never deleted.', 'warning')];
      },
      'The function needs dynamodb:DescribeTimeToLive.',
    ),
  ];
}

function since(time: Date | undefined): string {
  return time === undefined ? 'It is on.' : `It can be restored to any second since ${time.toISOString()}.`;
}

type About = Pick<Finding, 'subject' | 'name' | 'check'>;

function bad(about: About, message: string, verdict: 'failed' | 'warning' = 'failed'): Finding {
  return { ...about, verdict, message, advice: DOCS };
}

/** Pure. `standIn`: it is no table of AWS's own, so that what only AWS can do for it is not asked of it. */
export function describe(name: string, table: TableDescription, standIn: boolean): readonly Finding[] {
  const about = (check: string): About => ({ subject: 'table', name, check });
  const status = table.TableStatus ?? 'unknown';
  const findings: Finding[] = [
    status === 'ACTIVE' || status === 'UPDATING'
      ? { ...about('state'), verdict: 'ok', message: `It is ${status.toLowerCase()}.` }
      : bad(about('state'), `It is ${status.toLowerCase()}.`),
  ];
  const indexes = new Map(table.GlobalSecondaryIndexes?.map(({ IndexName, IndexStatus }) => [IndexName, IndexStatus]));
  const missing = Object.keys(INDEXES).filter((index) => !indexes.has(index));
  const building = Object.keys(INDEXES).filter((index) => indexes.has(index) && indexes.get(index) !== 'ACTIVE');
  if (missing.length > 0) findings.push(bad(about('indexes'), `Missing: ${missing.join(', ')}.`));
  else if (building.length > 0) {
    findings.push({
      ...about('indexes'),
      verdict: 'warning',
      message: `Not ready yet: ${building.join(', ')}.`,
      advice: 'Lists may be incomplete until they are: wait.',
    });
  } else findings.push({ ...about('indexes'), verdict: 'ok', message: `All ${indexes.size} are active.` });
  if (standIn) return findings;
  const { SSEDescription: encryption, DeletionProtectionEnabled: isProtected } = table;
  findings.push(
    encryption?.Status === 'ENABLED' && encryption.SSEType === 'KMS'
      ? { ...about('encryption'), verdict: 'ok', message: 'It is encrypted under a KMS key.' }
      : bad(about('encryption'), 'It is not encrypted under a KMS key of this account.', 'warning'),
    isProtected === true
      ? { ...about('deletion protection'), verdict: 'ok', message: 'It is on.' }
      : bad(about('deletion protection'), 'It is off: one call deletes every record.'),
  );
  return findings;
}
