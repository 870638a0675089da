import type { ImportType } from '@aws-sdk/client-kms';
import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import type { Binding, KeyInKeystore, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { KmsCalls, KmsKey } from './calls.ts';
import { lookUntil, ridingOut } from './consistency.ts';
import { fingerprintOf, ruleOf } from './fingerprint.ts';
import type { AwsKeyRule } from './kind.ts';
import { boundArn } from './names.ts';

/**
 * The step `import`: brings the material into the empty key, or back into one that lost it. With the material already there it
 * changes nothing; where no fingerprint proves that the material is ours, the same bytes are imported again, which AWS accepts
 * for those bytes only (other bytes: `conflict`). AWS lets nobody use a symmetric key while any of its materials is missing, so those of
 * earlier versions are brought back too; where this version's never came by then, the binding stays, and `rotate` is still to be done.
 */
export function importStep(calls: KmsCalls): Step {
  return async (key, context) => {
    const { signal } = context;
    const arn = boundArn(key);
    const found = await ridingOut(signal, () => calls.describeKey(arn, signal));
    switch (found.state) {
      case 'PendingImport':
        if (await bringBackEarlier(key, arn, context, calls)) return key.binding;
        break;
      case 'Enabled':
        if (key.binding?.fingerprint !== undefined && (await isExpected(key, found, calls, signal))) return key.binding;
        break;
      case 'Disabled':
        // AWS takes no import into a disabled key. It once had its material, and but for a symmetric key that is for life.
        if (found.materialId === undefined || found.materialId === key.binding?.fingerprint) return key.binding;
        break;
      case 'Creating':
      case 'Updating':
      case 'Unavailable':
        throw new KeystoreFault('unavailable', `${arn} is ${found.state}; its material cannot be imported now.`);
      case 'PendingDeletion':
      case 'PendingReplicaDeletion':
        throw new KeystoreFault(
          'conflict',
          `${arn} is about to be deleted; cancel that before its material is imported.`,
        );
    }
    const imported = await importMaterial(key, context, undefined, calls);
    return bindingAfterImport(key, arn, imported, calls, signal);
  };
}

/** Answers whether the key is complete by that, though this version's material is not its current one: the rotation never came to it. */
async function bringBackEarlier(
  key: KeyInKeystore,
  arn: string,
  context: StepContext,
  calls: KmsCalls,
): Promise<boolean> {
  if (key.version === 1 || !ruleOf(key).rotatesInPlace) return false;
  const { signal } = context;
  const materials = await calls.materialsOf(arn, signal);
  const missing = materials
    .filter(({ ImportState: state }) => state === 'PENDING_IMPORT')
    .flatMap(({ KeyMaterialDescription: description }) => versionIn(description) ?? [])
    .filter((version) => version < key.version);
  for (const version of missing) {
    const lendsEarlier: StepContext = { ...context, withMaterial: (use) => context.withMaterial(use, version) };
    await importMaterial({ ...key, version }, lendsEarlier, 'EXISTING_KEY_MATERIAL', calls);
  }
  const wasRotated = materials.some(
    (each) => versionIn(each.KeyMaterialDescription) === key.version && each.KeyMaterialState !== 'PENDING_ROTATION',
  );
  if (wasRotated || missing.length === 0) return false;
  const now = await lookUntil(
    signal,
    () => calls.describeKey(arn, signal),
    (seen) => seen.state !== 'PendingImport',
  );
  return now.state === 'Enabled';
}

async function isExpected(key: KeyInKeystore, found: KmsKey, calls: KmsCalls, signal: AbortSignal): Promise<boolean> {
  return (await fingerprintOf(key, found, calls, signal)) === key.binding?.fingerprint;
}

async function bindingAfterImport(
  key: KeyInKeystore,
  arn: string,
  imported: string | undefined,
  calls: KmsCalls,
  signal: AbortSignal,
): Promise<Binding> {
  const now = await lookUntil(
    signal,
    () => calls.describeKey(arn, signal),
    (seen) => seen.state !== 'PendingImport',
  );
  if (now.state === 'PendingImport') {
    throw new KeystoreFault(
      'unavailable',
      `${arn} took its material and still waits for more: the material of its earlier versions is missing too.`,
    );
  }
  // A symmetric key can hold several materials, and ours need not be the one that it encrypts with.
  if (key.current && imported !== undefined && now.materialId !== undefined && imported !== now.materialId) {
    throw new KeystoreFault(
      'conflict',
      `${arn} has been rotated to material that is not this key's; AWS KMS cannot make an earlier material the current one again.`,
    );
  }
  return { idInKeystore: arn, fingerprint: imported ?? (await fingerprintOf(key, now, calls, signal)) };
}

/**
 * Wraps the key version's material for the KMS key and imports it for good. `as` is for symmetric keys only; undefined lets AWS
 * decide: new in a key that never had any, else one that it must know already. Answers the material's id where AWS tells it.
 */
export async function importMaterial(
  key: KeyInKeystore,
  { signal, withMaterial }: StepContext,
  as: ImportType | undefined,
  calls: KmsCalls,
): Promise<string | undefined> {
  const arn = boundArn(key);
  const { wrapping, rotatesInPlace } = ruleOf(key);
  const parameters = await ridingOut(signal, () => calls.importParameters(arn, wrapping, signal));
  const wrapped = await withMaterial((material) => Promise.resolve(wrap(material, parameters.publicKey, wrapping)));
  return calls.importMaterial(
    {
      KeyId: arn,
      ImportToken: parameters.token,
      EncryptedKeyMaterial: wrapped,
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      ...(as === undefined ? {} : { ImportType: as }),
      // AWS keeps a description of each material where a key can have several.
      ...(rotatesInPlace ? { KeyMaterialDescription: materialDescription(key.version) } : {}),
    },
    signal,
  );
}

const MATERIAL_DESCRIPTION = /^shearline version (\d+)$/;

/** What AWS shows beside a material that we imported. */
function materialDescription(version: number): string {
  return `shearline version ${version}`;
}

/** The version whose material we imported under this description; undefined for somebody else's. */
export function versionIn(description: string | undefined): number | undefined {
  const version = MATERIAL_DESCRIPTION.exec(description ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}

/** The initial value of AES key wrap with padding, RFC 5649 section 3. */
const KEY_WRAP_IV = Buffer.from('A65959A6', 'hex');

/**
 * Wraps material under the public key (SubjectPublicKeyInfo DER) of AWS KMS. Leaves no copy of the material, and none of the
 * ephemeral AES key, behind. RSA_AES_KEY_WRAP_SHA_256 is the AES key under OAEP, followed by the material under that AES key.
 */
export function wrap(material: Uint8Array, publicKey: Uint8Array, wrapping: AwsKeyRule['wrapping']): Uint8Array {
  const under = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  const oaep = (bytes: Uint8Array) =>
    publicEncrypt({ key: under, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes);
  if (wrapping === 'RSAES_OAEP_SHA_256') return oaep(material);

  const ephemeral = randomBytes(32);
  try {
    const cipher = createCipheriv('id-aes256-wrap-pad', ephemeral, KEY_WRAP_IV);
    return Buffer.concat([oaep(ephemeral), cipher.update(material), cipher.final()]);
  } finally {
    ephemeral.fill(0);
  }
}
