import { success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { changedMeanwhile } from '../records/revision.ts';
import { instanceId } from '../keys/key.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { commit } from '../records/commit.ts';
import type { Change } from '../records/database.ts';
import { fencedInstance } from '../records/entities.ts';
import { ITEM } from '../records/table.ts';
import { claimed, convergeAll } from './converge.ts';
import { planFor } from './plan.ts';
import type { Plan } from './plan.ts';
import { verify } from './verify.ts';
import type { Verified } from './verify.ts';

/** What sync would do in one keystore. */
export interface PlannedRepair {
  readonly verified: Verified;
  readonly plan: Plan;
}

/** Looks into the keystores of these instances and says what sync would do in each. Changes no keystore. */
export async function planSync(
  deployment: Deployment,
  key: ManagedKey,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<PlannedRepair[]> {
  const verified = await verify(deployment, key, instances, signal);
  return verified.map((each) => ({
    verified: each,
    plan: 'seen' in each.look ? planFor(each.instance, each.look.seen) : { outcome: 'wait' },
  }));
}

/**
 * Verifies, repairs what can be repaired, and verifies again. Repairs keystores, never the key; destroys nothing that is not destroyed.
 * What could not be repaired stays flagged with its error. Throws `precondition_failed` when the key changed meanwhile.
 */
export async function sync(
  deployment: Deployment,
  attempt: Attempt,
  key: ManagedKey,
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<void> {
  const repairs = await planSync(deployment, key, instances, signal);
  await repair(deployment, attempt, key, repairs, { cause: 'sync' }, signal);
}

/**
 * Makes those of these planned repairs that have steps, and looks again. `told` is written into the audit trail beside them. Throws
 * `precondition_failed` when the key changed since it was read, `being_changed` when one of its instances did.
 */
export async function repair(
  deployment: Deployment,
  attempt: Attempt,
  key: ManagedKey,
  repairs: readonly PlannedRepair[],
  why: { readonly cause: 'sync' | 'auto_repair'; readonly told?: Readonly<Record<string, unknown>> },
  signal: AbortSignal,
): Promise<void> {
  const now = deployment.clock();
  const work = repairs
    .filter(({ plan }) => plan.outcome === 'steps')
    .map(({ verified }) => claimed(verified.instance, why.cause, now));
  const unchanged: Change = {
    op: 'check',
    key: ITEM.key(key.id),
    condition: '#revision = :revision',
    names: { '#revision': 'revision' },
    values: { ':revision': key.revision },
    refused: changedMeanwhile,
  };
  const changes = [
    ...attempt.alongside(key.id),
    unchanged,
    ...work.map((instance) => fencedInstance(instance, instance.fence - 1)),
  ];
  const after = {
    ...why.told,
    repaired: repairs.flatMap(({ plan, verified }) =>
      plan.outcome === 'steps' ? [{ keystore: verified.instance.keystoreId, steps: plan.steps }] : [],
    ),
  };
  const entry = { vaultId: key.vaultId, type: 'managed_key', id: key.id, at: now, status: 200, after } as const;
  await commit(deployment.database, changes, success(attempt, entry));
  await convergeAll(deployment, key, work, signal);
  await verify(deployment, key, sharedWith(work, repairs), signal, why.cause);
}

/** Older versions in keys that a newer one has just repaired: what was said of them may not be true any more. */
function sharedWith(work: readonly KeyInstance[], repairs: readonly PlannedRepair[]): KeyInstance[] {
  return repairs
    .map(({ verified }) => verified.instance)
    .filter(
      (instance) =>
        instance.outgrown &&
        work.some(({ keystoreId }) => keystoreId === instance.keystoreId) &&
        !work.some((each) => instanceId(each) === instanceId(instance)),
    );
}
