import { instanceId } from '../keys/key.ts';
import type { KeyInstance } from '../keys/key.ts';
import type { Database } from '../records/database.ts';
import { readKey } from '../records/reading.ts';
import { INDEX_KEY, ITEM } from '../records/table.ts';
import { prefixOf } from './key-event.ts';
import type { KeyEvent } from './key-event.ts';

/** A key in a keystore, in all its versions there. */
export interface Affected {
  readonly keyId: string;
  readonly keystoreId: string;
}

/**
 * Which of our keys, in which keystores, an event is about; none for a key that is not ours. A key of ours costs one read of the index, and so
 * does one that is not. An alias that was moved costs a read for each vault: only the name tells what it led to before.
 */
export async function affectedBy(database: Database, event: KeyEvent): Promise<readonly Affected[]> {
  const found = new Map<string, Affected>();
  const add = (affected: Affected) => found.set(`${affected.keyId} ${affected.keystoreId}`, affected);
  for (const arn of event.keys) {
    for await (const item of database.query({ index: 'by_vault', pk: INDEX_KEY.instancesBoundTo(arn) })) {
      const [, keyId = ''] = String(item['pk']).split('#');
      const [, , keystoreId = ''] = String(item['sk']).split('#');
      add({ keyId, keystoreId });
    }
  }
  const { movedAlias } = event;
  if (movedAlias !== undefined) {
    for (const { keyId, keystoreId } of await labelled(database, movedAlias.name, prefixOf(movedAlias))) {
      add({ keyId, keystoreId });
    }
  }
  return [...found.values()];
}

async function labelled(database: Database, label: string, arnPrefix: string): Promise<readonly KeyInstance[]> {
  const vaults = await database.queryAll({ index: 'by_vault', pk: INDEX_KEY.vaults() });
  const locks = await database.batchGet(vaults.map(({ id }) => ITEM.name('KEY', String(id), label)));
  const partitions = await Promise.all(locks.map(({ id }) => readKey(database, String(id))));
  const instances = partitions.flatMap((partition) => partition.instances);
  const there = instances.filter(({ binding }) => binding?.idInKeystore.startsWith(arnPrefix));
  return [...new Map(there.map((instance) => [instanceId(instance), instance])).values()];
}
