import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import { KeystoreFault } from '../drivers/driver.ts';
import type { FoundKey, KeystoreDriver, ListedKey } from '../drivers/driver.ts';
import { kindOf } from '../keys/create.ts';
import type { Keystore } from '../keystores/keystore.ts';
import { couldBeOurs, isUnmanaged, whyNotAdoptable } from './judge.ts';
import type { Judging } from './judge.ts';
import { keyOf, knownIn } from './known.ts';
import type { Known } from './known.ts';

/** A key in a keystore that no managed key owns. */
export interface UnmanagedKey {
  readonly idInKeystore: string;
  readonly names: readonly string[];
  /** Undefined where the keystore does not tell, or could not be asked. */
  readonly state: FoundKey['state'] | undefined;
  readonly createdAt: Date | undefined;
  readonly providerName: string | undefined;
  readonly spec: FoundKey['spec'];
  /** Why it cannot be adopted; undefined when it can. */
  readonly refusal: string | undefined;
}

/** Where a listing goes on: a page of the keystore's own, and the last key of it that was dealt with. */
export interface Place {
  readonly page: string | undefined;
  readonly past: string | undefined;
}

export interface Found {
  readonly keys: readonly UnmanagedKey[];
  /** Undefined after the last key. Until then, an answer may have fewer keys than asked for, or none. */
  readonly next: Place | undefined;
}

/** Calls in flight to one keystore while its keys are looked at. */
const AT_ONCE = 8;
/** A request goes through keys of ours at the speed of the keystore's listing; after so long it answers how far it came. */
const LONGEST_MS = 12_000;

/**
 * The keys in a keystore that no managed key owns, in the keystore's own order, at most `limit` of them from `place` on. Keeps no more than
 * one page of the keystore's listing, and the ids of our own keys there. Throws a `KeystoreFault` when the keystore cannot be asked: of keys
 * that were not seen nothing is said.
 */
export async function unmanagedKeys(
  deployment: Deployment,
  keystore: Keystore,
  limit: number,
  place: Place,
  signal: AbortSignal,
): Promise<Found> {
  const kind = kindOf(keystore.type);
  // Before the keystore is asked: a key of ours that is made meanwhile shows as in doubt, or with its mark.
  const known = await knownIn(deployment.database, kind, keystore.id);
  const by = judging(deployment, keystore, known);
  const driver = await deployment.driverFor(keystore);
  const keys: UnmanagedKey[] = [];
  const end = performance.now() + LONGEST_MS;
  let { page: after, past } = place;
  for (;;) {
    const page = await driver.list(after, signal);
    const candidates = onceEach(page.keys, (id) => keyOf(kind, id), past).filter(
      ({ idInKeystore }) => !known.has(idInKeystore),
    );
    while (candidates.length > 0 && performance.now() < end) {
      const looked = candidates.splice(0, limit - keys.length);
      const shown = await pMap(looked, (listed) => look(driver, listed, by, signal), { concurrency: AT_ONCE });
      keys.push(...shown.filter((each) => each !== undefined));
      past = looked.at(-1)?.idInKeystore;
      if (keys.length === limit) break;
    }
    const isDone = candidates.length === 0;
    if (isDone && page.next === undefined) return { keys, next: undefined };
    if (!isDone) return { keys, next: { page: after, past } };
    after = page.next;
    past = undefined;
    if (keys.length === limit || performance.now() >= end) return { keys, next: { page: after, past } };
  }
}

/** What keys of this keystore are judged by. */
export function judging(deployment: Deployment, keystore: Keystore, known: Pick<Known, 'inDoubtSince'>): Judging {
  return {
    kind: kindOf(keystore.type),
    settings: keystore.settings,
    known,
    custodyKeyId: deployment.config.custodyKeyId,
    settlingSeconds: deployment.config.settlingSeconds,
    now: deployment.clock(),
  };
}

/** The keys of a page, each once whatever versions of it are listed, after the last that was dealt with; all of them if that is gone. */
function onceEach(keys: readonly ListedKey[], idOf: (id: string) => string, past: string | undefined): ListedKey[] {
  const start =
    past === undefined ? 0 : keys.findLastIndex(({ idInKeystore }) => idOf(idInKeystore) === idOf(past)) + 1;
  return [...new Map(keys.slice(start).map((key) => [idOf(key.idInKeystore), key])).values()];
}

async function look(
  driver: KeystoreDriver,
  listed: ListedKey,
  by: Judging,
  signal: AbortSignal,
): Promise<UnmanagedKey | undefined> {
  const asListed = (refusal: string): UnmanagedKey | undefined =>
    couldBeOurs(listed.createdAt, by)
      ? undefined
      : {
          idInKeystore: listed.idInKeystore,
          names: listed.name === undefined ? [] : [listed.name],
          state: listed.state,
          createdAt: listed.createdAt,
          providerName: undefined,
          spec: undefined,
          refusal,
        };
  if (driver.examine === undefined) return asListed(by.kind.refusesAdoption ?? 'Such keys cannot be adopted.');
  try {
    const found = await driver.examine(listed.idInKeystore, signal);
    if (found === undefined || !isUnmanaged(found, by)) return undefined;
    const { idInKeystore, names, state, createdAt, providerName, spec } = found;
    return { idInKeystore, names, state, createdAt, providerName, spec, refusal: whyNotAdoptable(found, by) };
  } catch (error) {
    // One key that may not be looked at must not hide the others.
    if (!(error instanceof KeystoreFault) || !ABOUT_THE_KEY.has(error.kind)) throw error;
    return asListed(`It could not be looked at: ${error.message}`);
  }
}

const ABOUT_THE_KEY: ReadonlySet<KeystoreFault['kind']> = new Set([
  'denied',
  'conflict',
  'unsupported',
  'unavailable',
  'broken',
]);
