import { apiClient } from './api-client.ts';
import { readEndpoints } from './endpoints.ts';
import { flagTable, readFlags } from './flags.ts';
import { invokeFunction } from './functions.ts';
import { exitWith } from './process.ts';
import { DATA_FOLDER } from './project.ts';
import { scanNow } from './scan.ts';
import type { ScannedKeystore } from './scan.ts';
import { StartProblem } from './start-problem.ts';

try {
  const endpoints = readEndpoints(DATA_FOLDER);
  if (endpoints === undefined) throw new StartProblem('Shearline is not running here: npm start starts it.');
  const began = performance.now();
  const scans = await scanNow((name, event) => invokeFunction(endpoints.functions, name, event), {
    progress: ({ keys, etaSeconds }) => {
      if (etaSeconds > 0) console.log(`  ${keys} keys so far; about ${etaSeconds} s to go at the pace that is kept.`);
    },
  });
  console.log(`Scanned in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  for (const line of summary(scans)) console.log(line);
  const token = endpoints.tokens['all'];
  if (token !== undefined) {
    const { rows } = await readFlags(apiClient({ api: endpoints.api, token }));
    console.log(`\n${flagTable(rows).join('\n')}`);
  }
} catch (error) {
  exitWith(error);
}

/** One line per keystore, from what the functions answer. */
function summary(scans: readonly ScannedKeystore[]): string[] {
  const keystores = scans.toSorted((one, other) => one.name.localeCompare(other.name));
  const width = Math.max(0, ...keystores.map(({ name }) => name.length));
  return keystores.map(({ name, health, message, keys, written }) =>
    [
      `  ${name.padEnd(width)}`,
      `${keys} ${keys === 1 ? 'key' : 'keys'}, ${written} with news`,
      health === 'ok' ? 'ok' : `${health}: ${message}`,
    ].join('  '),
  );
}
