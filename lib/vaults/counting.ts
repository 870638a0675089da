import { Fault } from '../fault.ts';
import type { Change } from '../records/database.ts';
import { ITEM } from '../records/table.ts';

/** By how much a transaction changes what a vault holds. */
export interface Counted {
  readonly keys?: number;
  readonly templates?: number;
  readonly keystores?: number;
}

/**
 * Counts what a transaction adds to a vault or takes from it; one per transaction, as DynamoDB takes an item once. `keystores` is what the
 * transaction has to do with the vault's keystores: `changed` voids every decision about where keys live that was made before; a number makes
 * sure that they are still those of that generation.
 */
export function countInVault(vaultId: string, by: Counted, keystores: 'changed' | 'unconcerned' | number): Change {
  const added: Record<string, number> = {
    keys: by.keys ?? 0,
    templates: by.templates ?? 0,
    keystores: by.keystores ?? 0,
  };
  if (keystores === 'changed') added['keystores_generation'] = 1;
  const names: Record<string, string> = {};
  const values: Record<string, number> = {};
  for (const [name, count] of Object.entries(added)) {
    names[`#${name}`] = name;
    values[`:${name}`] = count;
  }
  const expression = `ADD ${Object.keys(added)
    .map((name) => `#${name} :${name}`)
    .join(', ')}`;
  if (typeof keystores !== 'number') {
    return {
      op: 'update',
      key: ITEM.vaultCounters(vaultId),
      expression,
      condition: 'attribute_exists(pk)',
      names,
      values,
      refused: () => new Fault('being_changed', 'The vault is being deleted at this moment.'),
    };
  }
  return {
    op: 'update',
    key: ITEM.vaultCounters(vaultId),
    expression,
    condition: '#generation = :generation',
    names: { ...names, '#generation': 'keystores_generation' },
    values: { ...values, ':generation': keystores },
    refused: () =>
      new Fault('being_changed', 'The keystores of this vault are being changed at this moment. Repeat the request.'),
  };
}
