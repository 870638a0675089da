import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { decideEdit, edit } from '../../lib/keys/edit.ts';
import { trail } from '../../lib/records/trail.ts';
import { listUpcoming } from '../../lib/schedule/list.ts';
import { runSchedule } from '../../lib/schedule/run.ts';
import { DAY_MS } from '../../lib/schedule/schedule.ts';
import type { Schedule } from '../../lib/schedule/schedule.ts';
import { CUSTODY_REGION } from '../../sandbox/aws-accounts.ts';
import { FIRST, startDeployment } from '../deployment.ts';
import type { Place, TestDeployment } from '../deployment.ts';

let deployment: TestDeployment;
const made: ManagedKey[] = [];
const NEVER = new AbortController().signal;
const NOTHING = { announced: 0, done: 0, postponed: 0 };
const SCHEDULE: Schedule = {
  enforceDates: true,
  rotateEveryDays: undefined,
  rotateJitterDays: 0,
  announceDaysBefore: 7,
};

beforeAll(async () => {
  deployment = await startDeployment();
});
/** What a test leaves active would be due in the next one. */
afterEach(async () => {
  deployment.kms.faults.clear();
  for (const { id } of made.splice(0)) {
    if ((await deployment.partition(id)).key?.state === 'active') await deployment.command('deactivate', id);
  }
});
afterAll(async () => {
  await deployment.close();
});

const run = (on = deployment) => runSchedule(on, NEVER);
const daysLater = (days: number) => {
  deployment.time.advance(days * DAY_MS);
};

async function keyFrom(given: NonNullable<Parameters<TestDeployment['place']>[0]>) {
  const place = await deployment.place({ regions: [FIRST], ...given });
  const key = await deployment.create(place, `scheduled-${place.vaultId.slice(-6)}`);
  made.push(key);
  // However busy this machine is.
  await deployment.settle();
  return { place, key };
}
const now = async ({ id }: ManagedKey): Promise<ManagedKey> => {
  const { key } = await deployment.partition(id);
  if (key === undefined) throw new Error('The key is gone.');
  return key;
};
async function eventsOf({ vaultId }: Place) {
  const found = [];
  for await (const event of trail(deployment.database, vaultId)) if (event.subject === 'schedule') found.push(event);
  return found;
}
const upcoming = async (place: Place, days = 30) => {
  const until = new Date(deployment.clock().getTime() + days * DAY_MS).toISOString();
  const query = { limit: 100, offset: 0, until, 'vault.id': [place.vaultId] };
  const call = { query, url: 'http://x/api/v4/upcoming_changes', baseUrl: 'http://x' };
  return (await listUpcoming(deployment.database, deployment.clock, 'all', call)).upcoming_changes;
};

