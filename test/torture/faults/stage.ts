import { randomUUID } from 'node:crypto';
import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import type { Attempt } from '../../../lib/attempt.ts';
import { autoRepair } from '../../../lib/auto-repair/run.ts';
import type { Deployment } from '../../../lib/deployment.ts';
import { driverFor } from '../../../lib/drivers/connections.ts';
import { resume } from '../../../lib/drift/resume.ts';
import { scan } from '../../../lib/drift/scan.ts';
import { carryOut, decide } from '../../../lib/keys/command.ts';
import type { StateCommand } from '../../../lib/keys/command.ts';
import { createKey, planKey } from '../../../lib/keys/create.ts';
import type { ManagedKey } from '../../../lib/keys/key.ts';
import type { Keystore } from '../../../lib/keystores/keystore.ts';
import {
  createKeystore,
  editedKeystore,
  newKeystore,
  openCredentials,
  storeKeystore,
} from '../../../lib/keystores/write.ts';
import type { Custody } from '../../../lib/deployment.ts';
import type { Database } from '../../../lib/records/database.ts';
import { chainLateAttempts } from '../../../lib/records/refusal.ts';
import { keystoresOfVault, readKey, readVault, readVaultCounters } from '../../../lib/records/reading.ts';
import { INDEX_KEY, OPEN_WORK_SHARDS } from '../../../lib/records/table.ts';
import { runSchedule } from '../../../lib/schedule/run.ts';
import type { Template, TemplateKey } from '../../../lib/templates/template.ts';
import { createTemplate } from '../../../lib/templates/write.ts';
import { createVault, editVault } from '../../../lib/vaults/write.ts';
import type { KeyListing, KeyTarget } from '../../../sandbox/aws-kms/server.ts';
import type { AwsKmsSandbox } from '../../../sandbox/aws-kms/server.ts';
import { UNPACED } from '../../deployment.ts';
import { CUSTODY_KEY } from './ground.ts';
import type { LaneAccount } from './ground.ts';

const NEVER = new AbortController().signal;

/**
 * What one case plays on: a table and an AWS account of its own, empty at first. Prepares what a mutation starts from, and recovers after it
 * as the scheduled functions do, under a clock that is moved ahead of the functions' own.
 */
export class Stage {
  /** Milliseconds that have passed for whoever recovers, and for nobody else. */
  ahead = 0;
  /** What ids stand for, in the names of sites and in snapshots. */
  readonly roles = new Map<string, string>();
  readonly deployment: Deployment;
  readonly #kms: AwsKmsSandbox;
  readonly #account: LaneAccount;
  #vaultId = '';

  constructor(parts: { database: Database; custody: Custody; kms: AwsKmsSandbox; account: LaneAccount }) {
    const { database, custody } = parts;
    this.#kms = parts.kms;
    this.#account = parts.account;
    const silent = () => undefined;
    this.deployment = {
      config: {
        table: database.table,
        dynamodbEndpoint: undefined,
        custodyKeyId: CUSTODY_KEY,
        issuer: '',
        audience: '',
        rolesClaim: 'roles',
        publicUrl: undefined,
        destroyCoolDownHours: 0,
        settlingSeconds: 0,
        scanConcurrency: 8,
        pace: UNPACED,
        probeEverySweeps: 24,
        rateLimitPerMinute: 0,
      },
      database,
      clock: () => new Date(Date.now() + this.ahead),
      newId: randomUUID,
      custody,
      driverFor: (keystore) => driverFor(keystore, () => openCredentials({ database, custody }, keystore)),
      log: { debug: silent, info: silent, warn: silent, error: silent },
    };
  }

  get vaultId(): string {
    return this.#vaultId;
  }

