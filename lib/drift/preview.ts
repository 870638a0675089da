import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import type { StepName } from '../drivers/driver.ts';
import { kindOfType } from '../drivers/kinds.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import type { Keystore } from '../keystores/keystore.ts';
import type { WirePlannedChanges } from '../wire/planned.ts';
import { driverOf, keyInKeystore, lookAt, asKeystoreFault } from './look.ts';
import { planFor, sentenceOf } from './plan.ts';
import { judge } from './verdict.ts';
import type { Look } from './verdict.ts';

type PlannedKeystore = WirePlannedChanges['keystores'][number];

/**
 * What converging these instances would do, found by looking into their keystores. Changes nothing and stores nothing. A keystore that
 * cannot be asked says so in its row.
 */
export async function previewKeystores(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instances: readonly KeyInstance[],
  keystores: ReadonlyMap<string, Keystore>,
  signal: AbortSignal,
): Promise<PlannedKeystore[]> {
  return pMap(
    instances,
    async (instance) => {
      const look = await lookInto(deployment, key, instance, signal);
      const plan = 'seen' in look ? planFor(instance, look.seen) : undefined;
      const steps = plan?.outcome === 'steps' ? plan.steps : [];
      const keystore = keystores.get(instance.keystoreId);
      const ahead =
        plan === undefined
          ? 'It would be tried again until it answers'
          : sentenceOf(plan).replace(/^Sync would/, 'Would');
      return {
        id: instance.keystoreId,
        name: keystore?.name ?? instance.keystoreId,
        key: instance.label,
        steps: [...steps],
        reason: `${judge(instance, look).finding.replace(/\.$/, '')}. ${ahead === '' ? 'Nothing to do' : ahead}.`,
        estimated_seconds: rounded(secondsOf(keystore, steps)),
      };
    },
    { concurrency: 16 },
  );
}

/** Looks into an instance's keystore and stores nothing. Whatever keeps us from knowing becomes a fault. */
export async function lookInto(
  deployment: Deployment,
  key: ManagedKey | undefined,
  instance: KeyInstance,
  signal: AbortSignal,
): Promise<Look> {
  try {
    return await lookAt(await driverOf(deployment, instance.keystoreId), keyInKeystore(instance, key), signal);
  } catch (error) {
    return { fault: asKeystoreFault(error) };
  }
}

/** What these steps take in a keystore at the pace of its quota. */
export function secondsOf(keystore: Keystore | undefined, steps: readonly StepName[]): number {
  const kind = keystore === undefined ? undefined : kindOfType(keystore.type);
  return steps.reduce((seconds, step) => seconds + (kind?.stepSeconds[step] ?? 0), 0);
}

/** The longest of the keystores: each has a quota of its own, so they work side by side. Rows of one keystore add up. */
export function totalSeconds(rows: readonly Pick<PlannedKeystore, 'id' | 'estimated_seconds'>[]): number {
  const byKeystore = new Map<string, number>();
  for (const row of rows) byKeystore.set(row.id, (byKeystore.get(row.id) ?? 0) + row.estimated_seconds);
  return rounded(Math.max(0, ...byKeystore.values()));
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
