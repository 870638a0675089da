import type { ManagedKey } from '../keys/key.ts';
import type { WireKeySchedule, WireSchedule, WireScheduleRequest } from '../wire/schedule.ts';
import { upcomingOf } from './schedule.ts';
import type { KeySchedule, Schedule } from './schedule.ts';

/** What is announced so many days before, when a template does not say. */
const STANDARD_ANNOUNCE_DAYS = 7;

/** A template's schedule as callers see it. */
export function presentSchedule(schedule: Schedule): WireSchedule {
  return {
    enforce_dates: schedule.enforceDates,
    ...(schedule.rotateEveryDays === undefined
      ? {}
      : { rotate_every_days: schedule.rotateEveryDays, rotate_jitter_days: schedule.rotateJitterDays }),
    announce_days_before: schedule.announceDaysBefore,
  };
}

/** A schedule as it was asked for; undefined where it has nothing done, which ends one that there was. */
export function scheduleFrom(given: WireScheduleRequest | undefined): Schedule | undefined {
  if (given === undefined || (given.enforce_dates !== true && given.rotate_every_days === undefined)) return undefined;
  return {
    enforceDates: given.enforce_dates ?? false,
    rotateEveryDays: given.rotate_every_days,
    rotateJitterDays: given.rotate_jitter_days ?? 0,
    announceDaysBefore: given.announce_days_before ?? STANDARD_ANNOUNCE_DAYS,
  };
}

/** A key's schedule, with what comes next of it. */
export function presentKeySchedule(key: ManagedKey, schedule: KeySchedule): WireKeySchedule {
  return {
    ...presentSchedule(schedule),
    since: schedule.since.toISOString(),
    upcoming: upcomingOf(key).map(({ action, dueAt }) => ({ action, due_at: dueAt.toISOString() })),
  };
}
