import type { SandboxClock } from '../clock.ts';
import { noJournal, openJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import { Vault } from './world.ts';
import type { VaultKey, VaultOptions } from './world.ts';

export interface CloudOptions {
  readonly clock: SandboxClock;
  readonly vaults: readonly VaultOptions[];
  readonly stateFile: string | undefined;
  /** How long a deletion or a recovery takes, in milliseconds. */
  readonly settleMs: number;
}

/** Everything that exists, in memory and in the journal. Whoever changes a key saves it in the same turn of the event loop. */
export class Cloud {
  readonly clock: SandboxClock;
  /** How long a deletion or a recovery takes, in milliseconds. */
  settleMs: number;
  readonly #vaults = new Map<string, Vault>();
  readonly #journal: Journal;

  constructor(options: CloudOptions) {
    this.clock = options.clock;
    this.settleMs = options.settleMs;
    for (const each of options.vaults) {
      const vault = new Vault(each);
      this.#vaults.set(vault.host, vault);
    }
    this.#journal = options.stateFile === undefined ? noJournal : openJournal(options.stateFile);
    for (const { vault, key } of this.#journal.restored) {
      this.#vaults.get(vault)?.keys.set(key.name.toLowerCase(), key);
    }
  }

  now(): number {
    return this.clock.now().getTime();
  }

  vaults(): Iterable<Vault> {
    return this.#vaults.values();
  }

  vault(host: string): Vault | undefined {
    return this.#vaults.get(host.toLowerCase());
  }

  /** After any change of a key. */
  save(vault: Vault, key: VaultKey): void {
    vault.keys.set(key.name.toLowerCase(), key);
    this.#journal.save(vault.host, key);
  }

  /** Takes the key away for good. */
  purge(vault: Vault, key: VaultKey): void {
    vault.keys.delete(key.name.toLowerCase());
    this.#journal.remove(vault.host, key.name);
  }

  /** Lets everything happen that became due by now. */
  tick(): number {
    const now = this.now();
    for (const vault of this.#vaults.values()) {
      for (const key of vault.keys.values()) {
        if (key.deletion !== undefined && key.deletion.purgeAt <= now) this.purge(vault, key);
        else if (key.recoveringUntil !== undefined && key.recoveringUntil <= now) {
          key.recoveringUntil = undefined;
          this.save(vault, key);
        }
      }
    }
    return now;
  }

  close(): void {
    this.#journal.close();
  }
}
