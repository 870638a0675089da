import { existsSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { styleText } from 'node:util';
import { apiClient } from './api-client.ts';
import type { ApiClient } from './api-client.ts';
import { startEnvironment } from './environment.ts';
import type { Environment } from './environment.ts';
import type { Endpoints } from './endpoints.ts';
import { flagTable, readFlags } from './flags.ts';
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

try {
  const settings = readSettings(process.env);
  console.log(styleText('bold', 'Shearline starts.'));
  environment = await startEnvironment({
    settings,
    dataFolder: DATA_FOLDER,
    schedules: true,
    reload: true,
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
  await environment.invoke('scan');
  environment.announce();
  const flags = client === undefined ? undefined : await readFlags(client);
  console.log(banner(endpoints, (performance.now() - began) / 1000).join('\n'));
  if (flags !== undefined && flags.rows.length > 0) console.log(`\n${flagTable(flags.rows).join('\n')}\n`);
  const why = await environment.broken;
  await environment.stop();
  exitWith(new Error(why));
} catch (error) {
  exitWith(error);
}

async function makeSample({ customKeyStoreId }: Environment, client: ApiClient | undefined): Promise<void> {
  if (client === undefined || customKeyStoreId === undefined) {
    console.log('  Sample        none: it needs the sandbox of AWS KMS and the local issuer');
    return;
  }
  await seed(client, customKeyStoreId);
  writeFileSync(SEEDED, '');
  console.log('  Sample        vault Payments: 3 keystores, 2 templates, 3 keys');
}

function banner(endpoints: Endpoints, seconds: number): string[] {
  const bold = (text: string) => styleText('bold', text);
  const token = endpoints.tokens['all'];
  return [
    '',
    `${bold('Shearline is ready')} after ${seconds.toFixed(1)} s. Ctrl-C stops it; npm run reset, when stopped, empties ${folder}.`,
    '',
    `  API       ${endpoints.api}/api/v4`,
    `  Issuer    ${endpoints.issuer}`,
    `  DynamoDB  ${endpoints.dynamodb.endpoint}  table ${endpoints.dynamodb.table}`,
    `  AWS KMS   ${endpoints.keystores.aws_kms}`,
    ...(endpoints.control === null ? [] : [`  Control   ${endpoints.control}`]),
    `  All of it, with a token for each role: ${join(folder, 'endpoints.json')}`,
    '',
    ...(token === undefined
      ? []
      : [bold('A token with every role'), `  export TOKEN=${token}`, '', ...tries(endpoints, bold)]),
  ];
}

function tries({ api }: Endpoints, bold: (text: string) => string): string[] {
  const curl = `curl -s -H "Authorization: Bearer $TOKEN"`;
  return [bold('Three things to try'), `  ${curl} ${api}/api/v4/managed_keys`, `  npm run scan`, `  npm run demo`];
}
