import { MUTATIONS } from './mutations.ts';
import { shuffled } from './shuffled.ts';
import { casesOf, FaultSweep, nameOf } from './sweep.ts';
import type { Ending } from './sweep.ts';
import { summaryOf, tableOf } from './table.ts';

export interface LongSweep {
  /** Chooses the order. */
  readonly seed: number;
  /** How many cases are played at once. */
  readonly lanes: number;
  /** How many cases at the beginning of the order are left out. */
  readonly from: number;
  /** Plays no more cases than that; all when undefined. */
  readonly count: number | undefined;
  /** Keeps to cases with this text in “mutation: call: fault”. */
  readonly only: string;
  /** Nothing more is begun once it aborts. */
  readonly signal: AbortSignal;
}

/**
 * Plays every fault at every call of every mutation, as far as chosen, and prints how far it is and in the end sites × faults × result.
 * Answers whether nothing was wrong and nothing leaked.
 */
export async function sweepFaults({ seed, lanes, from, count, only, signal }: LongSweep): Promise<boolean> {
  const sweep = await FaultSweep.start(lanes);
  const stop = () => {
    sweep.stop();
  };
  signal.addEventListener('abort', stop, { once: true });
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
  try {
    const recordings = await sweep.run(MUTATIONS, sweep.record);
    const byMutation = new Map(recordings.map((recording) => [recording.mutation, recording]));
    const all = casesOf(recordings).filter((each) => nameOf(each).includes(only));
    const cases = shuffled(all, seed).slice(from, count === undefined ? undefined : from + count);
    const calls = new Set(all.map(({ mutation, site }) => `${mutation.name} ${site}`)).size;
    console.log(
      `sweep: seed ${seed}, ${cases.length} of ${all.length} cases, ${calls} calls of ${recordings.length} mutations`,
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
        `${sweep.canaries.count} canaries: found in ${sweep.leaks.size} places. Seed ${seed}.`,
    );
    return wrong === 0 && sweep.leaks.size === 0;
  } finally {
    signal.removeEventListener('abort', stop);
    await sweep.close();
  }
}
