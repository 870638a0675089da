import type { Binding, KeyInKeystore, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { AzureCalls, AzureKey } from './calls.ts';
import type { Making } from './create.ts';
import { boundVersion } from './names.ts';
import { jwkOf } from './private-key.ts';
import { fingerprintOfMaterial } from './public-key.ts';
import { exchangeKey, transferBlob } from './transfer.ts';

/**
 * The step `import`. A version has its material from the beginning and for life, brought by `create`; this proves that it is ours, by its
 * public key, and sends nothing. Other bytes are a `conflict`.
 */
export function importStep(calls: AzureCalls): Step {
  return async (key, context) => {
    const bound = boundVersion(key, calls);
    const found = await calls.version(bound.name, bound.version, context.signal);
    if (found === undefined) {
      const deleted = await calls.deleted(bound.name, context.signal);
      throw deleted === undefined
        ? new KeystoreFault('not_found', `${bound.id} does not exist.`)
        : new KeystoreFault('conflict', `${bound.id} is deleted; recover it before its material is looked at.`);
    }
    await requireSameMaterial(found, context);
    return { idInKeystore: found.id, fingerprint: found.fingerprint };
  };
}

/** Throws `conflict` unless the version holds the key version's own material. */
export async function requireSameMaterial(found: AzureKey, { withMaterial }: StepContext): Promise<void> {
  const expected = await withMaterial((material) => Promise.resolve(fingerprintOfMaterial(material)));
  if (found.fingerprint !== expected) {
    throw new KeystoreFault(
      'conflict',
      `${found.id} holds other material than this key's, and Azure Key Vault never changes a version's material.`,
    );
  }
}

/**
 * Makes a version with the key version's own material: a software key as a plain JWK over TLS, an HSM key wrapped under the vault's key
 * exchange key, so that it is in clear only in its HSM.
 */
export async function bringMaterial(
  key: KeyInKeystore,
  { rule, operations, tags }: Making,
  { signal, withMaterial }: StepContext,
  calls: AzureCalls,
): Promise<Binding> {
  let made: AzureKey;
  let expected: string;
  if (rule.protection === 'hsm') {
    const kek = await exchangeKey(calls, signal);
    const wrapped = await withMaterial((material) =>
      Promise.resolve({ blob: transferBlob(material, kek), fingerprint: fingerprintOfMaterial(material) }),
    );
    const jwk = { kty: rule.keyType, t: wrapped.blob, ...(rule.curve === undefined ? {} : { crv: rule.curve }) };
    made = await calls.importKey(key.label, { jwk, hardware: true, operations, tags }, signal);
    expected = wrapped.fingerprint;
  } else {
    const sent = await withMaterial(async (material) => ({
      made: await calls.importKey(key.label, { jwk: jwkOf(material, rule), hardware: false, operations, tags }, signal),
      fingerprint: fingerprintOfMaterial(material),
    }));
    made = sent.made;
    expected = sent.fingerprint;
  }
  if (made.fingerprint !== expected) {
    throw new KeystoreFault('broken', `${made.id} does not hold the material that was imported into it.`);
  }
  return { idInKeystore: made.id, fingerprint: made.fingerprint };
}
