import { KMSClient } from '@aws-sdk/client-kms';
import { setTimeout as wait } from 'node:timers/promises';
import type { Attempt } from '../lib/attempt.ts';
import type { Deployment } from '../lib/deployment.ts';
import { driverFor } from '../lib/drivers/connections.ts';
import type { Observed } from '../lib/drift/observed.ts';
import { resume } from '../lib/drift/resume.ts';
import { scan } from '../lib/drift/scan.ts';
import type { KeystoreScan } from '../lib/drift/scan.ts';
import { sync } from '../lib/drift/sync.ts';
import { verify } from '../lib/drift/verify.ts';
import { carryOut, decide } from '../lib/keys/command.ts';
import type { StateCommand } from '../lib/keys/command.ts';
import { createKey, planKey } from '../lib/keys/create.ts';
import type { KeyInstance, ManagedKey } from '../lib/keys/key.ts';
import { removeKey } from '../lib/keys/remove.ts';
import type { Keystore } from '../lib/keystores/keystore.ts';
import { createKeystore, newKeystore, openCredentials } from '../lib/keystores/write.ts';
import { openCustody } from '../lib/material/custody.ts';
import { READ } from '../lib/records/entities.ts';
import { keystoresOfVault, readKey, readVaultCounters } from '../lib/records/reading.ts';
import type { KeyPartition } from '../lib/records/reading.ts';
import { INDEX_KEY } from '../lib/records/table.ts';
import type { Template, TemplateKey } from '../lib/templates/template.ts';
import { createTemplate } from '../lib/templates/write.ts';
import { createVault } from '../lib/vaults/write.ts';
import { CUSTODY_ACCOUNT, CUSTODY_REGION, KEYSTORE_ACCOUNT, prepareCustody, REGIONS } from '../sandbox/aws-accounts.ts';
import { startAwsKmsSandbox } from '../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox, KeyListing } from '../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../sandbox/clock.ts';
import type { SandboxClock } from '../sandbox/clock.ts';
import { startTestTable } from './table.ts';
import type { TestTable } from './table.ts';

export const [FIRST, SECOND] = REGIONS;
const NEVER = new AbortController().signal;
/** The sandbox has no quotas, and nobody waits for a turn that is not needed. */
export const UNPACED = { readShare: Number.POSITIVE_INFINITY, changeShare: Number.POSITIVE_INFINITY, quotas: {} };
const CUSTODY_KEY = 'alias/custody';

/** A vault with AWS keystores and a template; the group of the template is that of the keystores. */
export interface Place {
  readonly vaultId: string;
  readonly keystores: readonly Keystore[];
  readonly template: Template;
}

/** A deployment of the real code, on a database and an AWS KMS of its own, under a clock that a test moves. */
export interface TestDeployment extends Deployment {
  readonly table: TestTable;
  readonly kms: AwsKmsSandbox;
  /** One clock for the deployment and for AWS. It goes on by itself and can be moved on. */
  readonly time: SandboxClock;
  /** Of a CloudHSM key store in the first region. */
  readonly customKeyStoreId: string;
  attempt(operation: string): Attempt;
  /** A vault with an `aws_kms` keystore in each region (default: both) and a template for AES-256 with imported material. */
  place(given?: { regions?: readonly string[]; type?: Keystore['type']; key?: Partial<TemplateKey> }): Promise<Place>;
  create(place: Place, label: string, signal?: AbortSignal): Promise<ManagedKey>;
  command(command: StateCommand, keyId: string): Promise<ManagedKey>;
  remove(keyId: string): Promise<void>;
  sync(keyId: string, keystoreIds?: readonly string[]): Promise<KeyPartition>;
  verify(keyId: string): Promise<readonly Observed[]>;
  scan(signal?: AbortSignal): Promise<KeystoreScan[]>;
  resume(): Promise<number>;
  /** Lets the time pass that keeps work waiting, and resumes, until no work is open. */
  settle(): Promise<void>;
  partition(keyId: string): Promise<KeyPartition>;
  instance(keyId: string, keystore: Keystore): Promise<KeyInstance>;
  observed(keyId: string, keystore: Keystore): Promise<Observed>;
  /** What stands among the flagged of the vault. */
  flagged(vaultId: string): Promise<readonly Observed[]>;
  /** The keys in AWS KMS that were made for this key, wherever they are. */
  keysInAws(keyId: string, region?: string): readonly KeyListing[];
  /** The one key in this region; throws unless there is just one. */
  keyInAws(keyId: string, region: string): KeyListing;
  close(): Promise<void>;
}

