import * as z from 'zod/mini';
import { CHANGE_CAUSES } from '../history/entry.ts';
import type { FlagChange } from '../history/entry.ts';
import { later } from '../later.ts';
import { KEYSTORE_STATUSES, SYNC_FLAG_DETAILS, SYNC_FLAGS } from '../drift/observed.ts';
import type { Digest } from './digest.ts';

/*
 * What leaves Shearline by itself: events on the bus, and notices for subscribers. Their JSON schemas in docs/schemas are made from these, by
 * a test. A change that a reader of today's could not bear takes another `schema_version`.
 */

export const EVENT_SOURCE = 'shearline';
export const EVENT_TYPE = 'Key Flag Changed';

const named = later(() => z.object({ id: z.string(), name: z.string() }));
const finding = later(() =>
  z.object({
    status: z.enum(KEYSTORE_STATUSES),
    keystore_sync_flag: z.enum(SYNC_FLAGS),
    keystore_sync_flag_detail: z.enum(SYNC_FLAG_DETAILS),
  }),
);
const key = later(() => z.object({ id: z.string(), label: z.string(), version: z.int() }));

/** The `detail` of an event on the bus. */
export const flagChangedDetail = later(() =>
  z.object({
    schema_version: z.literal(1),
    id: z.string().check(z.describe('The same in every delivery of the event.')),
    at: z.iso.datetime(),
    vault: named(),
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

/** What a webhook and a topic of SNS get. */
export const noticeBody = later(() =>
  z.object({
    schema_version: z.literal(1),
    type: z.enum(['drift_digest', 'test']),
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
): FlagChangedDetail {
  return {
    schema_version: 1,
    id: change.id,
    at: change.at.toISOString(),
    vault: of.vault,
    keystore: of.keystore,
    ...keyAndFindings(change),
    cause: change.cause,
    ...(change.error === undefined ? {} : { error: change.error }),
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
