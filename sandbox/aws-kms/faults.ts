import { KmsError } from './error.ts';

export const faultKinds = [
  'throttle',
  'denied',
  'internal',
  'dependency_timeout',
  'timeout_before',
  'timeout_after',
  'reset_before',
  'reset_after',
  'unreachable',
  'latency',
  'lag',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Something to go wrong. Every given member narrows the calls it strikes. */
export interface FaultRule {
  /**
   * `…_before`: nothing happened; `…_after`: it happened and the answer is lost. `timeout_…` never answers, `reset_…` cuts
   * the connection. `unreachable` cuts before anything is read. `latency` only delays. `lag` strikes no call: it hides
   * alias and tag changes from readers for `lagMs`.
   */
  kind: FaultKind;
  operation?: string | undefined;
  region?: string | undefined;
  accountId?: string | undefined;
  /** The id of a key; strikes calls that name it by id, ARN or alias. */
  keyId?: string | undefined;
  /** How many calls it strikes; until it is removed when omitted. */
  times?: number | undefined;
  /** Delay before the call goes on, with any kind. */
  latencyMs?: number | undefined;
  /** For `lag`. */
  lagMs?: number | undefined;
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
  region: string;
  accountId?: string | undefined;
  operation?: string | undefined;
  names?: ((keyId: string) => boolean) | undefined;
}

export interface FaultBook extends Faults {
  /** Takes every rule that strikes this call, and spends one of its times. */
  strike(target: FaultTarget): ListedFault[];
  /** Whether this region does not answer at all. Spends one time. */
  unreachable(region: string): boolean;
  lagMs(region: string, accountId: string): number;
}

export function faultBook(): FaultBook {
  let rules: ListedFault[] = [];
  let lastId = 0;

  function spend(struck: readonly ListedFault[]): void {
    for (const rule of struck) if (rule.times !== undefined) rule.times -= 1;
    if (struck.length > 0) rules = rules.filter((rule) => rule.times === undefined || rule.times > 0);
  }

  return {
    add(rule) {
      if (rule.kind === 'unreachable' && (rule.operation !== undefined || rule.keyId !== undefined)) {
        throw new Error('An unreachable rule takes a region at most: nothing of the call is read.');
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
      if (rules.length === 0) return [];
      const matching = rules.filter(
        (rule) => rule.kind !== 'unreachable' && rule.kind !== 'lag' && strikes(rule, target),
      );
      // Latency adds to whatever else happens; of the rest, only the oldest rule can.
      const decisive = matching.find((rule) => rule.kind !== 'latency');
      const struck = matching.filter((rule) => rule.kind === 'latency' || rule === decisive);
      spend(struck);
      return struck;
    },
    unreachable(region) {
      const struck = rules.find((rule) => rule.kind === 'unreachable' && strikes(rule, { region }));
      spend(struck ? [struck] : []);
      return struck !== undefined;
    },
    lagMs(region, accountId) {
      const lags = rules.filter((rule) => rule.kind === 'lag' && strikes(rule, { region, accountId }));
      return Math.max(0, ...lags.map((rule) => rule.lagMs ?? 0));
    },
  };
}

function strikes(rule: FaultRule, target: FaultTarget): boolean {
  if (rule.region !== undefined && rule.region !== target.region) return false;
  if (rule.accountId !== undefined && rule.accountId !== target.accountId) return false;
  if (rule.operation !== undefined && rule.operation !== target.operation) return false;
  return rule.keyId === undefined || (target.names?.(rule.keyId) ?? false);
}

/** The error that a rule answers with; undefined for rules that answer nothing or only delay. */
export function faultError(rule: FaultRule, operation: string, userArn: string): KmsError | undefined {
  switch (rule.kind) {
    case 'throttle':
      return new KmsError('ThrottlingException', 'Rate exceeded');
    case 'denied':
      return new KmsError(
        'AccessDeniedException',
        `User: ${userArn} is not authorized to perform: kms:${operation} because no identity-based policy allows the kms:${operation} action`,
      );
    case 'internal':
      return new KmsError('KMSInternalException', 'An internal error occurred. The request can be retried.', 500);
    case 'dependency_timeout':
      return new KmsError(
        'DependencyTimeoutException',
        'The system timed out while trying to fulfill the request.',
        500,
      );
    case 'timeout_before':
    case 'timeout_after':
    case 'reset_before':
    case 'reset_after':
    case 'unreachable':
    case 'latency':
    case 'lag':
      return undefined;
  }
}
