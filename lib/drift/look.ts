import { KeystoreFault } from '../drivers/driver.ts';
import type { KeyInKeystore, KeystoreDriver } from '../drivers/driver.ts';
import type { Deployment } from '../deployment.ts';
import { Fault } from '../fault.ts';
import type { KeyInstance, ManagedKey } from '../keys/key.ts';
import { readKeystore } from '../records/reading.ts';
import type { Look } from './verdict.ts';

/** What a driver is told of an instance. Without the key (it was removed) only what the instance itself knows. */
export function keyInKeystore(
  instance: KeyInstance,
  key: Pick<ManagedKey, 'description' | 'tags'> | undefined,
): KeyInKeystore {
  return {
    keyId: instance.keyId,
    version: instance.version,
    current: instance.current,
    label: instance.label,
    description: key?.description ?? '',
    tags: key?.tags ?? [],
    spec: instance.spec,
    binding: instance.binding,
    intendedAt: instance.intendedAt,
    createSent: instance.createSentAt !== undefined,
  };
}

/** Looks once. Whatever keeps us from knowing becomes a fault; nothing is thrown. */
export async function lookAt(driver: KeystoreDriver, key: KeyInKeystore, signal: AbortSignal): Promise<Look> {
  try {
    return { seen: await driver.observe(key, signal) };
  } catch (error) {
    return { fault: asKeystoreFault(error) };
  }
}

/** The driver of an instance's keystore, or the fault that keeps us from having one. */
export async function driverOf(deployment: Deployment, keystoreId: string): Promise<KeystoreDriver> {
  const keystore = await readKeystore(deployment.database, keystoreId);
  if (keystore === undefined) throw new KeystoreFault('not_found', 'This keystore is not connected any more.');
  return deployment.driverFor(keystore);
}

/** Drivers throw `KeystoreFault`s; anything else is a fault of ours and told as one that says nothing more. */
export function asKeystoreFault(error: unknown): KeystoreFault {
  if (error instanceof KeystoreFault) return error;
  if (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')) {
    return new KeystoreFault('unreachable', 'There was no time left to wait for the keystore.', { cause: error });
  }
  if (error instanceof Fault && error.code === 'keystore_throttled') {
    return new KeystoreFault('throttled', error.message, { cause: error });
  }
  if (error instanceof Fault && error.code === 'keystore_unreachable') {
    return new KeystoreFault('unreachable', error.message, { cause: error });
  }
  return new KeystoreFault('broken', 'The keystore could not be asked because of an internal error.', { cause: error });
}
