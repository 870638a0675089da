export const FAULT_KINDS = [
  'throttle',
  'denied',
  'internal',
  'unavailable',
  'timeout_before',
  'timeout_after',
  'reset_before',
  'reset_after',
  'unreachable',
  'latency',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Something to go wrong. Every given member narrows the calls it strikes. */
export interface FaultRule {
  /**
   * `…_before`: nothing happened; `…_after`: it happened and the answer is lost. `timeout_…` never answers, `reset_…` cuts the
   * connection. `unreachable` cuts before anything is read. `latency` only delays.
   */
  readonly kind: FaultKind;
  /** Such as `CreateKey`; `GetToken` is the identity service's. */
  readonly operation?: string | undefined;
  readonly instanceId?: string | undefined;
  /** How many calls it strikes; until it is removed when omitted. */
  readonly times?: number | undefined;
  readonly latencyMs?: number | undefined;
}

export interface ListedFault extends FaultRule {
  readonly id: string;
}

export interface Faults {
  /** Returns the rule's id. */
  add(rule: FaultRule): string;
  remove(id: string): boolean;
  clear(): void;
  list(): ListedFault[];
}

export interface FaultBook extends Faults {
  /** The rules that strike this call; each spends one of its times. Of those that do more than delay, the oldest alone. */
  strike(target: { readonly operation: string; readonly instanceId: string | undefined }): ListedFault[];
}

export function faultBook(): FaultBook {
  let rules: (Omit<ListedFault, 'times'> & { times: number | undefined })[] = [];
  let lastId = 0;
  return {
    add(rule) {
      lastId += 1;
      const id = `fault-${lastId}`;
      rules.push({ ...rule, times: rule.times, id });
      return id;
    },
    remove(id) {
      const before = rules.length;
      rules = rules.filter((rule) => rule.id !== id);
      return rules.length < before;
    },
    clear() {
      rules = [];
    },
    list: () => rules.map((rule) => ({ ...rule })),
    strike({ operation, instanceId }) {
      const matching = rules.filter(
        (rule) =>
          (rule.operation === undefined || rule.operation === operation) &&
          (rule.instanceId === undefined || rule.instanceId === instanceId),
      );
      const decisive = matching.find(({ kind }) => kind !== 'latency');
      const struck = matching.filter((rule) => rule.kind === 'latency' || rule === decisive);
      for (const rule of struck) if (rule.times !== undefined) rule.times -= 1;
      rules = rules.filter(({ times }) => times === undefined || times > 0);
      return struck;
    },
  };
}