let deployments = 0;

/** Starts it. The environment of this process, from which the AWS SDK takes its endpoint, is set to it: one for each test file. */
export async function startDeployment(
  config: { readonly settlingSeconds?: number } = {},
  startTable: () => Promise<TestTable> = startTestTable,
): Promise<TestDeployment> {
  const time = sandboxClock();
  const [table, kms] = await Promise.all([
    startTable(),
    startAwsKmsSandbox({ clock: time, accounts: [KEYSTORE_ACCOUNT, CUSTODY_ACCOUNT] }),
  ]);
  const { database } = table;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
    AWS_REGION: CUSTODY_REGION,
    AWS_ACCESS_KEY_ID: CUSTODY_ACCOUNT.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CUSTODY_ACCOUNT.secretAccessKey,
  });
  const aws = { region: CUSTODY_REGION, credentials: CUSTODY_ACCOUNT };
  await prepareCustody({ endpoint: kms.endpoint, aws, keyId: CUSTODY_KEY, create: true });
  const custodyClient = new KMSClient({ endpoint: kms.endpoint, ...aws, maxAttempts: 2 });
  const custody = openCustody({ custodyKeyId: CUSTODY_KEY, kms: custodyClient });
  const customKeyStoreId = kms.operator.seedCustomKeyStore(FIRST, KEYSTORE_ACCOUNT.accountId, 'test');
  let lastId = 0;
  // Of each deployment other ids: a process keeps its drivers by the ids of their keystores.
  const part = String((deployments += 1)).padStart(3, '0');

  const deployment: Deployment = {
    config: {
      table: database.table,
      dynamodbEndpoint: table.endpoint,
      custodyKeyId: CUSTODY_KEY,
      issuer: 'https://issuer.example',
      audience: 'shearline',
      rolesClaim: 'roles',
      publicUrl: undefined,
      destroyCoolDownHours: 0,
      settlingSeconds: 0,
      rateLimitPerMinute: 0,
      scanConcurrency: 8,
      pace: UNPACED,
      probeEverySweeps: 24,
      ...config,
    },
    database,
    clock: () => time.now(),
    newId: () => `00000000-0000-4000-8${part}-${String((lastId += 1)).padStart(12, '0')}`,
    custody,
    driverFor: (keystore, pace, direct) =>
      driverFor(keystore, () => openCredentials({ database, custody }, keystore), pace, direct),
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  };
  const by = () => ({ subject: 'ada', now: deployment.clock() });
  const attempt = (operation: string): Attempt => ({
    operation,
    subject: 'ada',
    sourceIp: undefined,
    userAgent: undefined,
    correlationId: 'trace',
    alongside: () => [],
  });
  const partition = (keyId: string) => readKey(database, keyId);
  const opened = async (keyId: string) => {
    const found = await partition(keyId);
    if (found.key === undefined) throw new Error(`There is no key ${keyId}.`);
    return { key: found.key, found };
  };
  const openWork = async () => {
    const shards = [0, 1, 2, 3].map((shard) => database.queryAll({ index: 'due', pk: INDEX_KEY.openWork(shard) }));
    return (await Promise.all(shards)).flat().length;
  };

  const test: TestDeployment = {
    ...deployment,
    table,
    kms,
    time,
    customKeyStoreId,
    attempt,
    partition,

    async place({ regions = REGIONS, type = 'aws_kms', key = {} } = {}) {
      const name = `place ${lastId + 1}`;
      const vault = await createVault(deployment, attempt('CreateVault'), { name });
      const keystores: Keystore[] = [];
      for (const region of regions) {
        const keystore = newKeystore(deployment, 'ada', {
          vaultId: vault.id,
          type,
          name: `${type} ${region}`,
          description: '',
          groups: ['Production'],
          tlsProxy: undefined,
          settings: {
            aws_region: region,
            aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId,
            ...(type === 'aws_cloudhsm' ? { aws_custom_key_store_id: customKeyStoreId } : {}),
          },
          secrets: { aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey },
        });
        const secrets = { aws_secret_access_key: KEYSTORE_ACCOUNT.secretAccessKey };
        await createKeystore(deployment, attempt('CreateKeystore'), keystore, secrets, NEVER);
        keystores.push(keystore);
      }
      const template = await createTemplate(deployment, attempt('CreateKeyTemplate'), {
        vaultId: vault.id,
        name: 'aes',
        description: '',
        type: 'user_defined',
        state: 'unarchived',
        namingScheme: undefined,
        key: {
          algorithm: 'aes',
          size: '256',
          activationDate: '',
          expirationDate: '',
          state: 'active',
          deactivateOnRotation: false,
          material: type === 'aws_kms' ? 'imported' : 'native',
          ...key,
        },
        keystores: [{ type, group: 'Production', namingScheme: undefined, properties: {} }],
      });
      return { vaultId: vault.id, keystores, template };
    },

    async create({ vaultId, template }, label, signal = NEVER) {
      const { keystoresGeneration } = await readVaultCounters(database, vaultId);
      const keystores = await keystoresOfVault(database, vaultId);
      const given = { label, description: '', labelTags: [], tags: [] };
      const planned = planKey(template, keystores, given, { ...by(), id: deployment.newId() });
      await createKey(deployment, attempt('CreateManagedKey'), template, planned, keystoresGeneration, signal);
      return planned.key;
    },

    async command(command, keyId) {
      const { key, found } = await opened(keyId);
      const decision = decide(command, found, key, { ...by(), destroyCoolDownHours: 0 });
      await carryOut(deployment, attempt(command), command, key, decision, NEVER);
      return decision.key;
    },

    async remove(keyId) {
      const { key, found } = await opened(keyId);
      await removeKey(deployment, attempt('DeleteManagedKey'), found, key, undefined);
    },

    async sync(keyId, keystoreIds) {
      const { key, found } = await opened(keyId);
      const instances = found.instances.filter((each) => keystoreIds?.includes(each.keystoreId) ?? true);
      await sync(deployment, attempt('SyncManagedKey'), key, instances, NEVER);
      return partition(keyId);
    },

    async verify(keyId) {
      const { key, found } = await opened(keyId);
      return (await verify(deployment, key, found.instances, NEVER)).map(({ observed }) => observed);
    },

    scan: (signal = NEVER) => scan(deployment, signal),
    resume: async () => (await resume(deployment, NEVER)).resumed,

    async settle() {
      for (let round = 0; (await openWork()) > 0; round += 1) {
        if (round === 10) throw new Error('Work stays open.');
        time.advance(20 * 60_000);
        await resume(deployment, NEVER);
      }
    },

    async instance(keyId, { id }) {
      const found = (await partition(keyId)).instances.find(({ keystoreId }) => keystoreId === id);
      if (found === undefined) throw new Error('The key has no instance in this keystore.');
      return found;
    },

    async observed(keyId, { id }) {
      const found = [...(await partition(keyId)).observed.values()].find(({ keystoreId }) => keystoreId === id);
      if (found === undefined) throw new Error('Nothing was observed of the key in this keystore.');
      return found;
    },

    flagged: async (vaultId) =>
      (await database.queryAll({ index: 'flagged', pk: INDEX_KEY.flaggedInVault(vaultId) })).map(READ.observed),

    keysInAws: (keyId, region) => kms.operator.keys({ region }).filter(({ tags }) => tags['shearline:key'] === keyId),

    keyInAws(keyId, region) {
      const [found, ...more] = test.keysInAws(keyId, region);
      if (found === undefined || more.length > 0) throw new Error(`${more.length + 1} keys, or none, in ${region}.`);
      return found;
    },

    async close() {
      custodyClient.destroy();
      await Promise.all([kms.close(), table.close()]);
    },
  };
  return test;
}

/** Waits until it is so; throws after five seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await holds()); waited += 10) {
    if (waited > 5_000) throw new Error(`It did not come to pass: ${what}.`);
    await wait(10);
  }
}
