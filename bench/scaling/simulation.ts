import { QUOTAS } from '../../lib/pace/quotas.ts';

/** A fleet, what it runs on, and what goes wrong. Rates are a second, shares 0–1. */
export interface Fleet {
  readonly keys: number;
  /** Quota scopes: an AWS account and region each. */
  readonly scopes: number;
  /** How uneven: 0, all scopes alike; 1, the largest hold a hundred times the median. A scope holds 100,000 keys at most (AWS's quota). */
  readonly skew: number;
  /** Functions that sweep at the same time (`maximumConcurrency` of the queue). */
  readonly functions: number;
  /** Share of the providers' quotas that sweeps take, and repairs. */
  readonly share: number;
  /** Of all scopes: in so many others use most of the quota, so that sweeps are throttled and slow down. */
  readonly crowded: number;
  /** In so many nobody answers. */
  readonly down: number;
  /** So many runs of a function end by a crash; the message comes again when its visibility ends. */
  readonly crashes: number;
  /** So many keys have drifted and are repaired by re-enabling them. */
  readonly drifted: number;
  readonly seed: number;
}

export interface Outcome {
  /** Seconds after which so many of the scopes had been swept. */
  readonly half: number;
  readonly most: number;
  readonly all: number;
  /** Likewise, of scopes that are neither crowded nor down: what the others cost them. */
  readonly allWell: number;
  readonly sweptKeys: number;
  readonly unansweredKeys: number;
  readonly calls: number;
  readonly throttled: number;
  readonly runs: number;
  readonly crashes: number;
  /** Seconds of functions. */
  readonly functionSeconds: number;
  /** Writes of what is new: flags and their history. */
  readonly writes: number;
  /** Seconds until the last repair, bound by what the providers admit per scope, and by how much the deployment takes on in a minute. */
  readonly repairByQuota: number;
  readonly repairByResume: number;
}

/** As serverless.yml and the engine have them. */
const RUN_SECONDS = 280;
const HAND_OVER_SECONDS = 2;
const COLD_START_SECONDS = 1;
const VISIBILITY_SECONDS = 360;
/** What a function of 1 GB can ask at most: 0.57 of a core at 0.15 ms of CPU a key. */
const KEYS_PER_SECOND_OF_CPU = 3_800;
/** A keystore without an answer is given up after five calls in a row; each is tried twice for 5 s. Its keys are then errors. */
const GIVEN_UP_SECONDS = 20;
/** New findings are transactions of a flag and its history; so many a second one function gets done, 64 at once. */
const WRITES_PER_SECOND = 1_000;
/** `resume` takes on so many a minute: lib/drift/resume.ts. */
const RESUMED_A_MINUTE = 200;
const LARGEST_SCOPE = 100_000;

interface Scope {
  readonly keys: number;
  readonly isCrowded: boolean;
  readonly isDown: boolean;
  /** Left to be asked for. */
  left: number;
  readyAt: number;
  doneAt: number | undefined;
}

