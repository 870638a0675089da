import { cpus, totalmem } from 'node:os';
import type { Benchmark, Figure } from './frame.ts';
import { countCalls } from './sweep/calls.ts';
import { Fleet } from './sweep/fleet.ts';
import { PRICES } from './sweep/prices.ts';
import type { Cost } from './sweep/worker.ts';

/** Calls in flight, of the sweep and of the bare loop. */
const CONCURRENCY = 64;
const BARE_CALLS = 10_000;
/** What the index is read in: half a read unit for 4 KB. */
const READ_UNIT_BYTES = 4_096 * 2;
const SWEEP_MEMORY_GB = 1;
const WALL_GOAL = 0.35;
const CPU_GOAL = 0.3;
/** Time and memory may not grow with the number of keys; what is left is the start of a process. */
const GROWTH_GOAL = 1.25;

/**
 * The sweep of keys in AWS KMS, each part in a process of its own: the sandbox, DynamoDB, the sweep, and beside it the SDK's client asked in a
 * bare loop. `--keys=100000`, `--growth=1000,10000,100000`, `--fleet=1,10,50` say how large; `--growth=…,1000000` takes a quarter of an hour.
 */
export const sweepBenchmark: Benchmark = {
  name: 'sweep',
  async run(tell) {
    tell(
      `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${(totalmem() / 2 ** 30).toFixed(0)} GB, ${CONCURRENCY} calls in flight.`,
    );
    const figures: Figure[] = [];
    const { figures: main, sweep, bytes } = await besideBareLoop(numbers('keys', [100_000])[0] ?? 100_000, tell);
    figures.push(...main);
    figures.push(...(await growth(numbers('growth', [1_000, 10_000, 30_000]), tell)));
    figures.push(...(await manyKeystores(numbers('fleet', [1, 10, 50]), tell)));
    figures.push(...(await drift(tell)));
    await underQuota(tell);
    await costs(sweep, bytes, tell);
    return figures;
  },
};

/** (a) Wall, CPU and memory of a sweep, beside the SDK's client in a loop. */
async function besideBareLoop(keys: number, tell: (sentence: string) => void) {
  return withFleet(async (fleet) => {
    const keystore = await fleet.add('us-east-1', keys);
    const few = { ...keystore, labels: keystore.labels.slice(0, BARE_CALLS) };
    const first = await fleet.bare(few, CONCURRENCY);
    await fleet.calls();
    const sweep = await fleet.sweep(CONCURRENCY);
    const calls = await fleet.calls();
    const second = await fleet.bare(few, CONCURRENCY);
    const bare = { wall: mean(first, second, wallOf), cpu: mean(first, second, cpuOf) };
    requireKeys(sweep, keys);
    const made = calls.reduce((sum, { count }) => sum + count, 0);
    tell(
      `(a) ${keys} keys: ${(sweep.wallMs / 1_000).toFixed(1)} s, ${Math.round(keys / (sweep.wallMs / 1_000))} keys/s, ${made} calls of AWS KMS (${perThousand(made, keys)} per 1,000 keys), ${sweep.written} findings written, ${megabytes(sweep)}; bare loop ${megabytes(first)}.`,
    );
    const figures = [
      figure(
        `sweep of ${keys} keys: wall, per 1,000`,
        wallOf(sweep),
        'bare SDK loop, same concurrency',
        bare.wall,
        WALL_GOAL,
      ),
      figure(`sweep of ${keys} keys: CPU, per 1,000`, cpuOf(sweep), 'bare SDK loop: CPU', bare.cpu, CPU_GOAL),
    ];
    tell(
      `    wall ${ratio(figures[0])} × and CPU ${ratio(figures[1])} × the bare loop’s, ${cpuOf(sweep).toFixed(0)} and ${bare.cpu.toFixed(0)} ms of CPU per 1,000 keys.`,
    );
    return { figures, sweep, bytes: fleet.bytes };
  });
}

