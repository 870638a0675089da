import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import type { Change, Database } from '../../lib/records/database.ts';
import { once } from '../../lib/records/idempotency.ts';
import type { IdempotentRequest, KeptAnswer } from '../../lib/records/idempotency.ts';
import { startTestTable } from '../table.ts';
import type { TestTable } from '../table.ts';

let table: TestTable;
let database: Database;
let time = new Date('2026-02-01T08:00:00.000Z');
const clock = () => time;

beforeAll(async () => {
  table = await startTestTable();
  ({ database } = table);
});
afterAll(async () => {
  await table.close();
});

const request = (key: string, given: Partial<IdempotentRequest> = {}): IdempotentRequest => ({
  subject: 'ada',
  key,
  operation: 'CreateManagedKey',
  fingerprint: 'body-1',
  ...given,
});
const answer = (body: string): KeptAnswer => ({ status: 201, body, etag: '"e"', location: 'https://here/x' });
const notAsked = (): Promise<KeptAnswer> => {
  throw new Error('Nobody needs the resource as it is now.');
};

/** Runs that each make a row of their own in the transaction that remembers the request. */
function runner(takesMs = 0) {
  const runs: number[] = [];
  const run = async (alongside: (id: string) => Change[]): Promise<KeptAnswer> => {
    const number = runs.length + 1;
    runs.push(number);
    await wait(takesMs);
    await database.transact([
      ...alongside('resource-1'),
      { op: 'put', item: { pk: `made-${String(Math.random())}`, sk: 'ROW' } },
    ]);
    return answer(`made by run ${number}`);
  };
  return { run, runs };
}

describe('a request with an Idempotency-Key', () => {
  it('made ten times at once runs to its end once, and all ten get the same answer', async () => {
    const done: string[] = [];
    const run = async (alongside: (id: string) => Change[]): Promise<KeptAnswer> => {
      await database.transact(alongside('resource-1'));
      done.push('done');
      await wait(150);
      return answer('the only answer');
    };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => once(database, clock, request('ten'), run, notAsked)),
    );
    expect(done).toEqual(['done']);
    expect(new Set(answers.map((each) => JSON.stringify(each)))).toEqual(
      new Set([JSON.stringify(answer('the only answer'))]),
    );
  });

  it('made again later gets the first answer, to the letter, without a run', async () => {
    const { run, runs } = runner();
    const first = await once(database, clock, request('again'), run, notAsked);
    time = new Date(time.getTime() + 23 * 3_600_000);
    expect(await once(database, clock, request('again'), run, notAsked)).toEqual(first);
    expect(runs).toEqual([1]);
  });

  it('is forgotten after a day', async () => {
    const { run, runs } = runner();
    await once(database, clock, request('day'), run, notAsked);
    time = new Date(time.getTime() + 25 * 3_600_000);
    expect((await once(database, clock, request('day'), run, notAsked)).body).toBe('made by run 2');
    expect(runs).toEqual([1, 2]);
  });

  it('with another body is refused, and says which header is to be another', async () => {
    const { run } = runner();
    await once(database, clock, request('body'), run, notAsked);
    const other = once(database, clock, request('body', { fingerprint: 'body-2' }), run, notAsked);
    await expect(other).rejects.toMatchObject({
      code: 'idempotency_mismatch',
      status: 422,
      details: [{ target: { type: 'header', name: 'Idempotency-Key' } }],
    });
  });

  it('is another one for another subject, and for another operation', async () => {
    const { run, runs } = runner();
    await once(database, clock, request('mine'), run, notAsked);
    await once(database, clock, request('mine', { subject: 'bob' }), run, notAsked);
    await once(database, clock, request('mine', { operation: 'CreateVault' }), run, notAsked);
    expect(runs).toEqual([1, 2, 3]);
  });

  it('whose first run died before its answer was kept is answered from the resource as it is now', async () => {
    const dies = async (alongside: (id: string) => Change[]): Promise<KeptAnswer> => {
      await database.transact(alongside('resource-7'));
      throw new Error('The process ended here.');
    };
    await expect(once(database, clock, request('died'), dies, notAsked)).rejects.toThrow('ended here');
    const { run, runs } = runner();
    const asked: string[] = [];
    const current = (id: string) => {
      asked.push(id);
      return Promise.resolve(answer('as it is now'));
    };
    expect((await once(database, clock, request('died'), run, current, 200)).body).toBe('as it is now');
    expect([asked, runs]).toEqual([['resource-7'], []]);
  });

  it('that was refused may be made again, as it changed nothing', async () => {
    const refused = () => Promise.reject(new Fault('name_taken', 'Taken.'));
    await expect(once(database, clock, request('refused'), refused, notAsked)).rejects.toMatchObject({
      code: 'name_taken',
    });
    const { run } = runner();
    expect((await once(database, clock, request('refused'), run, notAsked)).body).toBe('made by run 1');
  });

  it('is remembered by a hash: what the caller sent stands in no key', async () => {
    const { run } = runner();
    table.takeWrites();
    await once(database, clock, request('secret-of-the-caller'), run, notAsked);
    expect(JSON.stringify(table.takeWrites())).not.toContain('secret-of-the-caller');
  });
});
