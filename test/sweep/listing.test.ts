import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect as connectAzure } from '../../lib/drivers/azure-key-vault/driver.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { connect as connectGoogle } from '../../lib/drivers/google-kms/driver.ts';
import { keyInKeystore } from '../../lib/drift/look.ts';
import { openAzureKeystore } from '../drivers/azure-sandbox.ts';
import type { Keystore as Subject } from '../drivers/contract.ts';
import { patience } from '../drivers/contract.ts';
import { openGoogleKeystore } from '../drivers/google-sandbox.ts';
import { openIbmKeystore } from '../drivers/ibm-sandbox.ts';
import { openStage } from './stage.ts';
import type { Stage } from './stage.ts';

const AES: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };
const EC: KeySpec = { algorithm: 'ec', size: '256', material: 'native', properties: {} };
const KEYS = 30;

interface Cloud {
  readonly keystore: Subject;
  /** Calls since this was last asked. */
  readonly calls: () => number;
}

const clouds: readonly [
  name: 'azure_key_vault' | 'google_kms' | 'ibm_cloud_kms',
  spec: KeySpec,
  /** What a sweep of 30 keys that are as they were costs, a share of probes aside. */
  calls: number,
  showsAll: boolean,
  open: () => Promise<Cloud>,
][] = [
  [
    'azure_key_vault',
    EC,
    // Two pages of 25; the deleted keys are listed only where a key was not among the others.
    2,
    false,
    async () => {
      const keystore = await openAzureKeystore({ connect: connectAzure });
      return { keystore, ...counted(keystore.sandbox) };
    },
  ],
  [
    'google_kms',
    AES,
    1,
    true,
    async () => {
      const keystore = await openGoogleKeystore({ connect: connectGoogle });
      return { keystore, ...counted(keystore.sandbox) };
    },
  ],
  [
    'ibm_cloud_kms',
    AES,
    1,
    true,
    async () => {
      const keystore = await openIbmKeystore();
      return { keystore, ...counted(keystore.sandbox) };
    },
  ],
];

function counted({
  calls,
}: {
  readonly calls: { list(): readonly { readonly operation: string; readonly count: number }[]; reset(): void };
}) {
  return {
    calls: () => {
      const sum = calls
        .list()
        .filter(({ operation }) => !/token/i.test(operation))
        .reduce((total, { count }) => total + count, 0);
      calls.reset();
      return sum;
    },
  };
}

describe.each(clouds)(
  'the sweep of a keystore of %s, whose listing carries states',
  (type, spec, cheapest, showsAll, open) => {
    let cloud: Cloud;
    let driver: KeystoreDriver;
    let stage: Stage;
    const key = (at: number): KeyInKeystore => {
      const instance = stage.instances[at];
      if (instance === undefined) throw new Error('There is no such key.');
      return keyInKeystore(instance, undefined);
    };
    const step = async (name: 'disable' | 'enable' | 'schedule_deletion', at: number) => {
      await driver.steps[name]?.(key(at), {
        signal: patience(),
        withMaterial: () => Promise.reject(new Error('None.')),
      });
    };

    beforeAll(async () => {
      cloud = await open();
      driver = cloud.keystore.connect();
      stage = await openStage(driver, type, spec, KEYS, () => cloud.keystore.now());
      await stage.sweep();
    });
    beforeEach(() => {
      cloud.keystore.mend();
      cloud.calls();
      stage.table.takeWrites();
    });
    afterAll(async () => {
      await stage.close();
      await cloud.keystore.close();
    });

    test('costs a page of the listing, writes one row, and counts every key', async () => {
      const { scan, next } = await stage.sweep();
      expect({ scan, next }).toMatchObject({ scan: { keys: KEYS, written: 0, flags: { ok: KEYS } }, next: undefined });
      expect(stage.table.takeWrites()).toEqual(['HEALTH']);
      const probes = cloud.calls() - cheapest;
      if (showsAll) expect(probes).toBe(0);
      else expect(probes).toBeLessThanOrEqual(KEYS / 2);
    });

    test('looks at each key by itself once in so many sweeps where the listing does not show all', async () => {
      let calls = 0;
      for (let sweep = 0; sweep < 4; sweep += 1) {
        await stage.sweep();
        calls += cloud.calls();
      }
      expect(calls).toBe(4 * cheapest + (showsAll ? 0 : KEYS));
    });

    test('asks for what the listing shows to be otherwise, and finds what is gone', async () => {
      await step('disable', 3);
      await step('schedule_deletion', 4);
      const first = await stage.sweep();
      expect(first.scan).toMatchObject({ keys: KEYS, written: 2, flags: { ok: KEYS - 2, out_of_sync: 2 } });
      expect((await stage.observed(stage.instances[3]))?.reason).toContain('The key is disabled');
      expect((await stage.observed(stage.instances[4]))?.reason).toContain('scheduled for deletion');

      // What is known is not asked for again, and not written again.
      cloud.calls();
      const probes = showsAll ? 0 : KEYS;
      expect((await stage.sweep()).scan).toMatchObject({ written: 0, flags: { ok: KEYS - 2, out_of_sync: 2 } });
      expect(cloud.calls()).toBeLessThanOrEqual(cheapest + probes);

      cloud.keystore.letDeletionsEnd();
      const gone = await stage.sweep();
      expect(gone.scan).toMatchObject({ keys: KEYS, written: 1 });
      expect((await stage.observed(stage.instances[4]))?.status).toBe('not_present');
      await step('enable', 3);
      expect((await stage.sweep()).scan).toMatchObject({ written: 1, flags: { ok: KEYS - 1, out_of_sync: 1 } });
    });

    test('concludes nothing from a listing that is refused: no key is taken for absent', async () => {
      cloud.keystore.strike('list', 'denied');
      const { scan } = await stage.sweep();
      expect(scan).toMatchObject({ health: 'configuration_error', keys: KEYS });
      // Those that were due for a look of their own had it before.
      expect(scan.flags.error).toBeGreaterThan(showsAll ? KEYS - 1 : KEYS / 3);
      const statuses = await Promise.all(stage.instances.map((each) => stage.observed(each)));
      expect(statuses.filter((each) => each?.status === 'error')).toHaveLength(scan.flags.error);
      // The one that is gone indeed.
      expect(statuses.filter((each) => each?.status === 'not_present').length).toBeLessThanOrEqual(1);
      cloud.keystore.mend();
      expect((await stage.sweep()).scan.health).toBe('ok');
      expect((await stage.sweep()).scan.flags.error).toBe(0);
    });

    test('goes on key by key where the time was up in the middle of a listing', async () => {
      let asked = 0;
      const { next, scan } = await stage.sweep({ isTimeUp: () => (asked += 1) > 0 });
      expect(next).toEqual({ after: undefined, ask: true });
      expect(scan.keys).toBe(0);
      const rest = await stage.sweep({}, next);
      expect(rest.next).toBeUndefined();
      expect(rest.scan.keys).toBe(KEYS);
    });
  },
);
