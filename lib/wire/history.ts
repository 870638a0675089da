import * as z from 'zod/mini';
import { CHANGE_CAUSES, WORK_STATES } from '../history/entry.ts';
import { WORK_CAUSES } from '../keys/key.ts';
import { HEALTH_STATUSES } from '../keystores/keystore.ts';
import { later } from '../later.ts';
import { dateTime, hrefObject, id } from './fields.ts';
import type { Wire } from './fields.ts';
import { STATUSES_IN_KEYSTORE, SYNC_FLAG_DETAILS, SYNC_FLAGS } from './keys.ts';
import { anyOf, MAXIMUM_LIMIT, oneOf, oneText, whole } from './lists.ts';

// Beyond UKO.

export const HISTORY_KINDS = ['flag', 'work', 'decision'] as const;

/** Where the page before ended: a time and what tells entries of the same time apart. */
const CURSOR = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z#[0-9a-f.-]{1,100}$/;
const cursor = later(() =>
  z.optional(
    oneText(
      z
        .string()
        .check(z.regex(CURSOR, 'must be what a “next” link has for it'), z.describe('Where the page before ended.')),
    ),
  ),
);
const limit = later(() => z._default(whole(1, MAXIMUM_LIMIT), 20));

export const keyHistoryQuery = later(() =>
  z.strictObject({ kind: anyOf(z.enum(HISTORY_KINDS)), limit: limit(), after: cursor() }),
);

const sinceWhen = later(() =>
  z.optional(
    oneText(
      z
        .union(
          [z.iso.datetime({ offset: true }), z.iso.date()],
          'must be a time such as 2026-01-31T08:00:00Z, or a date written YYYY-MM-DD',
        )
        .check(z.describe('From when on; default: 7 days ago. Changes are kept 400 days.')),
    ),
  ),
);

export const driftQuery = later(() =>
  z.strictObject({
    since: sinceWhen(),
    'vault.id': anyOf(id()),
    'keystore.id': anyOf(id()),
    keystore_sync_flag: anyOf(z.enum(SYNC_FLAGS)),
    limit: limit(),
    after: cursor(),
    sort: oneOf(['at', '-at']),
  }),
);

const finding = later(() =>
  z.strictObject({
    status: z.enum(STATUSES_IN_KEYSTORE),
    keystore_sync_flag: z.enum(SYNC_FLAGS),
    keystore_sync_flag_detail: z.enum(SYNC_FLAG_DETAILS),
  }),
);

const linked = later(() => z.strictObject({ id: z.string(), href: z.string() }));

const inKeystore = later(() => ({
  id: z.string(),
  at: dateTime(),
  key: z.strictObject({ id: z.string(), version: z.int(), label: z.optional(z.string()), href: z.string() }),
  keystore: linked(),
}));

export const flagChange = later(() =>
  z.strictObject({
    kind: z.literal('flag'),
    ...inKeystore(),
    vault: linked(),
    from: z.optional(finding().check(z.describe('Absent when the key had never been asked for there.'))),
    to: finding(),
    reason: z.string(),
    cause: z
      .enum(CHANGE_CAUSES)
      .check(z.describe('Why it was looked: the scan, an event of the cloud, a verify, or the work of a decision.')),
    error: z.optional(z.strictObject({ code: z.string(), message: z.string() })),
  }),
);
export type WireFlagChange = Wire<typeof flagChange>;

export const workChange = later(() =>
  z.strictObject({
    kind: z.literal('work'),
    ...inKeystore(),
    work: z.enum(WORK_STATES),
    cause: z.enum(WORK_CAUSES),
    attempts: z.int(),
    last_error: z.optional(z.string()),
  }),
);

export const keyDecision = later(() =>
  z.strictObject({
    kind: z.literal('decision'),
    id: z.string(),
    at: dateTime(),
    operation: z.string().check(z.describe('The operation of this API.')),
    subject: z.string(),
    waits_for_approval: z.boolean(),
    trace: z.string().check(z.describe('The correlation id of the request.')),
  }),
);

export const historyEntry = later(() => z.discriminatedUnion('kind', [flagChange(), workChange(), keyDecision()]));
export type WireHistoryEntry = Wire<typeof historyEntry>;

/** Pages without a count: a history is read from its end, and may be long. */
const cursorPage = later(() => ({ limit: z.int(), first: hrefObject(), next: z.optional(hrefObject()) }));

export const keyHistory = later(() => z.strictObject({ ...cursorPage(), entries: z.array(historyEntry()) }));
export type WireKeyHistory = Wire<typeof keyHistory>;

const flagged = later(() =>
  z.strictObject({
    status: z.enum(STATUSES_IN_KEYSTORE),
    keystore_sync_flag: z.enum(SYNC_FLAGS),
    keystore_sync_flag_detail: z.enum(SYNC_FLAG_DETAILS),
    count: z.int(),
  }),
);

const lastSweep = later(() =>
  z
    .strictObject({
      started_at: dateTime(),
      finished_at: z.optional(dateTime().check(z.describe('Absent while it is under way.'))),
      eta_seconds: z.optional(
        z
          .int()
          .check(z.describe('Until the end of the sweep of all keystores that share its quota, at the pace of now.')),
      ),
      keys: z.int(),
      ok: z.int(),
      out_of_sync: z.int(),
      error: z.int(),
      settling: z.int().check(z.describe('Not judged: changed by us a moment before.')),
    })
    .check(z.describe('What the latest sweep found there so far; absent before the first.')),
);

export const driftSummary = later(() =>
  z.strictObject({
    flagged: z.int().check(z.describe('Keys in keystores whose flag is not ok now.')),
    complete: z
      .boolean()
      .check(z.describe('False when there were too many to count them all: then the counts are at least so much.')),
    keystores: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        href: z.string(),
        vault: linked(),
        health_status: z.enum(HEALTH_STATUSES),
        message: z.optional(z.string()),
        last_heartbeat: z.optional(dateTime()),
        last_sweep: z.optional(lastSweep()),
        flags: z.array(flagged()).check(z.describe('What is not ok now, most frequent first.')),
      }),
    ),
    trend: z.array(
      z.strictObject({
        date: z.iso.date(),
        to_ok: z.int(),
        to_out_of_sync: z.int(),
        to_error: z.int(),
      }),
    ),
    trend_complete: z
      .boolean()
      .check(
        z.describe(
          'False when there were too many changes to count them all: those last in the order asked for are missing.',
        ),
      ),
  }),
);

export const drift = later(() =>
  z.strictObject({
    since: dateTime(),
    ...cursorPage(),
    summary: z.optional(driftSummary().check(z.describe('With the first page only.'))),
    changes: z.array(flagChange()),
  }),
);
export type WireDrift = Wire<typeof drift>;
