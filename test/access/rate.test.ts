import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RateLimit } from '../../lib/access/rate.ts';
import { Fault } from '../../lib/fault.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let table: TestTable;
let now = new Date('2026-01-01T00:00:10Z');
beforeAll(async () => {
  table = await startTestTable();
});
afterAll(async () => {
  await table.close();
});

const limit = (perMinute: number) => new RateLimit(table.database, () => now, perMinute);

async function admitted(limits: readonly RateLimit[], subject: string, requests: number): Promise<number> {
  let count = 0;
  for (let request = 0; request < requests; request += 1) {
    try {
      await limits[request % limits.length]?.admit(subject);
      count += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      const { code, retryAfter } = error as Fault;
      expect([code, retryAfter]).toEqual(['rate_limited', 50]);
    }
  }
  return count;
}

describe('the limit on requests', () => {
  it('lets a caller ask as often as it says, and no more until the minute is over', async () => {
    const limits = [limit(50)];
    expect(await admitted(limits, 'ada', 80)).toBe(50);
    now = new Date('2026-01-01T00:01:10Z');
    expect(await admitted(limits, 'ada', 10)).toBe(10);
  });

  it('holds over all processes of the deployment, but for the bunch that each keeps to itself', async () => {
    const limits = [limit(100), limit(100), limit(100)];
    const count = await admitted(limits, 'bob', 300);
    expect(count).toBeGreaterThanOrEqual(100);
    expect(count).toBeLessThanOrEqual(100 + 3 * 10);
  });

  it('counts each caller apart', async () => {
    const limits = [limit(20)];
    expect(await admitted(limits, 'carol', 30)).toBe(20);
    expect(await admitted(limits, 'dave', 20)).toBe(20);
  });

  it('can be switched off', async () => {
    expect(await admitted([limit(0)], 'erin', 500)).toBe(500);
  });
});
