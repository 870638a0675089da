import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REGIONS } from '../../sandbox/aws-accounts.ts';
import { MUTATIONS } from './faults/mutations.ts';
import type { Mutation } from './faults/mutations.ts';
import { shuffled } from './faults/shuffled.ts';
import { casesOf, FaultSweep, nameOf } from './faults/sweep.ts';
import type { Case, Ending, Recording } from './faults/sweep.ts';
import { summaryOf } from './faults/table.ts';

/** Changed by hand when a new sample is wanted; `npm run torture` plays all there is. */
const SEED = 20_260_101;
const LANES = 3;
const MUTATIONS_HERE = 5;
const CASES = 16;

let sweep: FaultSweep;
let recordings: readonly Recording[];
const endings: Ending[] = [];

beforeAll(async () => {
  sweep = await FaultSweep.start(LANES);
});
afterAll(async () => {
  await sweep.close();
});

/** As many of each fault as of every other. */
function sampleOf(cases: readonly Case[]): Case[] {
  const byFault = Map.groupBy(shuffled(cases, SEED), ({ fault }) => fault);
  return [...byFault.values()].flatMap((ofFault) => ofFault.slice(0, CASES / byFault.size));
}

describe('one call that fails, of all that a mutation makes', { timeout: 120_000 }, () => {
  it('is found by recording them: to the database, to the custody key and to each keystore', async () => {
    recordings = await sweep.run(shuffled(MUTATIONS, SEED).slice(0, MUTATIONS_HERE), sweep.record);
    for (const { mutation, sites } of recordings) {
      expect(
        sites.filter((site) => site.startsWith('DynamoDB TransactWriteItems')),
        mutation.name,
      ).not.toEqual([]);
      expect(
        sites.filter((site) => site.startsWith('DynamoDB GetItem')),
        mutation.name,
      ).not.toEqual([]);
    }
    expect(recordings.flatMap(({ sites }) => sites).filter((site) => site.startsWith('KMS '))).not.toEqual([]);
  });

  it('leaves the mutation done or not done, the keystores in step or flagged, and the trail telling which', async () => {
    const byMutation = new Map(recordings.map((recording) => [recording.mutation, recording]));
    await sweep.run(
      sampleOf(casesOf(recordings)),
      (lane, each) => sweep.play(lane, byMutation.get(each.mutation) ?? missing(), each),
      (ending) => endings.push(ending),
    );
    console.log(summaryOf(endings));
    expect(
      endings.flatMap(({ case: each, problems }) => problems.map((problem) => `${nameOf(each)}: ${problem}`)),
    ).toEqual([]);
    const met = endings.filter(({ answered }) => answered !== 'not met');
    expect(met.length).toBeGreaterThan(CASES * 0.8);
    expect(met.filter(({ answered }) => answered === 'killed')).not.toEqual([]);
  });

  it('would be noticed to have left a twin', async () => {
    const twins: Mutation = {
      name: 'twins',
      operation: 'DeactivateManagedKey',
      resource: 'managed_key',
      async prepare(stage) {
        await stage.vault();
        await stage.keystore(REGIONS[0]);
        const template = await stage.template();
        const [one, other] = [await stage.key(template, 'one'), await stage.key(template, 'other')];
        await stage.operator.tag(stage.inAws(other.id, REGIONS[0]), { 'shearline:key': one.id });
        return { method: 'POST', path: `/managed_keys/${one.id}/deactivate` };
      },
    };
    const [recording = missing()] = await sweep.run([twins], sweep.record);
    const strike = { site: 'DynamoDB TransactWriteItems #1', fault: 'denied' } as const;
    const [ending] = await sweep.run([strike], (lane, each) => sweep.play(lane, recording, each));
    expect(ending?.answered).toBe(500);
    expect(ending?.problems).toContain(`A twin: one#1 in ${REGIONS[0]}.`);
  });

  it('brings no key and no credential to light: not in a log, a record, an answer or a file', () => {
    sweep.lookIntoFiles();
    expect(sweep.canaries.count).toBeGreaterThan(20);
    expect([...sweep.leaks]).toEqual([]);
  });
});

function missing(): never {
  throw new Error('It was not recorded.');
}
