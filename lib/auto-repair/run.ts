import pMap from 'p-map';
import { ownAttempt, success } from '../attempt.ts';
import type { Attempt } from '../attempt.ts';
import type { Deployment } from '../deployment.ts';
import { settlingUntil } from '../drift/settling.ts';
import { planSync, repair } from '../drift/sync.ts';
import type { PlannedRepair } from '../drift/sync.ts';
import { Fault, isOvertaken } from '../fault.ts';
import { instanceId } from '../keys/key.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { commit } from '../records/commit.ts';
import { allVaults, readKey, readVault, templatesOfVault } from '../records/reading.ts';
import type { KeyPartition } from '../records/reading.ts';
import type { Template } from '../templates/template.ts';
import type { Vault } from '../vaults/vault.ts';
import { leave, wasLeft } from './left.ts';
import { driftIn, massChangeIn } from './measure.ts';
import { permits, policyFor } from './policy.ts';
import { HOLD_AUTO_REPAIR, readAutoRepairState, repairedSoFar, stateChange, takeRepairs } from './state.ts';
import type { AutoRepairState } from './state.ts';

/** Who the audit trail says did it. */
export const AUTO_REPAIR = 'auto-repair';

/** What one run did; counted, so that its size does not grow with the fleet. */
export interface AutoRepairRun {
  /** Keys in keystores on which a repair was begun. */
  readonly repaired: number;
  /** Findings that are for people. */
  readonly left: number;
  /** Vaults in which so much has drifted that people must decide. */
  readonly held: number;
  /** Vaults whose share of this sweep's time is used up. */
  readonly capped: number;
}

/** Findings that one run looks into in one vault; the next run, a minute later, goes on behind them. */
const AT_MOST = 200;
const VAULTS_AT_ONCE = 4;
const KEYS_AT_ONCE = 4;

/**
 * Repairs what has drifted, where a vault or a template lets it, and only what restores what was decided. It starts from the findings as
 * they stand, whoever found them, so that a crash loses nothing; it can be run at any time, also twice at once. Its calls keep to the pace
 * that the deployment is handed in with. One key that cannot be repaired ends nothing.
 */
export async function autoRepair(deployment: Deployment, signal: AbortSignal): Promise<AutoRepairRun> {
  const runs = await pMap(
    await allVaults(deployment.database),
    async (vault) => {
      try {
        return await repairVault(deployment, vault, signal);
      } catch (error) {
        deployment.log.error('Auto-repair of a vault broke off.', { vaultId: vault.id, error: error as Error });
        return NOTHING;
      }
    },
    { concurrency: VAULTS_AT_ONCE },
  );
  return runs.reduce(
    (sum, run) => ({
      repaired: sum.repaired + run.repaired,
      left: sum.left + run.left,
      held: sum.held + run.held,
      capped: sum.capped + run.capped,
    }),
    NOTHING,
  );
}

const NOTHING: AutoRepairRun = { repaired: 0, left: 0, held: 0, capped: 0 };

async function repairVault(deployment: Deployment, vault: Vault, signal: AbortSignal): Promise<AutoRepairRun> {
  const { database, clock } = deployment;
  const state = await readAutoRepairState(database, vault.id);
  if (!(await drifts(deployment, vault))) {
    await release(deployment, state);
    return NOTHING;
  }
  const templates = new Map((await templatesOfVault(database, vault.id)).map((template) => [template.id, template]));
  if (!mayRepairAny(vault, templates)) return NOTHING;
  if (state.heldSince !== undefined) return { ...NOTHING, held: 1 };
  const massChange = await massChangeIn(database, vault, state.accepted);
  if (massChange !== undefined) {
    await hold(deployment, vault, state, massChange);
    return { ...NOTHING, held: 1 };
  }
  const spent = await repairedSoFar(database, vault.id, clock());
  if (spent >= vault.autoRepair.maximumPerSweep) return { ...NOTHING, capped: 1 };
  const { keyIds, next } = await findings(deployment, vault, state.cursor);
  const done = await pMap(keyIds, (keyId) => repairKey(deployment, vault, templates, keyId, signal), {
    concurrency: KEYS_AT_ONCE,
  });
  // Where another run has moved it on meanwhile, that one stands.
  if (next !== state.cursor) await database.write(stateChange(state, { ...state, cursor: next }));
  return {
    ...NOTHING,
    repaired: done.reduce((sum, { repaired }) => sum + repaired, 0),
    left: done.reduce((sum, { left }) => sum + left, 0),
    capped: done.some(({ capped }) => capped) ? 1 : 0,
  };
}

