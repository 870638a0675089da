import { DescribeKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import type { KeyMetadata } from '@aws-sdk/client-kms';
import type { Custody } from '../deployment.ts';
import { Fault } from '../fault.ts';
import { tried } from './finding.ts';
import type { Finding } from './finding.ts';

type About = Pick<Finding, 'subject' | 'name' | 'check'>;

/** Whether the custody key is in order, and whether it still wraps and unwraps: tried with a secret that is none. */
export async function examineCustodyKey(
  custodyKeyId: string,
  custody: Pick<Custody, 'seal' | 'open'>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const about = (check: string): About => ({ subject: 'custody_key', name: custodyKeyId, check });
  const client = new KMSClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  });
  try {
    return (
      await Promise.all([
        tried(
          about('state'),
          async () => {
            const { KeyMetadata: key } = await client.send(new DescribeKeyCommand({ KeyId: custodyKeyId }), {
              abortSignal: signal,
            });
            return [describe(custodyKeyId, key)];
          },
          'Check CUSTODY_KEY_ID, and that the key’s policy allows the function kms:DescribeKey.',
        ),
        tried(
          about('use'),
          async () => {
            await roundTrip(custody);
            return [{ ...about('use'), verdict: 'ok', message: 'It wraps and unwraps.' }];
          },
          'Nothing can be imported and no keystore be reached without it: give the functions’ roles kms:GenerateDataKey and kms:Decrypt on it.',
        ),
      ])
    ).flat();
  } finally {
    client.destroy();
  }
}

/** No keystore has this id. */
const NOBODY = 'doctor';

async function roundTrip(custody: Pick<Custody, 'seal' | 'open'>): Promise<void> {
  const opened = await custody.open(await custody.seal({ probe: 'doctor' }, NOBODY), NOBODY);
  if (opened['probe'] !== 'doctor') throw new Fault('internal', 'What came back is not what was wrapped.');
}

/** Pure. */
export function describe(name: string, key: Partial<KeyMetadata> | undefined): Finding {
  const about: About = { subject: 'custody_key', name, check: 'state' };
  const state = key?.KeyState ?? 'unknown';
  if (state === 'Enabled') return { ...about, verdict: 'ok', message: `It is enabled (${key?.Arn ?? '?'}).` };
  if (state === 'PendingDeletion') {
    return {
      ...about,
      verdict: 'failed',
      message: `It will be deleted on ${key?.DeletionDate?.toISOString() ?? '?'}. All that is kept under it is lost then.`,
      advice: 'Now: aws kms cancel-key-deletion, then enable-key. docs/operate.md tells the rest.',
    };
  }
  return {
    ...about,
    verdict: 'failed',
    message: `It is ${state}.`,
    advice: state === 'Disabled' ? 'aws kms enable-key.' : 'Look at the key in AWS KMS.',
  };
}
