import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { HOLD_AUTO_REPAIR } from '../auto-repair/state.ts';
import { later } from '../later.ts';
import type { AuditEvent } from '../records/audit.ts';
import { ANNOUNCEMENTS, SCHEDULED_ACTIONS } from '../schedule/schedule.ts';
import type { ScheduledAction } from '../schedule/schedule.ts';
import type { Window } from './digest.ts';

/** What Shearline will do by itself, or will not do any more until somebody decides: people are told beforehand. */
export type Announcement = KeyChangeAnnounced | AutoRepairHeld;

interface Announced {
  /** The same in every delivery. */
  readonly id: string;
  readonly at: Date;
  readonly vaultId: string;
}

export interface KeyChangeAnnounced extends Announced {
  readonly kind: 'key_change';
  readonly keyId: string;
  readonly label: string;
  readonly action: ScheduledAction;
  readonly dueAt: Date;
}

export interface AutoRepairHeld extends Announced {
  readonly kind: 'auto_repair_held';
  readonly reason: string;
}

/** What the schedule's announcement of a key says in the audit trail. */
const announced = later(() =>
  z.object({ label: z.string(), action: z.enum(SCHEDULED_ACTIONS), due_at: z.iso.datetime() }),
);

/** The operations of the audit trail that are announced; the stream of the table is filtered by them (deploy/events/announcements-filter.json). */
export const ANNOUNCED_OPERATIONS: readonly string[] = [...Object.values(ANNOUNCEMENTS), HOLD_AUTO_REPAIR];

/** What an audit event announces; undefined for every other event. */
export function announcementIn(event: AuditEvent): Announcement | undefined {
  if (event.outcome !== 'success' || !ANNOUNCED_OPERATIONS.includes(event.operation)) return undefined;
  const { vaultId, at, sequence, resourceId } = event;
  const of = { id: `${vaultId}.${sequence}`, at, vaultId };
  if (event.operation === HOLD_AUTO_REPAIR) return { kind: 'auto_repair_held', ...of, reason: event.reason ?? '' };
  // Written before labels were told with it.
  const told = announced().safeParse(event.after);
  if (!told.success || resourceId === undefined) return undefined;
  const { label, action, due_at } = told.data;
  return { kind: 'key_change', ...of, keyId: resourceId, label, action, dueAt: new Date(due_at) };
}

/** Of a window: one digest of all that is coming to keys, and one of each time that auto-repair was held. */
export interface AnnouncementDigest {
  /** The same for the same announcements: who gets it twice can tell. */
  readonly id: string;
  readonly window: Window;
  /** The earliest first. */
  readonly keyChanges: readonly KeyChangeAnnounced[];
  readonly held: AutoRepairHeld | undefined;
}

/** Undefined when nothing was announced in this window. */
export function announcementDigest(
  window: Window,
  announcements: readonly Announcement[],
): AnnouncementDigest | undefined {
  const within = announcements.filter(({ at }) => at >= window.from && at < window.to);
  if (within.length === 0) return undefined;
  const ids = within.map(({ id }) => id).toSorted();
  return {
    id: createHash('sha256').update(ids.join('\n')).digest('hex').slice(0, 32),
    window,
    keyChanges: within
      .filter((each) => each.kind === 'key_change')
      .toSorted((a, b) => a.dueAt.getTime() - b.dueAt.getTime() || (a.keyId < b.keyId ? -1 : 1)),
    held: within.findLast((each) => each.kind === 'auto_repair_held'),
  };
}
