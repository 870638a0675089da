import type { WireHistoryEntry } from '../../lib/wire/history.ts';
import type { SyncFlag } from '../../lib/wire/keys.ts';

interface Span {
  readonly from: number;
  readonly to: number;
  readonly flag: SyncFlag;
  readonly reason: string;
}

/** A history as bands over time: for each keystore its flag from change to change, up to now. Times are in milliseconds. */
export function lanesOf(entries: readonly WireHistoryEntry[], now: number) {
  const oldestFirst = entries.toSorted((a, b) => (a.at < b.at ? -1 : 1));
  const lanes = new Map<string, Span[]>();
  for (const entry of oldestFirst) {
    if (entry.kind !== 'flag') continue;
    const spans = lanes.get(entry.keystore.id) ?? [];
    const at = Date.parse(entry.at);
    const last = spans.pop();
    if (last !== undefined) spans.push({ ...last, to: at });
    spans.push({ from: at, to: now, flag: entry.to.keystore_sync_flag, reason: entry.reason });
    lanes.set(entry.keystore.id, spans);
  }
  const first = oldestFirst[0];
  return {
    from: first === undefined ? now : Math.min(now, Date.parse(first.at)),
    to: now,
    lanes: [...lanes].map(([keystore, spans]) => ({ keystore, spans })),
    decisions: oldestFirst.flatMap((entry) =>
      entry.kind === 'decision'
        ? [{ id: entry.id, at: Date.parse(entry.at), operation: entry.operation, subject: entry.subject }]
        : [],
    ),
  };
}
