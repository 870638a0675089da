/** `npm run bench`: every benchmark, as a table or with `--json` as JSON. Ends with 1 when a goal is missed. Names given run those only. */
import { apiBenchmark } from './api.ts';
import { bundlesBenchmark } from './bundles.ts';
import { isMet, table } from './frame.ts';
import type { Benchmark, Figure } from './frame.ts';
import { listKeysBenchmark } from './list-keys.ts';
import { scalingBenchmark } from './scaling.ts';
import { sweepBenchmark } from './sweep.ts';

const BENCHMARKS: readonly Benchmark[] = [
  bundlesBenchmark,
  apiBenchmark,
  listKeysBenchmark,
  sweepBenchmark,
  scalingBenchmark,
];

const { argv, versions, arch } = process;
const json = argv.includes('--json');
const names = argv.slice(2).filter((argument) => !argument.startsWith('--'));
const unknown = names.find((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
if (unknown !== undefined) {
  console.error(`There is no benchmark ${unknown}; there are: ${BENCHMARKS.map(({ name }) => name).join(', ')}.`);
  process.exit(2);
}

const results: { readonly benchmark: string; readonly figures: readonly Figure[] }[] = [];
for (const benchmark of BENCHMARKS) {
  if (names.length > 0 && !names.includes(benchmark.name)) continue;
  const tell = (sentence: string) => {
    if (!json) console.log(sentence);
  };
  const figures = await benchmark.run(tell);
  results.push({ benchmark: benchmark.name, figures });
  if (!json) console.log(figures.length === 0 ? '' : `${table(figures)}\n`);
}
if (json) console.log(JSON.stringify({ node: versions.node, arch, results }, undefined, 2));
process.exitCode = results.every(({ figures }) => figures.every(isMet)) ? 0 : 1;
