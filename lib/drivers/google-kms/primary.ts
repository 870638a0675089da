import type { KeyInKeystore } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { numberOf } from './names.ts';
import { hasPrimary, sortOf } from './sort.ts';
import { isPending, isSpent } from './state.ts';

/**
 * Makes the current version the primary one where none serves yet: Google does so itself for the first generated version only. From an
 * older version that still serves nothing is taken; `rename` does that.
 */
export async function becomePrimary(
  key: KeyInKeystore,
  found: CryptoKey,
  version: CryptoKeyVersion,
  calls: GoogleCalls,
  signal: AbortSignal,
): Promise<void> {
  if (!key.current || !hasPrimary(sortOf(key)) || isPending(version)) return;
  const { primary } = found;
  if (primary?.name === version.name || (primary !== undefined && !isSpent(primary))) return;
  await calls.setPrimary(found.name, numberOf(version.name), signal);
}
