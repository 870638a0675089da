import type { Binding, KeyInKeystore, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { Connection } from '../registry.ts';
import type { AzureCalls, AzureKey } from './calls.ts';
import { bringMaterial, requireSameMaterial } from './import.ts';
import type { AzureKeyOperation, AzureKeyRule } from './kind.ts';
import { azureKeyRule, azureKeyVaultKind, azureOperationsOf } from './kind.ts';
import { recoverKey } from './deletion.ts';
import { holderOf, nameTaken, tagsOf } from './names.ts';

const OPERATIONS: Record<AzureKeyOperation, string> = {
  decrypt: 'decrypt',
  encrypt: 'encrypt',
  sign: 'sign',
  unwrap_key: 'unwrapKey',
  verify: 'verify',
  wrap_key: 'wrapKey',
};

/** What Azure is told of a key that is made or imported. */
export interface Making {
  readonly rule: AzureKeyRule;
  readonly operations: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** What a key is made as. Throws `unsupported` for a key that cannot be, or not in a vault with these settings. */
export function makingOf(key: KeyInKeystore, settings: Connection['settings']): Making {
  const why = azureKeyVaultKind.refuses(key.spec) ?? azureKeyVaultKind.refusesIn?.(key.spec, settings);
  const rule = azureKeyRule(key.spec);
  if (why !== undefined || rule === undefined) {
    throw new KeystoreFault('unsupported', why ?? 'Azure Key Vault cannot hold such a key.');
  }
  return {
    rule,
    operations: azureOperationsOf(key.spec, rule).map((operation) => OPERATIONS[operation]),
    tags: tagsOf(key),
  };
}

/**
 * The step `create`. To make a key under a name that exists is to add a version to it, so this looks who has the name first: nobody, the
 * same managed key (then the new version goes on top of it), or the result of an earlier, lost create. There are no empty keys in Azure:
 * imported keys come with their material.
 *
 * A deleted key of the same managed key is called back; any other deleted key is a conflict, because only people can tell whether it may
 * be purged.
 */
export function createStep(calls: AzureCalls, settings: Connection['settings']): Step {
  return async (key, context) => {
    const { signal } = context;
    const making = makingOf(key, settings);
    // A binding here is one whose key is gone. What is looked for is its successor.
    const wanted: KeyInKeystore = { ...key, binding: undefined };
    const named = await holderOf(wanted, calls, signal);
    switch (named.holder) {
      case 'foreign':
        throw nameTaken(key.label, named.newest);
      case 'foreign_deleted':
        throw nameTaken(key.label, named.deleted);
      case 'this':
        return bindingOf(wanted, named.found, context);
      case 'this_deleted': {
        const found = await recoverKey(named.deleted, calls, signal);
        if (!found.enabled) await calls.update(found, { enabled: true }, signal);
        return bindingOf(wanted, found, context);
      }
      case 'same_key_deleted':
        await recoverKey(named.deleted, calls, signal);
        return make(wanted, making, context, calls);
      case 'same_key':
      case 'nobody':
        return make(wanted, making, context, calls);
    }
  };
}

async function make(key: KeyInKeystore, making: Making, context: StepContext, calls: AzureCalls): Promise<Binding> {
  if (key.spec.material === 'imported') return bringMaterial(key, making, context, calls);
  const { rule, operations, tags } = making;
  const made = await calls.createKey(
    key.label,
    { keyType: rule.keyType, bits: rule.bits, curve: rule.curve, operations, tags },
    context.signal,
  );
  return { idInKeystore: made.id, fingerprint: made.fingerprint };
}

/** What bytes a found version holds is proved, not believed. A native key's own material is the one to expect from now on. */
async function bindingOf(key: KeyInKeystore, found: AzureKey, context: StepContext): Promise<Binding> {
  if (key.spec.material === 'imported') await requireSameMaterial(found, context);
  return { idInKeystore: found.id, fingerprint: found.fingerprint };
}
