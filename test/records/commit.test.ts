import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import { auditEvent, auditHead, brokenLink, CHAIN_START, chained, hashOf } from '../../lib/records/audit.ts';
import type { AuditEntry, AuditEvent, AuditHead } from '../../lib/records/audit.ts';
import { commit } from '../../lib/records/commit.ts';
import type { Change, Database } from '../../lib/records/database.ts';
import { ITEM } from '../../lib/records/table.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let table: TestTable;
let database: Database;

beforeAll(async () => {
  table = await startTestTable();
  ({ database } = table);
});
afterAll(async () => {
  await table.close();
});

function fail(): never {
  throw new Error('There is no event.');
}

const entryOf = (vaultId: string, given: Partial<AuditEntry> = {}): AuditEntry => ({
  vaultId,
  at: new Date('2026-02-01T08:00:00.000Z'),
  action: 'managed-keys.write',
  operation: 'DeactivateManagedKey',
  subject: 'ada',
  resourceType: 'managed_key',
  resourceId: 'key-1',
  sourceIp: '203.0.113.7',
  userAgent: undefined,
  correlationId: 'trace-1',
  outcome: 'success',
  status: 200,
  severity: 'warning',
  reason: undefined,
  before: { state: 'active' },
  after: { state: 'deactivated', tags: [{ name: 'a', value: 'b' }], none: undefined },
  ...given,
});

async function trail(vaultId: string): Promise<{ events: AuditEvent[]; head: AuditHead }> {
  const items = await database.queryAll({ pk: ITEM.auditHead(vaultId).pk, beginsWith: 'EVENT#' });
  const head = await database.get(ITEM.auditHead(vaultId));
  return {
    events: items.map((item) => auditEvent.decode(item)),
    head: head === undefined ? CHAIN_START : auditHead.decode(head),
  };
}

const row = (pk: string, condition?: string): Change => ({
  op: 'put',
  item: { pk, sk: 'ROW' },
  ...(condition === undefined ? {} : { condition, refused: () => new Fault('in_use', 'It is there already.') }),
});

describe('a commit', () => {
  it('writes the change and its event together, and the event can be read back as it was', async () => {
    await commit(database, [row('one')], entryOf('together'));
    expect(await database.get({ pk: 'one', sk: 'ROW' })).toBeDefined();
    const { events, head } = await trail('together');
    expect(brokenLink(events, head)).toBeUndefined();
    const { hash, ...event } = events[0] ?? fail();
    expect(event).toEqual({ ...entryOf('together'), sequence: 1, previousHash: CHAIN_START.hash });
    expect(hash).toBe(hashOf(event));
  });

  it('whose condition does not hold writes neither its changes nor its event, and throws that change’s fault', async () => {
    await commit(database, [row('taken')], entryOf('refused'));
    const changes = [row('other'), row('taken', 'attribute_not_exists(pk)')];
    await expect(commit(database, changes, entryOf('refused'))).rejects.toMatchObject({ code: 'in_use' });
    expect(await database.get({ pk: 'other', sk: 'ROW' })).toBeUndefined();
    const { events, head } = await trail('refused');
    expect([events.length, brokenLink(events, head)]).toEqual([1, undefined]);
  });

  it('throws the fault of the first change that is refused', async () => {
    const missing: Change = {
      op: 'check',
      key: { pk: 'missing', sk: 'ROW' },
      refused: () => new Fault('name_taken', 'First.'),
    };
    await expect(
      commit(database, [missing, row('taken', 'attribute_not_exists(pk)')], entryOf('refused')),
    ).rejects.toMatchObject({ code: 'name_taken' });
  });

  it('beside 49 others in the same vault lands, and the chain holds', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, at) => commit(database, [row(`crowd-${at}`)], entryOf('crowd'))),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
    const { events, head } = await trail('crowd');
    expect(events.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
    expect(brokenLink(events, head)).toBeUndefined();
    const rows = await database.batchGet(Array.from({ length: 50 }, (_, at) => ({ pk: `crowd-${at}`, sk: 'ROW' })));
    expect(rows).toHaveLength(50);
  });

  it('that only one of many may make is made once, and recorded once', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        commit(database, [row('only-one', 'attribute_not_exists(pk)')], entryOf('only-one')),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const { events, head } = await trail('only-one');
    expect([events.length, brokenLink(events, head)]).toEqual([1, undefined]);
  });

  it('of more records than a transaction takes is refused before anything is sent', async () => {
    table.takeWrites();
    const many = Array.from({ length: 99 }, (_, at) => row(`many-${at}`));
    await expect(commit(database, many, entryOf('many'))).rejects.toMatchObject({
      code: 'limit_exceeded',
      status: 409,
    });
    expect(table.takeWrites()).toEqual([]);
  });

  it('of one vault does not wait for those of another', async () => {
    await Promise.all(['left', 'right'].map((vault) => commit(database, [], entryOf(vault))));
    for (const vault of ['left', 'right']) expect((await trail(vault)).head.sequence).toBe(1);
  });
});

