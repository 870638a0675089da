import { GenerateMacCommand } from '@aws-sdk/client-kms';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { forget, storeObservation } from '../../lib/drift/converge.ts';
import { operatorClient } from '../../sandbox/aws-accounts.ts';
import type { FaultKind } from '../../sandbox/aws-kms/server.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import { STORED } from '../../lib/records/entities.ts';
import { FIRST, SECOND, startDeployment, until } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let place: Place;
/** A place with the one keystore of the first region. */
let single: Place;
const at = (index: number, of = place) => of.keystores[index] ?? lost();
function lost(): never {
  throw new Error('There is no such keystore.');
}

beforeAll(async () => {
  deployment = await startDeployment();
  place = await deployment.place();
  single = await deployment.place({ regions: [FIRST] });
});
afterEach(() => {
  deployment.kms.faults.clear();
  deployment.kms.calls.reset();
});
afterAll(async () => {
  await deployment.close();
});

describe('a new key', () => {
  it('is in every region, enabled, under its name, with its tags, and nothing is open', async () => {
    const { id } = await deployment.create(place, 'distributed');
    for (const [position, region] of [FIRST, SECOND].entries()) {
      const found = deployment.keyInAws(id, region);
      expect(found).toMatchObject({
        state: 'Enabled',
        keySpec: 'SYMMETRIC_DEFAULT',
        origin: 'EXTERNAL',
        aliases: ['alias/distributed'],
        hasMaterial: true,
      });
      expect(found.tags).toMatchObject({ 'shearline:key': id, 'shearline:version': '1' });
      expect(await deployment.observed(id, at(position))).toMatchObject({
        status: 'active',
        keystoreSyncFlag: 'ok',
        keyIdInKeystore: found.arn,
      });
      expect((await deployment.instance(id, at(position))).open).toBeUndefined();
    }
    expect(await deployment.flagged(place.vaultId)).toEqual([]);
  });

  it('has the very same material in every region', async () => {
    const hmac = await deployment.place({ key: { algorithm: 'hmac', size: '256' } });
    const { id } = await deployment.create(hmac, 'same-bytes');
    const macs = await Promise.all(
      [FIRST, SECOND].map(async (region) => {
        const client = operatorClient(deployment.kms.endpoint, region);
        const KeyId = deployment.keyInAws(id, region).arn;
        const input = { KeyId, Message: Buffer.from('message'), MacAlgorithm: 'HMAC_SHA_256' } as const;
        const { Mac } = await client.send(new GenerateMacCommand(input));
        client.destroy();
        return Buffer.from(Mac ?? []).toString('hex');
      }),
    );
    expect(macs[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(macs[1]).toBe(macs[0]);
  });

  it('is made without looking for a lost one: nothing can be lost yet', async () => {
    await deployment.create(single, 'quick');
    const { calls } = deployment.kms;
    expect([calls.count({ operation: 'ListKeys' }), calls.count({ operation: 'CreateKey' })]).toEqual([0, 1]);
  });

  it('that is pre-active is sent nowhere until it is activated', async () => {
    const later = await deployment.place({ regions: [FIRST], key: { state: 'pre_activation' } });
    const { id } = await deployment.create(later, 'pre-active');
    expect(deployment.keysInAws(id)).toEqual([]);
    expect(await deployment.observed(id, at(0, later))).toMatchObject({
      status: 'not_present',
      keystoreSyncFlagDetail: 'pre_active_key_is_not_present_in_keystore',
    });
    await deployment.command('activate', id);
    expect(deployment.keyInAws(id, FIRST).state).toBe('Enabled');
  });

  it('is there, flagged and followed up, also when one keystore does not answer; the other has it', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    const { id } = await deployment.create(place, 'half-there');
    expect(deployment.keyInAws(id, FIRST).state).toBe('Enabled');
    expect((await deployment.observed(id, at(0))).keystoreSyncFlag).toBe('ok');
    expect(await deployment.observed(id, at(1))).toMatchObject({
      status: 'error',
      keystoreSyncFlag: 'error',
      keystoreSyncFlagDetail: 'connection_error',
      error: { code: 'keystore_unreachable' },
    });
    const { open } = await deployment.instance(id, at(1));
    expect(open).toMatchObject({ cause: 'create', attempts: 1 });
    expect(open?.lastError).toContain('no answer');
    expect((await deployment.flagged(place.vaultId)).map(({ keyId }) => keyId)).toEqual([id]);

    deployment.kms.faults.clear();
    await deployment.settle();
    expect(deployment.keyInAws(id, SECOND)).toMatchObject({ state: 'Enabled', hasMaterial: true });
    expect(await deployment.flagged(place.vaultId)).toEqual([]);
  });
});

describe('a call whose answer is lost, or that fails, while a key is made', () => {
  const KINDS: Readonly<Record<string, readonly FaultKind[]>> = {
    DescribeKey: ['reset_before', 'throttle'],
    CreateKey: ['reset_before', 'reset_after', 'throttle', 'internal', 'dependency_timeout', 'denied'],
    CreateAlias: ['reset_before', 'reset_after', 'denied'],
    GetParametersForImport: ['reset_after', 'denied'],
    ImportKeyMaterial: ['reset_before', 'reset_after', 'internal'],
  };
  const CASES = Object.entries(KINDS).flatMap(([operation, kinds]) => kinds.map((kind) => ({ operation, kind })));

  it.each(CASES)('$operation, $kind: in the end there is one key, with its material', async ({ operation, kind }) => {
    // Twice, because the SDK tries most calls a second time.
    deployment.kms.faults.add({ kind, operation, region: FIRST, times: 2 });
    const { id } = await deployment.create(single, `fails-${operation}-${kind}`);
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST)).toMatchObject({ state: 'Enabled', hasMaterial: true });
    expect(deployment.keyInAws(id, FIRST).aliases).toEqual([`alias/fails-${operation}-${kind}`]);
    expect(await deployment.observed(id, at(0, single))).toMatchObject({ status: 'active', keystoreSyncFlag: 'ok' });
  });

  it('is searched for before another key is made: a lost CreateKey leaves neither twin nor orphan', async () => {
    deployment.kms.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    const { id } = await deployment.create(single, 'lost');
    expect(deployment.keyInAws(id, FIRST).aliases).toEqual([]);
    expect(await deployment.observed(id, at(0, single))).toMatchObject({ keystoreSyncFlag: 'out_of_sync' });
    expect((await deployment.observed(id, at(0, single))).reason).toContain('The last repair failed');
    const made = deployment.keyInAws(id, FIRST).arn;
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST)).toMatchObject({ arn: made, aliases: ['alias/lost'], state: 'Enabled' });
    expect(deployment.kms.calls.count({ operation: 'CreateKey' })).toBe(1);
  });

  it('is not followed up where trying again cannot help: a name that belongs to somebody else', async () => {
    const { id: theirs } = await deployment.create(single, 'a-name');
    const other = await deployment.place({ regions: [FIRST] });
    const { id } = await deployment.create(other, 'a-name');
    expect(deployment.keysInAws(id)).toEqual([]);
    expect(await deployment.observed(id, at(0, other))).toMatchObject({
      status: 'not_present',
      keystoreSyncFlag: 'out_of_sync',
      error: { code: 'keystore_conflict' },
    });
    expect((await deployment.instance(id, at(0, other))).open).toBeUndefined();
    expect(deployment.keyInAws(theirs, FIRST).aliases).toEqual(['alias/a-name']);
  });
});

