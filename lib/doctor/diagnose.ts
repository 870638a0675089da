import type { Deployment } from '../deployment.ts';
import { summarise } from '../drift/open-work.ts';
import { examineCustodyKey } from './custody-key.ts';
import { tried } from './finding.ts';
import type { Finding } from './finding.ts';
import { examineIssuer } from './issuer.ts';
import { examineKeystores } from './keystores.ts';
import { examineQueues } from './queues.ts';
import { examineTable } from './table.ts';

/** What of the environment only the doctor looks at. */
export interface Surroundings {
  /** By their names. */
  readonly queues: readonly string[];
  /** Whether keystores may be reached without TLS, as where sandboxes stand in for them. */
  readonly allowsInsecureKeystores: boolean;
}

/**
 * Looks at every part of the deployment, with calls that change nothing there. Throws nothing: what could not be looked at in time is a
 * finding. Can be run at any time.
 */
export async function diagnose(
  deployment: Deployment,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, clock, custody } = deployment;
  const parts: readonly (readonly [Finding['subject'], string, () => Promise<readonly Finding[]>])[] = [
    ['configuration', 'settings', () => Promise.resolve(examineConfiguration(deployment, surroundings))],
    ['issuer', config.issuer, () => examineIssuer(config.issuer, clock, signal)],
    ['table', config.table, () => examineTable(config.table, config.dynamodbEndpoint, signal)],
    ['custody_key', config.custodyKeyId, () => examineCustodyKey(config.custodyKeyId, custody, signal)],
    ['queue', 'queues', () => examineQueues(surroundings.queues, signal)],
    ['open_work', 'journal', () => examineOpenWork(deployment)],
    ['keystore', 'keystores', () => examineKeystores(deployment, signal)],
  ];
  const findings = await Promise.all(
    parts.map(([subject, name, examine]) => {
      const about = { subject, name, check: 'examination' };
      return tried(about, () => inTime(about, examine, signal), 'The function’s log says more.');
    }),
  );
  return findings.flat();
}

async function inTime(
  about: Pick<Finding, 'subject' | 'name' | 'check'>,
  examine: () => Promise<readonly Finding[]>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const late = new Promise<readonly Finding[]>((resolve) => {
    const tell = (): void => {
      resolve([{ ...about, verdict: 'unknown', message: 'There was no time left for it.', advice: 'Ask again.' }]);
    };
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
  });
  return await Promise.race([examine(), late]);
}

/** Pure: what is allowed, and should not be in production. */
export function examineConfiguration(
  { config }: Pick<Deployment, 'config'>,
  { allowsInsecureKeystores }: Surroundings,
): readonly Finding[] {
  const about = (check: string) => ({ subject: 'configuration', name: 'settings', check }) as const;
  const warnings: readonly (readonly [boolean, string, string, string])[] = [
    [
      allowsInsecureKeystores,
      'ALLOW_INSECURE_KEYSTORE_ENDPOINTS',
      'Keystores may be reached without TLS: for sandboxes only.',
      'Deploy without it.',
    ],
    [
      config.dynamodbEndpoint !== undefined,
      'DYNAMODB_ENDPOINT',
      'The records are not in AWS’s own DynamoDB.',
      'Deploy without it.',
    ],
    [
      config.issuer.startsWith('http:'),
      'OIDC_ISSUER',
      'The issuer is reached without TLS: whoever is on the way can forge tokens.',
      'Use an https issuer.',
    ],
    [
      config.destroyCoolDownHours === 0,
      'DESTROY_COOL_DOWN_HOURS',
      'A key can be destroyed the moment it is deactivated.',
      'Leave it out (4 hours), or make it longer.',
    ],
    [
      config.rateLimitPerMinute === 0,
      'RATE_LIMIT_PER_MINUTE',
      'One caller can use up all there is.',
      'Leave it out (3000).',
    ],
  ];
  const found = warnings.flatMap(([applies, check, message, advice]): Finding[] =>
    applies ? [{ ...about(check), verdict: 'warning', message, advice }] : [],
  );
  return found.length > 0 ? found : [{ ...about('settings'), verdict: 'ok', message: 'As for production.' }];
}

/** Longer than any retry waits. */
const OLDEST_WORK_SECONDS = 3600;

async function examineOpenWork(deployment: Deployment): Promise<readonly Finding[]> {
  const { open, oldestSeconds, givenUp, unreadable } = await summarise(deployment);
  const about = (check: string) => ({ subject: 'open_work', name: 'journal', check }) as const;
  const findings: Finding[] = [];
  if (givenUp + unreadable > 0) {
    findings.push({
      ...about('given up'),
      verdict: 'warning',
      message: `${givenUp + unreadable} steps in keystores were given up.`,
      advice: 'shearline open-work list --state given_up says why; then shearline open-work redrive <vault>.',
    });
  }
  if (oldestSeconds > OLDEST_WORK_SECONDS) {
    findings.push({
      ...about('waiting'),
      verdict: 'warning',
      message: `${open} steps wait, the oldest for ${Math.round(oldestSeconds / 60)} min.`,
      advice: 'shearline open-work list says what keeps them from being done.',
    });
  }
  if (findings.length > 0) return findings;
  return [{ ...about('waiting'), verdict: 'ok', message: open === 0 ? 'Nothing waits.' : `${open} steps wait.` }];
}
