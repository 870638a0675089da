import { setTimeout as wait } from 'node:timers/promises';
import { KeystoreFault } from '../drivers/driver.ts';
import { Bucket } from './bucket.ts';
import type { PaceTime } from './bucket.ts';
import { isRead, QUOTAS } from './quotas.ts';
import type { QuotaName } from './quotas.ts';

/** How much of the providers' quotas we use. */
export interface PaceSettings {
  /** Share of each quota that sweeps may use, 0–1; the rest is left to those whose keys they are. */
  readonly readShare: number;
  /** Likewise for calls that change a keystore: repairs. */
  readonly changeShare: number;
  /** Calls a second where a provider admits another number than by default; infinite: unpaced. */
  readonly quotas: Readonly<Partial<Record<QuotaName, number>>>;
}

/** Throttled calls are repeated so often in all before the key counts as one that could not be asked. */
const ATTEMPTS = 5;
/** Full jitter: a random part of this, doubled each time, in milliseconds. */
const JITTER_MS = 200;
const LONGEST_JITTER_MS = 5_000;

/** The buckets of one quota scope. */
export class Pace {
  readonly name: string;
  readonly #settings: PaceSettings;
  readonly #time: PaceTime;
  readonly #random: () => number;
  readonly #buckets = new Map<QuotaName, Bucket>();
  #calls = 0;
  #throttles = 0;

  /** `name` tells this pace from others: of another scope, or with other settings. */
  constructor(settings: PaceSettings, time: PaceTime = REAL_TIME, random: () => number = Math.random, name = 'a pace') {
    this.name = name;
    this.#settings = settings;
    this.#time = time;
    this.#random = random;
  }

  /** Takes a turn for one call; undefined when it can be made at once. */
  take(name: QuotaName): Promise<void> | undefined {
    this.#calls += 1;
    return this.#bucket(name).take();
  }

  /** Calls a second that may be made now. */
  rate(name: QuotaName): number {
    return this.#bucket(name).rate;
  }

  /** What was called since this pace was made. */
  get counts(): { readonly calls: number; readonly throttles: number } {
    return { calls: this.#calls, throttles: this.#throttles };
  }

  /**
   * Makes one call when its turn has come, and again after a throttle. What a provider throttled it has not done, so that any call may be
   * repeated. Throws what `call` throws.
   */
  async run<T>(name: QuotaName, call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const turn = this.take(name);
      if (turn !== undefined) await turn;
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof KeystoreFault) || error.kind !== 'throttled') throw error;
        await this.#afterThrottle(name, attempt, error, signal);
      }
    }
  }

  async #afterThrottle(name: QuotaName, attempt: number, fault: KeystoreFault, signal: AbortSignal): Promise<void> {
    this.#throttles += 1;
    this.#bucket(name).throttled();
    if (attempt >= ATTEMPTS || signal.aborted) throw fault;
    await this.#time.sleep(this.#random() * Math.min(LONGEST_JITTER_MS, JITTER_MS * 2 ** attempt));
  }

  #bucket(name: QuotaName): Bucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      const { quotas, readShare, changeShare } = this.#settings;
      bucket = new Bucket((quotas[name] ?? QUOTAS[name]) * (isRead(name) ? readShare : changeShare), this.#time);
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }
}

const REAL_TIME: PaceTime = { now: () => performance.now(), sleep: (ms) => wait(ms) };

/** How many paces a process keeps: a warm function sees few scopes in its life. */
const KEPT = 200;
const paces = new Map<string, Pace>();

/** The pace of a quota scope in this process: what it learnt of throttles outlives one sweep. */
export function paceOf(scope: string, settings: PaceSettings): Pace {
  const name = `${scope} ${JSON.stringify([settings.readShare, settings.changeShare, settings.quotas])}`;
  const kept = paces.get(name);
  if (kept !== undefined) {
    paces.delete(name);
    paces.set(name, kept);
    return kept;
  }
  const made = new Pace(settings, REAL_TIME, Math.random, name);
  paces.set(name, made);
  for (const oldest of paces.keys()) {
    if (paces.size <= KEPT) break;
    paces.delete(oldest);
  }
  return made;
}

/** `calls`, each of which waits for its turn; those without a quota, and what is no function, as they are. Unpaced without a pace. */
export function paced<C extends object>(
  calls: C,
  pace: Pace | undefined,
  quotas: Readonly<Partial<Record<keyof C, QuotaName>>>,
): C {
  if (pace === undefined) return calls;
  const made: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(calls) as [keyof C & string, unknown][]) {
    const quota = quotas[name];
    if (quota === undefined || typeof value !== 'function') {
      made[name] = value;
      continue;
    }
    made[name] = (...given: unknown[]) => {
      const signal = given.find((each) => each instanceof AbortSignal) ?? NEVER;
      return pace.run(quota, () => Reflect.apply(value, calls, given) as Promise<unknown>, signal);
    };
  }
  return made as C;
}

const NEVER = new AbortController().signal;
