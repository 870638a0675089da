import { text } from './text.ts';

const UNITS = { Y: 'years', M: 'months', W: 'weeks', D: 'days' } as const;

/** An ISO 8601 period of years, months, weeks and days for people; undefined when it is none. */
export function periodText(period: string): string | undefined {
  if (!/^P(?=\d)(?:\d{1,4}Y)?(?:\d{1,4}M)?(?:\d{1,4}W)?(?:\d{1,5}D)?$/.test(period)) return undefined;
  const parts = [...period.matchAll(/(\d+)([YMWD])/g)].map(([, number = '', unit = 'D']) =>
    text.periods[UNITS[unit as keyof typeof UNITS]](Number(number)),
  );
  return new Intl.ListFormat(text.dates.locale, { type: 'unit' }).format(parts);
}
