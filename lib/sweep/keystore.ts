import type { Deployment } from '../deployment.ts';
import type { Health, KeyInKeystore, KeystoreDriver, ListedKey, Listing, Seen } from '../drivers/driver.ts';
import { forget, storeObservation } from '../drift/converge.ts';
import { asKeystoreFault, keyInKeystore } from '../drift/look.ts';
import type { Observed } from '../drift/observed.ts';
import { settlingUntil } from '../drift/settling.ts';
import { observation, sameFinding } from '../drift/verdict.ts';
import type { Look } from '../drift/verdict.ts';
import type { KeyInstance } from '../keys/key.ts';
import type { Keystore, KeystoreHealth } from '../keystores/keystore.ts';
import type { DirectWay } from '../drivers/registry.ts';
import type { Pace } from '../pace/pace.ts';
import { readInstance, readKeystoreHealth, readObserved } from '../records/reading.ts';
import { stringIn } from '../records/item-text.ts';
import { shardOf } from '../records/table.ts';
import { storeHealth } from './health.ts';
import { Line } from './line.ts';
import { pagesOf, Pairs, readPair } from './pairs.ts';
import type { Pair, Position } from './pairs.ts';
import { Tally } from './tally.ts';
import type { KeystoreScan } from './tally.ts';
import { calm, isAsBefore } from './unchanged.ts';
import type { Calm } from './unchanged.ts';
import { inParallel } from '../in-parallel.ts';

/** Loaded with the first keystore of AWS KMS that is swept. */
const DIRECT: DirectWay = () => import('../drivers/aws-kms/direct.ts');

/** So many keys are asked for one by one, also where a page of a listing would tell of them all. */
const HANDFUL = 5;
/** What is held in memory while a listing passes by: keys that are well, of which little is kept, and others, which are kept whole. */
const CALM_AT_ONCE = 100_000;
const OTHERS_AT_ONCE = 5_000;

/** Where a sweep of a keystore goes on. `ask`: key by key from here, because a listing took longer than one run may. */
export interface Cursor {
  readonly after: Position | undefined;
  readonly ask: boolean;
}

/** The end of a run: `signal` cuts calls off; after `isTimeUp` nothing new is begun, and what was begun is finished. */
export interface Run {
  readonly signal: AbortSignal;
  readonly isTimeUp: () => boolean;
  /** Told now and then how far a keystore is. */
  readonly progress?: (keystore: Keystore, keys: number) => void;
}

export interface SweptKeystore {
  readonly scan: KeystoreScan;
  /** Where to go on; undefined when every key was dealt with. */
  readonly next: Cursor | undefined;
}

/**
 * Verifies every key in one keystore, from `from` on until the end or until the time is up, and stores what changed. Changes no keystore. Of
 * an unchanged keystore it writes one row. What is in memory does not grow with the number of keys. Can be repeated, also twice at once.
 */
export async function sweepKeystore(
  deployment: Deployment,
  keystore: Keystore,
  pace: Pace | undefined,
  run: Run,
  from?: Cursor,
): Promise<SweptKeystore> {
  const pairs = new Pairs(pagesOf(deployment.database, keystore.id), keystore.id, from?.after);
  const [before, isMoreThanHandful] = await Promise.all([
    readKeystoreHealth(deployment.database, keystore.id),
    pairs.hasMoreThan(HANDFUL),
  ]);
  const byListing = isMoreThanHandful && from?.ask !== true;
  const { driver, health } = await reach(deployment, keystore, pace, byListing ? before : undefined, run.signal);
  const stored = await storeHealth(deployment, keystore.id, health, { before, sweep: from === undefined });
  const sweep = new Sweep(deployment, keystore, new Line(driver, health), run, pairs, stored.sweeps);
  const listing = byListing ? driver?.listing : undefined;
  const next = await (listing === undefined ? sweep.askEach() : sweep.compareWithListing(listing));
  const end = sweep.result();
  if (end.health !== health.status) {
    await storeHealth(deployment, keystore.id, { status: end.health, message: end.message }, { before: stored });
  }
  return { scan: end, next };
}

/** `before`: what the keystore's health was, where a listing is about to show by itself whether it still is so. */
async function reach(
  deployment: Deployment,
  keystore: Keystore,
  pace: Pace | undefined,
  before: KeystoreHealth | undefined,
  signal: AbortSignal,
): Promise<{ driver: KeystoreDriver | undefined; health: Health }> {
  let driver: KeystoreDriver | undefined;
  try {
    driver = await deployment.driverFor(keystore, pace, DIRECT);
    if (driver.listing !== undefined && before?.status === 'ok') {
      return { driver, health: { status: 'ok', message: before.message } };
    }
    return { driver, health: await driver.health(signal) };
  } catch (error) {
    const fault = asKeystoreFault(error);
    const status = fault.kind === 'denied' || fault.kind === 'not_found' ? 'configuration_error' : 'not_responding';
    return { driver: undefined, health: { status, message: fault.message } };
  }
}

/** A key that waits for the listing to show it. */
type Expected =
  | { readonly calm: Calm; readonly pair?: undefined }
  /** One that is not well, or was not when it was last judged. */
  | { readonly calm?: undefined; readonly pair: Pair; readonly key: KeyInKeystore };

