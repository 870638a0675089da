import { CreateAliasCommand, CreateKeyCommand } from '@aws-sdk/client-kms';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sync } from '../../lib/drift/sync.ts';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { decideRotation, rotate } from '../../lib/keys/rotate.ts';
import { auditEvent } from '../../lib/records/audit.ts';
import { operatorClient } from '../../sandbox/aws-accounts.ts';
import { FIRST, SECOND, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let place: Place;
let key: ManagedKey;
let number = 0;
const at = (index: number, of = place) => of.keystores[index] ?? lost();
function lost(): never {
  throw new Error('There is no such keystore.');
}
const inAws = (region: string = FIRST, id = key.id) => deployment.keyInAws(id, region);
const flags = async (id = key.id) =>
  [...(await deployment.partition(id)).observed.values()].map(({ keystoreSyncFlag }) => keystoreSyncFlag);
const fresh = async (of = place) => {
  number += 1;
  return deployment.create(of, `key-${number}`);
};

beforeAll(async () => {
  deployment = await startDeployment();
  place = await deployment.place();
});
afterEach(() => {
  deployment.kms.faults.clear();
});
afterAll(async () => {
  await deployment.close();
});

describe('sync repairs', () => {
  it('a key that was disabled', async () => {
    key = await fresh();
    await deployment.kms.operator.disable(inAws().arn);
    await deployment.scan();
    expect(await flags()).toEqual(['out_of_sync', 'ok']);
    await deployment.sync(key.id);
    expect(inAws().state).toBe('Enabled');
    expect(await flags()).toEqual(['ok', 'ok']);
  });

  it('a key that was on its way to deletion: that is cancelled and the key is enabled', async () => {
    key = await fresh();
    await deployment.kms.operator.scheduleDeletion(inAws(SECOND).arn);
    await deployment.sync(key.id);
    expect(inAws(SECOND)).toMatchObject({ state: 'Enabled', hasMaterial: true });
    expect(await flags()).toEqual(['ok', 'ok']);
  });

  it('material that was lost: the very same bytes are imported again', async () => {
    key = await fresh();
    const { currentKeyMaterialId, arn } = inAws();
    deployment.kms.operator.loseMaterial(arn);
    expect(inAws().hasMaterial).toBe(false);
    await deployment.sync(key.id);
    expect(inAws()).toMatchObject({ state: 'Enabled', hasMaterial: true, currentKeyMaterialId });
  });

  it('a key that is gone: it is made again, with the same material and a new id', async () => {
    key = await fresh();
    const { arn } = inAws();
    deployment.kms.operator.purge(arn);
    await deployment.sync(key.id);
    expect(inAws()).toMatchObject({ state: 'Enabled', hasMaterial: true, aliases: [`alias/${key.label}`] });
    expect(inAws().arn).not.toBe(arn);
    expect((await deployment.instance(key.id, at(0))).binding?.idInKeystore).toBe(inAws().arn);
    expect(await flags()).toEqual(['ok', 'ok']);
  });

  it('a name that was taken away', async () => {
    key = await fresh();
    await deployment.kms.operator.deleteAlias(`alias/${key.label}`, inAws().arn);
    await deployment.sync(key.id);
    expect(inAws().aliases).toEqual([`alias/${key.label}`]);
  });

  it('several of these at once, in both regions', async () => {
    key = await fresh();
    await deployment.kms.operator.disable(inAws().arn);
    await deployment.kms.operator.deleteAlias(`alias/${key.label}`, inAws().arn);
    deployment.kms.operator.loseMaterial(inAws(SECOND).arn);
    await deployment.kms.operator.scheduleDeletion(inAws(SECOND).arn);
    await deployment.sync(key.id);
    for (const region of [FIRST, SECOND]) {
      expect(inAws(region)).toMatchObject({ state: 'Enabled', hasMaterial: true, aliases: [`alias/${key.label}`] });
    }
    expect(await flags()).toEqual(['ok', 'ok']);
  });

  it('a deactivated key that somebody enabled, and one that somebody schedules for deletion', async () => {
    key = await fresh();
    await deployment.command('deactivate', key.id);
    await deployment.kms.operator.enable(inAws().arn);
    await deployment.kms.operator.scheduleDeletion(inAws(SECOND).arn);
    await deployment.sync(key.id);
    expect([inAws().state, inAws(SECOND).state]).toEqual(['Disabled', 'Disabled']);
  });

  it('a rotated key, and says of its older version in the same KMS key what is so afterwards', async () => {
    key = await fresh();
    const before = await deployment.partition(key.id);
    const rotation = decideRotation(before, key, { subject: 'ada', now: deployment.clock() });
    await rotate(deployment, deployment.attempt('RotateManagedKey'), key, rotation, new AbortController().signal);
    await deployment.kms.operator.disable(inAws().arn);
    await deployment.scan();
    expect((await flags()).toSorted()).toEqual(['ok', 'ok', 'out_of_sync', 'out_of_sync']);
    await deployment.sync(key.id);
    expect(await flags()).toEqual(['ok', 'ok', 'ok', 'ok']);
  });

  it('a destroyed key whose deletion somebody cancelled', async () => {
    key = await fresh();
    await deployment.command('deactivate', key.id);
    await deployment.command('destroy', key.id);
    await deployment.kms.operator.cancelDeletion(inAws().arn);
    await deployment.scan();
    expect(await flags()).toContain('out_of_sync');
    await deployment.sync(key.id);
    expect(inAws().state).toBe('PendingDeletion');
    expect(await flags()).toEqual(['ok', 'ok']);
  });
});

describe('sync leaves alone', () => {
  it('other material in the place of the key’s own: it stays flagged, and the reason says what helps', async () => {
    key = await fresh();
    await deployment.kms.operator.replaceMaterial(inAws().arn);
    const replaced = inAws().currentKeyMaterialId;
    await deployment.sync(key.id);
    const found = await deployment.observed(key.id, at(0));
    expect(found).toMatchObject({ status: 'wrong_key', keystoreSyncFlag: 'out_of_sync' });
    expect(found.reason).toMatch(/Sync cannot repair this: .*rotate the key/);
    expect(inAws().currentKeyMaterialId).toBe(replaced);
  });

  it('a name that leads to somebody else’s key: it stays flagged, with the repair’s error', async () => {
    key = await fresh();
    const other = await fresh();
    await deployment.kms.operator.moveAlias(`alias/${key.label}`, inAws(FIRST, other.id).arn);
    await deployment.scan();
    expect(await deployment.observed(key.id, at(0))).toMatchObject({ status: 'wrong_key' });
    await deployment.sync(key.id);
    const found = await deployment.observed(key.id, at(0));
    expect(found).toMatchObject({ keystoreSyncFlag: 'out_of_sync', error: { code: 'keystore_conflict' } });
    expect(found.reason).toContain('The last repair failed');
    expect(deployment.kms.operator.keys({ region: FIRST }).filter(({ arn }) => arn === inAws().arn)[0]?.state).toBe(
      'Enabled',
    );
  });

  it('what is well: no call that changes anything, and no write but the audit event and the history', async () => {
    key = await fresh();
    deployment.kms.calls.reset();
    deployment.table.takeWrites();
    await deployment.sync(key.id);
    for (const { operation } of deployment.kms.calls.list()) expect(operation).toMatch(/^(Describe|List|Get)/);
    const writes = deployment.table.takeWrites();
    // The audit event, the head of its chain, and the entry of the key's history.
    expect(writes.filter((sk) => !/^(?:EVENT#.*|HEAD|\d{4}-.*\.\d+)$/.test(sk))).toEqual([]);
  });

  it('keystores that the user did not confirm', async () => {
    key = await fresh();
    for (const region of [FIRST, SECOND]) await deployment.kms.operator.disable(inAws(region).arn);
    await deployment.sync(key.id, [at(1).id]);
    expect([inAws().state, inAws(SECOND).state]).toEqual(['Disabled', 'Enabled']);
  });

  it('the key itself: its record and so its ETag are as before', async () => {
    key = await fresh();
    await deployment.kms.operator.disable(inAws().arn);
    const before = await deployment.partition(key.id);
    const after = await deployment.sync(key.id);
    expect(after.key).toEqual(before.key);
  });
});

describe('sync of a pre-active key', () => {
  it('disables what was found and keeps it flagged, naming the two ways out', async () => {
    const later = await deployment.place({ regions: [FIRST], key: { state: 'pre_activation', material: 'native' } });
    const { id, label } = await fresh(later);
    const client = operatorClient(deployment.kms.endpoint, FIRST);
    const Tags = [
      { TagKey: 'shearline:key', TagValue: id },
      { TagKey: 'shearline:version', TagValue: '1' },
    ];
    const made = await client.send(new CreateKeyCommand({ Tags }));
    await client.send(new CreateAliasCommand({ AliasName: `alias/${label}`, TargetKeyId: made.KeyMetadata?.KeyId }));
    client.destroy();

    await deployment.sync(id);
    expect(inAws(FIRST, id).state).toBe('Disabled');
    const found = await deployment.observed(id, at(0, later));
    expect(found.keystoreSyncFlagDetail).toBe('pre_active_key_is_present_in_keystore');
    expect(found.reason).toContain('activate the key, or destroy it');
    await deployment.command('destroy', id);
    expect(inAws(FIRST, id).state).toBe('PendingDeletion');
  });
});

describe('a sync that cannot be finished', () => {
  it('flags the keystore that does not answer, repairs the other, and goes on by itself', async () => {
    key = await fresh();
    for (const region of [FIRST, SECOND]) await deployment.kms.operator.disable(inAws(region).arn);
    deployment.kms.faults.add({ kind: 'denied', operation: 'EnableKey', region: SECOND });
    await deployment.sync(key.id);
    expect(inAws().state).toBe('Enabled');
    const failed = await deployment.observed(key.id, at(1));
    expect(failed).toMatchObject({ keystoreSyncFlag: 'out_of_sync', error: { code: 'keystore_denied' } });
    deployment.kms.faults.clear();
    await deployment.settle();
    expect(inAws(SECOND).state).toBe('Enabled');
    expect(await flags()).toEqual(['ok', 'ok']);
  });

  it('is refused when the key changed since it was read', async () => {
    key = await fresh();
    const { instances } = await deployment.partition(key.id);
    await deployment.command('deactivate', key.id);
    const stale = sync(deployment, deployment.attempt('SyncManagedKey'), key, instances, new AbortController().signal);
    await expect(stale).rejects.toMatchObject({ code: 'precondition_failed' });
  });
});

it('what sync repaired, and where, stands in the audit trail', async () => {
  key = await fresh();
  await deployment.kms.operator.disable(inAws().arn);
  await deployment.sync(key.id);
  const items = await deployment.database.queryAll({ pk: `AUDIT#${place.vaultId}`, beginsWith: 'EVENT#' });
  expect(items.map((item) => auditEvent.decode(item)).at(-1)).toMatchObject({
    operation: 'SyncManagedKey',
    resourceId: key.id,
    subject: 'ada',
    outcome: 'success',
    after: { repaired: [{ keystore: at(0).id, steps: ['enable'] }] },
  });
});
