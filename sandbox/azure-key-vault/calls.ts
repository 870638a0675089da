export interface CallCount {
  /** The vault's name; of tokens, the tenant. */
  vault: string;
  operation: string;
  /** `ok`, the error's code, or the fault that swallowed the answer. */
  outcome: string;
  count: number;
}

export type CallFilter = Partial<Omit<CallCount, 'count'>>;

/** How often what was called in which vault, and how it ended. */
export interface CallCounts {
  list(): CallCount[];
  /** Sums what matches; without a filter, everything. */
  count(filter?: CallFilter): number;
  reset(): void;
}

export interface CallCounter extends CallCounts {
  add(vault: string, operation: string, outcome: string): void;
}

export function callCounter(): CallCounter {
  const counts = new Map<string, CallCount>();
  const list = () => [...counts.values()].map((entry) => ({ ...entry }));
  return {
    add(vault, operation, outcome) {
      const name = `${vault} ${operation} ${outcome}`;
      const entry = counts.get(name);
      if (entry) entry.count += 1;
      else counts.set(name, { vault, operation, outcome, count: 1 });
    },
    list,
    count: (filter = {}) =>
      list()
        .filter((entry) => filter.vault === undefined || entry.vault === filter.vault)
        .filter((entry) => filter.operation === undefined || entry.operation === filter.operation)
        .filter((entry) => filter.outcome === undefined || entry.outcome === filter.outcome)
        .reduce((sum, entry) => sum + entry.count, 0),
    reset: () => {
      counts.clear();
    },
  };
}
