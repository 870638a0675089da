import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateAfter, dateOf, isPeriod } from '../../lib/keys/period.ts';

const at = (text: string) => new Date(text);

describe('a period', () => {
  it.each(['P1Y', 'P1Y2M1W4D', 'P0D', 'P99999D', 'P12M', 'P3W'])('%s is one', (text) => {
    expect(isPeriod(text)).toBe(true);
  });

  it.each(['', 'P', '1Y', 'P1', 'PT1H', 'P1D1Y', 'P-1D', 'P1.5D', 'P1Y ', 'p1y', 'P1Y\n', 'P123456D', 'P١D'])(
    '%j is none',
    (text) => {
      expect(isPeriod(text)).toBe(false);
    },
  );

  it('that is empty leads to no date, and one that is malformed is refused', () => {
    expect(dateAfter(at('2026-01-31T10:00:00Z'), '')).toBeUndefined();
    expect(() => dateAfter(at('2026-01-31T10:00:00Z'), 'P1H')).toThrow(RangeError);
  });
});

describe('the date a period later', () => {
  it.each([
    ['2026-01-31T00:00:00Z', 'P1M', '2026-02-28'],
    ['2024-01-31T00:00:00Z', 'P1M', '2024-02-29'],
    ['2024-02-29T23:59:59Z', 'P1Y', '2025-02-28'],
    ['2024-02-29T23:59:59Z', 'P4Y', '2028-02-29'],
    ['2026-11-30T00:00:00Z', 'P3M', '2027-02-28'],
    ['2026-12-15T00:00:00Z', 'P1M', '2027-01-15'],
    ['2026-06-15T00:00:00Z', 'P1Y2M1W4D', '2027-08-26'],
    ['2026-01-31T00:00:00Z', 'P1M1D', '2026-03-01'],
    ['2026-06-15T12:00:00Z', 'P0D', '2026-06-15'],
  ])('of %s and %s is %s', (from, period, expected) => {
    expect(dateAfter(at(from), period)).toBe(expected);
  });

  it('does not depend on the time of day, nor on where the process runs', () => {
    expect(dateAfter(at('2026-03-29T00:00:00Z'), 'P1D')).toBe('2026-03-30');
    expect(dateAfter(at('2026-03-29T23:59:59.999Z'), 'P1D')).toBe('2026-03-30');
    expect(dateOf(at('2026-03-29T23:59:59.999Z'))).toBe('2026-03-29');
  });

  it('of days is that many days later, and of months is in that month and on that day or its last', () => {
    const moments = fc.date({ min: at('1970-01-01T00:00:00Z'), max: at('2999-12-31T00:00:00Z'), noInvalidDate: true });
    fc.assert(
      fc.property(moments, fc.nat(9999), fc.nat(99), (from, days, months) => {
        const later = Date.parse(`${dateAfter(from, `P${days}D`) ?? ''}T00:00:00Z`);
        expect(later - Date.parse(`${dateOf(from)}T00:00:00Z`)).toBe(days * 86_400_000);

        const [year = 0, month = 0, day = 0] = (dateAfter(from, `P${months}M`) ?? '').split('-').map(Number);
        expect(year * 12 + month - 1).toBe(from.getUTCFullYear() * 12 + from.getUTCMonth() + months);
        const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
        expect(day).toBe(Math.min(from.getUTCDate(), last));
      }),
    );
  });
});
