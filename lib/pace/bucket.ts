/** Milliseconds that only grow, and a way to let them pass; injected, so that a pace can be proved without waiting. */
export interface PaceTime {
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** A throttle means that somebody else uses the quota too: half of what we sent is given up. */
const DECREASE = 0.5;
/** Given up once for all the calls that were under way when the throttle came. */
const ONE_DECREASE_MS = 1_000;
/** Share of the ceiling that the rate wins back in a second: from half of it to all in 25. */
const INCREASE_PER_SECOND = 0.02;
/** The rate never falls below this share of the ceiling: somebody must find out when the way is free again. */
const FLOOR = 0.01;
/** Calls that may go at once after a pause, in milliseconds of the rate. */
const BURST_MS = 50;

/**
 * A token bucket whose rate adapts: additive increase up to a ceiling, multiplicative decrease when the provider throttles. One per quota;
 * whoever calls takes a turn first and waits until it has come.
 */
export class Bucket {
  readonly #ceiling: number;
  readonly #time: PaceTime;
  #rate: number;
  /** When the next call may go, were there no burst. */
  #next: number;
  #grownAt: number;
  #decreasedAt = Number.NEGATIVE_INFINITY;

  /** `ceiling`: calls a second, above 0; may be infinite. */
  constructor(ceiling: number, time: PaceTime) {
    this.#ceiling = ceiling;
    this.#rate = ceiling;
    this.#time = time;
    this.#next = time.now();
    this.#grownAt = this.#next;
  }

  /** Calls a second that may go now. */
  get rate(): number {
    this.#grow(this.#time.now());
    return this.#rate;
  }

  /** Takes a turn. Undefined when it is there already: the common case costs no promise. */
  take(): Promise<void> | undefined {
    if (this.#ceiling === Number.POSITIVE_INFINITY) return undefined;
    const now = this.#time.now();
    if (this.#rate < this.#ceiling) this.#grow(now);
    const gap = 1_000 / this.#rate;
    const earliest = now - Math.max(BURST_MS, gap);
    if (this.#next < earliest) this.#next = earliest;
    this.#next += gap;
    const wait = this.#next - now;
    return wait <= 0 ? undefined : this.#time.sleep(wait);
  }

  /** The provider said that this was too often. */
  throttled(): void {
    if (this.#ceiling === Number.POSITIVE_INFINITY) return;
    const now = this.#time.now();
    if (now - this.#decreasedAt < ONE_DECREASE_MS) return;
    this.#grow(now);
    this.#decreasedAt = now;
    this.#rate = Math.max(this.#ceiling * FLOOR, this.#rate * DECREASE);
  }

  #grow(now: number): void {
    this.#rate = Math.min(
      this.#ceiling,
      this.#rate + this.#ceiling * INCREASE_PER_SECOND * ((now - this.#grownAt) / 1_000),
    );
    this.#grownAt = now;
  }
}
