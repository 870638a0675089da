import pMap from 'p-map';
import type { Deployment } from '../deployment.ts';
import { KeystoreFault } from '../drivers/driver.ts';
import type { Health, KeystoreDriver } from '../drivers/driver.ts';
import type { KeyInstance } from '../keys/key.ts';
import type { Keystore, KeystoreHealth } from '../keystores/keystore.ts';
import type { RawItem } from '../records/database.ts';
import { READ, STORED } from '../records/entities.ts';
import { allVaults, keystoresOfVault } from '../records/reading.ts';
import { INDEX_KEY } from '../records/table.ts';
import { forget, storeObservation } from './converge.ts';
import { asKeystoreFault, keyInKeystore, lookAt } from './look.ts';
import type { Observed, SyncFlag } from './observed.ts';
import type { Look } from './verdict.ts';

const KEYSTORES_AT_ONCE = 16;
/** After so many calls in a row without an answer a keystore counts as not responding for the rest of the scan. */
const UNANSWERED_IN_A_ROW = 5;

/** What a scan of one keystore found; counted, not listed, so that its size does not grow with the fleet. */
export interface KeystoreScan {
  readonly keystoreId: string;
  readonly name: string;
  readonly health: Health['status'];
  readonly message: string;
  readonly keys: number;
  readonly flags: Readonly<Record<SyncFlag, number>>;
  /** Findings written because they said something new. */
  readonly written: number;
  /** Not judged: work is open on them, or they were changed by us a moment ago. */
  readonly settling: number;
  /** Judgements that could not be stored. */
  readonly failed: number;
}

/**
 * Verifies every key in every keystore and stores what changed. Changes no keystore. A keystore that does not answer is an error for its
 * own keys only; one key that cannot be read does not end the scan. Can be run at any time, also twice at once.
 */
export async function scan(deployment: Deployment, signal: AbortSignal): Promise<KeystoreScan[]> {
  const vaults = await allVaults(deployment.database);
  const keystores = (
    await pMap(vaults, (vault) => keystoresOfVault(deployment.database, vault.id), { concurrency: 8 })
  ).flat();
  return pMap(keystores, (keystore) => scanKeystore(deployment, keystore, signal), { concurrency: KEYSTORES_AT_ONCE });
}

/** The scan of one keystore; see `scan`. */
export async function scanKeystore(
  deployment: Deployment,
  keystore: Keystore,
  signal: AbortSignal,
): Promise<KeystoreScan> {
  const tally = new Tally(keystore);
  const { driver, health } = await reach(deployment, keystore, signal);
  await storeHealth(deployment, keystore.id, health);
  const line = new Line(driver, health);
  await pMap(
    instancesOf(deployment, keystore.id),
    async ({ instance, before }) => {
      const now = deployment.clock();
      if (isSettling(instance, now, deployment.config.settlingSeconds)) {
        tally.settling += 1;
        return;
      }
      const look = await line.look(instance, signal);
      try {
        const { observed, changed } = await storeObservation(deployment, instance, look, now, undefined, before);
        tally.count(observed, changed);
        await forgetWhenGone(deployment, instance, look);
      } catch (error) {
        tally.failed += 1;
        deployment.log.error('A finding could not be stored.', {
          keyId: instance.keyId,
          keystoreId: keystore.id,
          error: error as Error,
        });
      }
    },
    { concurrency: deployment.config.scanConcurrency },
  );
  return tally.result(line.health);
}

async function reach(
  deployment: Deployment,
  keystore: Keystore,
  signal: AbortSignal,
): Promise<{ driver: KeystoreDriver | undefined; health: Health }> {
  try {
    const driver = await deployment.driverFor(keystore);
    return { driver, health: await driver.health(signal) };
  } catch (error) {
    const fault = asKeystoreFault(error);
    const status = fault.kind === 'denied' || fault.kind === 'not_found' ? 'configuration_error' : 'not_responding';
    return { driver: undefined, health: { status, message: fault.message } };
  }
}

/** The way to one keystore during one scan; closed once it is known that nobody answers at its end. */
class Line {
  health: Health;
  readonly #driver: KeystoreDriver | undefined;
  #unanswered = 0;

