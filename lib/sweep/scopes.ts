import pMap from 'p-map';
import type { Keystore } from '../keystores/keystore.ts';
import { scopeOf } from '../pace/scope.ts';
import type { Database } from '../records/database.ts';
import { allVaults, keystoresOfVault } from '../records/reading.ts';

/** Keystores that share one quota with their provider. */
export interface Scope {
  readonly name: string;
  readonly keystores: readonly Keystore[];
}

/** Every connected keystore, by quota scope. */
export async function scopes(database: Database): Promise<readonly Scope[]> {
  const vaults = await allVaults(database);
  const keystores = (await pMap(vaults, ({ id }) => keystoresOfVault(database, id), { concurrency: 8 })).flat();
  return [...Map.groupBy(keystores, scopeOf)].map(([name, of]) => ({ name, keystores: of }));
}