describe('a chain of events', () => {
  const build = (length: number): { events: AuditEvent[]; head: AuditHead } => {
    const events: AuditEvent[] = [];
    for (let at = 0; at < length; at += 1) {
      events.push(chained(events.at(-1) ?? CHAIN_START, entryOf('v', { correlationId: `trace-${at}` })));
    }
    const last = events.at(-1);
    return { events, head: last === undefined ? CHAIN_START : { sequence: last.sequence, hash: last.hash } };
  };
  const without = <T>(list: readonly T[], at: number) => list.filter((_, position) => position !== at);

  it('holds when nothing was done to it, also when it is empty', () => {
    for (const length of [0, 1, 5]) {
      const { events, head } = build(length);
      expect(brokenLink(events, head)).toBeUndefined();
    }
  });

  it('shows an event that was altered, in whatever part', () => {
    const { events, head } = build(5);
    const altered: Partial<AuditEvent>[] = [
      { subject: 'eve' },
      { at: new Date('2026-02-01T08:00:00.001Z') },
      { outcome: 'refused' },
      { after: { state: 'active' } },
      { before: undefined },
      { reason: 'none' },
      { vaultId: 'w' },
      { hash: '0'.repeat(64) },
    ];
    for (const change of altered) {
      const tampered = events.map((event, at) => (at === 2 ? { ...event, ...change } : event));
      expect(brokenLink(tampered, head), JSON.stringify(change)).toBe('event 3 was altered');
    }
  });

  it('shows an event that is missing, wherever it was', () => {
    const { events, head } = build(5);
    for (const at of [0, 1, 3]) {
      expect(brokenLink(without(events, at), head)).toBe(`event ${at + 1} is missing`);
    }
    expect(brokenLink(without(events, 4), head)).toBe('events after 4 are missing');
    expect(brokenLink([], head)).toBe('events after 0 are missing');
  });

  it('shows events in another order, and one that is there twice', () => {
    const { events, head } = build(3);
    const [one = fail(), two = fail(), three = fail()] = events;
    expect(brokenLink([one, three, two], head)).toBe('event 2 is missing');
    expect(brokenLink([one, two, two, three], head)).toBe('event 3 is missing');
  });

  it('shows an event that was put in with a hash of its own', () => {
    const { events, head } = build(3);
    const one = events[0] ?? fail();
    const forged = chained(one, entryOf('v', { subject: 'eve' }));
    expect(brokenLink([one, forged, ...events.slice(2)], head)).toBe('event 3 does not follow the event before it');
  });

  it('shows a chain that was rewritten from some event on: its head is another', () => {
    const { events, head } = build(3);
    const rewritten: AuditEvent[] = events.slice(0, 1);
    for (let at = 1; at < 3; at += 1) {
      rewritten.push(chained(rewritten.at(-1) ?? CHAIN_START, entryOf('v', { subject: 'eve' })));
    }
    expect(brokenLink(rewritten, head)).toBe('the head of the chain was altered');
  });
});
