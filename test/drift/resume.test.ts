import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FaultKind } from '../../sandbox/aws-kms/server.ts';
import { FIRST, SECOND, startDeployment, until } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
let place: Place;
const at = (index: number, of = place) => of.keystores[index] ?? lost();
function lost(): never {
  throw new Error('There is no such keystore.');
}

beforeAll(async () => {
  deployment = await startDeployment();
  place = await deployment.place();
});
afterEach(() => {
  deployment.kms.faults.clear();
  deployment.kms.calls.reset();
});
afterAll(async () => {
  await deployment.close();
});

/** Makes a key in a process of its own and kills it, with SIGKILL, while this call of its is on the way. */
async function killedDuring(operation: string, kind: FaultKind, label: string, region = FIRST): Promise<string> {
  const id = deployment.newId();
  deployment.kms.faults.add({ kind, operation, region, times: 1 });
  const script = fileURLToPath(new URL('create-key.ts', import.meta.url));
  const child = spawn(process.execPath, [script, id, place.vaultId, label], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      TABLE_NAME: deployment.database.table,
      DYNAMODB_ENDPOINT: deployment.table.endpoint,
      CUSTODY_KEY_ID: deployment.config.custodyKeyId,
      OIDC_ISSUER: 'https://issuer.example',
      OIDC_AUDIENCE: 'shearline',
      POWERTOOLS_LOG_LEVEL: 'SILENT',
    },
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const ended = once(child, 'exit');
  try {
    await until(`${operation} is on the way: ${said.join('')}`, () => deployment.kms.faults.list().length === 0);
  } finally {
    child.kill('SIGKILL');
  }
  expect((await ended)[1]).toBe('SIGKILL');
  return id;
}

async function expectWhole(id: string, label: string): Promise<void> {
  for (const [position, region] of [FIRST, SECOND].entries()) {
    expect(deployment.keyInAws(id, region)).toMatchObject({
      state: 'Enabled',
      hasMaterial: true,
      aliases: [`alias/${label}`],
    });
    expect(await deployment.observed(id, at(position))).toMatchObject({ status: 'active', keystoreSyncFlag: 'ok' });
    expect((await deployment.instance(id, at(position))).open).toBeUndefined();
  }
}

describe('a process that is killed between the journal and the keystore', () => {
  it('leaves the key in the records with its work open, and nothing in the keystore', async () => {
    const id = await killedDuring('CreateKey', 'timeout_before', 'before');
    const { key, instances } = await deployment.partition(id);
    expect(key?.label).toBe('before');
    expect(instances.every(({ open }) => open?.cause === 'create')).toBe(true);
    expect(deployment.keysInAws(id, FIRST)).toEqual([]);

    expect(await deployment.resume()).toBe(0);
    deployment.time.advance(61_000);
    expect(await deployment.resume()).toBeGreaterThanOrEqual(1);
    await deployment.settle();
    await expectWhole(id, 'before');
  });

  it.each([
    ['CreateKey', 'once AWS has made the key'],
    ['CreateAlias', 'once the key has its name'],
    ['GetParametersForImport', 'before the key has its material'],
    ['ImportKeyMaterial', 'once the key has its material'],
  ])('during %s, %s: the work is finished on that very key, and no other is made', async (operation) => {
    const label = `killed-${operation}`;
    const id = await killedDuring(operation, 'timeout_after', label);
    const { arn } = deployment.keyInAws(id, FIRST);
    deployment.kms.calls.reset();
    deployment.time.advance(61_000);
    await deployment.resume();
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).arn).toBe(arn);
    expect(deployment.kms.calls.count({ operation: 'CreateKey', region: FIRST })).toBe(0);
    await expectWhole(id, label);
  });
});

