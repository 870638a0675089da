import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { STANDARD_AUTO_REPAIR } from '../../lib/auto-repair/policy.ts';
import { observation } from '../../lib/drift/verdict.ts';
import type { KeyInstance } from '../../lib/keys/key.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { STORED } from '../../lib/records/entities.ts';
import type { SeededKey } from '../../sandbox/aws-kms/operator.ts';
import { KEYSTORE_ACCOUNT } from '../../sandbox/aws-accounts.ts';
import { startTestDatabase } from '../../sandbox/dynamodb.ts';
import type { Cost } from './worker.ts';

const AT = new Date('2026-01-01T00:00:00Z');
const SEEDED_AT_ONCE = 5_000;
const BATCHES_AT_ONCE = 6;
/** As in a function of 1 GB: with more, Node lets garbage lie. */
const WORKER_HEAP_MB = 512;

/** A process that answers one question at a time. */
class Asked {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(
    file: string,
    environment: Record<string, string>,
    heapMb: number,
  ): Promise<{ asked: Asked; said: unknown }> {
    const child = fork(join(import.meta.dirname, file), {
      env: { ...process.env, ...environment },
      execArgv: [`--max-old-space-size=${heapMb}`, '--expose-gc'],
    });
    const asked = new Asked(child);
    return { asked, said: await asked.#next() };
  }

  async ask(question: object): Promise<unknown> {
    this.#child.send(question);
    const answer = await this.#next();
    return (answer as { readonly result?: unknown }).result;
  }

  end(): void {
    this.#child.disconnect();
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = () => {
        reject(new Error('A process of the benchmark has ended by itself.'));
      };
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended);
        resolve(message);
      });
    });
  }
}

export interface FleetKeystore {
  readonly region: string;
  readonly labels: readonly string[];
}

/** A table and an AWS KMS, each in a process of its own, with keys in step. */
export class Fleet {
  readonly table: string;
  readonly database: string;
  readonly keystores: FleetKeystore[] = [];
  /** Bytes of all instances and observations, as DynamoDB counts them. */
  bytes = 0;
  readonly #cloud: Asked;
  readonly #environment: Record<string, string>;
  readonly #engine: Awaited<ReturnType<typeof startTestDatabase>>;
  readonly #client: DynamoDBDocumentClient;
  readonly #vaultId = randomUUID();

