import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { scan } from '../../lib/drift/scan.ts';
import { readKeystoreHealth } from '../../lib/records/reading.ts';
import { FIRST, SECOND, startDeployment, until } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let place: Place;
let hsm: Place;
let key: ManagedKey;
const at = (index: number, of = place) => of.keystores[index] ?? lost();
function lost(): never {
  throw new Error('There is no such keystore.');
}
const arn = (region: string = FIRST, id = key.id) => deployment.keyInAws(id, region).arn;
/** The findings that were written since this was last asked; the keystores' health is written by every scan. */
const findings = () => deployment.table.takeWrites().filter((sk) => sk.startsWith('OBSERVED#'));
const details = async (of: Place) => (await deployment.flagged(of.vaultId)).map((each) => each.keystoreSyncFlagDetail);

beforeAll(async () => {
  deployment = await startDeployment();
  [place, hsm] = [
    await deployment.place(),
    await deployment.place({ regions: [FIRST], type: 'aws_cloudhsm', key: { material: 'native' } }),
  ];
  key = await deployment.create(place, 'watched');
  for (let number = 1; number <= 4; number += 1) await deployment.create(place, `beside-${number}`);
  deployment.table.takeWrites();
});
afterEach(async () => {
  deployment.kms.faults.clear();
  deployment.kms.operator.connectCustomKeyStore(deployment.customKeyStoreId);
  for (const { keyId } of [...(await deployment.flagged(place.vaultId)), ...(await deployment.flagged(hsm.vaultId))]) {
    await deployment.sync(keyId);
  }
  await deployment.scan();
  deployment.table.takeWrites();
});
afterAll(async () => {
  await deployment.close();
});

