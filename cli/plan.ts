import type { Planned } from './answers.ts';
import { styled, table } from './terminal.ts';
import type { Stream } from './terminal.ts';

/** What a dry run says would happen, as text. */
export function planText(planned: Planned, stream: Pick<Stream, 'colour'>): string {
  const parts: string[] = [];
  if (planned.differences !== undefined && planned.differences.length > 0) {
    parts.push(
      table(
        ['differs from the template in', 'the key has', 'the template says', ''],
        planned.differences.map(({ property, key, template, changeable }) => [
          property,
          valueText(key),
          valueText(template),
          changeable ? '' : 'stays: no keystore can change it',
        ]),
        stream,
      ),
    );
  }
  if (planned.changes.length > 0) {
    parts.push(
      table(
        ['changes', 'from', 'to'],
        planned.changes.map(({ property, before, after }) => [property, valueText(before), valueText(after)]),
        stream,
      ),
    );
  }
  // What could not be asked has no steps, and must be seen all the same.
  const work = planned.keystores.filter(({ steps, reason }) => steps.length > 0 || !reason.endsWith('Nothing to do.'));
  if (work.length > 0) {
    parts.push(
      table(
        ['in keystore', 'key', 'steps', 'because'],
        work.map(({ name, key, steps, reason }) => [name, key, steps.join(', ') || '–', reason]),
        stream,
      ),
    );
    parts.push(
      `${styled('dim', `About ${duration(planned.estimated_seconds)}, as the keystores' quotas have it.`, stream)}\n`,
    );
  }
  return parts.length === 0 ? 'Nothing would change.\n' : parts.join('\n');
}

export function valueText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // Lists of references come as JSON text, longer than anybody reads.
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (seconds < 1) return '1 s';
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
