import { errorInfo, GoogleError } from './error.ts';

export const faultKinds = [
  'throttle',
  'denied',
  'internal',
  'unavailable',
  'precondition',
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
   * `…_before`: nothing happened; `…_after`: it happened and the answer is lost. `timeout_…` never answers, `reset_…` cuts the connection.
   * `unreachable` cuts before anything is read. `latency` only delays.
   */
  kind: FaultKind;
  /** The method's name: `GetCryptoKey`, …; `Token` is the token endpoint. */
  operation?: string | undefined;
  location?: string | undefined;
  /** What the resource's name begins with. */
  resource?: string | undefined;
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

export interface FaultTarget {
  operation: string;
  location: string;
  resource: string;
}

export interface FaultBook extends Faults {
  /** Takes every rule that strikes this call, and spends one of its times. */
  strike(target: FaultTarget): ListedFault[];
}

export function faultBook(): FaultBook {
  let rules: ListedFault[] = [];
  let lastId = 0;
  return {
    add(rule) {
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
      const matching = rules.filter((rule) => strikes(rule, target));
      // Latency adds to whatever else happens; of the rest, only the oldest rule can.
      const decisive = matching.find((rule) => rule.kind !== 'latency');
      const struck = matching.filter((rule) => rule.kind === 'latency' || rule === decisive);
      for (const rule of struck) if (rule.times !== undefined) rule.times -= 1;
      rules = rules.filter((rule) => rule.times === undefined || rule.times > 0);
      return struck;
    },
  };
}

function strikes(rule: FaultRule, target: FaultTarget): boolean {
  if (rule.operation !== undefined && rule.operation !== target.operation) return false;
  if (rule.location !== undefined && rule.location !== target.location) return false;
  return rule.resource === undefined || target.resource.startsWith(rule.resource);
}

/** The error that a rule answers with; undefined for rules that answer nothing or only delay. */
export function faultError(rule: FaultRule, permission: string, resource: string): GoogleError | undefined {
  switch (rule.kind) {
    case 'throttle':
      return throttled('Quota exceeded for quota metric of service cloudkms.googleapis.com.');
    case 'denied':
      return denied(permission, resource);
    case 'internal':
      return new GoogleError('INTERNAL', 'Internal error encountered.');
    case 'unavailable':
      return new GoogleError('UNAVAILABLE', 'The service is currently unavailable.');
    case 'precondition':
      return new GoogleError('FAILED_PRECONDITION', 'A constraint of the organization does not allow this.');
    case 'timeout_before':
    case 'timeout_after':
    case 'reset_before':
    case 'reset_after':
    case 'unreachable':
    case 'latency':
      return undefined;
  }
}

export const throttled = (message: string): GoogleError =>
  new GoogleError('RESOURCE_EXHAUSTED', message, [errorInfo('RATE_LIMIT_EXCEEDED')]);

export const denied = (permission: string, resource: string): GoogleError =>
  new GoogleError(
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
    [errorInfo('IAM_PERMISSION_DENIED', { permission, resource })],
  );
