import { expect, it } from 'vitest';
import { isMet, measure, table } from '../../bench/frame.ts';
import type { Figure } from '../../bench/frame.ts';

const figure = (given: Partial<Figure>): Figure => ({
  name: 'a page',
  milliseconds: 20,
  baseline: { name: 'bare Query', milliseconds: 10 },
  ratio: 2,
  goal: 2,
  ...given,
});

it('a figure is measured in turns with its baseline, and told as a ratio to it', async () => {
  const turns: string[] = [];
  const wait = (milliseconds: number, name: string) => async () => {
    turns.push(name);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  };
  const measured = await measure({
    name: 'slow',
    run: wait(30, 'own'),
    baseline: { name: 'fast', run: wait(10, 'bare') },
    goal: 10,
  });
  expect(turns.join(' ')).toMatch(/^(?:bare own ?)+$/);
  expect(measured.ratio).toBeGreaterThan(1);
  expect(measured.ratio).toBeCloseTo(measured.milliseconds / measured.baseline.milliseconds);
});

it('a goal is met up to its ratio, and missed beyond; without one nothing is missed', () => {
  expect([{ ratio: 2 }, { ratio: 2.01 }, { ratio: 9, goal: undefined }].map((given) => isMet(figure(given)))).toEqual([
    true,
    false,
    true,
  ]);
});

it('the table lines up whatever is in it', () => {
  const lines = table([figure({}), figure({ name: 'a much longer name', milliseconds: 12_345.67, ratio: 3 })]).split(
    '\n',
  );
  const at = lines[0]?.indexOf('beside') ?? -1;
  expect(lines.slice(1).map((line) => line.indexOf('bare Query'))).toEqual([at, at]);
  expect(lines[1]).not.toContain('MISSED');
  expect(lines[2]).toContain('MISSED');
});
