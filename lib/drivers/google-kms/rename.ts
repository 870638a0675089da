import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import type { EditLabels } from './labels.ts';
import { claimsOf, ownerOf, withClaims, withOwner } from './labels.ts';
import { boundOf, idOf, numberOf } from './names.ts';
import { hasPrimary, sortOf } from './sort.ts';
import { boundVersion, isEmpty } from './state.ts';
import { withClaim } from './versions.ts';

/**
 * The step `rename`: makes the CryptoKey of the label lead to this version, as Google's primary version for a symmetric key and by our
 * label for others. The CryptoKey's own name never changes: another label is `unsupported`.
 */
export function renameStep(calls: GoogleCalls, editLabels: EditLabels): Step {
  return async (key, { signal }) => {
    const { cryptoKey, number } = boundOf(key);
    if (!key.current) return undefined;
    if (idOf(cryptoKey) !== key.label) {
      throw new KeystoreFault(
        'unsupported',
        `${cryptoKey} cannot be called ${key.label}: Google Cloud KMS cannot rename a key.`,
      );
    }
    const found = await editLabels(
      cryptoKey,
      (labels, now) => {
        const owner = ownerOf(now);
        if (owner !== undefined && owner !== key.keyId) {
          throw new KeystoreFault('conflict', `${cryptoKey} belongs to another managed key by its labels (${owner}).`);
        }
        const owned = withOwner(labels, key);
        // Of a key that carried no mark of ours, the mark also says which of its versions is meant.
        return owner === undefined && number !== undefined
          ? withClaims(owned, withClaim(claimsOf(now), key.version, number))
          : owned;
      },
      signal,
    );
    if (!hasPrimary(sortOf(key))) return undefined;
    const version = await boundVersion(key, calls, signal);
    if (version === undefined || isEmpty(version) || found.primary?.name === version.name) return undefined;
    await calls.setPrimary(cryptoKey, numberOf(version.name), signal);
    return undefined;
  };
}
