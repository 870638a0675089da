import type { Seen, StepName } from '../drivers/driver.ts';
import type { Plan } from '../drift/plan.ts';
import type { KeyInstance } from '../keys/key.ts';

/** `flag`: drift is flagged, and people sync. `sync`: repairs that only restore are made without them. */
export const AUTO_REPAIR_POLICIES = ['flag', 'sync'] as const;
export type AutoRepairPolicy = (typeof AUTO_REPAIR_POLICIES)[number];

/** What a template says of its own keys, in place of the vault. */
export const TEMPLATE_AUTO_REPAIR_POLICIES = ['as_vault', ...AUTO_REPAIR_POLICIES] as const;
export type TemplateAutoRepairPolicy = (typeof TEMPLATE_AUTO_REPAIR_POLICIES)[number];

/** What a vault lets Shearline repair by itself. */
export interface AutoRepair {
  readonly policy: AutoRepairPolicy;
  /** Keys in keystores that are repaired at most within one sweep's time. 1–10000. */
  readonly maximumPerSweep: number;
  /** When more than this percentage of the vault's keys, or of a keystore's, has drifted at once, nothing is repaired. 1–100. */
  readonly stopAtPercent: number;
}

export const STANDARD_AUTO_REPAIR: AutoRepair = { policy: 'flag', maximumPerSweep: 100, stopAtPercent: 20 };

/** The policy that holds for a key, and who says so. */
export function policyFor(
  vault: Pick<AutoRepair, 'policy'>,
  template: TemplateAutoRepairPolicy | undefined,
): { readonly policy: AutoRepairPolicy; readonly from: 'vault' | 'template' } {
  if (template === undefined || template === 'as_vault') return { policy: vault.policy, from: 'vault' };
  return { policy: template, from: 'template' };
}

/** What of an instance decides what is repaired without people. */
export type Repairable = Pick<KeyInstance, 'wanted' | 'spec' | 'rotating'>;

/** Why a step is for people to decide; undefined where it only restores what was decided. */
type Rule = (instance: Repairable, seen: Seen) => string | undefined;

const always: Rule = () => undefined;

/**
 * Steps × policy `sync`: what is done without people. Nothing that uses, disables, destroys or replaces a key, unless the key's own desired
 * state says so; and a deletion never, whoever wants it: it is the one step that cannot be taken back.
 */
const RULES: Record<StepName, Rule> = {
  create: ({ spec, rotating }) => {
    if (rotating) return 'its rotation is not finished; only people have that tried again';
    return spec.material === 'imported'
      ? undefined
      : 'the keystore made its material itself, and a new key would have other material';
  },
  import: ({ spec }) =>
    spec.material === 'imported' ? undefined : 'the keystore made its material itself, and none was kept for it',
  enable: ({ wanted }) => (wanted === 'enabled' ? undefined : 'nobody decided that it is to be enabled'),
  disable: ({ wanted }) => {
    if (wanted === 'disabled') return undefined;
    return 'a key that is not active yet is in use there: activate it, or destroy it';
  },
  rename: (_, seen) =>
    seen.presence === 'present' && seen.name === 'leads_elsewhere'
      ? 'somebody has led its name to another key, which others may use by now'
      : undefined,
  tag: always,
  rotate: () => 'its rotation is not finished; only people have that tried again',
  schedule_deletion: () => 'somebody has cancelled its deletion, and a deletion cannot be taken back',
  cancel_deletion: ({ wanted }) =>
    wanted === 'gone' || wanted === 'none' ? 'nobody decided that it is to be kept' : undefined,
};

/** Whether a planned repair is made without people, or why not. Pure. */
export function permits(
  instance: Repairable,
  seen: Seen,
  plan: Plan,
):
  | { readonly permitted: true; readonly steps: readonly StepName[] }
  | { readonly permitted: false; readonly why: string } {
  switch (plan.outcome) {
    case 'agrees':
      return { permitted: false, why: 'there is nothing to repair' };
    case 'wait':
      return { permitted: false, why: 'the keystore is still at work on it' };
    case 'cannot':
      return { permitted: false, why: plan.why };
    case 'steps': {
      const why = plan.steps.map((step) => RULES[step](instance, seen)).find((each) => each !== undefined);
      return why === undefined ? { permitted: true, steps: plan.steps } : { permitted: false, why };
    }
  }
}

/** How much of a vault, or of a keystore, has drifted now. */
export interface Drifting {
  readonly drifting: number;
  readonly total: number;
  /** Of those that drift, how many a person has seen and let be repaired. */
  readonly accepted: number;
}

/**
 * Whether so much has drifted at once that it is a human's decision: somebody may have meant it. One key by itself never is, however few
 * there are.
 */
export function isMassChange({ drifting, total, accepted }: Drifting, stopAtPercent: number): boolean {
  return drifting - accepted > Math.max(1, (total * stopAtPercent) / 100);
}

/** How many there must be for this many drifting ones not to be a mass change: nobody need count further. */
export function enoughFor(drifting: number, accepted: number, stopAtPercent: number): number {
  const counted = drifting - accepted;
  return counted <= 1 ? 0 : Math.ceil((counted * 100) / stopAtPercent);
}