/** (b) Time and memory, by the number of keys. */
async function growth(steps: readonly number[], tell: (sentence: string) => void): Promise<Figure[]> {
  const costsOf: { readonly keys: number; readonly cost: Cost }[] = [];
  for (const keys of steps) {
    const cost = await withFleet(async (fleet) => {
      await fleet.add('us-east-1', keys);
      return fleet.sweep(CONCURRENCY);
    });
    requireKeys(cost, keys);
    tell(
      `(b) ${String(keys).padStart(9)} keys: ${wallOf(cost).toFixed(0)} ms wall, ${cpuOf(cost).toFixed(0)} ms CPU per 1,000; ${megabytes(cost)}.`,
    );
    costsOf.push({ keys, cost });
  }
  // The first step is mostly the start of a process.
  const [, base, ...larger] = costsOf;
  if (base === undefined) return [];
  return larger.map(({ keys, cost }) =>
    figure(`${keys} keys: CPU, per 1,000`, cpuOf(cost), `${base.keys} keys`, cpuOf(base.cost), GROWTH_GOAL),
  );
}

/** (c) The same number of keys in one keystore and in many. */
async function manyKeystores(counts: readonly number[], tell: (sentence: string) => void): Promise<Figure[]> {
  const KEYS = 10_000;
  const costsOf: { readonly keystores: number; readonly cost: Cost }[] = [];
  for (const keystores of counts) {
    const cost = await withFleet(async (fleet) => {
      for (let at = 0; at < keystores; at += 1) await fleet.add(regionNamed(at), KEYS / keystores);
      return fleet.sweep(CONCURRENCY);
    });
    requireKeys(cost, KEYS);
    tell(
      `(c) ${String(keystores).padStart(3)} keystores, ${KEYS} keys: ${wallOf(cost).toFixed(0)} ms wall, ${cpuOf(cost).toFixed(0)} ms CPU per 1,000; ${megabytes(cost)}.`,
    );
    costsOf.push({ keystores, cost });
  }
  const [base, ...more] = costsOf;
  if (base === undefined) return [];
  return more.map(({ keystores, cost }) =>
    figure(
      `${KEYS} keys in ${keystores} keystores: wall, per 1,000`,
      wallOf(cost),
      `in ${base.keystores}`,
      wallOf(base.cost),
    ),
  );
}

/** (d) What drift costs: none, one in a hundred, all; and all again, when nothing is new. */
async function drift(tell: (sentence: string) => void): Promise<Figure[]> {
  const KEYS = 5_000;
  return withFleet(async (fleet) => {
    await fleet.add('us-east-1', KEYS);
    const sweep = async (what: string, written: number) => {
      const cost = await fleet.sweep(CONCURRENCY);
      requireKeys(cost, KEYS);
      if (cost.written !== written) throw new Error(`${what}: ${cost.written} findings were written, not ${written}.`);
      tell(
        `(d) ${what}: ${wallOf(cost).toFixed(0)} ms wall, ${cpuOf(cost).toFixed(0)} ms CPU per 1,000; ${cost.written} findings written.`,
      );
      return cost;
    };
    const unchanged = await sweep('unchanged', 0);
    await fleet.disable('us-east-1', KEYS / 100);
    const few = await sweep('1 % drifted', KEYS / 100);
    await fleet.disable('us-east-1', KEYS);
    const all = await sweep('all drifted', KEYS - KEYS / 100);
    const known = await sweep('all drifted, known already', 0);
    return [
      figure('1 % drifted: CPU, per 1,000', cpuOf(few), 'unchanged', cpuOf(unchanged)),
      figure('all drifted: CPU, per 1,000', cpuOf(all), 'unchanged', cpuOf(unchanged)),
      figure('all drifted, known: CPU, per 1,000', cpuOf(known), 'unchanged', cpuOf(unchanged)),
    ];
  });
}

