import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { scopeOf } from '../../lib/pace/scope.ts';
import { messagesFor, queued, readMessage, writeMessage } from '../../lib/sweep/message.ts';
import type { SweepMessage } from '../../lib/sweep/message.ts';
import { sweepScope } from '../../lib/sweep/scope.ts';
import { scopes } from '../../lib/sweep/scopes.ts';
import { readSweep } from '../../lib/sweep/state.ts';
import { FIRST, SECOND, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

const NEVER = new AbortController().signal;
const TO_THE_END = { signal: NEVER, isTimeUp: () => false };
const KEYS = 8;

describe('the sweep of a scope', () => {
  let deployment: TestDeployment;
  let place: Place;
  let keys: ManagedKey[];
  const message = async (region: string, at = deployment.clock()): Promise<SweepMessage> => {
    const found = messagesFor(await scopes(deployment.database), at).find(({ scope }) => scope.endsWith(region));
    if (found === undefined) throw new Error('There is no such scope.');
    return found;
  };
  /** Lets so many keys be dealt with, about. */
  const timeFor = (looks: number) => {
    let left = looks;
    return { signal: NEVER, isTimeUp: () => (left -= 1) < 0 };
  };
  const described = (region = FIRST) => deployment.kms.calls.count({ region, operation: 'DescribeKey' });

  beforeAll(async () => {
    deployment = await startDeployment();
    place = await deployment.place();
    keys = [];
    for (let number = 0; number < KEYS; number += 1) keys.push(await deployment.create(place, `swept-${number}`));
  });
  afterEach(async () => {
    deployment.kms.faults.clear();
    for (const { keyId } of await deployment.flagged(place.vaultId)) await deployment.sync(keyId);
    for (const region of [FIRST, SECOND]) {
      deployment.time.advance(1);
      await sweepScope(deployment, await message(region), TO_THE_END);
    }
    deployment.kms.calls.reset();
    deployment.table.takeWrites();
    deployment.time.advance(1);
  });
  afterAll(() => deployment.close());

  test('is asked for once per account and region, by a message that survives the queue', async () => {
    const found = messagesFor(await scopes(deployment.database), deployment.clock());
    expect(found.map(({ scope }) => scope).toSorted()).toEqual(place.keystores.map(scopeOf).toSorted());
    for (const each of found) expect(readMessage(JSON.parse(writeMessage(each)))).toEqual(each);
    expect(() => readMessage({ scope: 'x' })).toThrow();
    const [one, other] = found.map(queued);
    expect(one?.group).not.toBe(other?.group);
  });

  test('of a scope with many keystores is cut into parts of one group', () => {
    const keystores = Array.from({ length: 450 }, (_, at) => ({ ...at450, id: `k${String(at).padStart(3, '0')}` }));
    const parts = messagesFor([{ name: 'aws/x/y', keystores }], new Date(0));
    expect(parts.map(({ keystoreIds }) => keystoreIds.length)).toEqual([200, 200, 50]);
    expect(new Set(parts.map(({ scope }) => scope)).size).toBe(3);
    expect(new Set(parts.map((each) => queued(each).group)).size).toBe(1);
    expect(new Set(parts.map((each) => queued(each).deduplication)).size).toBe(3);
  });

  test('that changes nothing writes one heartbeat and how far it is, asks for each key once, and is then done', async () => {
    const { outcome, state } = await sweepScope(deployment, await message(FIRST), TO_THE_END);
    expect(outcome).toBe('done');
    expect(Object.values(state.keystores).map(({ scan }) => scan)).toMatchObject([
      { keys: KEYS, written: 0, flags: { ok: KEYS } },
    ]);
    expect(deployment.table.takeWrites().toSorted()).toEqual(['HEALTH', 'SWEEP']);
    expect(described()).toBe(KEYS);
    expect(deployment.kms.calls.count({ region: FIRST })).toBe(KEYS + 1);
  });

  test('hands over before its time is up and goes on where it was: each key is asked for once, and none is left out', async () => {
    const asked = await message(FIRST);
    await deployment.kms.operator.disable(deployment.keyInAws(keys.at(-1)?.id ?? '', FIRST).arn);
    const outcomes: string[] = [];
    const written: number[] = [];
    for (let part = 0; part < 20; part += 1) {
      const { outcome, state } = await sweepScope(deployment, { ...asked, part }, timeFor(4));
      outcomes.push(outcome);
      const [only] = Object.values(state.keystores);
      written.push(only?.scan.keys ?? 0);
      if (outcome === 'done') break;
      expect(state.etaSeconds).toBeDefined();
    }
    expect(outcomes.at(-1)).toBe('done');
    expect(outcomes.length).toBeGreaterThan(2);
    expect(written).toEqual(written.toSorted((a, b) => a - b));
    expect(written.at(-1)).toBe(KEYS);
    expect(described()).toBe(KEYS);
    expect((await deployment.flagged(place.vaultId)).map(({ keyId }) => keyId)).toEqual([keys.at(-1)?.id]);
  });

  test('does no harm when its message comes twice, late, or after a crash', async () => {
    const asked = await message(FIRST);
    const before = await readSweep(deployment.database, asked.scope);
    await sweepScope(deployment, asked, timeFor(4));
    await sweepScope(deployment, asked, timeFor(4));
    expect((await sweepScope(deployment, asked, TO_THE_END)).outcome).toBe('done');
    expect(described()).toBe(KEYS);
    expect((await sweepScope(deployment, asked, TO_THE_END)).outcome).toBe('answered');
    const long = { ...asked, at: before?.startedAt ?? new Date(0) };
    expect((await sweepScope(deployment, long, TO_THE_END)).outcome).toBe('answered');
    expect(described()).toBe(KEYS);
  });

  test('that was under way when it was asked for again is followed by one of its own', async () => {
    const first = await message(FIRST);
    await sweepScope(deployment, first, timeFor(4));
    deployment.time.advance(1_000);
    const second = await message(FIRST);
    expect((await sweepScope(deployment, second, TO_THE_END)).outcome).toBe('more');
    expect(described()).toBe(KEYS);
    expect((await sweepScope(deployment, { ...second, part: 1 }, TO_THE_END)).outcome).toBe('done');
    expect(described()).toBe(2 * KEYS);
    expect((await sweepScope(deployment, { ...first, part: 1 }, TO_THE_END)).outcome).toBe('answered');
  });

  test('concludes nothing about keys that it has not come to', async () => {
    deployment.kms.operator.purge(deployment.keyInAws(keys[0]?.id ?? '', FIRST).arn);
    const asked = await message(FIRST);
    await sweepScope(deployment, asked, { signal: NEVER, isTimeUp: () => true });
    expect(deployment.table.takeWrites().filter((sk) => sk.startsWith('OBSERVED'))).toEqual([]);
    await sweepScope(deployment, asked, TO_THE_END);
    expect((await deployment.flagged(place.vaultId)).map(({ status }) => status)).toEqual(['not_present']);
  });

  test('with a denied key among the others flags that one as an error, and comes to its end', async () => {
    const denied = deployment.keyInAws(keys[3]?.id ?? '', FIRST);
    deployment.kms.faults.add({ kind: 'denied', operation: 'DescribeKey', keyId: denied.keyId });
    const { outcome, state } = await sweepScope(deployment, await message(FIRST), TO_THE_END);
    expect(outcome).toBe('done');
    expect(Object.values(state.keystores)[0]?.scan.flags).toEqual({
      ok: KEYS - 1,
      out_of_sync: 0,
      error: 1,
      verifying_sync: 0,
    });
    const [found] = await deployment.flagged(place.vaultId);
    expect(found).toMatchObject({ keystoreSyncFlag: 'error', error: { code: 'keystore_denied' } });
  });

  test('forgets a keystore that was moved to another scope, and one that is gone', async () => {
    const asked = await message(FIRST);
    const { state } = await sweepScope(
      deployment,
      { ...asked, keystoreIds: ['gone', place.keystores[1]?.id ?? ''] },
      TO_THE_END,
    );
    expect(state.keystores).toEqual({});
    expect(state.finishedAt).toBeDefined();
  });
});

const at450 = {
  revision: 1,
  vaultId: 'v',
  type: 'aws_kms' as const,
  name: '',
  description: '',
  groups: [],
  tlsProxy: undefined,
  settings: {},
  secretNames: [],
  createdAt: new Date(0),
  updatedAt: new Date(0),
  createdBy: '',
  updatedBy: '',
};
