import type { Custody, Deployment } from '../lib/deployment.ts';
import { driverFor } from '../lib/drivers/connections.ts';
import { openCredentials } from '../lib/keystores/write.ts';
import { attemptsIn } from './attempts.ts';
import { records } from './records.ts';

let made: Deployment | undefined;

/** What this process works with, from its environment; made at the first call. Throws a `ConfigError` naming what is wrong. */
export function deployment(): Deployment {
  return (made ??= makeDeployment());
}

function makeDeployment(): Deployment {
  const own = records();
  const { database, config } = own;
  const custody = lazyCustody(config.custodyKeyId);
  return {
    ...own,
    custody,
    driverFor: (keystore, pace, direct) =>
      driverFor(keystore, () => openCredentials({ database, custody }, keystore), pace, direct),
  };
}

/** For functions that reach keystores. */
export const { attempted, audited } = attemptsIn(deployment);

/** Loads the KMS client when key material or credentials are first needed: most requests read records only. */
function lazyCustody(custodyKeyId: string): Custody {
  let opened: Promise<Custody> | undefined;
  const open = (): Promise<Custody> =>
    (opened ??= (async () => {
      const [{ KMSClient }, { openCustody }] = await Promise.all([
        import('@aws-sdk/client-kms'),
        import('../lib/material/custody.ts'),
      ]);
      const kms = new KMSClient({
        maxAttempts: 3,
        requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
      });
      return openCustody({ custodyKeyId, kms });
    })().catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));
  return {
    generate: async (spec, of) => (await open()).generate(spec, of),
    lend: async (wrapped, of, use) => (await open()).lend(wrapped, of, use),
    seal: async (credentials, keystoreId) => (await open()).seal(credentials, keystoreId),
    open: async (sealed, keystoreId) => (await open()).open(sealed, keystoreId),
  };
}
