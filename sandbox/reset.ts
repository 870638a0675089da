import { readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readEndpoints } from './endpoints.ts';
import { LOCK_FILE, lockFolder } from './lock.ts';
import { exitWith } from './process.ts';
import { DATA_FOLDER } from './project.ts';
import { StartProblem } from './start-problem.ts';

const shown = relative(process.cwd(), DATA_FOLDER);

try {
  const lock = lockFolder(DATA_FOLDER);
  if (lock === undefined) {
    const running = readEndpoints(DATA_FOLDER);
    throw new StartProblem(
      `Shearline is running with the data in ${shown}${running === undefined ? '' : ` (${running.api})`}: stop it, then reset.`,
    );
  }
  for (const name of readdirSync(DATA_FOLDER)) {
    if (!name.startsWith(LOCK_FILE)) rmSync(join(DATA_FOLDER, name), { recursive: true, force: true });
  }
  lock.release();
  console.log(`${shown} is empty; the next npm start makes the sample again.`);
} catch (error) {
  exitWith(error);
}