describe('resume', () => {
  it('leaves work alone while its lease holds, and takes it on afterwards, once for however many ask', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    const { id } = await deployment.create(place, 'leased');
    deployment.kms.faults.clear();
    expect(await deployment.resume()).toBe(0);
    deployment.time.advance(6_000);
    const resumed = await Promise.all(Array.from({ length: 5 }, () => deployment.resume()));
    expect(resumed.reduce((sum, each) => sum + each, 0)).toBe(1);
    await expectWhole(id, 'leased');
  });

  it('tries again after waits that grow, and says in the journal why it did not succeed', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    const { id } = await deployment.create(place, 'waiting');
    const waits: number[] = [];
    for (let round = 1; round <= 6; round += 1) {
      const { open } = await deployment.instance(id, at(1));
      expect(open?.attempts).toBe(round);
      expect(open?.lastError).toContain('no answer');
      const wait = (open?.dueAt.getTime() ?? 0) - deployment.time.now().getTime();
      waits.push(Math.round(wait / 1_000));
      deployment.time.advance(wait);
      expect(await deployment.resume()).toBe(1);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160]);
    deployment.kms.faults.clear();
    await deployment.settle();
    await expectWhole(id, 'waiting');
  });

  it('goes on with many keys, some at a time', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    const ids: string[] = [];
    for (let number = 1; number <= 12; number += 1) {
      ids.push((await deployment.create(place, `many-${number}`)).id);
    }
    deployment.kms.faults.clear();
    deployment.time.advance(6_000);
    expect(await deployment.resume()).toBe(12);
    for (const [position, id] of ids.entries()) await expectWhole(id, `many-${position + 1}`);
  });

  it('does nothing where nothing is open', async () => {
    await deployment.settle();
    deployment.table.takeWrites();
    expect(await deployment.resume()).toBe(0);
    expect(deployment.table.takeWrites()).toEqual([]);
  });

  it('goes on with a key that a user changed meanwhile as that user wants it', async () => {
    deployment.kms.faults.add({ kind: 'unreachable', region: SECOND });
    const { id } = await deployment.create(place, 'changed-meanwhile');
    await deployment.command('deactivate', id);
    deployment.kms.faults.clear();
    await deployment.settle();
    expect(deployment.keyInAws(id, FIRST).state).toBe('Disabled');
    expect(deployment.keysInAws(id, SECOND)).toEqual([]);
    await deployment.command('activate', id);
    await expectWhole(id, 'changed-meanwhile');
  });
});

describe('a key that was removed from its vault', () => {
  it('is followed in its keystores until AWS has deleted it there, and forgotten then', async () => {
    const { id } = await deployment.create(place, 'removed');
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
    await deployment.remove(id);
    const before = await deployment.partition(id);
    expect(before.key).toBeUndefined();
    expect(before.instances.map(({ keyRemoved }) => keyRemoved)).toEqual([true, true]);

    await deployment.scan();
    expect((await deployment.partition(id)).instances).toHaveLength(2);
    deployment.time.advance(8 * 86_400_000);
    expect(deployment.keysInAws(id)).toEqual([]);
    await deployment.scan();
    expect(await deployment.database.queryAll({ pk: `KEY#${id}` })).toEqual([]);
  });

  it('whose deletion somebody cancelled in AWS is flagged, though it is in no vault any more', async () => {
    const { id } = await deployment.create(place, 'cancelled');
    await deployment.command('deactivate', id);
    await deployment.command('destroy', id);
    await deployment.remove(id);
    await deployment.kms.operator.cancelDeletion(deployment.keyInAws(id, FIRST).arn);
    await deployment.scan();
    const flagged = (await deployment.flagged(place.vaultId)).filter(({ keyId }) => keyId === id);
    expect(flagged.map((each) => each.keystoreSyncFlagDetail)).toEqual(['destroyed_key_is_present_in_keystore']);
  });

  it('frees its label at once, and the next key of that name gets the name in AWS too', async () => {
    const first = await deployment.create(place, 'reused');
    await deployment.command('deactivate', first.id);
    await deployment.command('destroy', first.id);
    await deployment.remove(first.id);
    const second = await deployment.create(place, 'reused');
    await expectWhole(second.id, 'reused');
    expect(deployment.keyInAws(first.id, FIRST)).toMatchObject({ state: 'PendingDeletion', aliases: [] });
  });

  it('that was in no keystore leaves nothing behind', async () => {
    const later = await deployment.place({ regions: [FIRST], key: { state: 'pre_activation' } });
    const { id } = await deployment.create(later, 'never-used');
    await deployment.command('destroy', id);
    await deployment.remove(id);
    expect(await deployment.database.queryAll({ pk: `KEY#${id}` })).toEqual([]);
  });
});
