import * as z from 'zod/mini';
import { apiClient } from './api-client.ts';
import { readEndpoints } from './endpoints.ts';
import { flagTable, readFlags } from './flags.ts';
import { invokeFunction } from './functions.ts';
import { exitWith } from './process.ts';
import { DATA_FOLDER } from './project.ts';
import { StartProblem } from './start-problem.ts';

const SCANNED = z.object({
  keystores: z.array(
    z.object({ name: z.string(), health: z.string(), message: z.string(), keys: z.number(), written: z.number() }),
  ),
});

try {
  const endpoints = readEndpoints(DATA_FOLDER);
  if (endpoints === undefined) throw new StartProblem('Shearline is not running here: npm start starts it.');
  const began = performance.now();
  const result = await invokeFunction(endpoints.functions, 'scan', {});
  console.log(`Scanned in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  for (const line of summary(result)) console.log(line);
  const token = endpoints.tokens['all'];
  if (token !== undefined) {
    const { rows } = await readFlags(apiClient({ api: endpoints.api, token }));
    console.log(`\n${flagTable(rows).join('\n')}`);
  }
} catch (error) {
  exitWith(error);
}

/** One line per keystore, from what the scan function answers. */
function summary(result: unknown): string[] {
  const { keystores } = SCANNED.parse(result);
  const width = Math.max(0, ...keystores.map(({ name }) => name.length));
  return keystores.map(({ name, health, message, keys, written }) =>
    [
      `  ${name.padEnd(width)}`,
      `${keys} ${keys === 1 ? 'key' : 'keys'}, ${written} with news`,
      health === 'ok' ? 'ok' : `${health}: ${message}`,
    ].join('  '),
  );
}
