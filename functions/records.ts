import { randomUUID } from 'node:crypto';
import { systemClock } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import type { RecordDeployment } from '../lib/deployment.ts';
import { openDatabase } from '../lib/records/database.ts';
import { attemptsIn } from './attempts.ts';
import { newLog } from './log.ts';

let made: RecordDeployment | undefined;

/**
 * What this process works with, as far as records go, from its environment; made at the first call. Throws a `ConfigError` naming what is
 * wrong.
 */
export function records(): RecordDeployment {
  return (made ??= makeRecords());
}

function makeRecords(): RecordDeployment {
  const config = readConfig(process.env);
  return {
    config,
    database: openDatabase({ table: config.table, endpoint: config.dynamodbEndpoint }),
    clock: systemClock,
    newId: randomUUID,
    log: newLog(),
  };
}

/** For functions that only read and write records. */
export const { attempted, audited } = attemptsIn(records);
