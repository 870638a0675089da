const PERIOD = /^P(?=\d)(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?$/;

/** Whether `text` is a calendar period of ISO 8601 as templates write it: `P1Y2M1W4D`, each part optional, at least one there. */
export function isPeriod(text: string): boolean {
  return PERIOD.test(text);
}

/**
 * The date (`YYYY-MM-DD`, UTC) a period after `from`; undefined for the empty period, which means "none". Years and months first, the
 * day held within the month (31 January + P1M is the last of February), then weeks and days. Throws on a malformed period.
 */
export function dateAfter(from: Date, period: string): string | undefined {
  if (period === '') return undefined;
  const parts = PERIOD.exec(period);
  if (parts === null) throw new RangeError(`“${period}” is not an ISO 8601 period.`);
  const [, years = '0', months = '0', weeks = '0', days = '0'] = parts;
  const monthIndex = from.getUTCFullYear() * 12 + from.getUTCMonth() + Number(years) * 12 + Number(months);
  const year = Math.floor(monthIndex / 12);
  const month = monthIndex % 12;
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const day = Math.min(from.getUTCDate(), lastDay);
  return dateOf(new Date(Date.UTC(year, month, day + Number(weeks) * 7 + Number(days))));
}

/** `YYYY-MM-DD`, UTC. */
export function dateOf(moment: Date): string {
  return moment.toISOString().slice(0, 10);
}
