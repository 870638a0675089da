import * as z from 'zod/mini';
import { later } from '../later.ts';
import { SCHEDULED_ACTIONS } from '../schedule/schedule.ts';
import { alsoWhenOthersFail, dateTime, id } from './fields.ts';
import type { Wire } from './fields.ts';
import { anyOf, oneText, page, paging } from './lists.ts';

// Beyond UKO.

const days = (minimum: number, maximum: number) => {
  const says = `must be a whole number of days from ${minimum} to ${maximum}`;
  return z.int(says).check(z.gte(minimum, says), z.lte(maximum, says));
};

const fields = later(() => ({
  rotate_every_days: z.optional(
    days(1, 3650).check(z.describe('A rotation so many days after the last one, or after the creation of the key.')),
  ),
  rotate_jitter_days: z.optional(
    days(0, 365).check(
      z.describe('Up to so many days earlier or later, another for each key; fewer than rotate_every_days.'),
    ),
  ),
  announce_days_before: z.optional(days(0, 90).check(z.describe('So many days before, it is announced. Default 7.'))),
}));

interface Rotation {
  readonly rotate_every_days?: number | undefined;
  readonly rotate_jitter_days?: number | undefined;
}

const jitterWithin = later(() => {
  const check = z.check<Rotation>((payload) => {
    const { rotate_every_days: every, rotate_jitter_days: jitter } = payload.value;
    if (jitter === undefined || jitter === 0 || (every !== undefined && jitter < every)) return;
    const message = 'must be fewer days than rotate_every_days';
    payload.issues.push({ code: 'custom', path: ['rotate_jitter_days'], message, input: jitter });
  });
  check._zod.def.when = alsoWhenOthersFail;
  return check;
});

const SAYS =
  'Beyond UKO: what is done to the keys at their time, without people. An empty object ends it. Keys follow when they are made or realigned.';

export const scheduleRequest = later(() =>
  z
    .strictObject({
      enforce_dates: z.optional(
        z.boolean().check(z.describe('Activated on the activation date, deactivated on the expiration date (UTC).')),
      ),
      ...fields(),
    })
    .check(jitterWithin(), z.describe(SAYS)),
);
export type WireScheduleRequest = Wire<typeof scheduleRequest>;

/** What a template answers. */
export interface WireSchedule extends WireScheduleRequest {
  readonly enforce_dates: boolean;
}

export const keySchedule = later(() =>
  z.strictObject({
    enforce_dates: z.boolean(),
    ...fields(),
    since: dateTime().check(z.describe('What would have been due before is not made up for.')),
    upcoming: z.array(z.strictObject({ action: z.enum(SCHEDULED_ACTIONS), due_at: dateTime() })),
  }),
);
export type WireKeySchedule = Wire<typeof keySchedule>;

export const upcomingQuery = later(() =>
  z.strictObject({
    'vault.id': anyOf(id()),
    action: anyOf(z.enum(SCHEDULED_ACTIONS)),
    until: z.optional(
      oneText(
        z
          .union(
            [z.iso.datetime({ offset: true }), z.iso.date()],
            'must be a time such as 2026-01-31T08:00:00Z, or a date written YYYY-MM-DD',
          )
          .check(z.describe('What is due until then; default: 30 days ahead.')),
      ),
    ),
    ...paging(['due_at', 'action', 'label']),
  }),
);

export const upcomingChange = later(() =>
  z.strictObject({
    action: z.enum(SCHEDULED_ACTIONS),
    due_at: dateTime(),
    announced_at: z.optional(dateTime()),
    overdue: z.boolean().check(z.describe('Due, and not done yet: it is tried again every minute.')),
    last_error: z.optional(z.string().check(z.describe('Why it could not be done when it was last tried.'))),
    key: z.strictObject({ id: z.string(), label: z.string(), version: z.int(), href: z.string() }),
    vault: z.strictObject({ id: z.string(), href: z.string() }),
  }),
);
export type WireUpcomingChange = Wire<typeof upcomingChange>;

export const upcomingList = later(() => z.strictObject({ ...page(), upcoming_changes: z.array(upcomingChange()) }));
