import type { KeystoreDriver, ListedKey } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { orAbsent } from './faults.ts';
import { claimsOf, ownerOf } from './labels.ts';
import type { Place } from './names.ts';
import { shownBy } from './observe.ts';
import { idOf, versionName } from './names.ts';
import type { CryptoKey } from './resources.ts';
import { STATES } from './state.ts';

/**
 * ListCryptoKeys, a thousand in a call, shows the primary version of symmetric keys, with its state. Of other versions of ours the names
 * are known from the labels and the state is not told, which would cost a call for every key. `after` is Google's page token.
 */
export function listWith(calls: GoogleCalls, place: Place): KeystoreDriver['list'] {
  return async (after, signal) => {
    const page = await orAbsent(calls.cryptoKeys(place.keyRing, after, 1000, signal));
    // A key ring that is not made yet holds nothing.
    return { keys: page?.keys.flatMap(listed) ?? [], next: page?.next };
  };
}

function listed(found: CryptoKey): ListedKey[] {
  const { primary } = found;
  const name = idOf(found.name);
  const ofVersion = (idInKeystore: string): ListedKey => {
    const shown = primary?.name === idInKeystore ? primary : undefined;
    const createdAt = shown?.createTime ?? found.createTime;
    return {
      idInKeystore,
      name,
      state: shown === undefined ? undefined : STATES[shown.state],
      createdAt: createdAt === undefined ? undefined : new Date(createdAt),
      lookedAt: (key) => shownBy(key, found),
    };
  };
  const claimed = ownerOf(found) === undefined ? [] : [...claimsOf(found).values()];
  const names = new Set(claimed.map((number) => versionName(found.name, number)));
  if (primary !== undefined) names.add(primary.name);
  return names.size === 0 ? [ofVersion(found.name)] : [...names].map(ofVersion);
}