describe('a scan', () => {
  it('of a fleet that is as it should be writes no finding, and one row for each keystore', async () => {
    const scans = await deployment.scan();
    expect(scans.find(({ keystoreId }) => keystoreId === at(0).id)).toMatchObject({
      health: 'ok',
      keys: 5,
      written: 0,
      failed: 0,
      settling: 0,
      flags: { ok: 5, out_of_sync: 0, error: 0, verifying_sync: 0 },
    });
    expect(deployment.table.takeWrites().toSorted()).toEqual(['HEALTH', 'HEALTH', 'HEALTH']);
    expect(await deployment.flagged(place.vaultId)).toEqual([]);
  });

  it('flags a key that was disabled behind our back, with the reason and since when, and writes that once', async () => {
    await deployment.kms.operator.disable(arn());
    const before = deployment.time.now();
    const [scanned] = (await deployment.scan()).filter(({ keystoreId }) => keystoreId === at(0).id);
    expect(scanned).toMatchObject({ written: 1, flags: { ok: 4, out_of_sync: 1 } });
    const found = await deployment.observed(key.id, at(0));
    expect(found).toMatchObject({
      status: 'not_active',
      keystoreSyncFlag: 'out_of_sync',
      keystoreSyncFlagDetail: 'active_key_is_not_active_in_keystore',
      keyIdInKeystore: arn(),
    });
    expect(found.since.getTime()).toBeGreaterThanOrEqual(before.getTime());
    expect(found.reason).toBe(
      `The key is disabled, since ${found.since.toISOString()} at the latest. Sync would enable it.`,
    );
    expect(findings()).toEqual([`OBSERVED#000001#${at(0).id}`]);
    expect(await deployment.observed(key.id, at(1))).toMatchObject({ keystoreSyncFlag: 'ok' });

    deployment.time.advance(900_000);
    expect((await deployment.scan()).map(({ written }) => written)).toEqual([0, 0, 0]);
    expect(findings()).toEqual([]);
    expect((await deployment.observed(key.id, at(0))).since).toEqual(found.since);
  });

  it('changes no keystore', async () => {
    await deployment.kms.operator.disable(arn());
    deployment.kms.calls.reset();
    await deployment.scan();
    const called = new Set(deployment.kms.calls.list().map(({ operation }) => operation));
    for (const operation of called) expect(operation).toMatch(/^(Describe|List|Get|Encrypt$)/);
    expect(deployment.keyInAws(key.id, FIRST).state).toBe('Disabled');
  });

  it('of an unchanged key costs AWS one call', async () => {
    deployment.kms.calls.reset();
    await deployment.scan();
    expect(deployment.kms.calls.count({ region: SECOND, operation: 'DescribeKey' })).toBe(5);
    expect(deployment.kms.calls.count({ region: SECOND })).toBe(6);
  });

  it('keeps among the flagged only what is not well, and lets go of it when it is well again', async () => {
    await deployment.kms.operator.disable(arn());
    await deployment.scan();
    expect((await deployment.flagged(place.vaultId)).map(({ keyId }) => keyId)).toEqual([key.id]);
    await deployment.kms.operator.enable(arn());
    await deployment.scan();
    expect(await deployment.flagged(place.vaultId)).toEqual([]);
    expect((await deployment.observed(key.id, at(0))).reason).not.toContain('Sync would');
  });

  it('finds a pending deletion, lost material, a name that is gone, and a key that is gone', async () => {
    const { operator } = deployment.kms;
    const status = async () => (await deployment.observed(key.id, at(0))).status;
    await operator.scheduleDeletion(arn());
    await deployment.scan();
    const found = await deployment.observed(key.id, at(0));
    expect(found).toMatchObject({ status: 'not_active', keystoreSyncFlag: 'out_of_sync' });
    expect(found.pendingDestructionUntil).toBeInstanceOf(Date);
    expect(found.reason).toContain('Sync would cancel its deletion and enable it.');
    await operator.cancelDeletion(arn());
    await operator.enable(arn());

    operator.loseMaterial(arn());
    await deployment.scan();
    expect((await deployment.observed(key.id, at(0))).reason).toContain('Sync would import its material.');
    await deployment.sync(key.id);

    await operator.deleteAlias('alias/watched', arn());
    await deployment.scan();
    expect(await deployment.observed(key.id, at(0))).toMatchObject({ status: 'not_active' });
    await deployment.sync(key.id);

    operator.purge(arn());
    await deployment.scan();
    expect(await status()).toBe('not_present');
    await deployment.sync(key.id);
    expect(await status()).toBe('active');
  });

  it('finds a backing key that was deleted in the cluster, though AWS still says Enabled', async () => {
    const { id } = await deployment.create(hsm, 'hsm-backed');
    deployment.kms.operator.deleteBackingKey(arn(FIRST, id));
    expect(deployment.keyInAws(id, FIRST).state).toBe('Enabled');
    await deployment.scan();
    const found = await deployment.observed(id, at(0, hsm));
    expect(found).toMatchObject({ status: 'not_active', keystoreSyncFlag: 'out_of_sync' });
    expect(found.reason).toMatch(/Sync cannot repair this: restore its backing key/);
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
  });

  it('agrees with a verify, and a verify writes nothing that a scan has written', async () => {
    await deployment.kms.operator.disable(arn());
    await deployment.scan();
    deployment.table.takeWrites();
    const verified = await deployment.verify(key.id);
    expect(verified).toEqual([...(await deployment.partition(key.id)).observed.values()]);
    expect(findings()).toEqual([]);
  });
});

