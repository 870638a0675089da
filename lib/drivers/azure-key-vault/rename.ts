import type { Step } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import type { AzureCalls } from './calls.ts';
import { makingOf } from './create.ts';
import { bringMaterial } from './import.ts';
import { azureKeyVaultKind } from './kind.ts';
import { boundVersion, isTaggedAs, isVersion, sameName } from './names.ts';

/**
 * The step `rename`: makes the key's name lead to the current version. A name in Azure leads to the newest version, so where somebody has put
 * another in front, the same material is imported once more, as the newest version, and the key is bound to that from then on; for material
 * that we do not have, people must rotate the key. To another name there is no way: `unsupported`.
 */
export function renameStep(calls: AzureCalls, settings: Connection['settings']): Step {
  return async (key, context) => {
    const { signal } = context;
    const bound = boundVersion(key, calls);
    if (!key.current) return undefined;
    if (!sameName(bound.name, key.label)) {
      throw new KeystoreFault('unsupported', azureKeyVaultKind.refusesRename ?? 'Azure Key Vault cannot rename a key.');
    }
    const newest = await calls.newest(bound.name, signal);
    if (newest === undefined) throw new KeystoreFault('not_found', `${bound.id} does not exist.`);
    if (isVersion(bound, newest)) return undefined;
    if (key.spec.material !== 'imported') {
      throw new KeystoreFault(
        'unsupported',
        `The name ${bound.name} leads to ${newest.id}, a newer version that is not ours, and Azure Key Vault always leads a name to the newest; rotate the key to put a version of ours in front.`,
      );
    }
    // An earlier run whose answer was lost.
    const fingerprint = key.binding?.fingerprint;
    if (fingerprint !== undefined && newest.fingerprint === fingerprint && isTaggedAs(newest.tags, key)) {
      return { idInKeystore: newest.id, fingerprint };
    }
    return bringMaterial(key, makingOf(key, settings), context, calls);
  };
}
