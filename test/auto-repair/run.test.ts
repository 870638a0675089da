import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { previewAutoRepair } from '../../lib/auto-repair/preview.ts';
import { autoRepair, resumeAutoRepair } from '../../lib/auto-repair/run.ts';
import type { AutoRepair, TemplateAutoRepairPolicy } from '../../lib/auto-repair/policy.ts';
import { SWEEP_MS } from '../../lib/auto-repair/state.ts';
import { createKey, planKey } from '../../lib/keys/create.ts';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { shadowTemplate } from '../../lib/keys/shadow.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import { trail } from '../../lib/records/trail.ts';
import { readTemplate, readVault, readVaultCounters } from '../../lib/records/reading.ts';
import { edited, storeTemplate } from '../../lib/templates/write.ts';
import { editVault } from '../../lib/vaults/write.ts';
import { FIRST, SECOND, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let number = 0;
const NEVER = new AbortController().signal;

beforeAll(async () => {
  deployment = await startDeployment();
});
afterEach(() => {
  deployment.kms.faults.clear();
});
afterAll(async () => {
  await deployment.close();
});

const run = () => autoRepair(deployment, NEVER);

async function setPolicy(place: Place, autoRepairOf: Partial<AutoRepair>): Promise<void> {
  const vault = await readVault(deployment.database, place.vaultId);
  if (vault === undefined) throw new Error('The vault is gone.');
  await editVault(deployment, deployment.attempt('UpdateVault'), vault, { autoRepair: autoRepairOf });
}

async function setTemplatePolicy(place: Place, policy: TemplateAutoRepairPolicy): Promise<void> {
  const before = await readTemplate(deployment.database, place.template.id);
  if (before === undefined) throw new Error('The template is gone.');
  const after = edited(before, { autoRepair: policy }, { subject: 'ada', now: deployment.clock() });
  expect(after.version).toBe(before.version);
  await storeTemplate(deployment, deployment.attempt('UpdateKeyTemplate'), before, after);
}

/** A vault with as many keys as asked for, so that one of them is no mass. */
async function vaultWith(
  keys: number,
  policy: Partial<AutoRepair> = { policy: 'sync' },
  regions: readonly string[] = [FIRST],
) {
  const place = await deployment.place({ regions });
  await setPolicy(place, policy);
  const made: ManagedKey[] = [];
  for (let index = 0; index < keys; index += 1) made.push(await deployment.create(place, `key-${(number += 1)}`));
  await deployment.settle();
  return { place, keys: made };
}

/** A key in one keystore, chosen by hand. */
async function createIn({ vaultId, template }: Place, keystore: Keystore): Promise<ManagedKey> {
  const { database, clock, newId } = deployment;
  const by = { id: newId(), subject: 'ada', now: clock() };
  const shadow = shadowTemplate(vaultId, template.key, [keystore], {}, { ...by, id: randomUUID() });
  const given = { label: `key-${(number += 1)}`, description: '', labelTags: [], tags: [] };
  const planned = planKey(shadow, [keystore], given, by);
  const { keystoresGeneration } = await readVaultCounters(database, vaultId);
  await createKey(deployment, deployment.attempt('CreateManagedKey'), shadow, planned, keystoresGeneration, NEVER);
  return planned.key;
}

const inAws = ({ id }: ManagedKey, region: string = FIRST) => deployment.keyInAws(id, region);
/** When no work is open any more, however busy this machine is. */
const flags = async ({ id }: ManagedKey) => {
  await deployment.settle();
  return [...(await deployment.partition(id)).observed.values()].map(({ keystoreSyncFlag }) => keystoreSyncFlag);
};
const eventsOf = async (vaultId: string, subject = 'auto-repair') => {
  const found = [];
  for await (const event of trail(deployment.database, vaultId)) if (event.subject === subject) found.push(event);
  return found;
};
const only = <T>(list: readonly T[]): T => {
  const [first, ...more] = list;
  if (first === undefined || more.length > 0) throw new Error(`There are ${list.length}.`);
  return first;
};
const disable = (key: ManagedKey, region: string = FIRST) => deployment.kms.operator.disable(inAws(key, region).arn);

describe('auto-repair', () => {
  it('repairs what a scan has found, and writes down what it did, and by whose policy', async () => {
    const { place, keys } = await vaultWith(1);
    const key = only(keys);
    await disable(key);
    await deployment.scan();
    expect(await run()).toEqual({ repaired: 1, left: 0, held: 0, capped: 0 });
    expect(inAws(key).state).toBe('Enabled');
    expect(await flags(key)).toEqual(['ok']);
    const event = only(await eventsOf(place.vaultId));
    expect(event).toMatchObject({
      operation: 'AutoRepairManagedKey',
      subject: 'auto-repair',
      resourceId: key.id,
      outcome: 'success',
    });
    expect(event.after).toMatchObject({ policy: 'sync', policy_from: 'vault', repaired: [{ steps: ['enable'] }] });
    // Nothing is left to be done, and nothing is done.
    expect(await run()).toEqual({ repaired: 0, left: 0, held: 0, capped: 0 });
    expect(await eventsOf(place.vaultId)).toHaveLength(1);
  });

  it('does nothing where the policy is to flag, which it is unless somebody says otherwise', async () => {
    const { keys } = await vaultWith(1, {});
    const key = only(keys);
    await disable(key);
    await deployment.scan();
    expect((await run()).repaired).toBe(0);
    expect(inAws(key).state).toBe('Disabled');
  });

  it('lets a template say otherwise than its vault, both ways, without making its keys unaligned', async () => {
    const { place, keys } = await vaultWith(1);
    await setTemplatePolicy(place, 'flag');
    await disable(only(keys));
    await deployment.scan();
    expect((await run()).repaired).toBe(0);
    await setPolicy(place, { policy: 'flag' });
    await setTemplatePolicy(place, 'sync');
    expect((await run()).repaired).toBe(1);
    expect(only(await eventsOf(place.vaultId)).after).toMatchObject({ policy_from: 'template' });
  });

  it('brings back material and deletion, and makes a key anew from the material that is kept', async () => {
    const { keys } = await vaultWith(3, { policy: 'sync', stopAtPercent: 100 });
    const [lost, ending, gone] = keys as [ManagedKey, ManagedKey, ManagedKey];
    deployment.kms.operator.loseMaterial(inAws(lost).arn);
    await deployment.kms.operator.scheduleDeletion(inAws(ending).arn);
    deployment.kms.operator.purge(inAws(gone).arn);
    await deployment.scan();
    expect((await run()).repaired).toBe(3);
    for (const key of keys) expect(await flags(key)).toEqual(['ok']);
    expect(inAws(ending).state).toBe('Enabled');
  });

  it('leaves to people what it may not do, and does not look into it again at once', async () => {
    const { place, keys } = await vaultWith(1);
    const key = only(keys);
    await deployment.command('deactivate', key.id);
    await deployment.command('destroy', key.id);
    // Somebody rescues it: deleting it again is nothing to be done by itself.
    await deployment.kms.operator.cancelDeletion(inAws(key).arn);
    await deployment.scan();
    expect(await run()).toMatchObject({ repaired: 0, left: 1 });
    expect(inAws(key).state).toBe('Disabled');
    expect(await eventsOf(place.vaultId)).toEqual([]);
    deployment.kms.calls.reset();
    expect(await run()).toMatchObject({ repaired: 0, left: 0 });
    expect(deployment.kms.calls.count({ operation: 'DescribeKey' })).toBe(0);
    deployment.time.advance(3_700_000);
    expect(await run()).toMatchObject({ repaired: 0, left: 1 });
  });

  it('repairs no more within a sweep than it may, and goes on in the next', async () => {
    const { keys } = await vaultWith(3, { policy: 'sync', maximumPerSweep: 2, stopAtPercent: 100 });
    deployment.time.advance(SWEEP_MS);
    for (const key of keys) await disable(key);
    await deployment.scan();
    expect(await run()).toMatchObject({ repaired: 2, capped: 1 });
    expect(await run()).toMatchObject({ repaired: 0, capped: 1 });
    deployment.time.advance(SWEEP_MS);
    expect(await run()).toMatchObject({ repaired: 1, capped: 0 });
    for (const key of keys) expect(await flags(key)).toEqual(['ok']);
  });

  it('stops when much has drifted at once, says why, and goes on only when a person says so', async () => {
    const { place, keys } = await vaultWith(4, { policy: 'sync', stopAtPercent: 30 });
    for (const key of keys.slice(0, 2)) await disable(key);
    await deployment.scan();
    expect(await run()).toMatchObject({ repaired: 0, held: 1 });
    const event = only(await eventsOf(place.vaultId));
    expect(event).toMatchObject({ operation: 'HoldVaultAutoRepair', severity: 'critical', resourceId: place.vaultId });
    expect(event.reason).toContain('drifted at once');

    // Somebody repairs one of them: what is left is little, and still for people.
    const [first, second] = keys as [ManagedKey, ManagedKey];
    await deployment.sync(first.id);
    expect(await run()).toMatchObject({ repaired: 0, held: 1 });
    expect(await eventsOf(place.vaultId)).toHaveLength(1);
    const vault = await readVault(deployment.database, place.vaultId);
    if (vault === undefined) throw new Error('The vault is gone.');
    const shown = await previewAutoRepair(deployment, vault, {}, 'http://x', NEVER);
    expect(shown.held?.reason).toBe(event.reason);

    await resumeAutoRepair(deployment, deployment.attempt('ResumeVaultAutoRepair'), place.vaultId);
    expect(await run()).toMatchObject({ repaired: 1, held: 0 });
    expect(await flags(second)).toEqual(['ok']);
  });

  it('stops for one keystore in which much has drifted, though it is little in the vault', async () => {
    const { place } = await vaultWith(0, { policy: 'sync', stopAtPercent: 40 }, [FIRST, SECOND]);
    const [first, second] = place.keystores as [Keystore, Keystore];
    for (let index = 0; index < 4; index += 1) await createIn(place, first);
    const few = [await createIn(place, second), await createIn(place, second)];
    for (const key of few) await disable(key, SECOND);
    await deployment.scan();
    expect(await run()).toMatchObject({ repaired: 0, held: 1 });
    expect(only(await eventsOf(place.vaultId)).reason).toContain(second.name);
    for (const key of few) await deployment.sync(key.id);
    // Nothing drifts any more: it is over by itself.
    await run();
    await disable(few[0] as ManagedKey, SECOND);
    await deployment.scan();
    expect(await run()).toMatchObject({ repaired: 1, held: 0 });
  });

  it('leaves alone what is being worked on, and what cannot be asked', async () => {
    const { keys } = await vaultWith(1);
    const key = only(keys);
    await disable(key);
    await deployment.scan();
    deployment.kms.faults.add({ kind: 'denied', operation: 'DescribeKey' });
    expect(await run()).toEqual({ repaired: 0, left: 0, held: 0, capped: 0 });
    deployment.kms.faults.clear();
    await deployment.scan();
    deployment.kms.faults.add({ kind: 'denied', operation: 'EnableKey' });
    expect((await run()).repaired).toBe(1);
    // The journal has it now: a further run begins nothing beside it.
    expect((await run()).repaired).toBe(0);
    deployment.kms.faults.clear();
    await deployment.settle();
    expect(await flags(key)).toEqual(['ok']);
  });

  it('repairs once when it runs twice at once', async () => {
    const { place, keys } = await vaultWith(1);
    await disable(only(keys));
    await deployment.scan();
    const runs = await Promise.all([run(), run(), run()]);
    expect(runs.reduce((sum, { repaired }) => sum + repaired, 0)).toBe(1);
    expect(await eventsOf(place.vaultId)).toHaveLength(1);
  });

  it('shows what it would do, under the policy there is and one that is tried, and does nothing', async () => {
    const { place, keys } = await vaultWith(5, { policy: 'flag' });
    const key = keys[0] as ManagedKey;
    await disable(key);
    await deployment.scan();
    const vault = await readVault(deployment.database, place.vaultId);
    if (vault === undefined) throw new Error('The vault is gone.');
    deployment.table.takeWrites();
    const now = await previewAutoRepair(deployment, vault, {}, 'http://x', NEVER);
    expect(now).toMatchObject({ would_repair: [], left_to_people: [{ key: { label: key.label } }], complete: true });
    expect(now.estimated_seconds).toBe(0);
    const tried = await previewAutoRepair(deployment, vault, { policy: 'sync' }, 'http://x', NEVER);
    expect(tried).toMatchObject({
      policy: { policy: 'sync' },
      would_repair: [{ key: { label: key.label }, steps: ['enable'], policy_from: 'vault' }],
      estimated_seconds: 0.2,
      left_to_people: [],
    });
    expect(deployment.table.takeWrites()).toEqual([]);
    expect(inAws(key).state).toBe('Disabled');
  });
});
