import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inParallel } from '../lib/in-parallel.ts';

describe('work in parallel', () => {
  it('does all of it in its order, never more at once than it may', async () => {
    let now = 0;
    let most = 0;
    const made = await inParallel(
      [1, 2, 3, 4, 5, 6, 7],
      async (number) => {
        now += 1;
        most = Math.max(most, now);
        await wait(number % 3);
        now -= 1;
        return number * 10;
      },
      3,
    );
    expect(made).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(most).toBe(3);
  });

  it('goes on with the others when one fails, and throws when all have come to their end', async () => {
    const ended: number[] = [];
    const work = inParallel(
      [1, 2, 3, 4],
      async (number) => {
        await wait(number);
        if (number === 1) throw new Error('The first.');
        ended.push(number);
      },
      2,
    );
    await expect(work).rejects.toThrow('The first.');
    expect(ended).toEqual([2, 3, 4]);
  });

  it('waits for what was begun when the source fails', async () => {
    let ended = false;
    async function* source() {
      yield await Promise.resolve(1);
      throw new Error('There is no next.');
    }
    const work = inParallel(
      source(),
      async () => {
        await wait(20);
        ended = true;
      },
      4,
    );
    await expect(work).rejects.toThrow('There is no next.');
    expect(ended).toBe(true);
  });
});