describe('the schedule', () => {
  it('announces an expiration, deactivates the key on its day, once, and destroys nothing', async () => {
    const { place, key } = await keyFrom({ key: { schedule: SCHEDULE, expirationDate: 'P30D' } });
    expect(await run()).toEqual(NOTHING);
    expect(await upcoming(place, 31)).toMatchObject([{ action: 'deactivate', overdue: false, key: { id: key.id } }]);
    expect(await upcoming(place, 20)).toEqual([]);

    daysLater(24);
    expect(await run()).toEqual({ ...NOTHING, announced: 1 });
    expect(await run()).toEqual(NOTHING);
    expect((await upcoming(place))[0]).toHaveProperty('announced_at');

    daysLater(6);
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).state).toBe('deactivated');
    await deployment.settle();
    expect(deployment.keyInAws(key.id, FIRST).state).toBe('Disabled');
    expect(await run()).toEqual(NOTHING);
    expect((await eventsOf(place)).map(({ operation }) => operation)).toEqual([
      'AnnounceManagedKeyDeactivation',
      'DeactivateManagedKey',
    ]);

    // Who activates it again keeps it.
    await deployment.command('activate', key.id);
    daysLater(400);
    expect(await run()).toEqual(NOTHING);
    expect((await now(key)).state).toBe('active');
  });

  it('activates a key on its day, also one whose day went by while nobody ran', async () => {
    const { key } = await keyFrom({
      key: { schedule: SCHEDULE, state: 'pre_activation', activationDate: 'P10D' },
    });
    daysLater(13);
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).state).toBe('active');
    await deployment.settle();
    expect(deployment.keyInAws(key.id, FIRST).state).toBe('Enabled');
  });

  it('rotates a key every so many days', async () => {
    const schedule = { ...SCHEDULE, enforceDates: false, rotateEveryDays: 30, announceDaysBefore: 0 };
    const { key, place } = await keyFrom({ key: { schedule } });
    daysLater(29);
    expect(await run()).toEqual(NOTHING);
    daysLater(1);
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).version).toBe(2);
    await deployment.settle();
    expect(await run()).toEqual(NOTHING);
    daysLater(30);
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).version).toBe(3);
    expect((await eventsOf(place)).map(({ operation }) => operation)).toEqual(['RotateManagedKey', 'RotateManagedKey']);
  });

  it('follows a change of dates by a user, also after it was announced', async () => {
    const { place, key } = await keyFrom({ key: { schedule: SCHEDULE, expirationDate: 'P10D' } });
    daysLater(5);
    expect(await run()).toEqual({ ...NOTHING, announced: 1 });
    const partition = await deployment.partition(key.id);
    const later = new Date(deployment.clock().getTime() + 60 * DAY_MS).toISOString().slice(0, 10);
    const by = { subject: 'ada', now: deployment.clock() };
    const decision = decideEdit(partition, await now(key), { expirationDate: later }, by);
    await edit(deployment, deployment.attempt('UpdateManagedKey'), await now(key), decision, NEVER);
    daysLater(6);
    expect(await run()).toEqual(NOTHING);
    expect((await now(key)).state).toBe('active');
    daysLater(50);
    expect(await run()).toEqual({ ...NOTHING, announced: 1 });
    expect(await upcoming(place)).toHaveLength(1);
  });

  it('happens once when it runs several times at once', async () => {
    const schedule = { ...SCHEDULE, enforceDates: false, rotateEveryDays: 30, announceDaysBefore: 0 };
    const { place, key } = await keyFrom({ key: { schedule } });
    daysLater(31);
    const runs = await Promise.all([run(), run(), run()]);
    expect(runs.reduce((sum, { done }) => sum + done, 0)).toBe(1);
    expect((await now(key)).version).toBe(2);
    expect(await eventsOf(place)).toHaveLength(1);
    expect((await eventsOf(place))[0]?.resourceId).toBe(key.id);
  });

  it('puts off what cannot be done, says why, and does not hold up the others', async () => {
    const schedule = { ...SCHEDULE, enforceDates: false, rotateEveryDays: 30, announceDaysBefore: 0 };
    const { place, key } = await keyFrom({ key: { schedule } });
    daysLater(31);
    const refusing: TestDeployment = {
      ...deployment,
      custody: { ...deployment.custody, generate: () => Promise.reject(new Error('custody does not answer')) },
    };
    expect(await run(refusing)).toEqual({ ...NOTHING, postponed: 1 });
    expect(await run(refusing)).toEqual(NOTHING);
    expect(await upcoming(place)).toMatchObject([
      { action: 'rotate', overdue: true, last_error: 'Because of an internal error.' },
    ]);
    expect((await now(key)).version).toBe(1);
    deployment.time.advance(901_000);
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).version).toBe(2);
  });

  it('tries again a minute later where the custody key failed, which says nothing of the key', async () => {
    const schedule = { ...SCHEDULE, enforceDates: false, rotateEveryDays: 30, announceDaysBefore: 0 };
    const { place, key } = await keyFrom({ key: { schedule } });
    daysLater(31);
    for (const kind of ['internal', 'denied'] as const) {
      deployment.kms.faults.add({ kind, operation: 'GenerateDataKey', region: CUSTODY_REGION });
      expect(await run()).toEqual({ ...NOTHING, postponed: 1 });
      expect((await upcoming(place))[0]).toHaveProperty('last_error');
      deployment.kms.faults.clear();
      deployment.time.advance(61_000);
    }
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    expect((await now(key)).version).toBe(2);
  });

  it('goes on in the journal where a keystore did not answer', async () => {
    const { key } = await keyFrom({ key: { schedule: SCHEDULE, expirationDate: 'P10D' } });
    daysLater(11);
    deployment.kms.faults.add({ kind: 'denied', operation: 'DisableKey' });
    expect(await run()).toEqual({ ...NOTHING, done: 1 });
    deployment.kms.faults.clear();
    expect(deployment.keyInAws(key.id, FIRST).state).toBe('Enabled');
    await deployment.settle();
    expect(deployment.keyInAws(key.id, FIRST).state).toBe('Disabled');
  });
});
