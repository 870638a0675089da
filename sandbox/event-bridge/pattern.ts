/** An event pattern of EventBridge, as far as this project's rules go: fields nested as in the event, each leaf a list of exact values. */
export interface EventPattern {
  readonly [field: string]: EventPattern | readonly (string | number | boolean | null)[];
}

/** Whether an event has what a pattern asks for. A field of the event that is a list matches when one of its items does. */
export function matches(pattern: EventPattern, event: unknown): boolean {
  if (typeof event !== 'object' || event === null) return false;
  return Object.entries(pattern).every(([field, wanted]) => {
    const value = (event as Readonly<Record<string, unknown>>)[field];
    if (!isLeaf(wanted)) return matches(wanted, value);
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.some((each) => wanted.some((one) => one === each));
  });
}

function isLeaf(wanted: EventPattern[string]): wanted is readonly (string | number | boolean | null)[] {
  return Array.isArray(wanted);
}