  private constructor(engine: Awaited<ReturnType<typeof startTestDatabase>>, cloud: Asked, kms: string) {
    this.#engine = engine;
    this.#cloud = cloud;
    this.table = engine.table;
    this.database = engine.endpoint;
    this.#environment = {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_ENDPOINT_URL_KMS: kms,
    };
    this.#client = DynamoDBDocumentClient.from(
      new DynamoDBClient({
        endpoint: engine.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      }),
      { marshallOptions: { removeUndefinedValues: true } },
    );
  }

  static async start(): Promise<Fleet> {
    const [engine, { asked, said }] = await Promise.all([startTestDatabase(), Asked.start('cloud.ts', {}, 12_000)]);
    const fleet = new Fleet(engine, asked, (said as { readonly endpoint: string }).endpoint);
    await fleet.#write([
      STORED.vault({
        id: fleet.#vaultId,
        revision: 1,
        name: 'bench',
        description: '',
        recoveryKeyLabel: undefined,
        approvalRequiredFor: [],
        autoRepair: STANDARD_AUTO_REPAIR,
        createdAt: AT,
        updatedAt: AT,
        createdBy: 'bench',
        updatedBy: 'bench',
      }),
    ]);
    return fleet;
  }

  /** A keystore in this region with so many keys, all of them as they should be. */
  async add(region: string, count: number): Promise<FleetKeystore> {
    const keystore: Keystore = {
      id: randomUUID(),
      revision: 1,
      vaultId: this.#vaultId,
      type: 'aws_kms',
      name: region,
      description: '',
      groups: [],
      tlsProxy: undefined,
      settings: { aws_region: region, aws_access_key_id: KEYSTORE_ACCOUNT.accessKeyId },
      secretNames: [],
      createdAt: AT,
      updatedAt: AT,
      createdBy: 'bench',
      updatedBy: 'bench',
    };
    await this.#write([STORED.keystore(keystore)]);
    const labels = Array.from({ length: count }, (_, at) => `fleet/${region}/key-${at}`);
    const isFirst = this.bytes === 0;
    for (let start = 0; start < count; start += SEEDED_AT_ONCE) {
      const part = labels.slice(start, start + SEEDED_AT_ONCE);
      const seeded = (await this.#cloud.ask({ what: 'seed', region, labels: part })) as readonly SeededKey[];
      const items = seeded.flatMap((key, at) => this.#itemsOf(keystore, part[at] ?? '', key));
      if (isFirst && start === 0) this.bytes = items.reduce((sum, item) => sum + sizeOf(item), 0) / part.length;
      await this.#write(items);
    }
    const made = { region, labels };
    this.keystores.push(made);
    return made;
  }

  /** Disables so many keys behind our back. */
  async disable(region: string, count: number): Promise<void> {
    await this.#cloud.ask({ what: 'disable', region, count });
  }

  async setQuota(enabled: boolean): Promise<void> {
    await this.#cloud.ask({ what: 'quota', enabled });
  }

  /** What AWS KMS was called since this was last asked, by operation and outcome. */
  async calls(): Promise<readonly { readonly operation: string; readonly outcome: string; readonly count: number }[]> {
    return (await this.#cloud.ask({ what: 'calls' })) as never;
  }

  /** A sweep of all that there is, in a process that has done nothing before. */
  sweep(concurrency: number, environment: Record<string, string> = {}): Promise<Cost> {
    return this.#work({ what: 'sweep', table: this.table, database: this.database, concurrency }, environment);
  }

  /** The bare loop of the SDK's client over these keys, likewise. */
  bare({ region, labels }: FleetKeystore, concurrency: number): Promise<Cost> {
    return this.#work({ what: 'bare', region, labels, concurrency }, {});
  }

  async close(): Promise<void> {
    this.#client.destroy();
    this.#cloud.end();
    await this.#engine.close();
  }

  async #work(question: object, environment: Record<string, string>): Promise<Cost> {
    const { asked } = await Asked.start('worker.ts', { ...this.#environment, ...environment }, WORKER_HEAP_MB);
    try {
      return (await asked.ask(question)) as Cost;
    } finally {
      asked.end();
    }
  }

  #itemsOf(keystore: Keystore, label: string, { arn, currentKeyMaterialId }: SeededKey) {
    const instance: KeyInstance = {
      keyId: randomUUID(),
      version: 1,
      keystoreId: keystore.id,
      vaultId: keystore.vaultId,
      label,
      spec: { algorithm: 'aes', size: '256', material: 'native', properties: {} },
      keyState: 'active',
      current: true,
      wanted: 'enabled',
      outgrown: false,
      rotating: false,
      keyRemoved: false,
      removedByUser: false,
      binding: { idInKeystore: arn, fingerprint: currentKeyMaterialId },
      intendedAt: AT,
      createSentAt: undefined,
      rotationSentAt: undefined,
      fence: 3,
      touchedAt: AT,
      open: undefined,
    };
    const seen = {
      presence: 'present',
      idInKeystore: arn,
      state: 'enabled',
      fingerprint: currentKeyMaterialId,
      name: 'leads_here',
      pendingDeletionUntil: undefined,
      remark: undefined,
    } as const;
    return [STORED.keyInstance(instance), STORED.observed(observation(instance, { seen }, undefined, AT))];
  }

  async #write(items: readonly Record<string, unknown>[]): Promise<void> {
    const batches = Array.from({ length: Math.ceil(items.length / 25) }, (_, at) => items.slice(at * 25, at * 25 + 25));
    const writer = async (): Promise<void> => {
      for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
        const requests = batch.map((Item) => ({ PutRequest: { Item } }));
        await this.#client.send(new BatchWriteCommand({ RequestItems: { [this.table]: requests } }));
      }
    };
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, writer));
  }
}

/** As DynamoDB counts, near enough: names and values in UTF-8. */
function sizeOf(item: object): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueSize(value), 0);
}

function valueSize(value: unknown): number {
  if (typeof value === 'object' && value !== null) return 3 + sizeOf(value);
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}