/** Plays one sweep second by second, then works out the repairs. The same seed gives the same outcome. */
export function simulate(fleet: Fleet): Outcome {
  const random = generator(fleet.seed);
  const scopes = scopesOf(fleet, random);
  // FIFO: a scope that was not finished goes to the end of the queue.
  const queue = [...scopes];
  const running: { readonly scope: Scope; readonly until: number; readonly crashesAt: number | undefined }[] = [];
  let [now, runs, crashes, calls, throttled, functionSeconds, writes] = [0, 0, 0, 0, 0, 0, 0];
  while (queue.length > 0 || running.length > 0) {
    while (running.length < fleet.functions) {
      const at = queue.findIndex(({ readyAt }) => readyAt <= now);
      const [scope] = at < 0 ? [] : queue.splice(at, 1);
      if (scope === undefined) break;
      runs += 1;
      const crashesAt = random() < fleet.crashes ? now + random() * RUN_SECONDS : undefined;
      running.push({ scope, until: now + COLD_START_SECONDS + RUN_SECONDS, crashesAt });
      scope.readyAt = now + COLD_START_SECONDS;
    }
    for (const run of running.splice(0)) {
      const { scope, until, crashesAt } = run;
      functionSeconds += 1;
      if (crashesAt !== undefined && crashesAt <= now) {
        // What it has not handed over is done again.
        crashes += 1;
        scope.readyAt = now + VISIBILITY_SECONDS;
        queue.push(scope);
        continue;
      }
      if (scope.readyAt <= now) {
        const asked = askedIn(scope, fleet, random);
        scope.left -= asked.keys;
        calls += asked.calls;
        throttled += asked.throttled;
        writes += asked.writes;
      }
      if (scope.left <= 0) scope.doneAt = now + 1;
      else if (now + 1 >= until) {
        scope.readyAt = now + HAND_OVER_SECONDS;
        queue.push(scope);
      } else running.push(run);
    }
    now += 1;
  }
  const times = scopes.map(({ doneAt }) => doneAt ?? Number.NaN).toSorted((a, b) => a - b);
  const drifted = scopes.map(({ keys, isDown }) => (isDown ? 0 : keys * fleet.drifted));
  const well = scopes.filter(({ isCrowded, isDown }) => !isCrowded && !isDown);
  return {
    half: at(times, 0.5),
    most: at(times, 0.99),
    all: at(times, 1),
    allWell: Math.max(0, ...well.map(({ doneAt }) => doneAt ?? Number.NaN)),
    sweptKeys: sum(scopes, ({ keys, isDown }) => (isDown ? 0 : keys)),
    unansweredKeys: sum(scopes, ({ keys, isDown }) => (isDown ? keys : 0)),
    calls: Math.round(calls),
    throttled: Math.round(throttled),
    runs,
    crashes,
    functionSeconds,
    writes: Math.round(writes + drifted.reduce((total, count) => total + count, 0)),
    repairByQuota: Math.max(...drifted) / (QUOTAS['aws.EnableKey'] * fleet.share),
    repairByResume: (drifted.reduce((total, count) => total + count, 0) / RESUMED_A_MINUTE) * 60,
  };
}

function askedIn(scope: Scope, fleet: Fleet, random: () => number) {
  if (scope.isDown) {
    const keys = Math.min(
      scope.left,
      scope.left === scope.keys ? WRITES_PER_SECOND / GIVEN_UP_SECONDS : WRITES_PER_SECOND,
    );
    return { keys, calls: 1, throttled: 0, writes: keys };
  }
  const ceiling = Math.min(QUOTAS['aws.DescribeKey'] * fleet.share, KEYS_PER_SECOND_OF_CPU);
  // Others leave between a tenth and a half of the quota; additive increase and multiplicative decrease find three quarters of that.
  const free = scope.isCrowded ? QUOTAS['aws.DescribeKey'] * (0.1 + 0.4 * random()) * 0.75 : Number.POSITIVE_INFINITY;
  const keys = Math.min(scope.left, ceiling, free);
  const throttled = free < ceiling ? keys * 0.006 : 0;
  return { keys, calls: keys + throttled, throttled, writes: 0 };
}

function scopesOf({ keys, scopes, skew, crowded, down }: Fleet, random: () => number): Scope[] {
  const weights = Array.from({ length: scopes }, () => Math.exp(skew * 2 * normal(random)));
  const total = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight): Scope => {
    const held = Math.max(1, Math.min(LARGEST_SCOPE, Math.round((keys * weight) / total)));
    const isDown = random() < down;
    return { keys: held, isDown, isCrowded: !isDown && random() < crowded, left: held, readyAt: 0, doneAt: undefined };
  });
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function sum<T>(of: readonly T[], value: (each: T) => number): number {
  return of.reduce((total, each) => total + value(each), 0);
}

/** A linear congruential generator: enough for a simulation, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
