import * as z from 'zod/mini';
import { CHANGE_CAUSES } from '../history/entry.ts';
import type { FlagChange } from '../history/entry.ts';
import { later } from '../later.ts';
import { KEYSTORE_STATUSES, SYNC_FLAG_DETAILS, SYNC_FLAGS } from '../drift/observed.ts';
import { SCHEDULED_ACTIONS } from '../schedule/schedule.ts';
import type { ScheduledAction } from '../schedule/schedule.ts';
import type { Announcement, AnnouncementDigest, KeyChangeAnnounced } from './announcement.ts';
import type { Digest } from './digest.ts';

/*
 * What leaves Shearline by itself: events on the bus, and notices for subscribers. Their JSON schemas in docs/schemas are made from these, by
 * a test. A change that a reader of today's could not bear takes another `schema_version`.
 */

export const EVENT_SOURCE = 'shearline';

/** What is told on the bus: a detail under its type. */
export type BusEvent =
  | { readonly type: 'Key Flag Changed'; readonly detail: FlagChangedDetail }
  | { readonly type: 'Key Change Announced'; readonly detail: KeyChangeAnnouncedDetail }
  | { readonly type: 'Auto-Repair Held'; readonly detail: AutoRepairHeldDetail };

const named = later(() => z.object({ id: z.string(), name: z.string() }));
const finding = later(() =>
  z.object({
    status: z.enum(KEYSTORE_STATUSES),
    keystore_sync_flag: z.enum(SYNC_FLAGS),
    keystore_sync_flag_detail: z.enum(SYNC_FLAG_DETAILS),
  }),
);
const key = later(() => z.object({ id: z.string(), label: z.string(), version: z.int() }));

const eventHead = later(() => ({
  schema_version: z.literal(1),
  id: z.string().check(z.describe('The same in every delivery of the event.')),
  at: z.iso.datetime(),
  vault: named(),
}));
const keyChange = later(() => ({
  key: z.object({ id: z.string(), label: z.string() }),
  action: z.enum(SCHEDULED_ACTIONS),
  due_at: z.iso.datetime(),
}));

/** The `detail` of `Key Flag Changed`. */
export const flagChangedDetail = later(() =>
  z.object({
    ...eventHead(),
    keystore: named(),
    key: key(),
    from: z.optional(finding().check(z.describe('Absent when the key had never been asked for there.'))),
    to: finding(),
    reason: z.string(),
    cause: z.enum(CHANGE_CAUSES),
    error: z.optional(z.object({ code: z.string(), message: z.string() })),
  }),
);
export type FlagChangedDetail = z.infer<ReturnType<typeof flagChangedDetail>>;

/** The `detail` of `Key Change Announced`: what the schedule will do to a key. */
export const keyChangeAnnouncedDetail = later(() => z.object({ ...eventHead(), ...keyChange() }));
export type KeyChangeAnnouncedDetail = z.infer<ReturnType<typeof keyChangeAnnouncedDetail>>;

/** The `detail` of `Auto-Repair Held`: nothing more is repaired in the vault until somebody decides. */
export const autoRepairHeldDetail = later(() => z.object({ ...eventHead(), reason: z.string() }));
export type AutoRepairHeldDetail = z.infer<ReturnType<typeof autoRepairHeldDetail>>;

/** What a webhook and a topic of SNS get. */
export const noticeBody = later(() =>
  z.object({
    schema_version: z.literal(1),
    type: z.enum(['drift_digest', 'announcement_digest', 'test']),
    id: z.string().check(z.describe('The same in every delivery of the notice.')),
    summary: z.string().check(z.describe('One sentence for people.')),
    vault: named(),
    keystore: z.optional(named()),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    changes: z.int(),
    keys: z.int(),
    came_to: z.object({ ok: z.int(), out_of_sync: z.int(), error: z.int() }),
    findings: z.array(
      z.object({
        status: z.string(),
        keystore_sync_flag: z.string(),
        keystore_sync_flag_detail: z.string(),
        count: z.int(),
      }),
    ),
    examples: z.array(
      z.object({
        at: z.iso.datetime(),
        key: key(),
        from: z.optional(finding()),
        to: finding(),
        reason: z.string(),
      }),
    ),
    upcoming: z.optional(
      z
        .array(z.object(keyChange()))
        .check(
          z.describe('What is coming to keys, the first few, the earliest first; only in an announcement_digest.'),
        ),
    ),
    auto_repair_held: z.optional(
      z.string().check(z.describe('Why auto-repair is held; only in an announcement_digest.')),
    ),
    all_changes: z.optional(z.string().check(z.describe('Where to read all of them.'))),
  }),
);
export type NoticeBody = z.infer<ReturnType<typeof noticeBody>>;

interface Named {
  readonly id: string;
  readonly name: string;
}

export function flagChangedEvent(
  change: FlagChange,
  of: { readonly vault: Named; readonly keystore: Named },
): BusEvent {
  return {
    type: 'Key Flag Changed',
    detail: {
      schema_version: 1,
      id: change.id,
      at: change.at.toISOString(),
      vault: of.vault,
      keystore: of.keystore,
      ...keyAndFindings(change),
      cause: change.cause,
      ...(change.error === undefined ? {} : { error: change.error }),
    },
  };
}