describe('a keystore that cannot be asked', () => {
  it('whose custom key store is disconnected is an error of its own keys, never absent, and holds up nobody', async () => {
    const { id } = await deployment.create(hsm, 'disconnected');
    deployment.kms.operator.disconnectCustomKeyStore(deployment.customKeyStoreId);
    await deployment.kms.operator.disable(arn());
    const scans = await deployment.scan();
    expect(await deployment.observed(id, at(0, hsm))).toMatchObject({
      status: 'error',
      keystoreSyncFlag: 'error',
      keystoreSyncFlagDetail: 'connection_error',
      keyIdInKeystore: arn(FIRST, id),
    });
    expect(scans.find(({ keystoreId }) => keystoreId === at(0, hsm).id)?.health).toBe('not_responding');
    expect(await details(place)).toEqual(['active_key_is_not_active_in_keystore']);
    expect((await readKeystoreHealth(deployment.database, at(0, hsm).id))?.status).toBe('not_responding');

    deployment.kms.operator.connectCustomKeyStore(deployment.customKeyStoreId);
    await deployment.scan();
    expect((await deployment.observed(id, at(0, hsm))).keystoreSyncFlag).toBe('ok');
  });

  it('in a region that is unreachable likewise, and is asked a bounded number of times, not for each key', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    deployment.kms.calls.reset();
    const scans = await deployment.scan();
    expect(scans.find(({ keystoreId }) => keystoreId === at(1).id)).toMatchObject({
      health: 'not_responding',
      flags: { ok: 0, error: 5 },
    });
    expect(deployment.kms.calls.count({ region: SECOND })).toBeLessThanOrEqual(4);
    expect(await details(place)).toEqual(Array(5).fill('connection_error'));
    expect((await deployment.observed(key.id, at(0))).keystoreSyncFlag).toBe('ok');

    const before = await readKeystoreHealth(deployment.database, at(1).id);
    expect(before?.lastHeartbeat).toBeInstanceOf(Date);
    deployment.kms.faults.clear();
    await deployment.scan();
    expect(await details(place)).toEqual([]);
  });

  it('and never answers is given up when the time is over, with a finding all the same', async () => {
    deployment.kms.faults.add({ kind: 'timeout_before', region: SECOND });
    const started = Date.now();
    const scans = await deployment.scan(AbortSignal.timeout(700));
    expect(Date.now() - started).toBeLessThan(3_000);
    expect(scans.find(({ keystoreId }) => keystoreId === at(0).id)?.flags.ok).toBe(5);
    expect((await deployment.observed(key.id, at(1))).keystoreSyncFlagDetail).toBe('connection_error');
  });

  it('for a while, in the middle of a scan, is closed after a few calls without an answer', async () => {
    deployment.kms.faults.add({ kind: 'reset_before', region: SECOND, operation: 'DescribeKey' });
    const scans = await deployment.scan();
    expect(scans.find(({ keystoreId }) => keystoreId === at(1).id)).toMatchObject({
      health: 'not_responding',
      flags: { ok: 0, error: 5 },
    });
  });

  it('that throttles, or denies one call, is an error of that key only', async () => {
    deployment.kms.faults.add({ kind: 'denied', operation: 'DescribeKey', keyId: arn(SECOND).split('/')[1] });
    await deployment.scan();
    expect(await deployment.observed(key.id, at(1))).toMatchObject({
      keystoreSyncFlag: 'error',
      error: { code: 'keystore_denied' },
    });
    expect(await deployment.flagged(place.vaultId)).toHaveLength(1);
  });
});

describe('a key that is being worked on', () => {
  it('is not judged by a scan as long as somebody has it, and is afterwards', async () => {
    deployment.kms.faults.add({
      kind: 'latency',
      operation: 'ImportKeyMaterial',
      latencyMs: 600,
      times: 1,
      region: SECOND,
    });
    const creating = deployment.create(place, 'under-way');
    await until('the import is on its way', () => deployment.kms.faults.list().length === 0);
    const scans = await deployment.scan();
    expect(scans.find(({ keystoreId }) => keystoreId === at(1).id)?.settling).toBe(1);
    expect(await deployment.flagged(place.vaultId)).toEqual([]);
    const { id } = await creating;
    expect((await deployment.observed(id, at(1))).keystoreSyncFlag).toBe('ok');
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
  });

  it('twice at once is scanned twice, and written once', async () => {
    await deployment.kms.operator.disable(arn());
    await Promise.all([deployment.scan(), deployment.scan()]);
    expect(await details(place)).toEqual(['active_key_is_not_active_in_keystore']);
    expect((await deployment.scan()).map(({ written }) => written)).toEqual([0, 0, 0]);
  });
});

describe('the settling time', () => {
  it('keeps a key that we have just changed from being judged, and ends', async () => {
    const patient = { ...deployment, config: { ...deployment.config, settlingSeconds: 30 } };
    const { id } = await deployment.create(place, 'just-made');
    await deployment.kms.operator.disable(arn(FIRST, id));
    const judge = async () => {
      await scan(patient, new AbortController().signal);
      return (await deployment.observed(id, at(0))).keystoreSyncFlag;
    };
    expect(await judge()).toBe('ok');
    deployment.time.advance(31_000);
    expect(await judge()).toBe('out_of_sync');
  });
});
