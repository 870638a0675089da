import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { RawItem } from './database.ts';
import { instant, itemCodec, maybe } from './item.ts';

/** The vault id under which attempts are kept that belong to no vault: refused tokens, unknown ids. */
export const NO_VAULT = '-';

export const SEVERITIES = ['normal', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One attempt: who, what, when, from where, how it ended, and what it changed. No secret is ever in it. */
export interface AuditEntry {
  readonly vaultId: string;
  readonly at: Date;
  /** `managed-keys.write`, `target-keystores.delete`, … */
  readonly action: string;
  /** The contract's operation (`DeactivateManagedKey`). */
  readonly operation: string;
  readonly subject: string;
  readonly resourceType: 'vault' | 'template' | 'keystore' | 'managed_key' | 'none';
  readonly resourceId: string | undefined;
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlationId: string;
  readonly outcome: 'success' | 'refused' | 'failed';
  /** HTTP status of the answer. */
  readonly status: number;
  readonly severity: Severity;
  /** Fault code and message of an attempt that did not succeed. */
  readonly reason: string | undefined;
  /** The record before and after, as far as users decide about it. */
  readonly before: Readonly<Record<string, unknown>> | undefined;
  readonly after: Readonly<Record<string, unknown>> | undefined;
}

/** An entry in its place in the vault's chain: `hash` covers the entry, its sequence and the hash before it. */
export interface AuditEvent extends AuditEntry {
  readonly sequence: number;
  readonly previousHash: string;
  readonly hash: string;
}

export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/** What a chain without events starts from. */
export const CHAIN_START: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

const record = z.record(z.string(), z.unknown());
const entry = {
  vaultId: z.string(),
  at: instant,
  action: z.string(),
  operation: z.string(),
  subject: z.string(),
  resourceType: z.enum(['vault', 'template', 'keystore', 'managed_key', 'none']),
  resourceId: maybe(z.string()),
  sourceIp: maybe(z.string()),
  userAgent: maybe(z.string()),
  correlationId: z.string(),
  outcome: z.enum(['success', 'refused', 'failed']),
  status: z.int(),
  severity: z.enum(SEVERITIES),
  reason: maybe(z.string()),
  before: maybe(record),
  after: maybe(record),
};

export const auditEvent = itemCodec<AuditEvent>('audit event', () =>
  z.object({ ...entry, sequence: z.int(), previousHash: z.string(), hash: z.string() }),
);
export const auditHead = itemCodec<AuditHead>('audit head', () => z.object({ sequence: z.int(), hash: z.string() }));

/** The event that follows `head`. */
export function chained(head: AuditHead, entryToChain: AuditEntry): AuditEvent {
  const unsealed = { ...entryToChain, sequence: head.sequence + 1, previousHash: head.hash };
  return { ...unsealed, hash: hashOf(unsealed) };
}

/** SHA-256, hex, over the event's attributes in canonical form (sorted names, no hash). */
export function hashOf(event: Omit<AuditEvent, 'hash'>): string {
  const attributes = auditEvent.encode({ ...event, hash: '' });
  delete attributes['hash'];
  return createHash('sha256').update(canonical(attributes)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value as RawItem)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** What is wrong with an event as the successor of another; undefined when nothing is. */
export function linkFault(previous: AuditHead, event: AuditEvent): string | undefined {
  if (event.sequence !== previous.sequence + 1) return `event ${previous.sequence + 1} is missing`;
  if (event.previousHash !== previous.hash) return `event ${event.sequence} does not follow the event before it`;
  return hashOf(event) === event.hash ? undefined : `event ${event.sequence} was altered`;
}

/** Where a chain first does not hold, and how; undefined when every event is there, in place and unaltered. */
export function brokenLink(events: readonly AuditEvent[], head: AuditHead): string | undefined {
  let previous = CHAIN_START;
  for (const event of events) {
    const fault = linkFault(previous, event);
    if (fault !== undefined) return fault;
    previous = event;
  }
  if (head.sequence !== previous.sequence) return `events after ${previous.sequence} are missing`;
  return head.hash === previous.hash ? undefined : 'the head of the chain was altered';
}
