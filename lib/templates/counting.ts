import type { Change } from '../records/database.ts';
import { ITEM } from '../records/table.ts';

/** Counts the keys of a template. */
export function countKeys(templateId: string, by: 1 | -1): Change {
  return {
    op: 'update',
    key: ITEM.templateCounters(templateId),
    expression: 'ADD #keys :by',
    names: { '#keys': 'keys' },
    values: { ':by': by },
  };
}
