import type { Observed, SyncFlag } from '../drift/observed.ts';
import type { Health } from '../drivers/driver.ts';
import type { Keystore } from '../keystores/keystore.ts';

/** What a sweep of one keystore found; counted, not listed, so that its size does not grow with the fleet. */
export interface KeystoreScan {
  readonly keystoreId: string;
  readonly name: string;
  readonly health: Health['status'];
  readonly message: string;
  readonly keys: number;
  readonly flags: Readonly<Record<SyncFlag, number>>;
  /** Findings written because they said something new. */
  readonly written: number;
  /** Not judged: work is open on them, or they were changed by us a moment ago. */
  readonly settling: number;
  /** Judgements that could not be stored, and records that cannot be read. */
  readonly failed: number;
}

/** Counts while a sweep runs. */
export class Tally {
  settling = 0;
  failed = 0;
  readonly #flags: Record<SyncFlag, number> = { ok: 0, out_of_sync: 0, error: 0, verifying_sync: 0 };
  #keys = 0;
  #written = 0;

  get keys(): number {
    return this.#keys + this.settling;
  }

  /** Answers how to forget the keys that are counted from now on: they will be again. What was written was written. */
  mark(): () => void {
    const { settling } = this;
    const [keys, flags] = [this.#keys, { ...this.#flags }];
    return () => {
      this.settling = settling;
      this.#keys = keys;
      Object.assign(this.#flags, flags);
    };
  }

  /** A key that is as it was, and well. */
  countCalm(): void {
    this.#keys += 1;
    this.#flags.ok += 1;
  }

  count(observed: Pick<Observed, 'keystoreSyncFlag'>, changed: boolean): void {
    this.#keys += 1;
    this.#flags[observed.keystoreSyncFlag] += 1;
    if (changed) this.#written += 1;
  }

  result(keystore: Pick<Keystore, 'id' | 'name'>, health: Health): KeystoreScan {
    return {
      keystoreId: keystore.id,
      name: keystore.name,
      health: health.status,
      message: health.message,
      keys: this.keys,
      flags: { ...this.#flags },
      written: this.#written,
      settling: this.settling,
      failed: this.failed,
    };
  }
}

/** Two runs of one sweep of a keystore as one: its health is that of the later. */
export function together(one: KeystoreScan | undefined, other: KeystoreScan): KeystoreScan {
  if (one === undefined) return other;
  const flags = Object.fromEntries(
    Object.entries(one.flags).map(([flag, count]) => [flag, count + other.flags[flag as SyncFlag]]),
  ) as Record<SyncFlag, number>;
  return {
    ...other,
    keys: one.keys + other.keys,
    flags,
    written: one.written + other.written,
    settling: one.settling + other.settling,
    failed: one.failed + other.failed,
  };
}
