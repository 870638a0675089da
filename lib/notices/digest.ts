import { createHash } from 'node:crypto';
import type { FlagChange } from '../history/entry.ts';
import type { NoticeFlag } from './subscription.ts';
import { NOTICE_FLAGS } from './subscription.ts';

/** A stretch of time whose changes are told together. `to` is no part of it. */
export interface Window {
  readonly from: Date;
  readonly to: Date;
}

/** The window that a change falls into; windows lie end to end. `seconds` ≥ 1. */
export function windowOf(at: Date, seconds: number): Window {
  const length = seconds * 1000;
  const from = Math.floor(at.getTime() / length) * length;
  return { from: new Date(from), to: new Date(from + length) };
}

/**
 * From when on a window is told: when it is over, and a little later, because what was changed in it may be written after its end, and the
 * index that it is read from follows the table. What comes later still has the window told once more.
 */
export function toldFrom({ from, to }: Window): Date {
  return new Date(to.getTime() + Math.min(30_000, (to.getTime() - from.getTime()) / 2));
}

/** Whether a change is news: its flag became another, and it had been judged before or is not well. */
export function isNews({ from, to }: FlagChange): boolean {
  return from?.flag !== to.flag && isNoticeFlag(to.flag) && (from !== undefined || to.flag !== 'ok');
}

function isNoticeFlag(flag: string): flag is NoticeFlag {
  return NOTICE_FLAGS.some((each) => each === flag);
}

/** What befell the keys of a keystore in a window. */
export interface Digest {
  /** The same for the same changes: who gets it twice can tell. */
  readonly id: string;
  readonly window: Window;
  readonly changes: number;
  /** How many keys. */
  readonly keys: number;
  /** How many changes came to which flag. */
  readonly to: Readonly<Record<NoticeFlag, number>>;
  /** The most frequent first. */
  readonly findings: readonly {
    readonly status: string;
    readonly flag: string;
    readonly detail: string;
    readonly count: number;
  }[];
  /** The first few; all of them are in `GET /drift`. */
  readonly examples: readonly FlagChange[];
}

/** More examples would make an outage of a large keystore a notice that nobody can read. */
const EXAMPLES = 10;

/** Adds up a window's changes, of any number, as they come. */
export class DigestOf {
  readonly #window: Window;
  readonly #hash = createHash('sha256');
  readonly #keys = new Set<string>();
  readonly #to: Record<NoticeFlag, number> = { ok: 0, out_of_sync: 0, error: 0 };
  readonly #findings = new Map<string, { status: string; flag: string; detail: string; count: number }>();
  readonly #examples: FlagChange[] = [];
  #changes = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  add(change: FlagChange): void {
    const { status, flag, detail } = change.to;
    if (!isNews(change) || !isNoticeFlag(flag)) return;
    this.#changes += 1;
    this.#hash.update(`${change.id}\n`);
    this.#keys.add(change.keyId);
    this.#to[flag] += 1;
    const name = `${flag} ${detail} ${status}`;
    const finding = this.#findings.get(name) ?? { status, flag, detail, count: 0 };
    finding.count += 1;
    this.#findings.set(name, finding);
    if (this.#examples.length < EXAMPLES) this.#examples.push(change);
  }

  /** Undefined when nothing was news. */
  result(): Digest | undefined {
    if (this.#changes === 0) return undefined;
    return {
      id: this.#hash.digest('hex').slice(0, 32),
      window: this.#window,
      changes: this.#changes,
      keys: this.#keys.size,
      to: this.#to,
      findings: [...this.#findings.values()].sort((a, b) => b.count - a.count),
      examples: this.#examples,
    };
  }
}
