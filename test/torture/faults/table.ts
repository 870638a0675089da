import type { Ending } from './sweep.ts';
import { WIRE_FAULTS } from './wire-proxy.ts';

/** Sites × faults × result: what was answered, and where the mutation stood after recovery. */
export function tableOf(endings: readonly Ending[]): string {
  const lines: string[] = [];
  const columns = WIRE_FAULTS.map((fault) => fault.padEnd(16)).join('');
  for (const [name, ofMutation] of groupBy(endings, (ending) => ending.case.mutation.name)) {
    const sites = groupBy(ofMutation, (ending) => ending.case.site);
    const width = Math.max(20, ...[...sites.keys()].map((site) => site.length)) + 2;
    lines.push('', `${`${name} (${sites.size} calls)`.padEnd(width)}${columns}`);
    for (const [site, ofSite] of sites) {
      const cells = WIRE_FAULTS.map((fault) => cell(ofSite.find((ending) => ending.case.fault === fault)).padEnd(16));
      lines.push(`${site.padEnd(width)}${cells.join('')}`.trimEnd());
    }
  }
  return lines.join('\n');
}

function cell(ending: Ending | undefined): string {
  if (ending === undefined) return '·';
  if (ending.answered === 'not met') return 'not met';
  return `${ending.answered} ${ending.problems.length === 0 ? ending.state : 'WRONG'}`;
}

/** One line for each mutation: how many calls it makes, and how many cases of each fault ended well. */
export function summaryOf(endings: readonly Ending[]): string {
  const head = `${'mutation'.padEnd(30)}calls  ${WIRE_FAULTS.map((fault) => fault.padStart(16)).join('')}`;
  const rows = [...groupBy(endings, (ending) => ending.case.mutation.name)].map(([name, ofMutation]) => {
    const calls = new Set(ofMutation.map((ending) => ending.case.site)).size;
    const cells = WIRE_FAULTS.map((fault) => {
      const met = ofMutation.filter((ending) => ending.case.fault === fault && ending.answered !== 'not met');
      const well = met.filter(({ problems }) => problems.length === 0).length;
      return (met.length === 0 ? '·' : `${well}/${met.length}`).padStart(16);
    });
    return `${name.padEnd(30)}${String(calls).padStart(5)}  ${cells.join('')}`;
  });
  return [head, ...rows].join('\n');
}

function groupBy<T>(values: readonly T[], nameOf: (value: T) => string): Map<string, T[]> {
  return Map.groupBy(values, nameOf);
}
