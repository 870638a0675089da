/** One measured thing beside the bare thing that it cannot be faster than, from the same run. */
export interface Figure {
  readonly name: string;
  /** Milliseconds, the median of all rounds. */
  readonly milliseconds: number;
  readonly baseline: { readonly name: string; readonly milliseconds: number };
  /** How many times as long as the baseline. */
  readonly ratio: number;
  /** The ratio that it may have at most; undefined where none was promised. */
  readonly goal: number | undefined;
}

/** A set of figures that share what they need. `tell` is for what a run prepares. */
export interface Benchmark {
  readonly name: string;
  run(tell: (sentence: string) => void): Promise<readonly Figure[]>;
}

/** What is measured, and what it is measured against. */
export interface Pair {
  readonly name: string;
  readonly run: () => Promise<unknown>;
  readonly baseline: { readonly name: string; readonly run: () => Promise<unknown> };
  readonly goal?: number;
  readonly rounds?: number;
}

/** Measures a pair in turns, so that whatever else the machine does befalls both; each warms up once. */
export async function measure({ name, run, baseline, goal, rounds = 3 }: Pair): Promise<Figure> {
  await baseline.run();
  await run();
  const own: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bare.push(await timed(baseline.run));
    own.push(await timed(run));
  }
  const [milliseconds, bareMilliseconds] = [median(own), median(bare)];
  return {
    name,
    milliseconds,
    baseline: { name: baseline.name, milliseconds: bareMilliseconds },
    ratio: milliseconds / bareMilliseconds,
    goal,
  };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Whether a figure is within its goal; one without a goal is. */
export function isMet({ ratio, goal }: Figure): boolean {
  return goal === undefined || ratio <= goal;
}

/** Lines of columns that line up: texts to the left, numbers to the right. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.name,
    figure.milliseconds.toFixed(1),
    figure.baseline.name,
    figure.baseline.milliseconds.toFixed(1),
    figure.ratio.toFixed(2),
    figure.goal === undefined ? '' : `≤ ${figure.goal.toFixed(2)}`,
    isMet(figure) ? '' : 'MISSED',
  ]);
  const all = [['figure', 'ms', 'beside', 'ms', 'ratio', 'goal', ''], ...rows];
  const widths = all.reduce((widest, row) => row.map((cell, at) => Math.max(widest[at] ?? 0, cell.length)), [0]);
  const isNumber = (at: number) => at === 1 || at === 3 || at === 4 || at === 5;
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (isNumber(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
