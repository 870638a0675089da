import type { WireAutoRepair, WireAutoRepairChange } from '../wire/auto-repair.ts';
import type { AutoRepair } from './policy.ts';

/** What a vault lets Shearline repair by itself, as callers see it. */
export function presentAutoRepair({ policy, maximumPerSweep, stopAtPercent }: AutoRepair): WireAutoRepair {
  return { policy, maximum_per_sweep: maximumPerSweep, stop_at_percent: stopAtPercent };
}

/** What of it a request changes. */
export function autoRepairFrom(
  given: WireAutoRepairChange | undefined,
): { readonly [Part in keyof AutoRepair]?: AutoRepair[Part] | undefined } | undefined {
  if (given === undefined) return undefined;
  return {
    policy: given.policy,
    maximumPerSweep: given.maximum_per_sweep,
    stopAtPercent: given.stop_at_percent,
  };
}