class Sweep {
  readonly #deployment: Deployment;
  readonly #keystore: Keystore;
  readonly #line: Line;
  readonly #run: Run;
  readonly #pairs: Pairs;
  /** Which sweep of the keystore this is: what makes keys take turns in being probed. */
  readonly #number: number;
  readonly #tally = new Tally();
  #settledBefore = '';

  constructor(deployment: Deployment, keystore: Keystore, line: Line, run: Run, pairs: Pairs, number: number) {
    this.#deployment = deployment;
    this.#keystore = keystore;
    this.#line = line;
    this.#run = run;
    this.#pairs = pairs;
    this.#number = number;
  }

  result(): KeystoreScan {
    return this.#tally.result(this.#keystore, this.#line.health);
  }

  /** Asks the keystore for one key after the other, many at once. */
  async askEach(): Promise<Cursor | undefined> {
    let more = true as boolean;
    await this.#inParallel(async () => {
      if (this.#run.isTimeUp() || !more) return false;
      const taken = this.#pairs.take();
      const pair = taken instanceof Promise ? await taken : taken;
      if (pair === undefined) {
        more = false;
        return false;
      }
      await this.#askFor(pair);
      return true;
    });
    return more ? { after: this.#pairs.position, ask: true } : undefined;
  }

  /**
   * Reads as many records as fit, then the whole listing past them. A key that the listing shows as it was is done with; whatever differs, is
   * not shown, or is due for a look of its own is asked for: nothing is concluded from a listing but that all is well.
   */
  async compareWithListing(listing: Listing): Promise<Cursor | undefined> {
    for (;;) {
      const began = this.#pairs.position;
      const forgetCounts = this.#tally.mark();
      const gathered = await this.#gather(listing);
      const isDone =
        (await this.#askAll(gathered.ask)) &&
        (await this.#compare(gathered.awaited)) &&
        (await this.#askAll(gathered.awaited.values()));
      if (!isDone) {
        forgetCounts();
        return { after: began, ask: true };
      }
      if (gathered.wasLast) return undefined;
      if (this.#run.isTimeUp()) return { after: this.#pairs.position, ask: false };
    }
  }

  async #gather(listing: Listing): Promise<{
    readonly awaited: Map<string, Expected>;
    readonly ask: Pair[];
    readonly wasLast: boolean;
  }> {
    const awaited = new Map<string, Expected>();
    const ask: Pair[] = [];
    let others = 0;
    this.#takeTime();
    while (awaited.size < CALM_AT_ONCE && others < OTHERS_AT_ONCE) {
      const taken = this.#pairs.take();
      const pair = taken instanceof Promise ? await taken : taken;
      if (pair === undefined) return { awaited, ask, wasLast: true };
      const expected = calm(pair, this.#settledBefore);
      const key = expected?.key ?? this.#keyOf(pair);
      const id = key === undefined ? undefined : listing.idOf(key);
      const waits = id !== undefined && !awaited.has(id) && (listing.showsAll || !this.#isDue(pair));
      if (!waits || key === undefined) {
        ask.push(pair);
        others += 1;
      } else if (expected === undefined) {
        awaited.set(id, { pair, key });
        others += 1;
      } else {
        awaited.set(id, { calm: expected });
      }
    }
    return { awaited, ask, wasLast: false };
  }

  #keyOf(pair: Pair): KeyInKeystore | undefined {
    try {
      return keyInKeystore(readPair(pair).instance, undefined);
    } catch {
      // Told when it is asked for.
      return undefined;
    }
  }

  /** Every key once in so many sweeps, evenly spread over them. */
  #isDue({ instance }: Pair): boolean {
    const every = this.#deployment.config.probeEverySweeps;
    return shardOf(stringIn(instance.get('key_id')) ?? '', every) === this.#number % every;
  }

  /** Takes out of `awaited` what the listing shows to be as it was; what is left must be asked for. False when the time was up before its end. */
  async #compare(awaited: Map<string, Expected>): Promise<boolean> {
    let after: string | undefined;
    do {
      const driver = this.#line.open;
      if (driver === undefined || awaited.size === 0) return true;
      if (this.#run.isTimeUp()) return false;
      let page: Awaited<ReturnType<KeystoreDriver['list']>>;
      try {
        page = await driver.list(after, this.#run.signal);
      } catch (error) {
        // What a listing that broke off has not shown may be there all the same: it is asked for.
        this.#line.failed(error);
        await this.#line.ask(this.#run.signal);
        return true;
      }
      for (const listed of page.keys) this.#compareWith(listed, awaited);
      after = page.next;
    } while (after !== undefined);
    for (const [id, each] of awaited) {
      if (this.#saysNothingNew(each, { presence: 'absent' })) awaited.delete(id);
    }
    return true;
  }

  #compareWith(listed: ListedKey, awaited: Map<string, Expected>): void {
    const each = awaited.get(listed.idInKeystore);
    if (each === undefined) return;
    const seen = listed.lookedAt?.(each.calm === undefined ? each.key : each.calm.key);
    if (seen !== undefined && this.#saysNothingNew(each, seen)) awaited.delete(listed.idInKeystore);
  }

  /** Whether what a listing shows is what is known already; counts the key if so. */
  #saysNothingNew(each: Expected, seen: Seen): boolean {
    if (each.calm !== undefined) {
      if (!isAsBefore(each.calm, seen)) return false;
      this.#tally.countCalm();
      return true;
    }
    const { instance, before } = readPair(each.pair);
    // Work that is open, and what is to be forgotten when it is gone, takes a look.
    if (before === undefined || instance.open !== undefined || instance.keyRemoved) return false;
    const now = this.#deployment.clock();
    if (this.#isSettling(instance, now)) return false;
    const next = observation(instance, { seen }, before, now);
    if (!sameFinding(before, next) || before.judgedFence !== next.judgedFence) return false;
    this.#tally.count(before, false);
    return true;
  }

  /** False when the time was up before all were asked for. */
  async #askAll(waiting: Iterable<Pair | Expected>): Promise<boolean> {
    const iterator = waiting[Symbol.iterator]();
    let isDone = false;
    await this.#inParallel(async () => {
      if (this.#run.isTimeUp()) return false;
      const taken = iterator.next();
      if (taken.done === true) {
        isDone = true;
        return false;
      }
      const { value } = taken;
      if ('instance' in value) await this.#askFor(value);
      else if (value.calm === undefined) await this.#askFor(value.pair);
      else await this.#askAgain(value.calm);
      return true;
    });
    return isDone;
  }

  async #inParallel(one: () => Promise<boolean>): Promise<void> {
    this.#takeTime();
    let taken = 0;
    const worker = async (): Promise<void> => {
      while (await one()) {
        taken += 1;
        if (taken % 256 !== 0) continue;
        this.#takeTime();
        this.#run.progress?.(this.#keystore, this.#tally.keys);
      }
    };
    const workers = this.#deployment.config.scanConcurrency;
    await inParallel(Array.from({ length: workers }), worker, workers);
  }

  /** A time that is read for each key would cost more than it tells; settling is about seconds. */
  #takeTime(): void {
    const { clock, config } = this.#deployment;
    this.#settledBefore = new Date(clock().getTime() - config.settlingSeconds * 1000).toISOString();
  }

  /** The hot path: of a million keys nearly all end in its first lines. */
  async #askFor(pair: Pair): Promise<void> {
    const expected = calm(pair, this.#settledBefore);
    const driver = this.#line.open;
    if (expected === undefined || driver === undefined) {
      await this.#judge(() => Promise.resolve(readPair(pair)));
      return;
    }
    const lookedAt = this.#deployment.clock();
    let look: Look;
    try {
      const seen = await driver.observe(expected.key, this.#run.signal);
      look = this.#line.answered(seen);
      if (isAsBefore(expected, seen)) {
        this.#tally.countCalm();
        return;
      }
    } catch (error) {
      look = { fault: this.#line.failed(error) };
    }
    await this.#judge(() => Promise.resolve(readPair(pair)), { look, lookedAt });
  }

  /** A calm key that the listing did not show as calm; its record was not kept. */
  async #askAgain({ key: { keyId, version } }: Calm): Promise<void> {
    const { database } = this.#deployment;
    const of = { keyId, version, keystoreId: this.#keystore.id };
    await this.#judge(async () => {
      const [instance, before] = await Promise.all([readInstance(database, of), readObserved(database, of)]);
      return instance === undefined ? undefined : { instance, before };
    });
  }

  #isSettling(instance: KeyInstance, now: Date): boolean {
    return settlingUntil(instance, now, this.#deployment.config.settlingSeconds) !== undefined;
  }

  async #judge(
    read: () => Promise<{ readonly instance: KeyInstance; readonly before: Observed | undefined } | undefined>,
    looked?: { readonly look: Look; readonly lookedAt: Date },
  ): Promise<void> {
    const deployment = this.#deployment;
    try {
      const record = await read();
      if (record === undefined) return;
      const { instance, before } = record;
      const lookedAt = looked?.lookedAt ?? deployment.clock();
      if (this.#isSettling(instance, lookedAt)) {
        this.#tally.settling += 1;
        return;
      }
      const look = looked?.look ?? (await this.#line.look(keyInKeystore(instance, undefined), this.#run.signal));
      const { observed, changed } = await storeObservation(deployment, instance, look, lookedAt, undefined, before);
      this.#tally.count(observed, changed);
      await forgetWhenGone(deployment, instance, look);
    } catch (error) {
      this.#tally.failed += 1;
      deployment.log.error('A finding could not be stored.', {
        keystoreId: this.#keystore.id,
        error: error as Error,
      });
    }
  }
}

async function forgetWhenGone(deployment: Deployment, instance: KeyInstance, look: Look): Promise<void> {
  // Where a create may still take effect, whoever follows it up forgets it.
  const isGone = 'seen' in look && look.seen.presence === 'absent' && instance.createSentAt === undefined;
  if (instance.keyRemoved && isGone) await forget(deployment, instance);
}
