/**
 * A pattern of EventBridge, or of the filter of an event source, as far as this project's go: fields nested as in the event, each leaf a list
 * of exact values and of beginnings.
 */
export interface EventPattern {
  readonly [field: string]: EventPattern | readonly Wanted[];
}

type Wanted = string | number | boolean | null | { readonly prefix: string };

/** Whether an event has what a pattern asks for. A field of the event that is a list matches when one of its items does. */
export function matches(pattern: EventPattern, event: unknown): boolean {
  if (typeof event !== 'object' || event === null) return false;
  return Object.entries(pattern).every(([field, wanted]) => {
    const value = (event as Readonly<Record<string, unknown>>)[field];
    if (!isLeaf(wanted)) return matches(wanted, value);
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.some((each) => wanted.some((one) => fits(one, each)));
  });
}

function fits(wanted: Wanted, value: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return wanted === value;
  return typeof value === 'string' && value.startsWith(wanted.prefix);
}

function isLeaf(wanted: EventPattern[string]): wanted is readonly Wanted[] {
  return Array.isArray(wanted);
}
