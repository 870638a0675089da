/** Time as the sandboxes see it: real time plus an offset that only ever grows. */
export interface SandboxClock {
  now(): Date;
  /** Moves time forward. A negative amount throws: the clouds never live through a moment twice. */
  advance(ms: number): void;
  /** How far ahead of real time this clock is, in milliseconds. */
  offset(): number;
}

/** A clock that starts at real time. One clock is shared by every sandbox, so that they grow old together. */
export function sandboxClock(): SandboxClock {
  let ahead = 0;
  return {
    now: () => new Date(Date.now() + ahead),
    advance(ms) {
      if (!Number.isFinite(ms) || ms < 0)
        throw new RangeError('The clock moves forward by a finite number of milliseconds');
      ahead += ms;
    },
    offset: () => ahead,
  };
}
