/** What differs between two states of a resource, as far as people decide about it: property, what was shown, what is now. */
export function differences(
  shown: unknown,
  now: unknown,
): readonly { readonly property: string; readonly before: string; readonly after: string }[] {
  const [was, is] = [flat(shown), flat(now)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((property) => was.get(property) !== is.get(property))
    .map((property) => ({ property, before: was.get(property) ?? '', after: is.get(property) ?? '' }));
}

// What scans see changes all the time and makes no ETag stale.
const SEEN =
  /^(?:status_in_keystores|status|updated_at|updated_by|href|planned_changes|instances|keys_count|.*\.href)$/;

function flat(resource: unknown): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  if (typeof resource !== 'object' || resource === null) return properties;
  for (const [name, value] of Object.entries(resource)) {
    if (!SEEN.test(name)) properties.set(name, plain(value));
  }
  return properties;
}

/** Any value as one line for people. */
export function plain(value: unknown, nameOf: (id: string) => string = (id) => id): string {
  if (Array.isArray(value)) return value.map((each) => plain(each, nameOf)).join(', ');
  if (typeof value === 'object' && value !== null) {
    const named = value as { readonly name?: unknown; readonly value?: unknown; readonly label?: unknown };
    const name = named.name ?? named.label;
    if (typeof name === 'string') {
      const alignment = 'alignment_status' in value ? ` (${String(value.alignment_status)})` : '';
      return typeof named.value === 'string' ? `${name}=${named.value}` : `${name}${alignment}`;
    }
    return Object.entries(value)
      .map(([member, each]) => `${member} ${plain(each, nameOf)}`)
      .join(', ');
  }
  return value === undefined || value === null ? '' : typeof value === 'string' ? nameOf(value) : JSON.stringify(value);
}
