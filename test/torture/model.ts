/*
 * Random orders, tampering, faults and passing time against the reference in `model/reference.ts`. `node test/torture/model.ts [commands] [seed]`
 * runs it by itself.
 */
import fc from 'fast-check';
import { startDeployment } from '../deployment.ts';
import type { TestDeployment } from '../deployment.ts';
import { startTestTable } from '../table.ts';
import { step } from './model/actions.ts';
import { Episode } from './model/episode.ts';
import type { Tally } from './model/episode.ts';
import { withoutPauses } from './model/haste.ts';
import { startTableInMemory } from './model/table-in-memory.ts';

/** The steps of one episode at most; each begins with an empty vault and empty clouds. */
const STEPS = 200;
/** How long the search for a smaller counterexample may take. */
const SHRINKING_MS = 180_000;

export interface ModelRun {
  readonly seed: number;
  /** How many commands are carried out at least. */
  readonly commands: number;
  /** Where the records are: in the embedded DynamoDB, or in this process (the default, and several times as fast). */
  readonly table?: 'embedded' | 'in_memory';
  /** Told every few seconds how far it is. */
  readonly progress?: (done: ModelReport) => void;
}

export interface ModelReport extends Tally {
  readonly episodes: number;
  readonly seconds: number;
}

/**
 * Runs random episodes until so many commands were carried out. Throws at the first broken promise, with the smallest sequence that was
 * found to break it and the seed that brings it back.
 */
export async function runModel({ seed, commands, table = 'in_memory', progress }: ModelRun): Promise<ModelReport> {
  const began = performance.now();
  const inMemory = table === 'in_memory' ? startTableInMemory() : undefined;
  const deployment = await startDeployment(
    {},
    inMemory === undefined ? startTestTable : () => Promise.resolve(inMemory),
  );
  const endHaste = withoutPauses();
  const tally: Tally = {
    commands: 0,
    accepted: 0,
    refused: 0,
    tamperings: 0,
    faults: 0,
    sweeps: 0,
    rows: 0,
    atOnce: 0,
  };
  let episodes = 0;
  const report = () => ({ ...tally, episodes, seconds: Math.round((performance.now() - began) / 1_000) });
  let told = began;
  try {
    while (tally.commands < commands) {
      await playEpisode(deployment, seed + episodes, tally);
      episodes += 1;
      inMemory?.empty();
      if (progress !== undefined && performance.now() - told > 5_000) {
        told = performance.now();
        progress(report());
      }
    }
    return report();
  } finally {
    endHaste();
    await deployment.close();
  }
}

async function playEpisode(deployment: TestDeployment, seed: number, tally: Tally): Promise<void> {
  const property = fc.asyncProperty(fc.array(step, { maxLength: STEPS, size: 'max' }), async (steps) => {
    const episode = await Episode.begin(deployment, tally);
    try {
      for (const actions of steps) await episode.play(actions);
      await episode.play([{ settle: 'all' }]);
    } finally {
      await episode.end();
    }
  });
  const found = await fc.check(property, { seed, numRuns: 1, interruptAfterTimeLimit: SHRINKING_MS });
  if (!found.failed) return;
  const [steps = []] = found.counterexample ?? [];
  const said = found.errorInstance instanceof Error ? found.errorInstance : new Error(String(found.errorInstance));
  throw new Error(
    `${said.message}\nafter (seed ${seed}, ${found.numShrinks} times made smaller):\n` +
      steps.map((actions) => `  ${JSON.stringify(actions.length === 1 ? actions[0] : actions)}`).join('\n'),
    { cause: said },
  );
}

export function shown(report: ModelReport): string {
  const { commands, seconds, episodes, accepted, refused, atOnce, tamperings, faults, sweeps, rows } = report;
  return (
    `${commands} commands in ${seconds} s, ${episodes} episodes: ${accepted} accepted, ${refused} refused as the contract says, ` +
    `${atOnce} of them at the same time as others; ${tamperings} tamperings, ${faults} faults, ${sweeps} sweeps, ${rows} flags compared`
  );
}

if (import.meta.main) {
  const [commands = '100000', seed = String(Date.now() % 1_000_000_000)] = process.argv.slice(2);
  console.log(`seed ${seed}`);
  const progress = (report: ModelReport) => {
    console.log(shown(report));
  };
  console.log(shown(await runModel({ seed: Number(seed), commands: Number(commands), progress })));
}
