export interface CallCount {
  readonly operation: string;
  /** `ok`, the error's code, or the fault that swallowed the answer. */
  readonly outcome: string;
  count: number;
}

/** How often what was called, and how it ended. */
export interface CallCounts {
  list(): CallCount[];
  count(filter?: { readonly operation?: string; readonly outcome?: string }): number;
  reset(): void;
}

export interface CallCounter extends CallCounts {
  add(operation: string, outcome: string): void;
}

export function callCounter(): CallCounter {
  const counts = new Map<string, CallCount>();
  const list = () => [...counts.values()].map((entry) => ({ ...entry }));
  return {
    add(operation, outcome) {
      const name = `${operation} ${outcome}`;
      const entry = counts.get(name);
      if (entry === undefined) counts.set(name, { operation, outcome, count: 1 });
      else entry.count += 1;
    },
    list,
    count: (filter = {}) =>
      list()
        .filter(({ operation }) => filter.operation === undefined || filter.operation === operation)
        .filter(({ outcome }) => filter.outcome === undefined || filter.outcome === outcome)
        .reduce((sum, { count }) => sum + count, 0),
    reset: () => {
      counts.clear();
    },
  };
}
