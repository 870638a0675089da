import type { Benchmark } from './frame.ts';
import { simulate } from './scaling/simulation.ts';
import type { Fleet } from './scaling/simulation.ts';

const USUAL: Fleet = {
  keys: 10_000_000,
  scopes: 500,
  skew: 0.5,
  functions: 50,
  share: 0.5,
  crowded: 0.1,
  down: 0.01,
  crashes: 0.001,
  drifted: 0.0001,
  seed: 1,
};

/** Past one machine: what a sweep and its repairs take, as queues, quotas and faults let them; `--scale.keys=…` and so on change the fleet. */
export const scalingBenchmark: Benchmark = {
  name: 'scaling',
  run(tell) {
    const usual = given(USUAL);
    const cases: readonly (readonly [string, Partial<Fleet>])[] = [
      [`${usual.keys} keys in ${usual.scopes} scopes, ${usual.functions} functions`, {}],
      ['… and nothing goes wrong', { crowded: 0, down: 0, crashes: 0 }],
      ['… all scopes alike', { skew: 0 }],
      ['… 10 functions', { functions: 10 }],
      ['… 200 functions', { functions: 200 }],
      ['… a quarter of the quota', { share: 0.25 }],
      ['… half of all scopes crowded', { crowded: 0.5 }],
      ['… a tenth of all scopes down', { down: 0.1 }],
      ['… one run in twenty crashes', { crashes: 0.05 }],
      ['… 1 % of all keys drifted', { drifted: 0.01 }],
    ];
    const head = ['', 'half', '99 %', 'all', 'the well', 'runs', 'throttled', 'writes', 'repair: quota', 'resume'];
    const rows = cases.map(([name, change]) => {
      const o = simulate({ ...usual, ...change });
      return [
        name,
        time(o.half),
        time(o.most),
        time(o.all),
        time(o.allWell),
        String(o.runs),
        `${((100 * o.throttled) / o.calls).toFixed(2)} %`,
        String(o.writes),
        time(o.repairByQuota),
        time(o.repairByResume),
      ];
    });
    const widths = head.map((_, at) => Math.max(...[head, ...rows].map((row) => row[at]?.length ?? 0)));
    for (const row of [head, ...rows]) {
      tell(
        row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
      );
    }
    return Promise.resolve([]);
  },
};

function given(usual: Fleet): Fleet {
  const changes = Object.keys(usual).flatMap((name) => {
    const text = process.argv.find((argument) => argument.startsWith(`--scale.${name}=`));
    return text === undefined ? [] : [[name, Number(text.slice(text.indexOf('=') + 1))] as const];
  });
  return { ...usual, ...Object.fromEntries(changes) };
}

function time(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7_200) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}
