import type { RawItem } from '../../../lib/records/database.ts';
import type { KeyListing } from '../../../sandbox/aws-kms/server.ts';

/**
 * What is the case after all is done, a line for each fact, without what differs from run to run: times, ids, counts of writes. Two runs
 * that led to the same have the same lines.
 */
export interface Snapshot {
  /** What users decided, and what follows from it alone. */
  readonly decided: readonly string[];
  /** What is in the keystores, what was made there, and what Shearline says of it. */
  readonly inKeystores: readonly string[];
}

/** Attributes that say when, how often or in what words, and places in indexes, which repeat others. */
const PASSING = new Set([
  'activation_date',
  'deactivation_date',
  'created_at',
  'updated_at',
  'rotated_at',
  'deactivated_at',
  'destroyed_at',
  'intended_at',
  'touched_at',
  'seen_at',
  'since',
  'last_heartbeat',
  'revision',
  'fence',
  'judged_fence',
  'keystores_generation',
  'reason',
  'message',
  'ciphertext',
  'sealed',
  ...['vault', 'keystore', 'flag', 'due'].flatMap((index) => [`${index}_pk`, `${index}_sk`]),
]);
/** Of these it is told whether they are there. */
const PRESENT = new Set(['fingerprint', 'open', 'create_sent_at', 'pending_destruction_until']);

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** A text with ids replaced by what they stand for; by `*` where that is not known. */
export function withRoles(text: string, roles: ReadonlyMap<string, string>): string {
  return text
    .replace(UUID, (id) => roles.get(id) ?? '*')
    .replace(/shadow-[0-9a-f]{20}/g, 'shadow-*')
    .replace(/AKIATORTURE\d{9}/g, 'access key')
    .replace(/:2\d{11}:/g, ':account:');
}

/** What is the case: the items of the table, and the keys in AWS KMS. */
export function snapshotOf(
  items: readonly RawItem[],
  keys: readonly KeyListing[],
  roles: ReadonlyMap<string, string>,
): Snapshot {
  const decided: string[] = [];
  const inKeystores = keys.map((key) => withRoles(lineOf(key), roles));
  for (const item of items) {
    const { pk: itemPk, sk: itemSk, ...attributes } = item;
    const [pk, sk] = [String(itemPk), String(itemSk)];
    if (/^(AUDIT|AUDITED|HISTORY|IDEMPOTENCY|RATE|REPAIRS?)(#|$)/.test(pk) || /^(HEALTH|AUTO-REPAIR)$/.test(sk))
      continue;
    const line = `${withRoles(`${pk} ${sk}`, roles)} ${inOrder(attributes, roles)}`;
    (/^(INSTANCE|OBSERVED)#/.test(sk) ? inKeystores : decided).push(line);
  }
  return { decided: decided.sort(), inKeystores: inKeystores.sort() };
}

function lineOf({ region, tags, state, aliases, hasMaterial, origin }: KeyListing): string {
  const own = Object.entries(tags)
    .filter(([name]) => name !== 'shearline:former-label')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `KMS ${region} ${JSON.stringify({ state, aliases: aliases.toSorted(), hasMaterial, origin, tags: own })}`;
}

function inOrder(value: unknown, roles: ReadonlyMap<string, string>): string {
  return JSON.stringify(value, (name, member: unknown) => {
    if (PASSING.has(name)) return undefined;
    if (PRESENT.has(name)) return member === undefined ? undefined : 'there';
    if (member instanceof Uint8Array) return 'bytes';
    if (typeof member === 'string') return withRoles(member, roles);
    // Ids are random, and lists are kept in their order.
    if (Array.isArray(member)) return member.map((each: unknown) => inOrder(each, roles)).sort();
    if (typeof member !== 'object' || member === null) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** What is in one and not in the other, for people. */
export function differenceOf(expected: Snapshot, found: Snapshot): readonly string[] {
  const lines = (of: Snapshot) => [...of.decided, ...of.inKeystores];
  const [was, is] = [new Set(lines(expected)), new Set(lines(found))];
  return [
    ...lines(expected).flatMap((line) => (is.has(line) ? [] : [`- ${line}`])),
    ...lines(found).flatMap((line) => (was.has(line) ? [] : [`+ ${line}`])),
  ];
}

export function sameLines(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, position) => line === other[position]);
}
