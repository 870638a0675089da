import type { KeyInKeystore } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import type { LabelEditor } from './labels.ts';
import { claimsOf } from './labels.ts';
import { numberOf } from './names.ts';
import type { CryptoKeyVersion } from './resources.ts';
import { wanting } from './state.ts';

/**
 * Makes a new CryptoKeyVersion for this version of the key, having written down the number that Google will give it: so the version is
 * known for ours even when the answer is lost. Versions of one key are made one after the other, because Google counts on in the order
 * in which it is asked; should another process have made one in between, what is written is put right.
 */
export async function makeReserved(
  key: KeyInKeystore,
  cryptoKey: string,
  make: () => Promise<CryptoKeyVersion>,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<CryptoKeyVersion> {
  return labels.alone(cryptoKey, async (edit) => {
    const number = await nextNumber(cryptoKey, calls, signal);
    await edit(cryptoKey, wanting(key, number), signal);
    const made = await make();
    await edit(cryptoKey, wanting(key, numberOf(made.name)), signal);
    return made;
  });
}

/**
 * Writes down that this version of the key is wanted in the CryptoKey, under a number that nobody has or is to get. Which one it gets
 * in the end is settled when it is made.
 */
export async function reserve(
  key: KeyInKeystore,
  cryptoKey: string,
  calls: GoogleCalls,
  labels: LabelEditor,
  signal: AbortSignal,
): Promise<void> {
  await labels.alone(cryptoKey, async (edit) => {
    const number = await nextNumber(cryptoKey, calls, signal);
    await edit(
      cryptoKey,
      (had, found) =>
        wanting(key, Math.max(number, ...[...claimsOf(found).values()].map((each) => each + 1)))(had, found),
      signal,
    );
  });
}

/** The number of the CryptoKey's next version: Google counts them from 1. */
async function nextNumber(cryptoKey: string, calls: GoogleCalls, signal: AbortSignal): Promise<number> {
  const versions = await calls.versions(cryptoKey, signal);
  return Math.max(0, ...versions.map((version) => numberOf(version.name))) + 1;
}
