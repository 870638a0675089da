import { expect, it } from 'vitest';
import { runModel, shown } from './model.ts';

const SEED = 20_261_122;

it('whatever is done in whatever order, every promise of the contract is kept: 2,000 random commands', async () => {
  const report = await runModel({ seed: SEED, commands: 2_000 });
  console.log(`seed ${SEED}: ${shown(report)}`);
  expect(report.commands).toBeGreaterThanOrEqual(2_000);
}, 240_000);

/** Of an episode with one of nearly everything, and nothing at the same time as anything else: so it ends alike each time. */
const PLAIN = { seed: 127, commands: 20, steps: 24 };

it('the table in this process does as the embedded DynamoDB does', async () => {
  const embedded = await runModel({ ...PLAIN, table: 'embedded' });
  const inMemory = await runModel({ ...PLAIN, table: 'in_memory' });
  expect(embedded.atOnce).toBe(0);
  expect(embedded.accepted).toBeGreaterThan(5);
  expect({ ...embedded, seconds: 0 }).toEqual({ ...inMemory, seconds: 0 });
}, 60_000);
