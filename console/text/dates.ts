import { text } from './text.ts';

const day = new Intl.DateTimeFormat(text.dates.locale, { dateStyle: 'medium', timeZone: 'UTC' });
const minute = new Intl.DateTimeFormat(text.dates.locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
const relative = new Intl.RelativeTimeFormat(text.dates.locale, { numeric: 'auto' });

/** A day, `YYYY-MM-DD`, for people. */
export function dayOf(date: string | undefined): string {
  return date === undefined || date === '' ? text.dates.never : day.format(new Date(date));
}

/** A moment for people, to the minute in UTC, as everything that it is compared with. */
export function momentOf(moment: string | undefined): string {
  return moment === undefined ? text.dates.never : text.dates.at(minute.format(new Date(moment)));
}

const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** How long ago, or in how long. */
export function fromNow(moment: string | undefined, now = Date.now()): string {
  if (moment === undefined) return text.dates.never;
  const seconds = (Date.parse(moment) - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(Math.round(seconds), 'second');
}
