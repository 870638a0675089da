import { asKeystoreFault } from '../drift/look.ts';
import type { Look } from '../drift/verdict.ts';
import { KeystoreFault } from '../drivers/driver.ts';
import type { Health, KeyInKeystore, KeystoreDriver, Seen } from '../drivers/driver.ts';

/** After so many calls in a row without an answer a keystore counts as not responding for the rest of the sweep. */
const UNANSWERED_IN_A_ROW = 5;

/** The way to one keystore during one sweep; closed once it is known that nobody answers at its end. */
export class Line {
  readonly driver: KeystoreDriver | undefined;
  #health: Health;
  #unanswered = 0;

  constructor(driver: KeystoreDriver | undefined, health: Health) {
    this.driver = driver;
    this.#health = health;
  }

  get health(): Health {
    return this.#health;
  }

  /** The driver, while the keystore answers. */
  get open(): KeystoreDriver | undefined {
    return this.#health.status === 'ok' ? this.driver : undefined;
  }

  /** Looks once. Whatever keeps us from knowing becomes a fault; nothing is thrown. */
  async look(key: KeyInKeystore, signal: AbortSignal): Promise<Look> {
    const driver = this.open;
    if (driver === undefined) {
      const kind = this.#health.status === 'configuration_error' ? 'denied' : 'unreachable';
      return { fault: new KeystoreFault(kind, this.#health.message) };
    }
    try {
      return this.answered(await driver.observe(key, signal));
    } catch (error) {
      return { fault: this.failed(error) };
    }
  }

  /** Asks how the keystore is: something that should have shown that it is well has failed. */
  async ask(signal: AbortSignal): Promise<void> {
    try {
      if (this.driver !== undefined) this.#health = await this.driver.health(signal);
    } catch (error) {
      this.#health = { status: 'not_responding', message: asKeystoreFault(error).message };
    }
  }

  answered(seen: Seen): Look {
    this.#unanswered = 0;
    return { seen };
  }

  /** Counts what went wrong; many calls in a row without an answer close the line. */
  failed(error: unknown): KeystoreFault {
    const fault = asKeystoreFault(error);
    this.#unanswered = fault.kind === 'unreachable' ? this.#unanswered + 1 : 0;
    if (this.#unanswered >= UNANSWERED_IN_A_ROW) {
      this.#health = { status: 'not_responding', message: fault.message };
    }
    return fault;
  }
}
