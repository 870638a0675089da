/**
 * `npm run torture`: the long runs. `npm run torture -- sweep` plays every fault at every call of every mutation, `-- model` random commands
 * against the reference; without a name both, one after the other.
 *
 * `--seed <number>` brings a run back. Of the sweep: `--count <number>` plays that many cases and no more, `--from <number>` begins after so
 * many and so goes on where one of the same seed was ended, `--only <text>` keeps to those with this text in “mutation: call: fault”,
 * `--lanes <number>` are played at once. Of the model: `--commands <number>` at least. Ctrl-C ends it after what is being played, with the
 * tables of what was. Ends with 1 when anything was lost, doubled, forgotten, leaked or untrue.
 */
import { parseArgs } from 'node:util';
import { sweepFaults } from './faults/long-run.ts';
import { runModel, shown } from './model.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    count: { type: 'string' },
    from: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '4' },
    commands: { type: 'string', default: '100000' },
  },
});
const RUNS = ['sweep', 'model'] as const;
const unknown = positionals.find((each) => !RUNS.some((run) => run === each));
if (unknown !== undefined) throw new Error(`There is no run ${unknown}; choose of ${RUNS.join(' and ')}.`);
const chosen = RUNS.filter((each) => positionals.length === 0 || positionals.includes(each));
const seed = wholeNumber('seed', values.seed);
const ending = new AbortController();
process.once('SIGINT', () => {
  ending.abort();
});

for (const run of chosen) {
  if (ending.signal.aborted) break;
  const isWell = run === 'sweep' ? await sweep() : await model();
  if (!isWell) process.exitCode = 1;
}

function sweep(): Promise<boolean> {
  return sweepFaults({
    seed,
    lanes: wholeNumber('lanes', values.lanes),
    from: wholeNumber('from', values.from),
    count: values.count === undefined ? undefined : wholeNumber('count', values.count),
    only: values.only,
    signal: ending.signal,
  });
}

async function model(): Promise<boolean> {
  const commands = wholeNumber('commands', values.commands);
  console.log(`model: seed ${seed}, ${commands} commands`);
  let broken = 0;
  const report = await runModel({
    seed,
    commands,
    signal: ending.signal,
    progress: (done) => {
      console.log(shown(done));
    },
    onBroken: ({ message }) => {
      broken += 1;
      console.log(`WRONG ${message}`);
    },
  });
  console.log(`${shown(report)}\n${broken} wrong. Seed ${seed}.`);
  return broken === 0;
}

function wholeNumber(name: string, given: string): number {
  if (!/^\d{1,15}$/.test(given)) throw new Error(`--${name} is a whole number, not ${given}.`);
  return Number(given);
}
