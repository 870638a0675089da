import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import { settlingUntil } from '../drift/settling.ts';
import { lookInto, secondsOf, totalSeconds } from '../drift/preview.ts';
import { planFor } from '../drift/plan.ts';
import { judge } from '../drift/verdict.ts';
import { instanceId } from '../keys/key.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { keystoresOfVault, readKey, templatesOfVault } from '../records/reading.ts';
import type { Vault } from '../vaults/vault.ts';
import type { WireAutoRepairPreview } from '../wire/auto-repair.ts';
import { driftIn, massChangeIn } from './measure.ts';
import { permits, policyFor } from './policy.ts';
import type { AutoRepair } from './policy.ts';
import { readAutoRepairState, repairedSoFar, SWEEP_MS } from './state.ts';
import { presentAutoRepair } from './view.ts';

/** Keys that are looked into for one answer. */
const AT_MOST = 50;
const AT_ONCE = 16;

type Preview = WireAutoRepairPreview['would_repair'][number];

/**
 * What auto-repair would do in a vault now, under the policy that it has or under one that is tried. Looks into keystores; changes nothing
 * and stores nothing.
 */
export async function previewAutoRepair(
  deployment: Deployment,
  stored: Vault,
  trial: Partial<AutoRepair>,
  baseUrl: string,
  signal: AbortSignal,
): Promise<WireAutoRepairPreview> {
  const { database, clock } = deployment;
  const vault: Vault = { ...stored, autoRepair: { ...stored.autoRepair, ...trial } };
  const [templates, keystores, state, spent] = await Promise.all([
    templatesOfVault(database, vault.id),
    keystoresOfVault(database, vault.id),
    readAutoRepairState(database, vault.id),
    repairedSoFar(database, vault.id, clock()),
  ]);
  const nameOf = (id: string) => keystores.find((keystore) => keystore.id === id)?.name;
  const wouldRepair: Preview[] = [];
  const left: Preview[] = [];
  const { keyIds, complete } = await firstFindings(deployment, vault);
  await pMap(
    keyIds,
    async (keyId) => {
      const { key, instances, observed } = await readKey(database, keyId);
      if (key === undefined) return;
      const held = policyFor(vault.autoRepair, templates.find(({ id }) => id === key.templateId)?.autoRepair);
      const drifting = instances.filter((each) => observed.get(instanceId(each))?.keystoreSyncFlag === 'out_of_sync');
      for (const instance of drifting) {
        const judged = await lookAndJudge(deployment, key, instance, held.policy, signal);
        if (judged === undefined) continue;
        const name = nameOf(instance.keystoreId);
        (judged.permitted ? wouldRepair : left).push({
          key: {
            id: key.id,
            label: key.label,
            version: instance.version,
            href: `${baseUrl}/api/v4/managed_keys/${key.id}`,
          },
          keystore: {
            id: instance.keystoreId,
            ...(name === undefined ? {} : { name }),
            href: `${baseUrl}/api/v4/keystores/${instance.keystoreId}`,
          },
          policy_from: held.from,
          steps: judged.steps,
          reason: judged.reason,
        });
      }
    },
    { concurrency: AT_ONCE },
  );
  const massChange = state.reason ?? (await massChangeIn(database, vault, state.accepted));
  return {
    policy: presentAutoRepair(vault.autoRepair),
    templates: templates.flatMap(({ id, name, autoRepair }) =>
      autoRepair === 'as_vault' ? [] : [{ id, name, policy: autoRepair, href: `${baseUrl}/api/v4/templates/${id}` }],
    ),
    ...(massChange === undefined
      ? {}
      : {
          held: {
            ...(state.heldSince === undefined ? {} : { since: state.heldSince.toISOString() }),
            reason: massChange,
          },
        }),
    repaired_in_this_sweep: spent,
    would_repair: wouldRepair.sort(byLabel),
    left_to_people: left.sort(byLabel),
    estimated_seconds: secondsFor(wouldRepair, keystores, vault.autoRepair.maximumPerSweep, spent),
    complete,
  };
}

/** Every keystore at the pace of its quota, side by side; and a sweep's time for each time that the vault's share of one is used up. */
function secondsFor(
  repairs: readonly Preview[],
  keystores: readonly Keystore[],
  maximumPerSweep: number,
  spent: number,
): number {
  const rows = repairs.map(({ keystore, steps }) => ({
    id: keystore.id,
    estimated_seconds: secondsOf(
      keystores.find(({ id }) => id === keystore.id),
      steps,
    ),
  }));
  const beyond = Math.max(0, repairs.length - Math.max(0, maximumPerSweep - spent));
  return totalSeconds(rows) + (Math.ceil(beyond / maximumPerSweep) * SWEEP_MS) / 1000;
}

function byLabel(a: Preview, b: Preview): number {
  return a.key.label === b.key.label ? (a.keystore.id < b.keystore.id ? -1 : 1) : a.key.label < b.key.label ? -1 : 1;
}

async function firstFindings(
  { database }: Deployment,
  vault: Vault,
): Promise<{ readonly keyIds: readonly string[]; readonly complete: boolean }> {
  const keyIds = new Set<string>();
  for await (const { observed } of driftIn(database, vault.id)) {
    if (keyIds.size === AT_MOST && !keyIds.has(observed.keyId)) return { keyIds: [...keyIds], complete: false };
    keyIds.add(observed.keyId);
  }
  return { keyIds: [...keyIds], complete: true };
}

interface Judged {
  readonly permitted: boolean;
  readonly steps: Preview['steps'];
  readonly reason: string;
}

/** Undefined for what is well by now. */
async function lookAndJudge(
  deployment: Deployment,
  key: ManagedKey,
  instance: KeyInstance,
  policy: AutoRepair['policy'],
  signal: AbortSignal,
): Promise<Judged | undefined> {
  const look = await lookInto(deployment, key, instance, signal);
  const { finding, keystoreSyncFlag } = judge(instance, look);
  const found = `${finding.replace(/\.$/, '')}.`;
  const leave = (why: string): Judged => ({
    permitted: false,
    steps: [],
    reason: `${found} Left to people: ${why.replace(/\.$/, '')}.`,
  });
  if ('fault' in look) return leave('the keystore cannot be asked');
  if (keystoreSyncFlag !== 'out_of_sync') return undefined;
  if (instance.open !== undefined) return leave('work on it is open already; the journal goes on with it');
  if (settlingUntil(instance, deployment.clock(), deployment.config.settlingSeconds) !== undefined)
    return leave('it has not settled yet');
  const judged = permits(instance, look.seen, planFor(instance, look.seen));
  if (!judged.permitted) return leave(judged.why);
  if (policy === 'flag') return leave('the policy is to flag');
  return { permitted: true, steps: [...judged.steps], reason: `${found} It would be repaired.` };
}
