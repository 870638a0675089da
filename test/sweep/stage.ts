import { randomUUID } from 'node:crypto';
import type { Deployment } from '../../lib/deployment.ts';
import type { KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { storeObservation } from '../../lib/drift/converge.ts';
import { keyInKeystore, lookAt } from '../../lib/drift/look.ts';
import type { KeyInstance } from '../../lib/keys/key.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { STORED } from '../../lib/records/entities.ts';
import { readObserved } from '../../lib/records/reading.ts';
import { sweepKeystore } from '../../lib/sweep/keystore.ts';
import type { Cursor, Run, SweptKeystore } from '../../lib/sweep/keystore.ts';
import { UNPACED } from '../deployment.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

const NEVER = new AbortController().signal;

/** Keys in one keystore of any type, as their records have them; without what else a deployment is. */
export interface Stage {
  readonly keystore: Keystore;
  readonly table: TestTable;
  readonly instances: readonly KeyInstance[];
  sweep(run?: Partial<Run>, from?: Cursor): Promise<SweptKeystore>;
  observed(instance: KeyInstance | undefined): ReturnType<typeof readObserved>;
  close(): Promise<void>;
}

/** Makes so many keys with native material in the keystore, and their records. */
export async function openStage(
  driver: KeystoreDriver,
  type: Keystore['type'],
  spec: KeySpec,
  count: number,
  now: () => Date,
  probeEverySweeps = 4,
): Promise<Stage> {
  const table = await startTestTable();
  const { database } = table;
  const keystore: Keystore = {
    id: randomUUID(),
    revision: 1,
    vaultId: randomUUID(),
    type,
    name: type,
    description: '',
    groups: [],
    tlsProxy: undefined,
    settings: {},
    secretNames: [],
    createdAt: now(),
    updatedAt: now(),
    createdBy: 'test',
    updatedBy: 'test',
  };
  const silent = () => undefined;
  const deployment: Deployment = {
    config: {
      table: database.table,
      dynamodbEndpoint: table.endpoint,
      custodyKeyId: 'none',
      issuer: 'https://issuer.example',
      audience: 'shearline',
      rolesClaim: 'roles',
      publicUrl: undefined,
      destroyCoolDownHours: 0,
      settlingSeconds: 0,
      rateLimitPerMinute: 0,
      scanConcurrency: 8,
      pace: UNPACED,
      probeEverySweeps,
    },
    database,
    clock: now,
    newId: randomUUID,
    custody: {
      generate: () => Promise.reject(new Error('There is no material here.')),
      lend: () => Promise.reject(new Error('There is no material here.')),
      seal: () => Promise.reject(new Error('There are no credentials here.')),
      open: () => Promise.reject(new Error('There are no credentials here.')),
    },
    driverFor: () => Promise.resolve(driver),
    log: { debug: silent, info: silent, warn: silent, error: silent },
  };
  const instances: KeyInstance[] = [];
  for (let number = 0; number < count; number += 1) {
    const key = {
      keyId: randomUUID(),
      version: 1,
      keystoreId: keystore.id,
      vaultId: keystore.vaultId,
      label: `swept-${number}`,
      spec,
      keyState: 'active',
      current: true,
      wanted: 'enabled',
      outgrown: false,
      rotating: false,
      keyRemoved: false,
      removedByUser: false,
      binding: undefined,
      intendedAt: now(),
      createSentAt: undefined,
      rotationSentAt: undefined,
      fence: 1,
      touchedAt: undefined,
      open: undefined,
    } satisfies KeyInstance;
    const binding = await driver.steps.create?.(keyInKeystore(key, undefined), {
      signal: NEVER,
      withMaterial: () => Promise.reject(new Error('There is no material here.')),
    });
    const instance: KeyInstance = { ...key, binding };
    await database.write({ op: 'put', item: STORED.keyInstance(instance) });
    await storeObservation(
      deployment,
      instance,
      await lookAt(driver, keyInKeystore(instance, undefined), NEVER),
      now(),
    );
    instances.push(instance);
  }
  return {
    keystore,
    table,
    instances,
    sweep: (run = {}, from) =>
      sweepKeystore(deployment, keystore, undefined, { signal: NEVER, isTimeUp: () => false, ...run }, from),
    observed: (instance) => (instance === undefined ? Promise.resolve(undefined) : readObserved(database, instance)),
    close: () => table.close(),
  };
}
