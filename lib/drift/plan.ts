import type { Seen, StepName } from '../drivers/driver.ts';
import { permits } from '../auto-repair/policy.ts';
import type { Repairable } from '../auto-repair/policy.ts';
import type { KeyInstance } from '../keys/key.ts';
import { isOurs, isUnproven } from './identity.ts';

/** What must be done in one keystore so that it agrees; or why that cannot be done there. */
export type Plan =
  | { readonly outcome: 'agrees' }
  /** The keystore is still at work: look again later. */
  | { readonly outcome: 'wait' }
  | { readonly outcome: 'steps'; readonly steps: readonly StepName[] }
  /** No step of ours helps; `why` says what people can do. */
  | { readonly outcome: 'cannot'; readonly why: string };

const AGREES: Plan = { outcome: 'agrees' };
const steps = (...names: StepName[]): Plan => ({ outcome: 'steps', steps: names });

type Planned = Pick<KeyInstance, 'wanted' | 'binding' | 'spec' | 'current' | 'open' | 'outgrown' | 'rotating'> &
  Partial<Pick<KeyInstance, 'createSentAt'>>;

/**
 * Desired × seen → steps, in order. Nothing here destroys what is not destroyed: `schedule_deletion` is planned only for `gone`.
 * Can be asked again after every step; in the end it agrees.
 */
export function planFor(instance: Planned, seen: Seen): Plan {
  if (seen.presence === 'present' && seen.state === 'settling') return { outcome: 'wait' };
  if (instance.outgrown) return planOutgrown(instance, seen);
  const plan = PLANS[instance.wanted](instance, seen);
  return instance.open?.details === true && seen.presence === 'present' ? withDetails(instance, seen, plan) : plan;
}

/**
 * What may be done in a keystore by the work that is open there: the plan, but for an adoption the name and the marks of it only; whatever
 * else an adopted key needs is drift, for a sync to repair. And for an auto-repair, only what restores, whatever the keystore has come to
 * since the repair was decided.
 */
export function planWithin(instance: Planned & Repairable, seen: Seen): Plan {
  const plan = planFor(instance, seen);
  if (plan.outcome !== 'steps') return plan;
  if (instance.open?.cause === 'adopt') {
    const allowed = plan.steps.filter((step) => step === 'rename' || step === 'tag');
    return allowed.length === 0 ? AGREES : { outcome: 'steps', steps: allowed };
  }
  if (instance.open?.cause !== 'auto_repair') return plan;
  const judged = permits(instance, seen, plan);
  return judged.permitted ? plan : { outcome: 'cannot', why: judged.why };
}

const PLANS: Record<KeyInstance['wanted'], (instance: Planned, seen: Seen) => Plan> = {
  enabled: planEnabled,
  disabled: planDisabled,
  gone: planGone,
  // A pre-active key must not be in use; whether it stays there is for people to decide.
  none: (_, seen) => (seen.presence === 'present' && seen.state === 'enabled' ? steps('disable') : AGREES),
};