describe('a command', () => {
  it('reaches every region: disabled, enabled again, disabled, and in the end on its way to deletion', async () => {
    const { id } = await deployment.create(place, 'through-life');
    const states = () => [FIRST, SECOND].map((region) => deployment.keyInAws(id, region).state);
    const details = async () =>
      [await deployment.observed(id, at(0)), await deployment.observed(id, at(1))].map(
        (each) => each.keystoreSyncFlagDetail,
      );
    await deployment.command('deactivate', id);
    expect(states()).toEqual(['Disabled', 'Disabled']);
    await deployment.command('activate', id);
    expect(states()).toEqual(['Enabled', 'Enabled']);
    await deployment.command('deactivate', id);
    expect(await details()).toEqual(Array(2).fill('deactivated_key_is_deactivated_in_keystore'));
    await deployment.command('destroy', id);
    expect(states()).toEqual(['PendingDeletion', 'PendingDeletion']);
    expect(await details()).toEqual(Array(2).fill('destroyed_key_is_not_present_in_keystore'));
    const { pendingDestructionUntil } = await deployment.observed(id, at(0));
    const days = ((pendingDestructionUntil?.getTime() ?? 0) - deployment.time.now().getTime()) / 86_400_000;
    expect(Math.round(days)).toBe(7);
  });

  it('that a keystore does not take stays open there and is done later, in the other at once', async () => {
    const { id } = await deployment.create(place, 'later');
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    await deployment.command('deactivate', id);
    expect(deployment.keyInAws(id, FIRST).state).toBe('Disabled');
    expect(deployment.keyInAws(id, SECOND).state).toBe('Enabled');
    expect((await deployment.observed(id, at(1))).keystoreSyncFlag).toBe('error');
    deployment.kms.faults.clear();
    await deployment.settle();
    expect(deployment.keyInAws(id, SECOND).state).toBe('Disabled');
  });

  it('deletes the kept material of a destroyed key: nobody can bring it back', async () => {
    const { id } = await deployment.create(single, 'no-return');
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
    expect(await deployment.database.get({ pk: `MATERIAL#${id}`, sk: '000001' })).toBeUndefined();
  });
});

