import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import * as z from 'zod/mini';
import type { Clock } from '../clock.ts';
import { Fault } from '../fault.ts';
import type { Change, Database } from './database.ts';
import { itemCodec, maybe } from './item.ts';
import { ITEM } from './table.ts';

/** How long an `Idempotency-Key` is remembered. */
const REMEMBERED_SECONDS = 24 * 3600;
/** How long a second request waits for the answer to the first one that may still be at work. */
const PATIENCE_MS = 20_000;

/** What makes two requests the same one. */
export interface IdempotentRequest {
  readonly subject: string;
  readonly key: string;
  readonly operation: string;
  /** Hash of method, path, query and body. */
  readonly fingerprint: string;
}

/** An answer as it is kept for replay. `body` is JSON text. */
export interface KeptAnswer {
  readonly status: number;
  readonly body: string | undefined;
  readonly etag: string | undefined;
  readonly location: string | undefined;
}

interface Row {
  readonly fingerprint: string;
  readonly resourceId: string;
  readonly answer: KeptAnswer | undefined;
  readonly ttl: number;
}

const row = itemCodec<Row>('idempotency row', () =>
  z.object({
    fingerprint: z.string(),
    resourceId: z.string(),
    answer: maybe(
      z.object({ status: z.int(), body: maybe(z.string()), etag: maybe(z.string()), location: maybe(z.string()) }),
    ),
    ttl: z.int(),
  }),
);

/** Another request with the same key was first. */
class Second extends Error {}

/**
 * Runs a request at most once for its `Idempotency-Key`. `run` commits the change that it is handed in the transaction of its own changes;
 * its answer is kept and replayed to every later request with the same key. `current` answers from the resource as it is now, for when the
 * first request died before its answer could be kept. Throws `idempotency_mismatch` when the key was used for another request.
 */
export async function once(
  database: Database,
  clock: Clock,
  request: IdempotentRequest,
  run: (alongside: (resourceId: string) => Change[]) => Promise<KeptAnswer>,
  current: (resourceId: string) => Promise<KeptAnswer>,
  patienceMs = PATIENCE_MS,
): Promise<KeptAnswer> {
  const hash = createHash('sha256')
    .update(`${request.subject}\n${request.operation}\n${request.key}`)
    .digest('base64url');
  const replayed = (first: Row) => replay(database, clock, hash, first, request, current, patienceMs);
  const earlier = await readRow(database, clock, hash);
  if (earlier !== undefined) return replayed(earlier);
  const second = new Second();
  try {
    let made: Row | undefined;
    const answer = await run((resourceId) => {
      const ttl = Math.floor(clock().getTime() / 1000) + REMEMBERED_SECONDS;
      made = { fingerprint: request.fingerprint, resourceId, answer: undefined, ttl };
      return [
        {
          op: 'put',
          item: { ...ITEM.idempotency(hash), ...row.encode(made) },
          // DynamoDB deletes expired rows in its own time.
          condition: 'attribute_not_exists(pk) OR #ttl < :now',
          names: { '#ttl': 'ttl' },
          values: { ':now': Math.floor(clock().getTime() / 1000) },
          refused: () => second,
        },
      ];
    });
    if (made !== undefined) {
      await database.write({ op: 'put', item: { ...ITEM.idempotency(hash), ...row.encode({ ...made, answer }) } });
    }
    return answer;
  } catch (error) {
    if (error !== second) throw error;
    const first = await readRow(database, clock, hash);
    if (first === undefined) throw new Fault('busy', 'Repeat the request.', { retryAfter: 1 });
    return await replayed(first);
  }
}

async function replay(
  database: Database,
  clock: Clock,
  hash: string,
  first: Row,
  request: IdempotentRequest,
  current: (resourceId: string) => Promise<KeptAnswer>,
  patienceMs: number,
): Promise<KeptAnswer> {
  if (first.fingerprint !== request.fingerprint) {
    throw new Fault('idempotency_mismatch', {
      message: 'This Idempotency-Key was used for another request. Use a new one for each request.',
      target: { type: 'header', name: 'Idempotency-Key' },
    });
  }
  let found: Row | undefined = first;
  // By the clock: reading takes time too, and the function has an end.
  const end = performance.now() + patienceMs;
  while (found?.answer === undefined && performance.now() < end) {
    await wait(100);
    found = await readRow(database, clock, hash);
  }
  return found?.answer ?? current(first.resourceId);
}

async function readRow(database: Database, clock: Clock, hash: string): Promise<Row | undefined> {
  const item = await database.get(ITEM.idempotency(hash));
  if (item === undefined) return undefined;
  const found = row.decode(item);
  return found.ttl * 1000 < clock().getTime() ? undefined : found;
}
