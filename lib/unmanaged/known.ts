import type { KeyInstance } from '../keys/key.ts';
import type { KeystoreKind } from '../drivers/driver.ts';
import type { Database } from '../records/database.ts';
import { READ } from '../records/entities.ts';
import { INDEX_KEY } from '../records/table.ts';

/** What our own records know of a keystore: some hundred bytes a key. */
export interface Known {
  /** Whether a managed key has this id, or is a version of what has it. */
  has(idInKeystore: string): boolean;
  /** Since when a create of ours may have made a key whose answer never came; undefined when none may have. */
  readonly inDoubtSince: Date | undefined;
}

/** A clock of the provider's may be so far behind ours, in milliseconds. */
const CLOCK_SKEW = 300_000;

/** The key that an id belongs to, in one spelling. */
export function keyOf(kind: KeystoreKind, idInKeystore: string): string {
  return kind.keyOf?.(idInKeystore) ?? idInKeystore;
}

/** Reads every instance in a keystore, those of keys that were removed and are not gone yet among them. */
export async function knownIn(database: Database, kind: KeystoreKind, keystoreId: string): Promise<Known> {
  const ids = new Set<string>();
  let inDoubtSince: Date | undefined;
  for await (const instance of instancesIn(database, keystoreId)) {
    if (instance.binding !== undefined) ids.add(keyOf(kind, instance.binding.idInKeystore));
    if (instance.createSentAt === undefined) continue;
    const since = new Date(instance.intendedAt.getTime() - CLOCK_SKEW);
    if (inDoubtSince === undefined || since < inDoubtSince) inDoubtSince = since;
  }
  return { has: (id) => ids.has(keyOf(kind, id)), inDoubtSince };
}

async function* instancesIn(database: Database, keystoreId: string): AsyncGenerator<KeyInstance> {
  const query = { index: 'by_keystore', pk: INDEX_KEY.instancesInKeystore(keystoreId) } as const;
  for await (const item of database.query(query)) {
    if (String(item['sk']).startsWith('INSTANCE#')) yield READ.keyInstance(item);
  }
}
