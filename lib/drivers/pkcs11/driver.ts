import type { Health, KeystoreDriver, Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import { createStep, importStep } from './create.ts';
import type { Cryptoki } from './cryptoki.ts';
import { CKA, openLibrary } from './cryptoki.ts';
import type { Pkcs11Step } from './kind.ts';
import { listWith, observeWith } from './observe.ts';
import { renameStep, tagStep } from './rename.ts';
import type { Token } from './session.ts';
import { tokenOf } from './session.ts';
import { destroyStep, disableStep, enableStep } from './state.ts';

/**
 * The driver of a `pkcs11` keystore, for the process that has the HSM's library: PKCS11_LIBRARY names its file. Setting:
 * `pkcs11_token_label`; credential: `pkcs11_user_pin`. Loads nothing before it is used. Throws a `KeystoreFault` when one is missing.
 */
export function connect(connection: Connection): KeystoreDriver {
  return connectTo(() => {
    const path = process.env['PKCS11_LIBRARY'];
    if (path !== undefined && path !== '') return openLibrary(path);
    throw new KeystoreFault('unsupported', 'PKCS11_LIBRARY does not name a library here.');
  }, connection);
}

/** The same with a library that is opened by `open`. */
export function connectTo(open: () => Cryptoki, { settings, credentials }: Connection): KeystoreDriver {
  const label = settings['pkcs11_token_label'];
  const pin = credentials['pkcs11_user_pin'];
  if (typeof label !== 'string' || label === '') {
    throw new KeystoreFault('unsupported', 'The keystore has no pkcs11_token_label.');
  }
  if (pin === undefined || pin === '') throw new KeystoreFault('denied', 'The keystore has no pkcs11_user_pin.');
  const token = tokenOf(open, label, pin);
  const steps: Record<Pkcs11Step, Step> = {
    create: createStep(token, label),
    import: importStep(token, label),
    enable: enableStep(token),
    disable: disableStep(token),
    rename: renameStep(token),
    tag: tagStep(token),
    schedule_deletion: destroyStep(token),
  };
  return {
    observe: observeWith(token, label),
    list: listWith(token, label),
    steps,
    health: (signal) => healthOf(token, label, signal),
  };
}

async function healthOf(token: Token, label: string, signal: AbortSignal): Promise<Health> {
  try {
    // Logged in is not enough: a session whose HSM has gone away says so only when it is used.
    await token.use(signal, (session) => session.find([{ type: CKA.ID, value: Buffer.from('health') }]));
    return { status: 'ok', message: `The token “${label}” answers.` };
  } catch (error) {
    if (signal.aborted || !(error instanceof KeystoreFault)) throw error;
    const misconfigured = ['denied', 'not_found', 'conflict', 'unsupported'].includes(error.kind);
    return { status: misconfigured ? 'configuration_error' : 'not_responding', message: error.message };
  }
}
