import { forbidden, VaultError } from './error.ts';

export const faultKinds = [
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
export type FaultKind = (typeof faultKinds)[number];

/** Something to go wrong. Every given member narrows the calls it strikes. */
export interface FaultRule {
  /**
   * `…_before`: nothing happened; `…_after`: it happened and the answer is lost. `timeout_…` never answers, `reset_…` cuts the
   * connection. `unreachable` cuts before anything is read. `latency` only delays.
   */
  kind: FaultKind;
  /** As in Azure's REST reference: `GetKey`, `CreateKey`, …; `Token` for the token endpoint. */
  operation?: string | undefined;
  /** The vault's name. */
  vault?: string | undefined;
  /** The key's name; strikes calls on it or on a version of it. */
  key?: string | undefined;
  /** How many calls it strikes; until it is removed when omitted. */
  times?: number | undefined;
  /** Delay before the call goes on, with any kind. */
  latencyMs?: number | undefined;
}

export interface ListedFault extends FaultRule {
  id: string;
}

export interface Faults {
  /** Returns the rule's id. */
  add(rule: FaultRule): string;
  remove(id: string): boolean;
  clear(): void;
  list(): ListedFault[];
}

/** What a rule is matched against. */
export interface FaultTarget {
  readonly vault: string;
  readonly operation?: string;
  readonly key?: string;
}

export interface FaultBook extends Faults {
  /** Takes every rule that strikes this call, and spends one of its times. */
  strike(target: FaultTarget): ListedFault[];
  /** Whether this vault does not answer at all. Spends one time. */
  unreachable(vault: string): boolean;
}

export function faultBook(): FaultBook {
  let rules: ListedFault[] = [];
  let lastId = 0;

  function spend(struck: readonly ListedFault[]): void {
    for (const rule of struck) if (rule.times !== undefined) rule.times -= 1;
    rules = rules.filter((rule) => rule.times === undefined || rule.times > 0);
  }

  return {
    add(rule) {
      if (rule.kind === 'unreachable' && (rule.operation !== undefined || rule.key !== undefined)) {
        throw new Error('An unreachable rule takes a vault at most: nothing of the call is read.');
      }
      const id = `fault-${++lastId}`;
      rules.push({ ...rule, id });
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
    strike(target) {
      const matching = rules.filter((rule) => rule.kind !== 'unreachable' && strikes(rule, target));
      // Latency adds to whatever else happens; of the rest, only the oldest rule can.
      const decisive = matching.find((rule) => rule.kind !== 'latency');
      const struck = matching.filter((rule) => rule.kind === 'latency' || rule === decisive);
      spend(struck);
      return struck;
    },
    unreachable(vault) {
      const struck = rules.find((rule) => rule.kind === 'unreachable' && strikes(rule, { vault }));
      spend(struck ? [struck] : []);
      return struck !== undefined;
    },
  };
}

function strikes(rule: FaultRule, target: FaultTarget): boolean {
  if (rule.vault !== undefined && rule.vault.toLowerCase() !== target.vault.toLowerCase()) return false;
  if (rule.operation !== undefined && rule.operation !== target.operation) return false;
  return rule.key === undefined || rule.key.toLowerCase() === target.key?.toLowerCase();
}

/** The error that a rule answers with; undefined for rules that answer nothing or only delay. */
export function faultError(rule: FaultRule, operation: string): VaultError | undefined {
  switch (rule.kind) {
    case 'throttle':
      return throttled('VaultRequestTypeLimitReached');
    case 'denied':
      return forbidden(
        'ForbiddenByRbac',
        `Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nAction: '${operation}'`,
      );
    case 'internal':
      return new VaultError(500, 'InternalServerError', 'An unexpected error occurred.');
    case 'unavailable':
      return new VaultError(503, 'ServiceUnavailable', 'The service is temporarily unavailable.');
    case 'timeout_before':
    case 'timeout_after':
    case 'reset_before':
    case 'reset_after':
    case 'unreachable':
    case 'latency':
      return undefined;
  }
}

export const throttled = (reason: string): VaultError =>
  new VaultError(
    429,
    'Throttled',
    `Request was not processed because too many requests were received. Reason: ${reason}`,
    { headers: { 'retry-after': '10' } },
  );