describe('a decision that is overtaken by a newer one', () => {
  it('does not write its late finish over it, and the keystore ends as the newer one wants it', async () => {
    deployment.kms.faults.add({ kind: 'latency', operation: 'ImportKeyMaterial', latencyMs: 700, times: 1 });
    const creating = deployment.create(single, 'overtaken');
    await until('the import is on its way', () => deployment.kms.faults.list().length === 0);
    const [{ id = '' } = {}] = deployment.kms.operator
      .keys({ region: FIRST })
      .filter(({ aliases }) => aliases.includes('alias/overtaken'))
      .map(({ tags }) => ({ id: tags['shearline:key'] }));
    await deployment.command('deactivate', id);
    const decided = await deployment.observed(id, at(0, single));
    expect(decided.keystoreSyncFlagDetail).toBe('deactivated_key_is_deactivated_in_keystore');
    await creating;
    // The import came after the newer decision's last look: it is looked at once more.
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).state).toBe('Disabled');
    const { keyState, wanted, open } = await deployment.instance(id, at(0, single));
    expect([keyState, wanted, open]).toEqual(['deactivated', 'disabled', undefined]);
    expect(await deployment.observed(id, at(0, single))).toMatchObject({
      status: 'not_active',
      keystoreSyncFlagDetail: 'deactivated_key_is_deactivated_in_keystore',
    });
  });

  it('that lost the answer of its CreateKey leaves nothing usable behind when the key is deactivated and destroyed', async () => {
    const native = await deployment.place({ regions: [FIRST], key: { material: 'native' } });
    deployment.kms.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    const { id } = await deployment.create(native, 'lost-and-destroyed');
    expect(deployment.keyInAws(id, FIRST).state).toBe('Enabled');
    await deployment.command('deactivate', id);
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).state).toBe('Disabled');
    await deployment.command('destroy', id);
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).state).toBe('PendingDeletion');
  });

  it('that lost the answer of making a key anew does not leave that one behind either', async () => {
    const { id } = await deployment.create(single, 'anew');
    deployment.kms.operator.purge(deployment.keyInAws(id, FIRST).arn);
    deployment.kms.faults.add({ kind: 'reset_after', operation: 'CreateKey', times: 1 });
    await deployment.sync(id);
    expect(deployment.keyInAws(id, FIRST).aliases).toEqual([]);
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).state).toBe('PendingDeletion');
    expect(await deployment.observed(id, at(0, single))).toMatchObject({
      status: 'not_present',
      keystoreSyncFlag: 'ok',
    });
  });

  it('whose CreateKey may still take effect is looked for some minutes more, and then no longer', async () => {
    deployment.kms.faults.add({ kind: 'reset_before', operation: 'CreateKey', times: 1 });
    const { id } = await deployment.create(single, 'never-came');
    await deployment.command('deactivate', id);
    expect((await deployment.instance(id, at(0, single))).open).toBeDefined();
    await deployment.settle();
    expect(deployment.keysInAws(id)).toEqual([]);
    expect((await deployment.instance(id, at(0, single))).createSentAt).toBeUndefined();
    deployment.kms.calls.reset();
    await deployment.verify(id);
    expect(deployment.kms.calls.count({ operation: 'ListKeys' })).toBe(0);
    await deployment.command('activate', id);
    expect(deployment.keyInAws(id, FIRST).state).toBe('Enabled');
  });
});