function planEnabled(instance: Planned, seen: Seen): Plan {
  const imported = instance.spec.material === 'imported';
  if (seen.presence === 'absent') {
    if (imported) return steps('create', 'import');
    // What is rotated gets new material anyway: in a key of its own, where the one that it would have been in is gone.
    if (instance.binding === undefined || instance.rotating) return steps('create');
    return {
      outcome: 'cannot',
      why: 'the keystore made this material itself and it is gone with the key; rotate the key to have new material made',
    };
  }
  if (seen.state === 'pending_deletion') return steps('cancel_deletion', 'enable');
  if (seen.state === 'no_material') {
    return imported
      ? steps('import')
      : { outcome: 'cannot', why: 'the keystore holds no material, and none was kept for it' };
  }
  if (instance.rotating) return seen.state === 'disabled' ? steps('enable', 'rotate') : steps('rotate');
  if (isUnproven(instance, seen)) {
    // Found, not made by a step whose answer we have: importing the same bytes again proves that it has them.
    return seen.state === 'disabled' ? steps('import', 'enable') : steps('import');
  }
  if (!isOurs(instance, seen)) {
    return {
      outcome: 'cannot',
      why: 'what the keystore holds under this id is other material; rotate the key to bring all keystores to new, equal material',
    };
  }
  if (seen.state === 'unusable' && seen.mendedBy === undefined) {
    return { outcome: 'cannot', why: 'restore its backing key in the HSM cluster from a backup, or rotate the key' };
  }
  const name: StepName[] =
    instance.current && (seen.name === 'missing' || seen.name === 'leads_elsewhere') ? ['rename'] : [];
  const state: StepName[] = seen.state === 'disabled' || seen.mendedBy === 'enable' ? ['enable'] : [];
  return name.length + state.length === 0 ? AGREES : steps(...state, ...name);
}

/** The state of the key that it shares is the newer version's matter; only its own material can be missing. */
function planOutgrown(instance: Planned, seen: Seen): Plan {
  if (instance.wanted === 'gone') {
    return seen.presence === 'absent' || seen.state === 'pending_deletion' ? AGREES : { outcome: 'wait' };
  }
  if (instance.wanted !== 'enabled') return AGREES;
  if (seen.presence === 'absent') {
    return {
      outcome: 'cannot',
      why: 'the key that held this older version is gone from the keystore, and what it encrypted there can be decrypted nowhere',
    };
  }
  return seen.state === 'no_material' && instance.spec.material === 'imported' ? steps('import') : AGREES;
}

function planDisabled(_instance: Planned, seen: Seen): Plan {
  if (seen.presence === 'absent') return AGREES;
  switch (seen.state) {
    case 'enabled':
    case 'unusable':
      return steps('disable');
    case 'pending_deletion':
      // Nobody decided to destroy it: without this it would be lost when the keystore's waiting period ends.
      return steps('cancel_deletion');
    case 'disabled':
    case 'no_material':
    case 'settling':
      return AGREES;
  }
}

function planGone(_instance: Planned, seen: Seen): Plan {
  if (seen.presence === 'absent' || seen.state === 'pending_deletion') return AGREES;
  return steps('schedule_deletion');
}

function withDetails(instance: Planned, seen: Extract<Seen, { presence: 'present' }>, plan: Plan): Plan {
  if (instance.wanted === 'gone') return plan;
  // An older version has no name to get, but perhaps one to lose: that of before the edit.
  const details: StepName[] = ['rename', 'tag'];
  switch (plan.outcome) {
    case 'agrees':
      return { outcome: 'steps', steps: details };
    case 'steps':
      return { outcome: 'steps', steps: [...plan.steps.filter((step) => !details.includes(step)), ...details] };
    case 'cannot':
      // A key of ours that cannot be used still gives its former name free; other material never gets the name.
      return isOurs(instance, seen) ? { outcome: 'steps', steps: details } : plan;
    case 'wait':
      return plan;
  }
}

const VERB: Record<StepName, string> = {
  create: 'make the key',
  import: 'import its material',
  enable: 'enable it',
  disable: 'disable it',
  rename: 'make its name lead to it again',
  tag: 'update its description and tags',
  rotate: 'rotate its material',
  schedule_deletion: 'schedule its deletion',
  cancel_deletion: 'cancel its deletion',
};

/** The plan as a sentence without its full stop; empty when there is nothing to say. */
export function sentenceOf(plan: Plan): string {
  switch (plan.outcome) {
    case 'agrees':
      return '';
    case 'wait':
      return 'It is looked at again shortly';
    case 'steps':
      return `Sync would ${listed(plan.steps.map((step) => VERB[step]))}`;
    case 'cannot':
      return `Sync cannot repair this: ${plan.why}`;
  }
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`;
}