/** A digest as subscribers get it. `publicUrl` without a trailing slash; without it nothing is linked. */
export function digestNotice(
  digest: Digest,
  of: { readonly vault: Named; readonly keystore: Named },
  publicUrl: string | undefined,
): NoticeBody {
  const { from, to } = digest.window;
  return {
    schema_version: 1,
    type: 'drift_digest',
    id: digest.id,
    summary: sentence(digest, of.keystore.name),
    ...of,
    from: from.toISOString(),
    to: to.toISOString(),
    changes: digest.changes,
    keys: digest.keys,
    came_to: { ...digest.to },
    findings: digest.findings.map(({ status, flag, detail, count }) => ({
      status,
      keystore_sync_flag: flag,
      keystore_sync_flag_detail: detail,
      count,
    })),
    examples: digest.examples.map((change) => ({ at: change.at.toISOString(), ...keyAndFindings(change) })),
    ...(publicUrl === undefined
      ? {}
      : { all_changes: `${publicUrl}/api/v4/drift?since=${from.toISOString()}&keystore.id=${of.keystore.id}&sort=at` }),
  };
}

export function announcementEvent(announcement: Announcement, vault: Named): BusEvent {
  const { id, at } = announcement;
  const head = { schema_version: 1, id, at: at.toISOString(), vault } as const;
  switch (announcement.kind) {
    case 'key_change':
      return { type: 'Key Change Announced', detail: { ...head, ...keyChangeOf(announcement) } };
    case 'auto_repair_held':
      return { type: 'Auto-Repair Held', detail: { ...head, reason: announcement.reason } };
  }
}

/** More would make the rotation of a large vault a notice that nobody can read. */
const UPCOMING = 10;

/** What was announced in a window, as subscribers get it. `publicUrl` without a trailing slash; without it nothing is linked. */
export function announcementNotice(
  digest: AnnouncementDigest,
  vault: Named,
  publicUrl: string | undefined,
): NoticeBody {
  const { keyChanges, held } = digest;
  return {
    schema_version: 1,
    type: 'announcement_digest',
    id: digest.id,
    summary: [upcomingSentence(keyChanges, vault.name), heldSentence(held?.reason, vault.name)]
      .filter((each) => each !== '')
      .join(' '),
    vault,
    from: digest.window.from.toISOString(),
    to: digest.window.to.toISOString(),
    changes: keyChanges.length,
    keys: new Set(keyChanges.map(({ keyId }) => keyId)).size,
    came_to: { ok: 0, out_of_sync: 0, error: 0 },
    findings: [],
    examples: [],
    ...(keyChanges.length === 0 ? {} : { upcoming: keyChanges.slice(0, UPCOMING).map(keyChangeOf) }),
    ...(held === undefined ? {} : { auto_repair_held: held.reason }),
    ...(publicUrl === undefined || keyChanges.length === 0
      ? {}
      : { all_changes: `${publicUrl}/api/v4/upcoming_changes?vault.id=${vault.id}` }),
  };
}

const DONE_TO_THEM: Record<ScheduledAction, string> = {
  activate: 'activated',
  deactivate: 'deactivated',
  rotate: 'rotated',
};

function upcomingSentence(changes: readonly KeyChangeAnnounced[], vault: string): string {
  const [first] = changes;
  if (first === undefined) return '';
  const counts = SCHEDULED_ACTIONS.flatMap((action) => {
    const count = changes.filter((each) => each.action === action).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? 'key' : 'keys'} will be ${DONE_TO_THEM[action]}`];
  });
  return `In ${vault}, ${counts.join(', ')}, the first at ${first.dueAt.toISOString()}.`;
}

function heldSentence(reason: string | undefined, vault: string): string {
  return reason === undefined ? '' : `Auto-repair of ${vault} is held: ${reason}`;
}

function keyChangeOf({ keyId, label, action, dueAt }: KeyChangeAnnounced) {
  return { key: { id: keyId, label }, action, due_at: dueAt.toISOString() };
}

/** A notice of nothing, by which somebody tries a subscription. */
export function testNotice(id: string, vault: Named, now: Date): NoticeBody {
  return {
    schema_version: 1,
    type: 'test',
    id,
    summary: `This is a test of a notification subscription of the vault ${vault.name}. Nothing happened.`,
    vault,
    from: now.toISOString(),
    to: now.toISOString(),
    changes: 0,
    keys: 0,
    came_to: { ok: 0, out_of_sync: 0, error: 0 },
    findings: [],
    examples: [],
  };
}

function sentence({ keys, to }: Digest, keystore: string): string {
  const parts = [
    to.error > 0 ? `${to.error} could not be asked` : '',
    to.out_of_sync > 0 ? `${to.out_of_sync} went out of sync` : '',
    to.ok > 0 ? `${to.ok} became ok` : '',
  ].filter((part) => part !== '');
  return `Of ${keys} ${keys === 1 ? 'key' : 'keys'} in ${keystore}, ${parts.join(', ')}.`;
}

function keyAndFindings(change: FlagChange) {
  const { keyId, label, version, from, to, reason } = change;
  return {
    key: { id: keyId, label, version },
    ...(from === undefined ? {} : { from: onWire(from) }),
    to: onWire(to),
    reason,
  };
}

function onWire({ status, flag, detail }: FlagChange['to']) {
  return { status, keystore_sync_flag: flag, keystore_sync_flag_detail: detail };
}
