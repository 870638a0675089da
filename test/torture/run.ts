/**
 * `npm run torture`: every fault at every call of every mutation. `--seed <number>` chooses the order; `--count <number>` plays that many
 * cases and no more; `--only <text>` keeps to mutations, calls and faults with this text in “mutation: call: fault”. `--lanes <number>` cases
 * are played at once; Ctrl-C ends it after those, with the tables of what was played. Ends with 1 when anything was lost, doubled, forgotten
 * or leaked.
 */
import { parseArgs } from 'node:util';
import { casesOf, FaultSweep, nameOf } from './faults/sweep.ts';
import type { Ending } from './faults/sweep.ts';
import { MUTATIONS } from './faults/mutations.ts';
import { shuffled } from './faults/shuffled.ts';
import { summaryOf, tableOf } from './faults/table.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string' },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '4' },
  },
});

const sweep = await FaultSweep.start(Number(values.lanes));
process.once('SIGINT', () => {
  sweep.stop();
});
const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
try {
  const recordings = await sweep.run(MUTATIONS, sweep.record);
  const byMutation = new Map(recordings.map((recording) => [recording.mutation, recording]));
  const all = casesOf(recordings).filter((each) => nameOf(each).includes(values.only));
  const cases = shuffled(all, Number(values.seed)).slice(
    0,
    values.count === undefined ? undefined : Number(values.count),
  );
  const calls = new Set(all.map(({ mutation, site }) => `${mutation.name} ${site}`)).size;
  console.log(
    `seed ${values.seed}: ${cases.length} of ${all.length} cases, ${calls} calls of ${recordings.length} mutations`,
  );
  const endings: Ending[] = [];
  await sweep.run(
    cases,
    (lane, each) => {
      const recording = byMutation.get(each.mutation);
      if (recording === undefined) throw new Error('It was not recorded.');
      return sweep.play(lane, recording, each);
    },
    (ending) => {
      endings.push(ending);
      for (const problem of ending.problems) console.log(`WRONG ${nameOf(ending.case)}\n  ${problem}`);
      if (endings.length % 50 === 0) console.log(`${endings.length}/${cases.length} after ${seconds()} s`);
      if (endings.length % 250 === 0) console.log(`${summaryOf(endings)}\n`);
    },
  );
  sweep.lookIntoFiles();
  const ended = new Map(endings.map((ending) => [nameOf(ending.case), ending]));
  const inOrder = all.flatMap((each) => ended.get(nameOf(each)) ?? []);
  console.log(`${tableOf(inOrder)}\n\n${summaryOf(inOrder)}\n`);
  const wrong = endings.filter(({ problems }) => problems.length > 0).length;
  const notMet = endings.filter(({ answered }) => answered === 'not met').length;
  for (const leak of sweep.leaks) console.log(`LEAK ${leak}`);
  console.log(
    `${endings.length} cases in ${seconds()} s: ${wrong} wrong, ${notMet} whose call was not made; ` +
      `${sweep.canaries.count} canaries: found in ${sweep.leaks.size} places. Seed ${values.seed}.`,
  );
  process.exitCode = wrong === 0 && sweep.leaks.size === 0 ? 0 : 1;
} finally {
  await sweep.close();
}
