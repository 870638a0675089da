import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CUSTODY_ACCOUNT, CUSTODY_REGION, prepareCustody } from '../../../sandbox/aws-accounts.ts';
import { startAwsKmsSandbox } from '../../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../../sandbox/clock.ts';
import { createTable, startDynamoDb } from '../../../sandbox/dynamodb.ts';
import { Issuer } from '../../access/issuer.ts';
import { ROLES } from '../../../lib/access/permissions.ts';

export const CUSTODY_KEY = 'alias/custody';

/** The AWS account of one lane, whose keys no other lane sees. Its secret is a canary: found anywhere, it has leaked. */
export interface LaneAccount {
  readonly accountId: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What all lanes stand on: one DynamoDB with a table for each, one AWS KMS with an account for each, one issuer of tokens. */
export interface Ground {
  readonly dynamodb: string;
  readonly kms: AwsKmsSandbox;
  readonly issuer: Issuer;
  readonly accounts: readonly LaneAccount[];
  /** Where DynamoDB and AWS KMS keep what they are given, and the functions' log is. */
  readonly folder: string;
  /** Where the functions' processes keep what they have compiled. */
  readonly compiled: string;
  /** A token of somebody who may do everything. */
  token(): Promise<string>;
  tableOf(lane: number): string;
  close(): Promise<void>;
}

/** Starts it. The environment of this process, from which the drivers take their endpoint, is set to it: one for each process. */
export async function startGround(lanes: number): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), 'shearline-torture-'));
  const compiled = mkdtempSync(join(tmpdir(), 'shearline-torture-compiled-'));
  const accounts = Array.from({ length: lanes }, (_, lane) => ({
    accountId: String(200_000_000_000 + lane),
    accessKeyId: `AKIATORTURE${String(lane).padStart(9, '0')}`,
    secretAccessKey: `canary/credentials/of/lane/${String(lane).padStart(4, '0')}/tweet/tweet`,
  }));
  const [dynamodb, kms, issuer] = await Promise.all([
    startDynamoDb({ dataFile: join(folder, 'dynamodb.db') }),
    startAwsKmsSandbox({
      clock: sandboxClock(),
      accounts: [CUSTODY_ACCOUNT, ...accounts],
      stateFile: join(folder, 'aws-kms.json'),
    }),
    Issuer.start(),
  ]);
  const tableOf = (lane: number) => `lane-${lane}`;
  for (const lane of accounts.keys()) await createTable({ endpoint: dynamodb.endpoint, table: tableOf(lane) });
  Object.assign(process.env, { AWS_ENDPOINT_URL_KMS: kms.endpoint, ...custodyEnvironment() });
  await prepareCustody({
    endpoint: kms.endpoint,
    aws: { region: CUSTODY_REGION, credentials: CUSTODY_ACCOUNT },
    keyId: CUSTODY_KEY,
    create: true,
  });
  return {
    dynamodb: dynamodb.endpoint,
    kms,
    issuer,
    accounts,
    folder,
    compiled,
    token: () => issuer.token({ roles: [...ROLES], exp: Math.floor(Date.now() / 1000) + 86_400 }),
    tableOf,
    async close() {
      await Promise.all([kms.close(), issuer.stop(), dynamodb.close()]);
      // What was just told to end may still be writing its last.
      await wait(100);
      for (const each of [folder, compiled]) rmSync(each, { recursive: true, force: true });
    },
  };
}

/** How the functions come to the custody key. */
export function custodyEnvironment(): Record<string, string> {
  return {
    AWS_REGION: CUSTODY_REGION,
    AWS_ACCESS_KEY_ID: CUSTODY_ACCOUNT.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CUSTODY_ACCOUNT.secretAccessKey,
  };
}
