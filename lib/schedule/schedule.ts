import { createHash } from 'node:crypto';
import type { ManagedKey } from '../keys/key.ts';
import { isRotatable } from '../keys/naming.ts';
import { dateOf } from '../keys/period.ts';

/** What a template has done to its keys at their time, without people. */
export interface Schedule {
  /** Whether the key's activation and expiration dates are enforced: activated on the one, deactivated on the other. */
  readonly enforceDates: boolean;
  /** A rotation so many days after the last one, or after the key's creation; undefined: none. */
  readonly rotateEveryDays: number | undefined;
  /** Up to so many days earlier or later, another for each key and version, so that not all keys rotate at once. */
  readonly rotateJitterDays: number;
  /** So many days before, what is coming is announced. */
  readonly announceDaysBefore: number;
}

/** A template's schedule as a key follows it. */
export interface KeySchedule extends Schedule {
  /** When the key came to be scheduled so: what would have been due before that is not made up for. */
  readonly since: Date;
  /** The expiration date that was enforced last, or that somebody has activated the key after: it is not enforced again. */
  readonly enforced: string | undefined;
}

export const SCHEDULED_ACTIONS = ['activate', 'deactivate', 'rotate'] as const;
export type ScheduledAction = (typeof SCHEDULED_ACTIONS)[number];

/** What the audit trail calls it when something scheduled is announced. */
export const ANNOUNCEMENTS: Readonly<Record<ScheduledAction, string>> = {
  activate: 'AnnounceManagedKeyActivation',
  deactivate: 'AnnounceManagedKeyDeactivation',
  rotate: 'AnnounceManagedKeyRotation',
};

/** Something that will be done to a key. */
export interface Upcoming {
  readonly action: ScheduledAction;
  readonly dueAt: Date;
  readonly announceAt: Date;
}

/** An attribute beside a key's record: why what is due could not be done when it was last tried. Gone with the next change of the key. */
export const SCHEDULE_ERROR = 'schedule_error';

export const DAY_MS = 86_400_000;
/** A key can be rotated once an hour. */
const SHORTEST_MS = 3_600_000;

type Scheduled = Pick<
  ManagedKey,
  | 'id'
  | 'version'
  | 'state'
  | 'activationDate'
  | 'expirationDate'
  | 'createdAt'
  | 'rotatedAt'
  | 'namingScheme'
  | 'schedule'
>;

/** Everything that the schedule will do to a key as it is now, each action's next time, the earliest first. Pure. */
export function upcomingOf(key: Scheduled): readonly Upcoming[] {
  const { schedule } = key;
  if (schedule === undefined) return [];
  const end = schedule.enforceDates ? expirationOf(key, schedule) : undefined;
  const found: Upcoming[] = [];
  const add = (action: ScheduledAction, dueAt: Date | undefined) => {
    if (dueAt === undefined) return;
    const announceAt = new Date(dueAt.getTime() - schedule.announceDaysBefore * DAY_MS);
    found.push({ action, dueAt, announceAt });
  };
  if (key.state === 'pre_activation' && schedule.enforceDates) add('activate', activationOf(key, schedule));
  if (key.state === 'active') {
    add('deactivate', end);
    const rotation = rotationOf(key, schedule);
    // What ends before is not rotated any more.
    if (end === undefined || (rotation !== undefined && rotation < end)) add('rotate', rotation);
  }
  return found.sort((a, b) => a.dueAt.getTime() - b.dueAt.getTime() || (a.action < b.action ? -1 : 1));
}

/** When the schedule must look at a key again, `after` a moment (or at any time): to announce something, or to do it. */
export function wakeAt(key: Scheduled, after?: Date): Date | undefined {
  const moments = upcomingOf(key).map(({ announceAt, dueAt }) =>
    after !== undefined && announceAt <= after ? dueAt : announceAt,
  );
  return moments.reduce<Date | undefined>(
    (first, moment) => (first === undefined || moment < first ? moment : first),
    undefined,
  );
}

/** A key is not activated that has expired, nor on a day before it was scheduled at all. */
function activationOf(key: Scheduled, { since }: KeySchedule): Date | undefined {
  const { activationDate, expirationDate } = key;
  if (activationDate === undefined || activationDate < dateOf(since)) return undefined;
  return expirationDate !== undefined && expirationDate <= activationDate ? undefined : startOf(activationDate);
}

function expirationOf(key: Scheduled, { since, enforced }: KeySchedule): Date | undefined {
  const { expirationDate } = key;
  if (expirationDate === undefined || expirationDate === enforced || expirationDate < dateOf(since)) return undefined;
  return startOf(expirationDate);
}

function rotationOf(key: Scheduled, { since, rotateEveryDays, rotateJitterDays }: KeySchedule): Date | undefined {
  if (rotateEveryDays === undefined || !isRotatable(key)) return undefined;
  const last = (key.rotatedAt ?? key.createdAt).getTime();
  const from = Math.max(last, since.getTime());
  const due = from + rotateEveryDays * DAY_MS + jitterOf(key, rotateJitterDays);
  return new Date(Math.max(due, last + SHORTEST_MS));
}

/** Milliseconds between −days and +days: always the same for a version of a key, and even over all of them. */
export function jitterOf({ id, version }: Pick<ManagedKey, 'id' | 'version'>, days: number): number {
  const part = createHash('sha256').update(`${id}:${version}`).digest().readUIntBE(0, 6) / 2 ** 48;
  return Math.round((part * 2 - 1) * days * DAY_MS);
}

function startOf(date: string): Date {
  return new Date(`${date}T00:00:00.000Z`);
}

/** The schedule that a key follows from its template on; undefined for none. What it was scheduled by before goes on where it says the same. */
export function scheduleFor(
  template: Schedule | undefined,
  before: KeySchedule | undefined,
  now: Date,
): KeySchedule | undefined {
  if (template === undefined) return undefined;
  const same =
    before !== undefined &&
    before.enforceDates === template.enforceDates &&
    before.rotateEveryDays === template.rotateEveryDays &&
    before.rotateJitterDays === template.rotateJitterDays;
  return { ...template, since: same ? before.since : now, enforced: before?.enforced };
}

/** The schedule of a key that somebody activates: a date that is over has been seen, and does not take the key away again. */
export function activatedBySomebody(
  key: Pick<ManagedKey, 'schedule' | 'expirationDate'>,
  now: Date,
): KeySchedule | undefined {
  const { schedule, expirationDate } = key;
  if (schedule === undefined || expirationDate === undefined || expirationDate > dateOf(now)) return schedule;
  return { ...schedule, enforced: expirationDate };
}
