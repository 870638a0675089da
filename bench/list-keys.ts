import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { listKeys } from '../lib/keys/list.ts';
import type { KeyFilters } from '../lib/keys/list.ts';
import type { KeyState, ManagedKey } from '../lib/keys/key.ts';
import type { Keystore } from '../lib/keystores/keystore.ts';
import type { ListCall } from '../lib/list.ts';
import { openDatabase } from '../lib/records/database.ts';
import type { RawItem } from '../lib/records/database.ts';
import { STORED } from '../lib/records/entities.ts';
import { INDEX_KEY } from '../lib/records/table.ts';
import type { Template } from '../lib/templates/template.ts';
import { parseQuery } from '../lib/wire/parse.ts';
import { OPERATIONS } from '../lib/wire/operations.ts';
import { startTestDatabase } from '../sandbox/dynamodb.ts';
import { measure } from './frame.ts';
import type { Benchmark } from './frame.ts';

const KEYS = 20_000;
const VAULT = randomUUID();
const BASE_URL = 'http://localhost:3000';
const AUTHORED = { createdBy: 'bench', updatedBy: 'bench' };

/** A page of a vault with 20,000 keys, beside the Query that reads the same rows of the index and does nothing with them. */
export const listKeysBenchmark: Benchmark = {
  name: 'list-keys',
  async run(tell) {
    Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' });
    const engine = await startTestDatabase();
    const client = DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint: engine.endpoint }), {
      marshallOptions: { removeUndefinedValues: true },
    });
    try {
      const started = performance.now();
      await fill(client, engine.table);
      tell(`${KEYS} keys in one vault, written in ${((performance.now() - started) / 1000).toFixed(1)} s.`);

      const database = openDatabase(engine);
      const baseline = { name: 'bare paged Query', run: () => bareQuery(client, engine.table) };
      const list = (query: string) => () => listKeys(database, new Set([VAULT]), callOf(query));
      const page = (name: string, query: string) => measure({ name, run: list(query), baseline, goal: 2 });
      return [
        await page('filtered, sorted page', 'state=active&label=key-1&sort=-created_at&limit=20'),
        await page('many filters, sorted page', MANY_FILTERS),
        await page('deep page, two sort fields', 'sort=state,-label&offset=19000&limit=20'),
      ];
    } finally {
      client.destroy();
      await engine.close();
    }
  },
};

const MANY_FILTERS =
  'algorithm=aes&state=active,deactivated&size_min=128&created_at_min=2026-01-01&template.name=t&referenced_keystores[].type=aws_kms&template.alignment_status=aligned&sort=-updated_at,label&limit=20';

function callOf(query: string): ListCall<KeyFilters> {
  return {
    query: parseQuery(OPERATIONS.ListManagedKeys.query(), query),
    url: `${BASE_URL}/api/v4/managed_keys?${query}`,
    baseUrl: BASE_URL,
  };
}

/** Reads every index row of the vault's keys, page after page, and looks at none. */
async function bareQuery(client: DynamoDBDocumentClient, table: string): Promise<number> {
  let rows = 0;
  let after: RawItem | undefined;
  do {
    const page = await client.send(
      new QueryCommand({
        TableName: table,
        IndexName: 'by_vault',
        KeyConditionExpression: 'vault_pk = :pk',
        ExpressionAttributeValues: { ':pk': INDEX_KEY.keysOfVault(VAULT) },
        ExclusiveStartKey: after,
      }),
    );
    rows += page.Items?.length ?? 0;
    after = page.LastEvaluatedKey;
  } while (after !== undefined);
  if (rows !== KEYS) throw new Error(`The vault has ${rows} keys in the index, not ${KEYS}.`);
  return rows;
}

const STATES: readonly KeyState[] = ['active', 'active', 'active', 'deactivated', 'pre_activation', 'destroyed'];

async function fill(client: DynamoDBDocumentClient, table: string): Promise<void> {
  const at = new Date('2026-01-01T00:00:00Z');
  const base = { revision: 1, vaultId: VAULT, ...AUTHORED, createdAt: at, updatedAt: at, description: '' };
  const keystores = ['one', 'two', 'three'].map((name): Keystore => ({
    ...base,
    id: randomUUID(),
    type: 'aws_kms',
    name,
    groups: ['Production'],
    tlsProxy: undefined,
    settings: { aws_region: 'us-east-1' },
    secretNames: [],
  }));
  const key = { algorithm: 'aes', size: '256', activationDate: '', expirationDate: '', state: 'active' } as const;
  const templates = ['t-one', 't-two'].map((name): Template => ({
    ...base,
    id: randomUUID(),
    version: 1,
    name,
    type: 'user_defined',
    state: 'unarchived',
    namingScheme: undefined,
    key: { ...key, deactivateOnRotation: false, material: 'imported' },
    keystores: [{ type: 'aws_kms', group: 'Production', namingScheme: undefined, properties: {} }],
    keystoreIds: undefined,
    autoRepair: 'as_vault',
  }));
  const keys = Array.from({ length: KEYS }, (_, index): ManagedKey => {
    const createdAt = new Date(at.getTime() + ((index * 7919) % KEYS) * 1000);
    return {
      ...base,
      id: randomUUID(),
      templateId: templates[index % 2]?.id ?? '',
      templateVersion: 1,
      keystoreType: 'aws_kms',
      keystoreIds: keystores.map(({ id }) => id).sort(),
      version: 1,
      label: `key-${index}`,
      state: STATES[index % STATES.length] ?? 'active',
      spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
      activationDate: '2026-01-01',
      expirationDate: '2027-01-01',
      deactivationDate: undefined,
      deactivateOnRotation: false,
      labelTags: [],
      tags: [{ name: 'owner', value: 'payments' }],
      namingScheme: undefined,
      createdAt,
      updatedAt: createdAt,
      rotatedAt: undefined,
      deactivatedAt: undefined,
      destroyedAt: undefined,
    };
  });
  const items = [...keystores.map(STORED.keystore), ...templates.map(STORED.template), ...keys.map(STORED.managedKey)];
  const batches = Array.from({ length: Math.ceil(items.length / 25) }, (_, at) => items.slice(at * 25, at * 25 + 25));
  const write = async () => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      await client.send(
        new BatchWriteCommand({ RequestItems: { [table]: batch.map((Item) => ({ PutRequest: { Item } })) } }),
      );
    }
  };
  await Promise.all(Array.from({ length: 4 }, write));
}
