import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { ManagedKey } from '../../lib/keys/key.ts';
import { STORED } from '../../lib/records/entities.ts';

/** Puts that many active keys straight into the table that the functions of this process use. */
export async function storeKeys(
  number: number,
  of: { readonly vaultId: string; readonly templateId: string; readonly keystoreIds: readonly string[] },
): Promise<void> {
  const client = DynamoDBDocumentClient.from(new DynamoDBClient({ endpoint: process.env['DYNAMODB_ENDPOINT'] ?? '' }), {
    marshallOptions: { removeUndefinedValues: true },
  });
  const table = process.env['TABLE_NAME'] ?? '';
  const at = new Date('2026-01-01T00:00:00Z');
  const items = Array.from({ length: number }, (_, index) => STORED.managedKey(keyNumber(index, at, of)));
  const batches = Array.from({ length: Math.ceil(items.length / 25) }, (_, start) =>
    items.slice(start * 25, start * 25 + 25),
  );
  const write = async () => {
    for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
      await client.send(
        new BatchWriteCommand({ RequestItems: { [table]: batch.map((Item) => ({ PutRequest: { Item } })) } }),
      );
    }
  };
  try {
    await Promise.all(Array.from({ length: 4 }, write));
  } finally {
    client.destroy();
  }
}

function keyNumber(
  index: number,
  at: Date,
  of: { vaultId: string; templateId: string; keystoreIds: readonly string[] },
): ManagedKey {
  return {
    id: randomUUID(),
    revision: 1,
    vaultId: of.vaultId,
    templateId: of.templateId,
    templateVersion: 1,
    keystoreType: 'aws_kms',
    keystoreIds: of.keystoreIds,
    version: 1,
    label: `key-${String(index).padStart(5, '0')}`,
    description: '',
    state: 'active',
    spec: { algorithm: 'aes', size: '256', material: 'imported', properties: {} },
    activationDate: '2026-01-01',
    expirationDate: undefined,
    deactivationDate: undefined,
    deactivateOnRotation: false,
    labelTags: [],
    tags: [],
    namingScheme: undefined,
    createdAt: at,
    updatedAt: at,
    createdBy: 'seed',
    updatedBy: 'seed',
    rotatedAt: undefined,
    deactivatedAt: undefined,
    destroyedAt: undefined,
  };
}
