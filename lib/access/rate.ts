import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { Fault } from '../fault.ts';
import type { Database } from '../records/database.ts';

/** A process tells the table of its requests in bunches of this many: the count may be that much behind per process. */
const BUNCH = 10;
const MINUTE_MS = 60_000;

interface Window {
  readonly minute: number;
  /** Requests of all processes, as far as known here. */
  counted: number;
  /** Requests here that the table has not been told of. */
  untold: number;
}

/**
 * Limits what one caller may ask in a minute, over all processes of the deployment. Approximate on purpose: exactness would cost a write for
 * every request.
 */
export class RateLimit {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #windows = new Map<string, Window>();

  /** `perMinute` 0: no limit. */
  constructor(database: Database, clock: Clock, perMinute: number) {
    this.#database = database;
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Counts a request of `subject`. Throws `rate_limited`, with the seconds until the next minute, once the limit is passed. */
  async admit(subject: string): Promise<void> {
    if (this.#perMinute === 0) return;
    const now = this.#clock().getTime();
    const minute = Math.floor(now / MINUTE_MS);
    const window = this.#windowOf(subject, minute);
    window.untold += 1;
    if (window.untold >= BUNCH || window.counted >= this.#perMinute) await this.#tell(subject, window);
    if (window.counted + window.untold <= this.#perMinute) return;
    const retryAfter = Math.ceil(((minute + 1) * MINUTE_MS - now) / 1000);
    throw new Fault(
      'rate_limited',
      `More than ${this.#perMinute} requests in a minute. Ask again in ${retryAfter} seconds.`,
      {
        retryAfter,
      },
    );
  }

  #windowOf(subject: string, minute: number): Window {
    const found = this.#windows.get(subject);
    if (found?.minute === minute) return found;
    if (this.#windows.size > 10_000) this.#windows.clear();
    const made: Window = { minute, counted: 0, untold: 0 };
    this.#windows.set(subject, made);
    return made;
  }

  async #tell(subject: string, window: Window): Promise<void> {
    const telling = window.untold;
    window.untold = 0;
    // Subjects are other people's text; the key is of one length and one alphabet.
    const pk = `RATE#${createHash('sha256').update(subject).digest('base64url')}`;
    window.counted = await this.#database.add({ pk, sk: String(window.minute) }, 'requests', telling, {
      ttl: (window.minute + 2) * 60,
    });
  }
}