describe('a finding', () => {
  it('that is older never replaces a newer one: neither an older look, nor one from before a decision', async () => {
    const { id } = await deployment.create(single, 'findings');
    const instance = await deployment.instance(id, at(0, single));
    const seen = { seen: { presence: 'absent' } } as const;
    const silent = { fault: new KeystoreFault('unreachable', 'No answer.') };
    const now = deployment.time.now();
    const later = (ms: number) => new Date(now.getTime() + ms);

    expect((await storeObservation(deployment, instance, seen, later(2_000))).changed).toBe(true);
    const older = await storeObservation(deployment, instance, silent, later(1_000));
    expect([older.changed, older.observed.status]).toEqual([false, 'not_present']);
    expect((await storeObservation(deployment, instance, silent, later(3_000))).changed).toBe(true);

    const decided = { ...instance, fence: instance.fence + 1, keyState: 'deactivated', wanted: 'disabled' } as const;
    expect((await storeObservation(deployment, decided, seen, later(0))).observed.keystoreSyncFlagDetail).toBe(
      'deactivated_key_is_deactivated_in_keystore',
    );
    await storeObservation(deployment, instance, silent, later(9_000));
    expect((await deployment.observed(id, at(0, single))).keystoreSyncFlagDetail).toBe(
      'deactivated_key_is_deactivated_in_keystore',
    );
    await deployment.database.write({ op: 'put', item: STORED.keyInstance(instance) });
  });
});

describe('a key that was forgotten while somebody looked at it', () => {
  it('leaves no finding behind', async () => {
    const { id } = await deployment.create(single, 'forgotten');
    const instance = await deployment.instance(id, at(0, single));
    await forget(deployment, instance);
    const look = { seen: { presence: 'absent' } } as const;
    await storeObservation(deployment, instance, look, deployment.clock());
    const left = await deployment.partition(id);
    expect([left.instances.length, left.observed.size]).toEqual([0, 0]);
    expect(await deployment.flagged(single.vaultId)).toEqual([]);
  });

  it('is not forgotten by one who knows an older decision', async () => {
    const { id } = await deployment.create(single, 'remembered');
    const instance = await deployment.instance(id, at(0, single));
    await forget(deployment, { ...instance, fence: instance.fence - 1 });
    expect(await deployment.instance(id, at(0, single))).toEqual(instance);
    expect(await deployment.observed(id, at(0, single))).toMatchObject({ keystoreSyncFlag: 'ok' });
  });
});
