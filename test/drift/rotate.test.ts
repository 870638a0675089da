import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { decideEdit, edit } from '../../lib/keys/edit.ts';
import { decideRotation, rotate } from '../../lib/keys/rotate.ts';
import type { FaultKind } from '../../sandbox/aws-kms/server.ts';
import { FIRST, SECOND, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let place: Place;
/** Keys of it are another KMS key in each version. */
let hmac: Place;

beforeAll(async () => {
  deployment = await startDeployment();
  place = await deployment.place();
  hmac = await deployment.place({ regions: [FIRST], key: { algorithm: 'hmac', size: '256' } });
});
afterEach(() => {
  deployment.kms.faults.clear();
  deployment.kms.calls.reset();
});
afterAll(async () => {
  await deployment.close();
});

async function rotated(id: string): Promise<void> {
  const partition = await deployment.partition(id);
  if (partition.key === undefined) throw new Error('There is no such key.');
  const rotation = decideRotation(partition, partition.key, { subject: 'ada', now: deployment.clock() });
  const attempt = deployment.attempt('RotateManagedKey');
  await rotate(deployment, attempt, partition.key, rotation, new AbortController().signal);
}

async function renamed(id: string, label: string): Promise<void> {
  const partition = await deployment.partition(id);
  if (partition.key === undefined) throw new Error('There is no such key.');
  const by = { subject: 'ada', now: deployment.clock() };
  const decision = decideEdit(partition, partition.key, { label }, by);
  const attempt = deployment.attempt('UpdateManagedKey');
  await edit(deployment, attempt, partition.key, decision, new AbortController().signal);
}

async function expectWell(id: string): Promise<void> {
  const { instances, observed } = await deployment.partition(id);
  expect(instances.map(({ open }) => open)).toEqual(instances.map(() => undefined));
  expect([...observed.values()].map((each) => each.keystoreSyncFlag)).toEqual(instances.map(() => 'ok'));
  await deployment.scan();
  const after = [...(await deployment.partition(id)).observed.values()];
  expect(after.map((each) => each.keystoreSyncFlag)).toEqual(instances.map(() => 'ok'));
}

describe('a rotation', () => {
  it('in place gives the very same KMS keys new current material, and sync afterwards has nothing to do', async () => {
    const { id } = await deployment.create(place, 'in-place');
    const before = [FIRST, SECOND].map((region) => deployment.keyInAws(id, region));
    await rotated(id);
    const after = [FIRST, SECOND].map((region) => deployment.keyInAws(id, region));
    expect(after.map(({ arn }) => arn)).toEqual(before.map(({ arn }) => arn));
    for (const [position, found] of after.entries()) {
      expect(found.currentKeyMaterialId).not.toBe(before[position]?.currentKeyMaterialId);
      expect(found.tags['shearline:version']).toBe('2');
    }
    await expectWell(id);
  });

  it('of a key that cannot be rotated in place makes a second KMS key and moves the name to it', async () => {
    const { id, label } = await deployment.create(hmac, 'second-key');
    const old = deployment.keyInAws(id, FIRST);
    await rotated(id);
    const keys = deployment.keysInAws(id, FIRST);
    expect(keys).toHaveLength(2);
    expect(keys.find(({ arn }) => arn === old.arn)).toMatchObject({ aliases: [], state: 'Enabled' });
    expect(keys.find(({ arn }) => arn !== old.arn)).toMatchObject({
      aliases: [`alias/${label}`],
      tags: { 'shearline:version': '2' },
      state: 'Enabled',
    });
    await expectWell(id);
  });

  const IN_PLACE: readonly (readonly [string, FaultKind])[] = [
    ['ImportKeyMaterial', 'reset_before'],
    ['ImportKeyMaterial', 'reset_after'],
    ['RotateKeyOnDemand', 'reset_before'],
    ['RotateKeyOnDemand', 'reset_after'],
    ['TagResource', 'reset_before'],
  ];
  it.each(IN_PLACE)(
    'in place that loses %s (%s) ends with one KMS key per region at the new version',
    async (operation, kind) => {
      const { id } = await deployment.create(place, `lost-${operation}-${kind}`);
      const before = deployment.keyInAws(id, SECOND).currentKeyMaterialId;
      deployment.kms.faults.add({ kind, operation, region: SECOND, times: 2 });
      await rotated(id);
      await deployment.settle();
      expect(deployment.keyInAws(id, SECOND).currentKeyMaterialId).not.toBe(before);
      expect(deployment.keyInAws(id, SECOND).tags['shearline:version']).toBe('2');
      await expectWell(id);
    },
  );

  it('in place that is done but for its tag is finished by sync, and not taken for the version before', async () => {
    const { id } = await deployment.create(place, 'done-but-for-its-tag');
    deployment.kms.faults.add({ kind: 'denied', operation: 'TagResource', region: SECOND, times: 1 });
    await rotated(id);
    expect(deployment.keyInAws(id, SECOND).tags['shearline:version']).toBe('1');
    const { currentKeyMaterialId } = deployment.keyInAws(id, SECOND);
    await deployment.sync(id);
    await deployment.settle();
    expect(deployment.keyInAws(id, SECOND)).toMatchObject({ currentKeyMaterialId, tags: { 'shearline:version': '2' } });
    await expectWell(id);
  });

  describe('in place, that takes the version before out of use', () => {
    let retiring: Place;
    beforeAll(async () => {
      retiring = await deployment.place({ key: { deactivateOnRotation: true } });
    });

    it('is finished by sync where the material of before is lost too: AWS takes no new one without it', async () => {
      const { id } = await deployment.create(retiring, 'lost-before-the-rotation');
      deployment.kms.faults.add({ kind: 'throttle', operation: 'ImportKeyMaterial', region: FIRST, times: 2 });
      await rotated(id);
      const { arn, currentKeyMaterialId } = deployment.keyInAws(id, FIRST);
      deployment.kms.operator.loseMaterial(arn);
      await deployment.sync(id);
      await deployment.settle();
      const after = deployment.keyInAws(id, FIRST);
      expect(after).toMatchObject({ arn, state: 'Enabled', tags: { 'shearline:version': '2' } });
      expect(after.currentKeyMaterialId).not.toBe(currentKeyMaterialId);
      await expectWell(id);
    });

    it('loses nothing that sync cannot bring back: the older material, without which AWS serves neither', async () => {
      const { id } = await deployment.create(retiring, 'older-material-lost');
      const { arn, currentKeyMaterialId: older } = deployment.keyInAws(id, FIRST);
      await rotated(id);
      const { currentKeyMaterialId: newer } = deployment.keyInAws(id, FIRST);
      deployment.kms.operator.loseMaterial(arn, older);
      deployment.kms.operator.loseMaterial(arn);
      await deployment.sync(id);
      await deployment.settle();
      expect(deployment.keyInAws(id, FIRST)).toMatchObject({ arn, state: 'Enabled', currentKeyMaterialId: newer });
      await expectWell(id);
    });
  });

  it('while a key is made anew in place of one that is gone gives both versions keys of their own, and sync cares for both', async () => {
    const { id } = await deployment.create(place, 'made-anew-meanwhile');
    deployment.kms.operator.purge(deployment.keyInAws(id, FIRST).arn);
    deployment.kms.faults.add({ kind: 'denied', operation: 'CreateAlias', region: FIRST, times: 1 });
    await deployment.sync(id);
    await rotated(id);
    await deployment.settle();
    const keys = deployment.keysInAws(id, FIRST);
    expect(keys.map(({ tags }) => tags['shearline:version']).toSorted()).toEqual(['1', '2']);
    for (const { arn } of keys) await deployment.kms.operator.disable(arn);
    await deployment.sync(id);
    await deployment.settle();
    expect(deployment.keysInAws(id, FIRST).map(({ state }) => state)).toEqual(['Enabled', 'Enabled']);
    await expectWell(id);
  });

  const ANEW: readonly (readonly [string, FaultKind])[] = [
    ['CreateKey', 'reset_after'],
    ['ImportKeyMaterial', 'reset_after'],
    ['UpdateAlias', 'reset_before'],
    ['UpdateAlias', 'reset_after'],
  ];
  it.each(ANEW)(
    'to a second KMS key that loses %s (%s) ends with two keys, the name at the new one',
    async (operation, kind) => {
      const { id, label } = await deployment.create(hmac, `anew-${operation}-${kind}`);
      const old = deployment.keyInAws(id, FIRST);
      deployment.kms.faults.add({ kind, operation, region: FIRST, times: 2 });
      await rotated(id);
      await deployment.settle();
      const keys = deployment.keysInAws(id, FIRST);
      expect(keys.map(({ tags }) => tags['shearline:version']).toSorted()).toEqual(['1', '2']);
      expect(keys.find(({ arn }) => arn !== old.arn)).toMatchObject({
        aliases: [`alias/${label}`],
        hasMaterial: true,
        state: 'Enabled',
      });
      await expectWell(id);
    },
  );

  it('takes the name of before from an older version that was renamed and did not hear of it', async () => {
    const { id } = await deployment.create(hmac, 'renamed-and-rotated');
    deployment.kms.faults.add({ kind: 'denied', operation: 'ListResourceTags', region: FIRST });
    await renamed(id, 'renamed-and-rotated-since');
    deployment.kms.faults.clear();
    await rotated(id);
    await deployment.settle();
    const named = deployment.keysInAws(id, FIRST).map(({ aliases, tags }) => [tags['shearline:version'], ...aliases]);
    expect(named.toSorted()).toEqual([['1'], ['2', 'alias/renamed-and-rotated-since']]);
    await expectWell(id);
  });

  it('while a region is unreachable is finished there when it is back', async () => {
    const { id } = await deployment.create(place, 'half-rotated');
    const before = deployment.keyInAws(id, SECOND).currentKeyMaterialId;
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    await rotated(id);
    expect(deployment.keyInAws(id, SECOND).currentKeyMaterialId).toBe(before);
    deployment.kms.faults.clear();
    await deployment.settle();
    expect(deployment.keyInAws(id, SECOND).currentKeyMaterialId).not.toBe(before);
    await expectWell(id);
  });

  it('brings keystores whose material was replaced behind our back to new, equal material', async () => {
    const { id } = await deployment.create(place, 'replaced');
    await deployment.kms.operator.replaceMaterial(deployment.keyInAws(id, FIRST).arn);
    await deployment.scan();
    expect((await deployment.flagged(place.vaultId)).map(({ status }) => status)).toEqual(['wrong_key']);
    await rotated(id);
    await deployment.settle();
    await deployment.scan();
    const current = (await deployment.partition(id)).instances.filter(({ version }) => version === 2);
    for (const { keystoreId } of current) {
      const observed = [...(await deployment.partition(id)).observed.values()];
      expect(observed.find((each) => each.version === 2 && each.keystoreId === keystoreId)?.keystoreSyncFlag).toBe(
        'ok',
      );
    }
  });

  it('of a native key that is gone makes new material in a KMS key of its own, under the same name', async () => {
    const native = await deployment.place({ regions: [FIRST], key: { material: 'native' } });
    const { id } = await deployment.create(native, 'gone');
    const { arn } = deployment.keyInAws(id, FIRST);
    deployment.kms.operator.purge(arn);
    await deployment.sync(id);
    expect(deployment.keysInAws(id)).toEqual([]);
    await rotated(id);
    const made = deployment.keyInAws(id, FIRST);
    expect(made).toMatchObject({ state: 'Enabled', aliases: ['alias/gone'], tags: { 'shearline:version': '2' } });
    const { instances, observed } = await deployment.partition(id);
    expect(instances.map(({ rotating, open }) => [rotating, open])).toEqual(Array(2).fill([false, undefined]));
    const flags = [...observed.values()].map((each) => [each.version, each.keystoreSyncFlag]);
    expect(flags).toEqual([
      [1, 'out_of_sync'],
      [2, 'ok'],
    ]);
  });

  it('of a native key that is gone, whose CreateKey lost its answer, makes one KMS key and does not rotate it', async () => {
    const native = await deployment.place({ regions: [FIRST], key: { material: 'native' } });
    const { id } = await deployment.create(native, 'gone-and-lost');
    deployment.kms.operator.purge(deployment.keyInAws(id, FIRST).arn);
    deployment.kms.faults.add({ kind: 'reset_after', operation: 'CreateKey', region: FIRST, times: 1 });
    await rotated(id);
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST)).toMatchObject({ state: 'Enabled', aliases: ['alias/gone-and-lost'] });
    expect(deployment.kms.calls.count({ operation: 'RotateKeyOnDemand' })).toBe(0);
  });

  it('is refused within an hour of the one before, and of a key that is not active', async () => {
    const { id } = await deployment.create(hmac, 'too-often');
    await rotated(id);
    await expect(rotated(id)).rejects.toMatchObject({ code: 'too_often', status: 429 });
    deployment.time.advance(3_600_000);
    await rotated(id);
    await deployment.command('deactivate', id);
    expect(deployment.keysInAws(id, FIRST).map(({ state }) => state)).toEqual(['Disabled', 'Disabled', 'Disabled']);
    deployment.time.advance(3_600_000);
    await expect(rotated(id)).rejects.toMatchObject({ code: 'state_conflict' });
    await deployment.command('destroy', id);
    expect(new Set(deployment.keysInAws(id, FIRST).map(({ state }) => state))).toEqual(new Set(['PendingDeletion']));
  });
});
