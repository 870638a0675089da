import type * as z from 'zod/mini';
import type { KeyInKeystore, KeystoreDriver, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import { invoke } from './invoke.ts';
import type { Pkcs11Step } from './kind.ts';
import { PKCS11_STEPS } from './kind.ts';
import type { Request } from './protocol.ts';
import { ANSWERS, readBinding, readSeen, requireNoFault, writtenKey } from './protocol.ts';

/**
 * The driver of a `pkcs11` keystore in every function but the one that has the HSM's library: asks that one, by the name in
 * PKCS11_FUNCTION. It sends no secret: neither the PIN nor a key's material is taken from here.
 */
export function connect({ keystoreId, settings, seal }: Connection): KeystoreDriver {
  const step =
    (name: Pkcs11Step): Step =>
    async (key, { signal }) => {
      const answer = await asked({ call: 'step', keystoreId, step: name, key: writtenKey(key) }, ANSWERS.step, signal);
      requireNoFault(answer);
      return readBinding(answer.binding);
    };
  return {
    async observe(key: KeyInKeystore, signal) {
      const answer = await asked({ call: 'observe', keystoreId, key: writtenKey(key) }, ANSWERS.observe, signal);
      requireNoFault(answer);
      return readSeen(answer.seen);
    },
    async list(after, signal) {
      const request: Request = { call: 'list', keystoreId, ...(after === undefined ? {} : { after }) };
      const answer = await asked(request, ANSWERS.list, signal);
      requireNoFault(answer);
      const { keys, next } = answer.page;
      return {
        keys: keys.map(({ idInKeystore, name }) => ({ idInKeystore, name, state: undefined, createdAt: undefined })),
        next,
      };
    },
    steps: Object.fromEntries(PKCS11_STEPS.map((name) => [name, step(name)])),
    async health(signal) {
      try {
        const sealed = seal === undefined ? undefined : Buffer.from(await seal()).toString('base64');
        const unrecorded = sealed === undefined ? {} : { unrecorded: { settings: { ...settings }, sealed } };
        const answer = await asked({ call: 'health', keystoreId, ...unrecorded }, ANSWERS.health, signal);
        requireNoFault(answer);
        return answer.health;
      } catch (error) {
        if (signal.aborted || !(error instanceof KeystoreFault)) throw error;
        const misconfigured = ['denied', 'not_found', 'conflict', 'unsupported'].includes(error.kind);
        return { status: misconfigured ? 'configuration_error' : 'not_responding', message: error.message };
      }
    },
  };
}

async function asked<T extends z.ZodMiniType>(request: Request, schema: T, signal: AbortSignal): Promise<z.infer<T>> {
  const name = process.env['PKCS11_FUNCTION'];
  if (name === undefined || name === '') {
    throw new KeystoreFault(
      'unsupported',
      'Nothing here can reach an HSM: neither PKCS11_LIBRARY nor PKCS11_FUNCTION is set (see docs/keystores/pkcs11.md).',
    );
  }
  const answer = schema.safeParse(await invoke(name, request, signal));
  if (answer.success) return answer.data;
  throw new KeystoreFault('broken', 'The function for PKCS #11 keystores answered what is not understood.');
}
