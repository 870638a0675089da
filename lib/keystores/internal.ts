import { Fault } from '../fault.ts';
import type { Change } from '../records/database.ts';
import { ITEM } from '../records/table.ts';
import type { Keystore } from './keystore.ts';

/** How many internal keystores a deployment has at most. */
export const INTERNAL_KEYSTORES = 50;

/** Whether it is a keystore inside the deployment's own account. */
export function isInternal(keystore: Pick<Keystore, 'type' | 'settings'>): boolean {
  return keystore.type === 'ibm_cloud_kms' && keystore.settings['ibm_variant'] === 'internal';
}

/** Counts an internal keystore that comes or goes; nothing for any other. Refused as `limit_exceeded` beyond the limit of the deployment. */
export function countInternal(keystore: Pick<Keystore, 'type' | 'settings'>, by: 1 | -1): Change[] {
  if (!isInternal(keystore)) return [];
  const expression = 'ADD #internal :by';
  const names = { '#internal': 'internal_keystores' };
  const key = ITEM.deploymentCounters();
  if (by === -1) return [{ op: 'update', key, expression, names, values: { ':by': by } }];
  return [
    {
      op: 'update',
      key,
      expression,
      condition: 'attribute_not_exists(#internal) OR #internal < :limit',
      names,
      values: { ':by': by, ':limit': INTERNAL_KEYSTORES },
      refused: () =>
        new Fault(
          'limit_exceeded',
          `This deployment has ${INTERNAL_KEYSTORES} internal keystores already, which is as many as it can have.`,
        ),
    },
  ];
}