  constructor(driver: KeystoreDriver | undefined, health: Health) {
    this.#driver = driver;
    this.health = health;
  }

  async look(instance: KeyInstance, signal: AbortSignal): Promise<Look> {
    if (this.#driver === undefined || this.health.status !== 'ok') {
      const kind = this.health.status === 'configuration_error' ? 'denied' : 'unreachable';
      return { fault: new KeystoreFault(kind, this.health.message) };
    }
    const look = await lookAt(this.#driver, keyInKeystore(instance, undefined), signal);
    const unanswered = 'fault' in look && look.fault.kind === 'unreachable';
    this.#unanswered = unanswered ? this.#unanswered + 1 : 0;
    if (unanswered && this.#unanswered >= UNANSWERED_IN_A_ROW) {
      this.health = { status: 'not_responding', message: look.fault.message };
    }
    return look;
  }
}

function isSettling(instance: KeyInstance, now: Date, settlingSeconds: number): boolean {
  // Whoever works on it looks for itself, and knows what it just changed.
  if (instance.open !== undefined && instance.open.attempts === 1 && instance.open.dueAt > now) return true;
  return instance.touchedAt !== undefined && now.getTime() - instance.touchedAt.getTime() < settlingSeconds * 1000;
}

async function forgetWhenGone(deployment: Deployment, instance: KeyInstance, look: Look): Promise<void> {
  // Where a create may still take effect, whoever follows it up forgets it.
  const isGone = 'seen' in look && look.seen.presence === 'absent' && instance.createSentAt === undefined;
  if (instance.keyRemoved && isGone) await forget(deployment, instance);
}

/** Instances with what was last observed of them: they lie side by side in the index, the instance first. */
async function* instancesOf(
  deployment: Deployment,
  keystoreId: string,
): AsyncGenerator<{ instance: KeyInstance; before: Observed | undefined }> {
  let waiting: KeyInstance | undefined;
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) } as const;
  for await (const item of deployment.database.query(query)) {
    if (isInstance(item)) {
      if (waiting !== undefined) yield { instance: waiting, before: undefined };
      waiting = READ.keyInstance(item);
      continue;
    }
    const before = READ.observed(item);
    if (waiting !== undefined && waiting.keyId === before.keyId && waiting.version === before.version) {
      yield { instance: waiting, before };
      waiting = undefined;
    }
  }
  if (waiting !== undefined) yield { instance: waiting, before: undefined };
}

function isInstance(item: RawItem): boolean {
  return String(item['sk']).startsWith('INSTANCE#');
}

class Tally {
  settling = 0;
  failed = 0;
  readonly #keystore: Keystore;
  readonly #flags: Record<SyncFlag, number> = { ok: 0, out_of_sync: 0, error: 0, verifying_sync: 0 };
  #keys = 0;
  #written = 0;

  constructor(keystore: Keystore) {
    this.#keystore = keystore;
  }

  count(observed: Observed, changed: boolean): void {
    this.#keys += 1;
    this.#flags[observed.keystoreSyncFlag] += 1;
    if (changed) this.#written += 1;
  }

  result(health: Health): KeystoreScan {
    return {
      keystoreId: this.#keystore.id,
      name: this.#keystore.name,
      health: health.status,
      message: health.message,
      keys: this.#keys + this.settling,
      flags: this.#flags,
      written: this.#written,
      settling: this.settling,
      failed: this.failed,
    };
  }
}

/** Keeps a keystore's health; the last heartbeat stays known while it does not answer. */
export async function storeHealth(deployment: Deployment, keystoreId: string, health: Health): Promise<KeystoreHealth> {
  const now = deployment.clock();
  const item = await deployment.database.get({ pk: `KEYSTORE#${keystoreId}`, sk: 'HEALTH' });
  const before = item === undefined ? undefined : READ.keystoreHealth(item);
  const next: KeystoreHealth = {
    keystoreId,
    status: health.status,
    message: health.message,
    lastHeartbeat: health.status === 'ok' ? now : before?.lastHeartbeat,
  };
  await deployment.database.write({ op: 'put', item: STORED.keystoreHealth(next) });
  return next;
}
