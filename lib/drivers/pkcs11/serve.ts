import type { KeyInKeystore, KeystoreDriver } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Given, Request } from './protocol.ts';
import { readKey, REQUEST } from './protocol.ts';

/** What the function that has the HSM's library needs beside it. */
export interface Serving {
  /** The driver of a keystore, with the PIN from custody; `unrecorded` when the keystore has no record. */
  driverOf(keystoreId: string, unrecorded: Unrecorded | undefined): Promise<KeystoreDriver>;
  /** Lends the key version's material from custody. Refuses a key that is not to be in this keystore. */
  lend<T>(
    key: Pick<KeyInKeystore, 'keyId' | 'version'>,
    keystoreId: string,
    use: (material: Uint8Array) => Promise<T>,
  ): Promise<T>;
  /** Makes a fault of anything thrown. */
  faultOf(error: unknown): KeystoreFault;
}

export type Unrecorded = NonNullable<Extract<Request, { call: 'health' }>['unrecorded']>;

/** Answers one request. Never throws: what goes wrong is in the answer. */
export async function serve(event: unknown, serving: Serving, signal: AbortSignal): Promise<Given> {
  try {
    const request = REQUEST.safeParse(event);
    if (!request.success) throw new KeystoreFault('broken', 'The PKCS #11 function was asked what it does not know.');
    return await carryOut(request.data, serving, signal);
  } catch (error) {
    const { kind, message, providerCode } = serving.faultOf(error);
    return { fault: { kind, message, providerCode } };
  }
}

async function carryOut(request: Request, serving: Serving, signal: AbortSignal): Promise<Given> {
  const { keystoreId } = request;
  const driver = await serving.driverOf(keystoreId, request.call === 'health' ? request.unrecorded : undefined);
  switch (request.call) {
    case 'observe':
      return { seen: await driver.observe(readKey(request.key), signal) };
    case 'list':
      return { page: await driver.list(request.after, signal) };
    case 'health':
      return { health: await driver.health(signal) };
    case 'step': {
      const step = driver.steps[request.step];
      if (step === undefined) throw new KeystoreFault('unsupported', `There is no step ${request.step}.`);
      const key = readKey(request.key);
      const binding = await step(key, { signal, withMaterial: (use) => serving.lend(key, keystoreId, use) });
      return { binding };
    }
  }
}