function mayRepairAny(vault: Vault, templates: ReadonlyMap<string, Template>): boolean {
  return vault.autoRepair.policy === 'sync' || [...templates.values()].some((each) => each.autoRepair === 'sync');
}

async function drifts({ database }: Deployment, vault: Vault): Promise<boolean> {
  for await (const found of driftIn(database, vault.id)) return found.observed.vaultId === vault.id;
  return false;
}

/** Nothing drifts any more: what was held, or accepted, is over. */
async function release({ database }: Deployment, state: AutoRepairState): Promise<void> {
  if (state.heldSince === undefined && state.accepted === 0 && state.cursor === undefined) return;
  await database.write(stateChange(state, { heldSince: undefined, reason: undefined, accepted: 0, cursor: undefined }));
}

/** So much has drifted that people must decide: nothing is repaired in this vault until somebody says so, or nothing drifts any more. */
async function hold(deployment: Deployment, vault: Vault, state: AutoRepairState, reason: string): Promise<void> {
  const now = deployment.clock();
  const held = { ...state, heldSince: now, reason };
  const attempt = attemptOf(deployment, HOLD_AUTO_REPAIR);
  const entry = success(attempt, {
    vaultId: vault.id,
    type: 'vault',
    id: vault.id,
    at: now,
    status: 200,
    before: { auto_repair: 'going on' },
    after: { auto_repair: 'held', reason },
  });
  try {
    await commit(deployment.database, [stateChange(state, held)], { ...entry, severity: 'critical', reason });
  } catch (error) {
    // Another run was faster.
    if (!(error instanceof Fault && error.code === 'being_changed')) throw error;
    return;
  }
  deployment.log.error('Auto-repair is held: so much has drifted at once that people must decide.', {
    vaultId: vault.id,
    reason,
  });
}

/**
 * A person has seen what drifts and lets it be repaired. What drifts now does not count as a mass change again; more of it does. Throws
 * `state_conflict` where nothing is held.
 */
export async function resumeAutoRepair(deployment: Deployment, attempt: Attempt, vaultId: string): Promise<void> {
  const { database, clock } = deployment;
  const state = await readAutoRepairState(database, vaultId);
  const vault = await readVault(database, vaultId);
  if (state.heldSince === undefined || vault === undefined) {
    throw new Fault('state_conflict', 'Auto-repair is not held in this vault.');
  }
  let accepted = 0;
  for await (const found of driftIn(database, vaultId)) if (found.observed.vaultId === vaultId) accepted += 1;
  const next = { heldSince: undefined, reason: undefined, accepted, cursor: undefined };
  const entry = success(attempt, {
    vaultId,
    type: 'vault',
    id: vaultId,
    at: clock(),
    status: 200,
    before: { auto_repair: 'held', reason: state.reason },
    after: { auto_repair: 'going on', accepted },
  });
  await commit(database, [...attempt.alongside(vaultId), stateChange(state, next)], entry);
}

/** The keys of the next findings; `next` is where the run after this one goes on, undefined: from the first again. */
async function findings(
  { database }: Deployment,
  vault: Vault,
  cursor: string | undefined,
): Promise<{ readonly keyIds: readonly string[]; readonly next: string | undefined }> {
  const keyIds = new Set<string>();
  let last: string | undefined;
  let seen = 0;
  for await (const { observed, place } of driftIn(database, vault.id, cursor)) {
    if (seen === AT_MOST) return { keyIds: [...keyIds], next: last };
    keyIds.add(observed.keyId);
    last = place;
    seen += 1;
  }
  return { keyIds: [...keyIds], next: undefined };
}

interface Repaired {
  readonly repaired: number;
  readonly left: number;
  readonly capped: boolean;
}

const UNTOUCHED: Repaired = { repaired: 0, left: 0, capped: false };

