import type { Context } from 'aws-lambda';
import { KeystoreFault } from '../lib/drivers/driver.ts';
import type { Given } from '../lib/drivers/pkcs11/protocol.ts';
import { serve } from '../lib/drivers/pkcs11/serve.ts';
import { loadDriver } from '../lib/drivers/registry.ts';
import { asKeystoreFault, driverOf } from '../lib/drift/look.ts';
import { readInstance, readMaterial } from '../lib/records/reading.ts';
import { deadline } from './deadline.ts';
import { deployment } from './deployment.ts';

/**
 * The only function that has the library of an HSM, and native code at all: it is invoked by the others, and by nobody else. It opens the
 * PIN and the material itself; the material only of a key that the records want enabled in this very keystore.
 */
export async function handler(event: unknown, context?: Context): Promise<Given> {
  const { database, custody } = deployment();
  return serve(
    event,
    {
      async driverOf(keystoreId, unrecorded) {
        if (unrecorded === undefined) return driverOf(deployment(), keystoreId);
        const credentials = await custody.open(Buffer.from(unrecorded.sealed, 'base64'), keystoreId);
        const { connect } = await loadDriver('pkcs11');
        return connect({ keystoreId, settings: unrecorded.settings, credentials });
      },
      async lend({ keyId, version }, keystoreId, use) {
        const instance = await readInstance(database, { keyId, version, keystoreId });
        if (instance?.wanted !== 'enabled') {
          throw new KeystoreFault('conflict', 'This key is not to be in this keystore: its material is not lent.');
        }
        const wrapped = await readMaterial(database, keyId, version);
        if (wrapped === undefined)
          throw new KeystoreFault('broken', 'No material is kept for this version of the key.');
        return custody.lend(wrapped, { keyId, version }, use);
      },
      faultOf: asKeystoreFault,
    },
    deadline(context),
  );
}