  async vault(): Promise<void> {
    this.#vaultId = (await createVault(this.deployment, attempt('CreateVault'), { name: 'vault' })).id;
    this.roles.set(this.#vaultId, 'vault');
  }

  async keystore(region: string, groups: readonly string[] = ['Production']): Promise<Keystore> {
    const secrets = { aws_secret_access_key: this.#account.secretAccessKey };
    const keystore = newKeystore(this.deployment, 'ada', {
      vaultId: this.#vaultId,
      type: 'aws_kms',
      name: region,
      description: '',
      groups,
      tlsProxy: undefined,
      settings: { aws_region: region, aws_access_key_id: this.#account.accessKeyId },
      secrets,
    });
    this.roles.set(keystore.id, region);
    await createKeystore(this.deployment, attempt('CreateKeystore'), keystore, secrets, NEVER);
    return keystore;
  }

  /** Has drift in the vault repaired without people, however much there is of it. */
  async autoRepair(): Promise<void> {
    const vault = await readVault(this.deployment.database, this.#vaultId);
    if (vault === undefined) throw new Error('There is no vault yet.');
    const autoRepairs = { policy: 'sync', stopAtPercent: 100 } as const;
    await editVault(this.deployment, attempt('UpdateVault'), vault, { autoRepair: autoRepairs });
  }

  /** A key that somebody else in the account has made, with a name; answers its ARN. */
  async foreign(region: string, name: string): Promise<string> {
    const { accessKeyId, secretAccessKey } = this.#account;
    const client = new KMSClient({
      endpoint: this.#kms.endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
    });
    try {
      const { KeyMetadata: made } = await client.send(new CreateKeyCommand({}));
      await client.send(new CreateAliasCommand({ AliasName: `alias/${name}`, TargetKeyId: made?.KeyId }));
      return made?.Arn ?? '';
    } finally {
      client.destroy();
    }
  }

  /** Puts a keystore into other groups. */
  async regroup(keystore: Keystore, groups: readonly string[]): Promise<void> {
    const by = { subject: 'ada', now: this.deployment.clock(), holdsKeys: true };
    const edited = editedKeystore(keystore, { groups, settings: {}, secrets: {} }, by);
    await storeKeystore(this.deployment, attempt('UpdateKeystore'), keystore, edited, {}, NEVER);
  }

  async template(key: Partial<TemplateKey> = {}): Promise<Template> {
    const template = await createTemplate(this.deployment, attempt('CreateKeyTemplate'), {
      vaultId: this.#vaultId,
      name: 'template',
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
        material: 'imported',
        ...key,
      },
      keystores: [{ type: 'aws_kms', group: 'Production', namingScheme: undefined, properties: {} }],
    });
    this.roles.set(template.id, 'template');
    return template;
  }

  async key(template: Template, label = 'key'): Promise<ManagedKey> {
    const { database } = this.deployment;
    const { keystoresGeneration } = await readVaultCounters(database, this.#vaultId);
    const keystores = await keystoresOfVault(database, this.#vaultId);
    const given = { label, description: '', labelTags: [], tags: [] };
    const by = { id: randomUUID(), subject: 'ada', now: this.deployment.clock() };
    const planned = planKey(template, keystores, given, by);
    await createKey(this.deployment, attempt('CreateManagedKey'), template, planned, keystoresGeneration, NEVER);
    this.roles.set(planned.key.id, label);
    await this.#finished();
    return planned.key;
  }

  async command(keyId: string, ...commands: readonly StateCommand[]): Promise<void> {
    for (const command of commands) {
      const found = await readKey(this.deployment.database, keyId);
      if (found.key === undefined) throw new Error(`There is no key ${keyId}.`);
      const by = { subject: 'ada', now: this.deployment.clock(), destroyCoolDownHours: 0 };
      const decision = decide(command, found, found.key, by);
      await carryOut(this.deployment, attempt(command), command, found.key, decision, NEVER);
      await this.#finished();
    }
  }

  /** A machine that is too busy to answer in time makes work wait: what is prepared is prepared to its end. */
  async #finished(): Promise<void> {
    for (let minute = 1; minute <= 20 && (await this.openWork()) > 0; minute += 1) {
      this.ahead += 16 * 60_000;
      await resume(this.deployment, NEVER);
    }
  }

  /** How a keystore of this account is connected, as the API takes it. */
  get credentials() {
    const { accessKeyId, secretAccessKey } = this.#account;
    return { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } as const;
  }

  /** Every KMS key of the account, wherever it is. */
  keysInAws(): readonly KeyListing[] {
    return this.#kms.operator.keys({ accountId: this.#account.accountId });
  }

  /** The KMS key of a managed key in a region, for somebody who tampers with it at AWS. */
  inAws(keyId: string, region: string): KeyTarget {
    const found = this.keysInAws().find((key) => key.tags['shearline:key'] === keyId && key.region === region);
    if (found === undefined) throw new Error(`There is no such key in ${region}.`);
    return found.arn;
  }

  get operator(): AwsKmsSandbox['operator'] {
    return this.#kms.operator;
  }

  async openWork(): Promise<number> {
    const shards = Array.from({ length: OPEN_WORK_SHARDS }, (_, shard) =>
      this.deployment.database.queryAll({ index: 'due', pk: INDEX_KEY.openWork(shard) }),
    );
    return (await Promise.all(shards)).flat().length;
  }

  /** Two minutes, in each of which the scheduled functions do their work once, with a scan between; then a scan. */
  async recover(): Promise<void> {
    for (let minute = 1; minute <= 2; minute += 1) {
      this.ahead += 61_000;
      await resume(this.deployment, NEVER);
      await chainLateAttempts(this.deployment.database);
      // What a scheduled function could not do, it does in its next run.
      await runSchedule(this.deployment, NEVER);
      if (minute === 1) await this.scan();
      await autoRepair(this.deployment, NEVER);
    }
    await this.scan();
  }

  async scan(): Promise<void> {
    await scan(this.deployment, NEVER);
  }
}

function attempt(operation: string): Attempt {
  return {
    operation,
    subject: 'ada',
    sourceIp: undefined,
    userAgent: undefined,
    correlationId: 'before',
    alongside: () => [],
  };
}