/** Throttled calls of a steady sweep, where AWS's quotas hold. */
async function underQuota(tell: (sentence: string) => void): Promise<void> {
  const KEYS = 10_000;
  await withFleet(async (fleet) => {
    await fleet.add('us-east-1', KEYS);
    await fleet.setQuota(true);
    await fleet.calls();
    const cost = await fleet.sweep(CONCURRENCY, { BENCH_QUOTAS: '{}', BENCH_QUOTA_PERCENT: '50' });
    requireKeys(cost, KEYS);
    const calls = await fleet.calls();
    const throttled = calls
      .filter(({ outcome }) => outcome === 'ThrottlingException')
      .reduce((sum, { count }) => sum + count, 0);
    const all = calls.reduce((sum, { count }) => sum + count, 0);
    tell(
      `Quota of 2,000/s, half of it used: ${KEYS} keys in ${(cost.wallMs / 1_000).toFixed(1)} s (${Math.round(KEYS / (cost.wallMs / 1_000))}/s), ${throttled} of ${all} calls throttled (${((100 * throttled) / all).toFixed(2)} %).`,
    );
  });
}

/** (h) A sweep of a million keys in dollars, from what was counted. */
async function costs(sweep: Cost, bytes: number, tell: (sentence: string) => void): Promise<void> {
  const MILLION = 1_000_000;
  const reads = ((MILLION * bytes) / READ_UNIT_BYTES) * PRICES.dynamodbReadUnit;
  // A function waits at the pace of half the quota; what it computes meanwhile is less.
  const seconds = MILLION / 1_000;
  const lambda = (paced: number) => paced * SWEEP_MEMORY_GB * PRICES.lambdaGbSecond;
  const dollars = (sum: number) => `$${sum.toFixed(2)}`;
  tell('(h) A sweep of a million keys that are as they were, in US dollars (bench/sweep/prices.ts):');
  const aws = MILLION * 1.001 * PRICES.awsKmsCalls;
  tell(
    `    AWS KMS          ${dollars(aws)} for 1,001 calls per 1,000 keys, ${dollars(reads)} DynamoDB, ${dollars(lambda(seconds))} Lambda (${seconds} s at 1,000/s; ${((MILLION * cpuOf(sweep)) / 1e6).toFixed(0)} s of CPU)`,
  );
  for (const { provider, keys, listing, looks } of await countCalls()) {
    const price = {
      azure_key_vault: PRICES.azureCalls,
      google_kms: PRICES.googleCalls,
      ibm_cloud_kms: PRICES.ibmCalls,
    }[provider];
    const calls = ((listing + looks) / keys) * MILLION;
    tell(
      `    ${provider.padEnd(16)} ${dollars(calls * price)} for ${perThousand(listing, keys)} calls of the listing and ${perThousand(looks, keys)} looks per 1,000 keys, ${dollars(reads)} DynamoDB`,
    );
  }
}

async function withFleet<T>(work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const fleet = await Fleet.start();
  try {
    return await work(fleet);
  } finally {
    await fleet.close();
  }
}

const ratio = (of: Figure | undefined): string => of?.ratio.toFixed(2) ?? '?';
/** Milliseconds per 1,000 keys. */
const wallOf = ({ wallMs, keys }: Cost): number => (wallMs / keys) * 1_000;
const cpuOf = ({ cpuMs, keys }: Cost): number => (cpuMs / keys) * 1_000;
const mean = (one: Cost, other: Cost, of: (cost: Cost) => number): number => (of(one) + of(other)) / 2;
const megabytes = ({ peakMb, beforeMb }: Cost): string => `peak ${peakMb.toFixed(0)} MB, ${beforeMb.toFixed(0)} before`;
const perThousand = (count: number, keys: number): string => ((count / keys) * 1_000).toFixed(0);

function figure(name: string, milliseconds: number, beside: string, base: number, goal?: number): Figure {
  return { name, milliseconds, baseline: { name: beside, milliseconds: base }, ratio: milliseconds / base, goal };
}

function requireKeys({ keys }: Cost, expected: number): void {
  if (keys !== expected) throw new Error(`${keys} keys were swept, not ${expected}.`);
}

/** Regions that AWS does not have, for as many keystores as wanted: the sandbox takes any. */
function regionNamed(at: number): string {
  return `us-${String.fromCharCode(97 + Math.floor(at / 26))}${String.fromCharCode(97 + (at % 26))}-1`;
}

/** `--name=1,2,3` of the command line. */
function numbers(name: string, standard: readonly number[]): readonly number[] {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);
  return given === undefined ? standard : given.split(',').map(Number);
}
