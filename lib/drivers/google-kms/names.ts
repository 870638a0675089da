import type { KeyInKeystore } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';

/** Where a keystore's keys are: resource names, without a slash at either end. */
export interface Place {
  /** `projects/<project>/locations/<location>`. */
  readonly location: string;
  /** The id of the key ring, and its whole name. */
  readonly keyRingId: string;
  readonly keyRing: string;
}

export function placeOf(project: string, location: string, keyRingId: string): Place {
  const parent = `projects/${project}/locations/${location}`;
  return { location: parent, keyRingId, keyRing: `${parent}/keyRings/${keyRingId}` };
}

/**
 * What a key is bound to. A version of a managed key is one CryptoKeyVersion, whose name stands for its material for ever. Until its
 * material is imported there is none, and the binding is the name of the CryptoKey.
 */
export interface Bound {
  readonly cryptoKey: string;
  /** The number of the CryptoKeyVersion; undefined while the binding is the CryptoKey's. */
  readonly number: number | undefined;
}

const BOUND =
  /^(?<cryptoKey>projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+)(?:\/cryptoKeyVersions\/(?<number>\d+))?$/;

/** Reads the name of a CryptoKey or CryptoKeyVersion. */
export function readName(name: string): Bound {
  const found = BOUND.exec(name)?.groups;
  if (found?.['cryptoKey'] === undefined) {
    throw new KeystoreFault('broken', `${name} is not the name of a key in Google Cloud KMS.`);
  }
  const number = found['number'];
  return { cryptoKey: found['cryptoKey'], number: number === undefined ? undefined : Number(number) };
}

/** The number at the end of a CryptoKeyVersion's name. */
export function numberOf(versionName: string): number {
  const { number } = readName(versionName);
  if (number === undefined) throw new KeystoreFault('broken', `${versionName} is not the name of a key version.`);
  return number;
}

export function versionName(cryptoKey: string, number: number): string {
  return `${cryptoKey}/cryptoKeyVersions/${number}`;
}

/** The name of the CryptoKey that the label stands for. */
export function cryptoKeyNamed(label: string, place: Place): string {
  return `${place.keyRing}/cryptoKeys/${label}`;
}

/** The id of a CryptoKey, which is the label it was made with. */
export function idOf(cryptoKey: string): string {
  return cryptoKey.slice(cryptoKey.lastIndexOf('/') + 1);
}

/** What the key is bound to. Throws `not_found` when no create is known to have finished. */
export function boundOf(key: KeyInKeystore): Bound {
  if (key.binding !== undefined) return readName(key.binding.idInKeystore);
  throw new KeystoreFault('not_found', `${key.label} has not been created in Google Cloud KMS yet.`);
}
