import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY_STATES } from '../../lib/keys/key.ts';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { activatedBySomebody, DAY_MS, jitterOf, scheduleFor, upcomingOf, wakeAt } from '../../lib/schedule/schedule.ts';
import type { KeySchedule } from '../../lib/schedule/schedule.ts';
import { keyOf } from '../examples.ts';

const NOW = new Date('2026-02-01T12:00:00.000Z');
const scheduled = (given: Partial<ManagedKey> = {}, schedule: Partial<KeySchedule> = {}): ManagedKey =>
  keyOf({
    ...given,
    schedule: {
      enforceDates: true,
      rotateEveryDays: undefined,
      rotateJitterDays: 0,
      announceDaysBefore: 7,
      since: keyOf().createdAt,
      enforced: undefined,
      ...schedule,
    },
  });
const due = (key: ManagedKey) => upcomingOf(key).map(({ action, dueAt }) => [action, dueAt.toISOString()]);

const day = fc
  .integer({ min: -400, max: 800 })
  .map((days) => new Date(NOW.getTime() + days * DAY_MS).toISOString().slice(0, 10));
const key = fc
  .record({
    id: fc.uuid(),
    version: fc.integer({ min: 1, max: 50 }),
    state: fc.constantFrom(...KEY_STATES),
    activationDate: fc.option(day, { nil: undefined }),
    expirationDate: fc.option(day, { nil: undefined }),
    rotatedDaysAgo: fc.option(fc.nat(400), { nil: undefined }),
    createdDaysAgo: fc.nat(800),
    enforceDates: fc.boolean(),
    every: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
    jitter: fc.nat(400),
    announceDaysBefore: fc.nat(90),
    sinceDaysAgo: fc.nat(800),
    enforced: fc.option(day, { nil: undefined }),
  })
  .map((given) => {
    const ago = (days: number) => new Date(NOW.getTime() - days * DAY_MS);
    const { id, version, state, activationDate, expirationDate, enforceDates, announceDaysBefore, enforced } = given;
    return scheduled(
      {
        id,
        version,
        state,
        activationDate,
        expirationDate,
        createdAt: ago(given.createdDaysAgo),
        rotatedAt: given.rotatedDaysAgo === undefined ? undefined : ago(given.rotatedDaysAgo),
      },
      {
        enforceDates,
        announceDaysBefore,
        enforced,
        since: ago(given.sinceDaysAgo),
        rotateEveryDays: given.every,
        rotateJitterDays: given.every === undefined ? 0 : given.jitter % given.every,
      },
    );
  });

