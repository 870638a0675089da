import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { styleText } from 'node:util';
import { apiClient } from './api-client.ts';
import type { ApiClient } from './api-client.ts';
import { startEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import type { Endpoints } from './endpoints.ts';
import { flagTable, readFlags } from './flags.ts';
import type { FlagRow } from './flags.ts';
import { exitWith, stopOnSignals } from './process.ts';
import { DATA_FOLDER } from './project.ts';
import { seed } from './seed.ts';
import { readSettings } from './settings.ts';

/** Its presence says that the sample was made once: what users have deleted since does not come back. */
const SEEDED = join(DATA_FOLDER, 'seeded');

const began = performance.now();
const folder = relative(process.cwd(), DATA_FOLDER) || DATA_FOLDER;
let environment: Environment | undefined;
stopOnSignals(async () => {
  await environment?.stop();
});

const CLOUDS: Record<keyof Endpoints['keystores'], string> = {
  aws_kms: 'AWS KMS',
  azure_key_vault: 'Azure',
  google_kms: 'Google',
  ibm_cloud_kms: 'IBM',
};

try {
  const settings = readSettings(process.env);
  console.log(styleText('bold', 'Shearline starts.'));
  environment = await startEnvironment({
    settings,
    dataFolder: DATA_FOLDER,
    schedules: true,
    reload: true,
    console: true,
    progress: (sentence) => {
      console.log(`  ${sentence}`);
    },
    complain: (line) => {
      console.error(styleText('red', line, { stream: process.stderr }));
    },
  });
  const { endpoints } = environment;
  const token = endpoints.tokens['all'];
  const client = token === undefined ? undefined : apiClient({ api: endpoints.api, token });
  if (settings.seed && !existsSync(SEEDED)) await makeSample(environment, client);
  await environment.scan();
  environment.announce();
  const flags = client === undefined ? undefined : await readFlags(client);
  const example = flags?.rows.find((row) => row.flag === 'ok' && row.idInKeystore?.startsWith('arn:') === true);
  console.log(banner(endpoints, example, (performance.now() - began) / 1000).join('\n'));
  if (flags !== undefined && flags.rows.length > 0) console.log(`\n${flagTable(flags.rows).join('\n')}\n`);
  const why = await environment.broken;
  await environment.stop();
  exitWith(new Error(why));
} catch (error) {
  exitWith(error);
}

async function makeSample(
  { customKeyStoreId, otherKeystores }: Environment,
  client: ApiClient | undefined,
): Promise<void> {
  if (client === undefined || customKeyStoreId === undefined) {
    console.log('  Sample        none: it needs the sandbox of AWS KMS and the local issuer');
    return;
  }
  const made = await seed(client, customKeyStoreId, otherKeystores);
  writeFileSync(SEEDED, '');
  console.log(
    `  Sample        vault Payments: ${made.keystores} keystores, ${made.templates} templates, ${made.keys} keys`,
  );
}

function banner(endpoints: Endpoints, example: FlagRow | undefined, seconds: number): string[] {
  const token = endpoints.tokens['all'];
  return [
    '',
    `${heading('Shearline is ready')} after ${seconds.toFixed(1)} s. Ctrl-C stops it; npm run reset, when stopped, empties ${folder}.`,
    '',
    ...(endpoints.console === null ? [] : [`  Console   ${endpoints.console}`]),
    `  API       ${endpoints.api}/api/v4`,
    `  Issuer    ${endpoints.issuer}`,
    `  DynamoDB  ${endpoints.dynamodb.endpoint}  table ${endpoints.dynamodb.table}`,
    ...Object.entries(endpoints.keystores).map(
      ([type, url]) => `  ${CLOUDS[type as keyof Endpoints['keystores']].padEnd(8)}  ${url}`,
    ),
    ...(endpoints.control === null ? [] : [`  Control   ${endpoints.control}`]),
    `  All of it, with a token for each role: ${join(folder, 'endpoints.json')}`,
    '',
    ...(token === undefined
      ? []
      : [heading('A token with every role'), `  export TOKEN=${token}`, '', ...tries(endpoints, example)]),
  ];
}

/** A key goes out of step behind Shearline's back, a scan finds it, sync mends it; without a key, what there is to see. */
function tries({ api, control }: Endpoints, row: FlagRow | undefined): string[] {
  const bearer = '-H "Authorization: Bearer $TOKEN"';
  if (row?.idInKeystore === undefined || control === null) {
    return [heading('To try'), `  curl -s ${bearer} ${api}/api/v4/vaults`, '  npm run demo'];
  }
  const disable = JSON.stringify({ action: 'disable', key_id: row.idInKeystore });
  return [
    heading('Three things to try'),
    `  1. Disable ${row.key} in ${row.keystore}, as an operator would at the cloud, outside Shearline:`,
    `  curl -s ${control}/aws_kms/tamper -d '${disable}'`,
    '  2. Let a scan find it (one runs every minute anyway):',
    '  npm run scan',
    '  3. Bring the keystore back in step with what was decided:',
    `  curl -s -X POST ${bearer} -H 'If-Match: *' ${api}/api/v4/managed_keys/${row.keyId}/sync_status_in_keystores`,
    '  The whole story: npm run demo',
  ];
}

function heading(text: string): string {
  return styleText('bold', text);
}
