import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditEvent, NO_VAULT } from '../../lib/records/audit.ts';
import { Database } from '../../lib/records/database.ts';
import type { RawItem } from '../../lib/records/database.ts';
import { chainLateAttempts, recordRefusal } from '../../lib/records/refusal.ts';
import type { RefusedAttempt } from '../../lib/records/refusal.ts';
import { INDEX_KEY, ITEM, LATE_ATTEMPTS } from '../../lib/records/table.ts';
import { verifyTrail } from '../../lib/records/trail.ts';
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

const refusedAt = (vaultId: string, correlationId: string): RefusedAttempt => ({
  operation: 'UpdateVault',
  resourceType: 'vault',
  resourceId: vaultId,
  subject: 'mallory',
  sourceIp: '203.0.113.7',
  userAgent: 'curl/8',
  correlationId,
  at: new Date('2026-02-01T08:00:00.000Z'),
  status: 403,
  reason: 'forbidden: You may not do this.',
});

const vault = (id: string): Promise<boolean> =>
  database.write({ op: 'put', item: { ...ITEM.vault(id), id, vault_pk: INDEX_KEY.vaults(), vault_sk: id } });

const putAside = (): Promise<RawItem[]> => database.queryAll({ pk: LATE_ATTEMPTS });

async function told(vaultId: string): Promise<string[]> {
  const items = await database.queryAll({ pk: ITEM.auditHead(vaultId).pk, beginsWith: 'EVENT#' });
  return items.map((item) => auditEvent.decode(item).correlationId).toSorted();
}

describe('attempts that were refused', () => {
  it('are each in the trail of their vault once, also when far too many come at once to be written there', async () => {
    await vault('crowded');
    const names = Array.from({ length: 80 }, (_, at) => `crowd-${String(at).padStart(2, '0')}`);
    await Promise.all(names.map((name) => recordRefusal(database, refusedAt('crowded', name))));
    expect((await putAside()).length).toBeGreaterThan(0);
    expect((await told('crowded')).length + (await putAside()).length).toBe(names.length);

    for (let minute = 0; minute < 10 && (await putAside()).length > 0; minute += 1) {
      await Promise.all([chainLateAttempts(database), chainLateAttempts(database)]);
    }
    expect(await told('crowded')).toEqual(names);
    expect(await putAside()).toEqual([]);
    expect((await verifyTrail(database, 'crowded')).broken).toBeUndefined();
  });

  it('are put aside when their vault cannot be read, and told of as what they were', async () => {
    await vault('unreadable');
    const client = new DynamoDBClient({
      endpoint: table.endpoint,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    client.middlewareStack.add(
      (next, { commandName }) =>
        (args) =>
          commandName === 'GetItemCommand' ? Promise.reject(new Error('AccessDeniedException')) : next(args),
      { step: 'finalizeRequest' },
    );
    await recordRefusal(
      new Database(DynamoDBDocumentClient.from(client), database.table),
      refusedAt('unreadable', 'late'),
    );
    client.destroy();
    expect(await told('unreadable')).toEqual([]);
    expect(await chainLateAttempts(database)).toEqual({ told: 1, left: 0 });
    const [item = {}] = await database.queryAll({ pk: ITEM.auditHead('unreadable').pk, beginsWith: 'EVENT#' });
    expect(auditEvent.decode(item)).toMatchObject({
      ...refusedAt('unreadable', 'late'),
      outcome: 'refused',
      severity: 'critical',
    });
  });

  it('on nothing that is known are in the trail of no vault', async () => {
    await recordRefusal(database, { ...refusedAt('nowhere', 'lost'), resourceId: undefined });
    expect(await told(NO_VAULT)).toContain('lost');
  });
});