describe('what a schedule does to a key', () => {
  it('is nothing where its template says nothing', () => {
    expect(upcomingOf(keyOf({ expirationDate: '2026-03-01' }))).toEqual([]);
    expect(wakeAt(keyOf())).toBeUndefined();
  });

  it('activates it on its activation date and deactivates it on its expiration date, by UTC', () => {
    const waiting = scheduled({ state: 'pre_activation', activationDate: '2026-03-01', expirationDate: '2027-03-01' });
    expect(due(waiting)).toEqual([['activate', '2026-03-01T00:00:00.000Z']]);
    expect(due({ ...waiting, state: 'active' })).toEqual([['deactivate', '2027-03-01T00:00:00.000Z']]);
  });

  it('makes up for nothing that would have been due before it was scheduled', () => {
    const old = { activationDate: '2026-01-10', expirationDate: '2026-01-20' };
    expect(due(scheduled({ state: 'active', ...old }, { since: NOW }))).toEqual([]);
    expect(due(scheduled({ state: 'pre_activation', activationDate: '2026-01-10' }, { since: NOW }))).toEqual([]);
    // Not all keys that are years old at once, when a template begins to rotate them.
    const aged = scheduled({ createdAt: new Date('2020-01-01') }, { rotateEveryDays: 90, since: NOW });
    expect(due(aged)).toEqual([['rotate', '2026-05-02T12:00:00.000Z']]);
  });

  it('activates no key that has expired by then', () => {
    const late = { activationDate: '2026-03-01', expirationDate: '2026-03-01' };
    expect(due(scheduled({ state: 'pre_activation', ...late }))).toEqual([]);
  });

  it('does not take a key away twice for one date, nor from who has activated it after that', () => {
    const over = scheduled({ expirationDate: '2026-02-01' }, { enforced: '2026-02-01' });
    expect(due(over)).toEqual([]);
    expect(due({ ...over, expirationDate: '2026-06-01' })).toEqual([['deactivate', '2026-06-01T00:00:00.000Z']]);
    const mine = scheduled({ state: 'deactivated', expirationDate: '2026-02-01' });
    const again = { ...mine, state: 'active' as const, schedule: activatedBySomebody(mine, NOW) };
    expect(due(again)).toEqual([]);
  });

  it('rotates so many days after the last rotation, and not what ends before', () => {
    const rotating = scheduled({ rotatedAt: new Date('2026-01-31T12:00:00.000Z') }, { rotateEveryDays: 30 });
    expect(due(rotating)).toEqual([['rotate', '2026-03-02T12:00:00.000Z']]);
    expect(due({ ...rotating, expirationDate: '2026-03-01' })).toEqual([['deactivate', '2026-03-01T00:00:00.000Z']]);
    expect(due({ ...rotating, namingScheme: 'key-<yyyy>' })).toEqual([]);
  });

  it('is never a destruction, whatever the key', () => {
    fc.assert(
      fc.property(key, (each) => {
        for (const { action } of upcomingOf(each)) {
          expect(['activate', 'deactivate', 'rotate']).toContain(action);
          if (action === 'activate') expect(each.state).toBe('pre_activation');
          else expect(each.state).toBe('active');
        }
        if (!['pre_activation', 'active'].includes(each.state)) expect(upcomingOf(each)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('has each action at most once, in order, announced no later than it is due, and never before it was scheduled', () => {
    fc.assert(
      fc.property(key, (each) => {
        const upcoming = upcomingOf(each);
        expect(new Set(upcoming.map(({ action }) => action)).size).toBe(upcoming.length);
        const times = upcoming.map(({ dueAt }) => dueAt.getTime());
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        const since = each.schedule?.since.getTime() ?? 0;
        for (const { announceAt, dueAt } of upcoming) {
          expect(announceAt.getTime()).toBeLessThanOrEqual(dueAt.getTime());
          // A day begins before the moment in it at which the key was scheduled.
          expect(dueAt.getTime()).toBeGreaterThan(since - DAY_MS);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is looked at when something is to be announced or done, and then at the next such moment', () => {
    fc.assert(
      fc.property(key, (each) => {
        const moments = upcomingOf(each).flatMap(({ announceAt, dueAt }) => [announceAt.getTime(), dueAt.getTime()]);
        expect(wakeAt(each)?.getTime()).toBe(moments.length === 0 ? undefined : Math.min(...moments));
        // Walking from one to the next comes by everything that is due.
        const seen = new Set<number>();
        let at = wakeAt(each);
        for (let step = 0; at !== undefined && step < 10; step += 1) {
          seen.add(at.getTime());
          const next = wakeAt(each, at);
          if (next === undefined || next <= at) break;
          at = next;
        }
        const [first] = upcomingOf(each);
        if (first !== undefined) expect([...seen].some((time) => time >= first.dueAt.getTime())).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('comes no two times in one: what was done is due later, by its own distance', () => {
    fc.assert(
      fc.property(key, (each) => {
        const rotation = upcomingOf(each).find(({ action }) => action === 'rotate');
        if (rotation === undefined) return;
        const after = { ...each, version: each.version + 1, rotatedAt: rotation.dueAt };
        const next = upcomingOf(after).find(({ action }) => action === 'rotate');
        if (next === undefined) return;
        expect(next.dueAt.getTime() - rotation.dueAt.getTime()).toBeGreaterThanOrEqual(3_600_000);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('jitter', () => {
  it('is the same whenever it is asked, within its days, and even over many keys', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.integer({ min: 1, max: 100 }), fc.nat(300), (id, version, days) => {
        const jitter = jitterOf({ id, version }, days);
        expect(jitterOf({ id, version }, days)).toBe(jitter);
        expect(Math.abs(jitter)).toBeLessThanOrEqual(days * DAY_MS);
      }),
    );
    const quarters = [0, 0, 0, 0];
    for (let index = 0; index < 4000; index += 1) {
      const part = (jitterOf({ id: `key-${index}`, version: 1 }, 10) / (10 * DAY_MS) + 1) / 2;
      quarters[Math.min(3, Math.floor(part * 4))] = (quarters[Math.min(3, Math.floor(part * 4))] ?? 0) + 1;
    }
    for (const count of quarters) expect(count).toBeGreaterThan(900);
  });
});

describe("a key's schedule", () => {
  const template = { enforceDates: true, rotateEveryDays: 30, rotateJitterDays: 0, announceDaysBefore: 7 };

  it('goes on where a realign changes nothing of it, and begins anew where it does', () => {
    const first = scheduleFor(template, undefined, NOW);
    const later = new Date(NOW.getTime() + DAY_MS);
    expect(scheduleFor({ ...template, announceDaysBefore: 3 }, first, later)).toMatchObject({
      since: NOW,
      announceDaysBefore: 3,
    });
    expect(scheduleFor({ ...template, rotateEveryDays: 10 }, first, later)?.since).toEqual(later);
    expect(scheduleFor(undefined, first, later)).toBeUndefined();
  });
});
