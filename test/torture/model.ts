/* Random orders, tampering, faults and passing time against the reference in `model/reference.ts`. */
import fc from 'fast-check';
import { startDeployment } from '../deployment.ts';
import type { TestDeployment } from '../deployment.ts';
import { startTestTable } from '../table.ts';
import { step } from './model/actions.ts';
import type { Action } from './model/actions.ts';
import { Episode } from './model/episode.ts';
import type { Tally } from './model/episode.ts';
import { withoutPauses } from './model/haste.ts';
import { smallest } from './model/shrinking.ts';
import { startTableInMemory } from './model/table-in-memory.ts';

const STEPS = 200;
/** How long the search for a smaller counterexample may take. */
const SHRINKING_MS = 180_000;

export interface ModelRun {
  readonly seed: number;
  /** How many commands are carried out at least. */
  readonly commands: number;
  /** Where the records are: in the embedded DynamoDB, or in this process (the default, and several times as fast). */
  readonly table?: 'embedded' | 'in_memory';
  /** The steps of one episode at most; each begins with an empty vault and empty clouds. 200 when left out. */
  readonly steps?: number;
  /** Told every few seconds how far it is. */
  readonly progress?: (done: ModelReport) => void;
  /** Told of each promise that was broken, and the run goes on; without it, the first one ends the run. */
  readonly onBroken?: (broken: Error) => void;
  /** No further episode is begun once it aborts. */
  readonly signal?: AbortSignal;
}

interface Stage {
  readonly deployment: TestDeployment;
  /** Forgets the records of the episodes that are over, where that is possible. */
  empty(): void;
}

export interface ModelReport extends Tally {
  readonly episodes: number;
  readonly seconds: number;
}

/**
 * Runs random episodes until so many commands were carried out. A broken promise comes with the smallest sequence that was found to break
 * it and the seed that brings it back. Throws the first one unless `onBroken` takes them.
 */
export async function runModel(run: ModelRun): Promise<ModelReport> {
  const { seed, commands, table = 'in_memory', steps = STEPS, progress, onBroken, signal } = run;
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
    const stage = { deployment, empty: () => inMemory?.empty() };
    while (tally.commands < commands && signal?.aborted !== true) {
      const broken = await playEpisode(stage, seed + episodes, steps, tally);
      if (broken !== undefined && onBroken === undefined) throw broken;
      if (broken !== undefined) onBroken?.(broken);
      episodes += 1;
      if (progress !== undefined && performance.now() - told > 15_000) {
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

/** Plays one episode; when it breaks a promise, looks for a smaller one that breaks the same, and answers that. */
async function playEpisode(stage: Stage, seed: number, atMost: number, tally: Tally): Promise<Error | undefined> {
  const [steps = []] = fc.sample(fc.array(step, { maxLength: atMost, size: 'max' }), { seed, numRuns: 1 });
  const first = await failureOf(stage, steps, tally);
  if (first === undefined) return undefined;
  let last = first;
  const breaksTheSame = async (part: Steps) => {
    // What is played again counts for nothing.
    const failure = await failureOf(stage, part, { ...tally });
    if (failure === undefined || promiseOf(failure) !== promiseOf(first)) return false;
    last = failure;
    return true;
  };
  const least = await smallest(steps, breaksTheSame, SHRINKING_MS);
  return new Error(
    `${last.message}\nafter (seed ${seed}, ${least.length} of ${steps.length} steps):\n` +
      least.map((actions) => `  ${JSON.stringify(actions.length === 1 ? actions[0] : actions)}`).join('\n'),
    { cause: last },
  );
}

type Steps = readonly (readonly Action[])[];

async function failureOf(stage: Stage, steps: Steps, tally: Tally): Promise<Error | undefined> {
  const episode = await Episode.begin(stage.deployment, tally);
  try {
    for (const actions of steps) await episode.play(actions);
    await episode.play([{ settle: 'all' }]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await episode.end();
    stage.empty();
  }
}

function promiseOf({ message }: Error): string {
  return message.split(':', 1)[0] ?? '';
}

export function shown(report: ModelReport): string {
  const { commands, seconds, episodes, accepted, refused, atOnce, tamperings, faults, sweeps, rows } = report;
  return (
    `${commands} commands in ${seconds} s, ${episodes} episodes: ${accepted} accepted, ${refused} refused as the contract says, ` +
    `${atOnce} of them at the same time as others; ${tamperings} tamperings, ${faults} faults, ${sweeps} sweeps, ${rows} flags compared`
  );
}
