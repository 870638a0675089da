import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EXIT } from '../../cli/exit.ts';
import { MANUAL, withReference } from '../../release/manual.ts';

const manual = readFileSync(MANUAL, 'utf8');

it('the manual has every command of the table: npm run manual, after a change', () => {
  expect(withReference(manual)).toBe(manual);
});

it('the manual tells every exit code', () => {
  const told = [...manual.matchAll(/^\| (\d+) +\|/gm)].map((match) => Number(match[1]));
  expect(told).toEqual(Object.values(EXIT));
});
