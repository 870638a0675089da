import { createHash } from 'node:crypto';
import type { Tag } from '../../tag.ts';
import type { KeyInKeystore } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { OWN_LABEL_PREFIX } from './kind.ts';
import type { CryptoKey } from './resources.ts';
import type { Claims } from './versions.ts';
import { readClaims, writeClaims } from './versions.ts';

export type Labels = Readonly<Record<string, string>>;

/**
 * How a CryptoKey is known to be ours. KEY is the managed key's id. VERSION is the version that the name leads to; for symmetric keys
 * Google's own primary version decides that. VERSIONS is described in `versions.ts`. TAGS, with `_2`, `_3`, … where one is too short,
 * says which of the other labels we put there.
 */
export const OWN_LABELS = {
  key: `${OWN_LABEL_PREFIX}key`,
  version: `${OWN_LABEL_PREFIX}version`,
  versions: `${OWN_LABEL_PREFIX}versions`,
  tags: `${OWN_LABEL_PREFIX}tags`,
} as const;

const isOwn = (name: string): boolean => name.startsWith(OWN_LABEL_PREFIX);
const isMemory = (name: string): boolean => name === OWN_LABELS.tags || name.startsWith(`${OWN_LABELS.tags}_`);

/** The id of the managed key that the CryptoKey belongs to; undefined when it is not ours. */
export function ownerOf(found: Pick<CryptoKey, 'labels'>): string | undefined {
  return found.labels[OWN_LABELS.key];
}

export function claimsOf(found: Pick<CryptoKey, 'labels'>): Claims {
  return readClaims(found.labels[OWN_LABELS.versions]);
}

/** The labels with these claims. */
export function withClaims(labels: Labels, claims: Claims): Labels {
  const value = writeClaims(claims);
  return value === '' ? without(labels, [OWN_LABELS.versions]) : { ...labels, [OWN_LABELS.versions]: value };
}

/** The labels with the marks of this version of this key: whose it is, and where its name leads. */
export function withOwner(labels: Labels, key: KeyInKeystore): Labels {
  return { ...labels, [OWN_LABELS.key]: key.keyId, [OWN_LABELS.version]: String(key.version) };
}

const MARK_LENGTH = 6;
const MARKS_PER_LABEL = 10;

function markOf(name: string): string {
  const digits = BigInt(`0x${createHash('sha256').update(name).digest('hex')}`).toString(36);
  return digits.slice(-MARK_LENGTH).padStart(MARK_LENGTH, '0');
}

/**
 * The labels with the user's tags in line: those that we put there before and that are gone are removed, those that somebody else put
 * there stay, unless the managed key has one of that name.
 */
export function withTags(labels: Labels, tags: readonly Tag[]): Labels {
  const marks = Object.entries(labels)
    .filter(([name]) => isMemory(name))
    .map(([, value]) => value)
    .join('');
  const remembered = new Set(marks.match(new RegExp(`.{${MARK_LENGTH}}`, 'g')) ?? []);
  const dropped = Object.keys(labels).filter(
    (name) => isMemory(name) || (!isOwn(name) && remembered.has(markOf(name))),
  );
  return {
    ...without(labels, dropped),
    ...Object.fromEntries(tags.map((tag) => [tag.name, tag.value])),
    ...memoryOf(tags),
  };
}

function memoryOf(tags: readonly Tag[]): Labels {
  const marks = tags.map((tag) => markOf(tag.name)).toSorted();
  const memory: Record<string, string> = {};
  for (let at = 0; at < marks.length; at += MARKS_PER_LABEL) {
    const name = at === 0 ? OWN_LABELS.tags : `${OWN_LABELS.tags}_${at / MARKS_PER_LABEL + 1}`;
    memory[name] = marks.slice(at, at + MARKS_PER_LABEL).join('');
  }
  return memory;
}

function without(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)));
}

/**
 * Changes the labels of a CryptoKey, and sends nothing when nothing changes; answers the CryptoKey as it then is. `change` answers
 * undefined to leave everything as it is.
 */
export type EditLabels = (
  cryptoKey: string,
  change: (labels: Labels, found: CryptoKey) => Labels | undefined,
  signal: AbortSignal,
) => Promise<CryptoKey>;

/** Google replaces all labels at once and has no etag on a CryptoKey, so within this process one change waits for the other. */
export interface LabelEditor {
  readonly edit: EditLabels;
  /** Does work during which nobody else in this process changes the CryptoKey's labels; by the `edit` that it is given it may. */
  alone<T>(cryptoKey: string, work: (edit: EditLabels) => Promise<T>): Promise<T>;
}

export function labelEditor(calls: GoogleCalls): LabelEditor {
  const edit: EditLabels = async (cryptoKey, change, signal) => {
    const found = await calls.cryptoKey(cryptoKey, signal);
    const labels = change(found.labels, found);
    return labels === undefined || same(labels, found.labels) ? found : calls.updateLabels(cryptoKey, labels, signal);
  };
  const last = new Map<string, Promise<unknown>>();
  const alone: LabelEditor['alone'] = async (cryptoKey, work) => {
    const before = last.get(cryptoKey);
    const turn = (async () => {
      // What became of the work before is its caller's matter.
      await before?.catch(() => undefined);
      return work(edit);
    })();
    last.set(cryptoKey, turn);
    try {
      return await turn;
    } finally {
      if (last.get(cryptoKey) === turn) last.delete(cryptoKey);
    }
  };
  return {
    edit: (cryptoKey, change, signal) => alone(cryptoKey, (own) => own(cryptoKey, change, signal)),
    alone,
  };
}

function same(one: Labels, other: Labels): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