async function repairKey(
  deployment: Deployment,
  vault: Vault,
  templates: ReadonlyMap<string, Template>,
  keyId: string,
  signal: AbortSignal,
): Promise<Repaired> {
  if (signal.aborted) return UNTOUCHED;
  try {
    const partition = await readKey(deployment.database, keyId);
    const { key } = partition;
    if (key === undefined) return UNTOUCHED;
    const held = policyFor(vault.autoRepair, templates.get(key.templateId)?.autoRepair);
    if (held.policy !== 'sync') return UNTOUCHED;
    const candidates = await candidatesOf(deployment, partition);
    return await repairThese(deployment, vault, key, held.from, candidates, signal);
  } catch (error) {
    // Somebody decides about the key at this moment; what is wrong after that is found again.
    if (isOvertaken(error)) return UNTOUCHED;
    deployment.log.error('Auto-repair of a key broke off.', { keyId, error: error as Error });
    return UNTOUCHED;
  }
}

/** What drifts, is nobody's work already, has settled, and was not left to people just now. */
async function candidatesOf(deployment: Deployment, partition: KeyPartition): Promise<KeyInstance[]> {
  const now = deployment.clock();
  const found: KeyInstance[] = [];
  for (const instance of partition.instances) {
    const observed = partition.observed.get(instanceId(instance));
    if (observed?.keystoreSyncFlag !== 'out_of_sync' || instance.open !== undefined) continue;
    if (settlingUntil(instance, now, deployment.config.settlingSeconds) !== undefined) continue;
    if (!(await wasLeft(deployment.database, observed, now))) found.push(instance);
  }
  return found;
}

async function repairThese(
  deployment: Deployment,
  vault: Vault,
  key: ManagedKey,
  from: 'vault' | 'template',
  instances: readonly KeyInstance[],
  signal: AbortSignal,
): Promise<Repaired> {
  if (instances.length === 0) return UNTOUCHED;
  const { database, clock } = deployment;
  const chosen: PlannedRepair[] = [];
  let left = 0;
  // It looks again: what was found a while ago may be over, and nothing is repaired that is not seen to be broken.
  for (const each of await planSync(deployment, key, instances, signal)) {
    const { look, observed, instance } = each.verified;
    // What cannot be asked, or is well again, is nothing to be left to people.
    if (!('seen' in look) || observed.keystoreSyncFlag !== 'out_of_sync' || each.plan.outcome === 'wait') continue;
    const judged = permits(instance, look.seen, each.plan);
    if (judged.permitted) {
      chosen.push(each);
      continue;
    }
    left += 1;
    await leave(database, observed, judged.why, clock());
  }
  if (chosen.length === 0) return { ...UNTOUCHED, left };
  const before = await takeRepairs(deployment, vault.id, clock(), chosen.length);
  const affordable = chosen.slice(0, Math.max(0, vault.autoRepair.maximumPerSweep - before));
  const capped = affordable.length < chosen.length;
  if (affordable.length === 0) return { ...UNTOUCHED, left, capped };
  await repair(
    deployment,
    attemptOf(deployment, 'AutoRepairManagedKey'),
    key,
    affordable,
    { cause: 'auto_repair', told: { policy: 'sync', policy_from: from } },
    signal,
  );
  await leaveWhatStays(deployment, key.id, affordable);
  return { repaired: affordable.length, left, capped };
}

/** A repair that was tried and is not open any more, and yet did not help, is not tried again at once. */
async function leaveWhatStays(deployment: Deployment, keyId: string, repairs: readonly PlannedRepair[]): Promise<void> {
  const after = await readKey(deployment.database, keyId);
  for (const { verified } of repairs) {
    const id = instanceId(verified.instance);
    const observed = after.observed.get(id);
    const isOpen = after.instances.find((instance) => instanceId(instance) === id)?.open !== undefined;
    if (isOpen || observed?.keystoreSyncFlag !== 'out_of_sync') continue;
    await leave(
      deployment.database,
      observed,
      observed.error?.message ?? 'its repair did not help',
      deployment.clock(),
    );
  }
}

function attemptOf(deployment: Deployment, operation: string): Attempt {
  return ownAttempt(operation, AUTO_REPAIR, deployment.newId());
}
