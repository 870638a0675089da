import { describe, expect, it, vi } from 'vitest';
import { driverFor } from '../../lib/drivers/connections.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { faultOf } from './contract.ts';

type Connectable = Pick<Keystore, 'id' | 'revision' | 'type' | 'settings'>;

function keystore(id: string, changes: Partial<Connectable> = {}): Connectable {
  return { id, revision: 1, type: 'aws_kms', settings: { aws_region: 'eu-central-1' }, ...changes };
}

const credentials = () => vi.fn(() => Promise.resolve({ aws_access_key_id: 'AKIA', aws_secret_access_key: 'secret' }));

describe('driverFor', () => {
  it('connects once, also when asked twice at the same time', async () => {
    const open = credentials();
    const [one, other] = await Promise.all([driverFor(keystore('once'), open), driverFor(keystore('once'), open)]);
    expect(other).toBe(one);
    expect(await driverFor(keystore('once'), open)).toBe(one);
    expect(open).toHaveBeenCalledTimes(1);
  });

  it('connects anew when the keystore was changed', async () => {
    const one = await driverFor(keystore('changed'), credentials());
    expect(await driverFor(keystore('changed', { revision: 2 }), credentials())).not.toBe(one);
  });

  it('keeps no failure', async () => {
    const failing = vi.fn(() => Promise.reject(new Error('cannot be opened now')));
    await expect(driverFor(keystore('failing'), failing)).rejects.toThrow('cannot be opened now');
    await expect(driverFor(keystore('failing'), credentials())).resolves.toBeDefined();
  });

  it('lets go of the one that was not used for longest', async () => {
    const used = await driverFor(keystore('used'), credentials());
    const unused = await driverFor(keystore('unused'), credentials());
    for (let n = 0; n < 99; n += 1) {
      await driverFor(keystore(`other-${n}`), credentials());
      await driverFor(keystore('used'), credentials());
    }
    expect(await driverFor(keystore('used'), credentials())).toBe(used);
    expect(await driverFor(keystore('unused'), credentials())).not.toBe(unused);
  });

  it('says why a type cannot be connected, without opening its credentials', async () => {
    const open = credentials();
    expect(await faultOf(driverFor(keystore('cca', { type: 'cca' }), open))).toMatchObject({ kind: 'unsupported' });
    expect(open).not.toHaveBeenCalled();
  });
});
