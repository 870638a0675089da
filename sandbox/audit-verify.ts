/** `npm run audit:verify`: proves every audit trail of a running start, or of the table that the environment names. Exit code 1 when one is broken. */
import { openDatabase } from '../lib/records/database.ts';
import { verifyTrails } from '../lib/records/trail.ts';
import { readEndpoints } from './endpoints.ts';
import { DATA_FOLDER } from './project.ts';

const running = process.env['TABLE_NAME'] === undefined ? readEndpoints(DATA_FOLDER) : undefined;
if (running !== undefined) {
  process.env['AWS_REGION'] ??= 'us-east-1';
  process.env['AWS_ACCESS_KEY_ID'] ??= 'local';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'local';
}
const database = openDatabase({
  table: running?.dynamodb.table ?? process.env['TABLE_NAME'] ?? 'shearline',
  endpoint: running?.dynamodb.endpoint ?? process.env['DYNAMODB_ENDPOINT'],
});
const reports = await verifyTrails(database);
const width = Math.max(...reports.map(({ vaultId }) => vaultId.length), 5);
if (process.argv.includes('--json')) console.log(JSON.stringify(reports));
else {
  console.log(`${'trail'.padEnd(width)}  events  state`);
  for (const { vaultId, events, broken } of reports) {
    console.log(`${vaultId.padEnd(width)}  ${String(events).padStart(6)}  ${broken ?? 'intact'}`);
  }
}
process.exitCode = reports.some(({ broken }) => broken !== undefined) ? 1 : 0;
