import { connect as connectAzure } from '../../lib/drivers/azure-key-vault/driver.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { connect as connectGoogle } from '../../lib/drivers/google-kms/driver.ts';
import { openAzureKeystore } from '../../test/drivers/azure-sandbox.ts';
import { openGoogleKeystore } from '../../test/drivers/google-sandbox.ts';
import { openIbmKeystore } from '../../test/drivers/ibm-sandbox.ts';
import { openStage } from '../../test/sweep/stage.ts';

const AES: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
const EC: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };
const KEYS = 1_000;
/** As functions have it where nobody says otherwise. */
const PROBE_EVERY_SWEEPS = 24;

export interface CountedCalls {
  readonly provider: 'azure_key_vault' | 'google_kms' | 'ibm_cloud_kms';
  readonly keys: number;
  /** Of the listing. */
  readonly listing: number;
  /** Of keys by themselves: what the listing does not show is looked at now and then. */
  readonly looks: number;
}

/** What the sandboxes of the clouds whose listings carry states count in one sweep of a thousand keys that are as they were. */
export async function countCalls(): Promise<readonly CountedCalls[]> {
  const counted: CountedCalls[] = [];
  for (const provider of ['azure_key_vault', 'google_kms', 'ibm_cloud_kms'] as const) {
    const keystore = await OPEN[provider]();
    const spec = provider === 'azure_key_vault' ? EC : AES;
    const driver = keystore.connect();
    const stage = await openStage(driver, provider, spec, KEYS, () => keystore.now(), PROBE_EVERY_SWEEPS);
    try {
      await stage.sweep();
      keystore.sandbox.calls.reset();
      await stage.sweep();
      const calls = keystore.sandbox.calls.list().filter(({ operation }) => !/token/i.test(operation));
      const sum = (isListing: boolean) =>
        calls
          .filter(({ operation }) => /keys$/i.test(operation) === isListing)
          .reduce((total, { count }) => total + count, 0);
      counted.push({ provider, keys: KEYS, listing: sum(true), looks: sum(false) });
    } finally {
      await stage.close();
      await keystore.close();
    }
  }
  return counted;
}

const OPEN = {
  azure_key_vault: () => openAzureKeystore({ connect: connectAzure }),
  google_kms: () => openGoogleKeystore({ connect: connectGoogle }),
  ibm_cloud_kms: () => openIbmKeystore(),
};
