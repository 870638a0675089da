import type { Binding, KeyInKeystore, Step, StepContext } from '../driver.ts';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { isFault, orAbsent } from './faults.ts';
import { belongsTo, fingerprintOf, publicFingerprint, publicKeyOf } from './fingerprint.ts';
import type { ImportJobs } from './import-job.ts';
import { isOurImport } from './import-job.ts';
import type { LabelEditor } from './labels.ts';
import { boundOf, versionName } from './names.ts';
import { becomePrimary } from './primary.ts';
import type { CryptoKey, CryptoKeyVersion } from './resources.ts';
import { makeReserved } from './reserve.ts';
import { isKeyPair, sortOf } from './sort.ts';
import { claimedVersion, isPending } from './state.ts';
import { lookUntil } from './waiting.ts';
import { wrap } from './wrapping.ts';

/** What the step needs beside the calls. */
interface Means {
  readonly calls: GoogleCalls;
  readonly labels: LabelEditor;
  readonly jobs: ImportJobs;
}

/**
 * The step `import`: brings the material as a CryptoKeyVersion of its own, or back into the one that it was in. Google takes it back
 * there only if it is the same (other bytes: `conflict`). With the material already there it changes nothing; of a key pair it is then
 * proved by the public key that it is ours. Of a symmetric key nothing shows that: its version is ours because its number was written
 * down, on our own CryptoKey, before it was imported.
 */
export function importStep(calls: GoogleCalls, labels: LabelEditor, jobs: ImportJobs): Step {
  const means: Means = { calls, labels, jobs };
  return async (key, context) => {
    const { signal } = context;
    const { cryptoKey, number } = boundOf(key);
    const found = await calls.cryptoKey(cryptoKey, signal);
    const there =
      number === undefined
        ? await claimedVersion(found, key, calls, signal)
        : await calls.version(versionName(cryptoKey, number), signal);
    const before = there === undefined ? undefined : await settled(there, calls, signal);
    switch (before?.state) {
      case 'ENABLED':
      case 'DISABLED':
        return proved(key, context, found, before, means);
      case 'PENDING_IMPORT':
      case 'PENDING_GENERATION':
        throw new KeystoreFault('unavailable', `Google Cloud KMS is still at work on ${before.name}.`);
      case 'DESTROY_SCHEDULED':
      case 'PENDING_EXTERNAL_DESTRUCTION':
        throw new KeystoreFault(
          'conflict',
          `${before.name} is about to be destroyed; cancel that before its material is imported.`,
        );
      case undefined:
      case 'DESTROYED':
      case 'IMPORT_FAILED':
      case 'GENERATION_FAILED':
      case 'EXTERNAL_DESTRUCTION_FAILED':
        return brought(key, context, found, before, means);
    }
  };
}

function settled(version: CryptoKeyVersion, calls: GoogleCalls, signal: AbortSignal): Promise<CryptoKeyVersion> {
  return lookUntil(
    version,
    () => calls.version(version.name, signal),
    (seen) => !isPending(seen),
    signal,
  );
}

/** The material is there: whether it is ours, and the binding that says so. */
async function proved(
  key: KeyInKeystore,
  { signal, withMaterial }: StepContext,
  found: CryptoKey,
  version: CryptoKeyVersion,
  { calls }: Means,
): Promise<Binding> {
  await becomePrimary(key, found, version, calls, signal);
  const recorded = key.binding?.fingerprint;
  const here = { idInKeystore: version.name, fingerprint: recorded };
  if (key.binding?.idInKeystore !== version.name && !isOurImport(version)) {
    throw new KeystoreFault('conflict', `${version.name} was not imported by Shearline; somebody else has made it.`);
  }
  if (!isKeyPair(sortOf(key)) || version.state !== 'ENABLED') return here;
  const publicKey = await publicKeyOf(version.name, calls, signal);
  const fingerprint = fingerprintOf(publicKey);
  if (fingerprint === recorded) return { idInKeystore: version.name, fingerprint };
  if (await withMaterial((material) => Promise.resolve(belongsTo(publicKey, material)))) {
    return { idInKeystore: version.name, fingerprint };
  }
  throw new KeystoreFault(
    'conflict',
    `${version.name} holds other material than this key's; somebody else imported it.`,
  );
}

async function brought(
  key: KeyInKeystore,
  context: StepContext,
  found: CryptoKey,
  before: CryptoKeyVersion | undefined,
  means: Means,
): Promise<Binding> {
  const { calls, labels } = means;
  const { signal } = context;
  if (before !== undefined && before.state !== 'IMPORT_FAILED' && !before.reimportEligible) {
    throw new KeystoreFault(
      'conflict',
      `${before.name} is ${before.state}, and Google takes no material back into it.`,
    );
  }
  const bring = () => send(key, context, found.name, before?.name, means);
  const sent = before === undefined ? await makeReserved(key, found.name, bring, calls, labels, signal) : await bring();
  const version = await settled(sent, calls, signal);
  if (version.state === 'IMPORT_FAILED') throw importFailed(version, before);
  await becomePrimary(key, found, version, calls, signal);
  const known = isKeyPair(sortOf(key)) && version.state === 'ENABLED';
  return {
    idInKeystore: version.name,
    // Google may still be at work on it; what was recorded before stays true then.
    fingerprint: known ? await publicFingerprint(version.name, calls, signal) : key.binding?.fingerprint,
  };
}

async function send(
  key: KeyInKeystore,
  context: StepContext,
  cryptoKey: string,
  version: string | undefined,
  means: Means,
): Promise<CryptoKeyVersion> {
  const { calls, jobs } = means;
  const { signal, withMaterial } = context;
  const { rule, protection } = sortOf(key);
  const once = async () => {
    const job = await jobs.active(protection, signal);
    const wrappedKey = await withMaterial((material) => Promise.resolve(wrap(material, job.publicKeyPem)));
    try {
      return await calls.importVersion(
        { cryptoKey, version, algorithm: rule.googleAlgorithm, importJob: job.importJob, wrappedKey },
        signal,
      );
    } catch (error) {
      if (isFault(error, 'conflict') || isFault(error, 'not_found')) jobs.forget(job);
      throw error;
    }
  };
  try {
    return await once();
  } catch (error) {
    // The job may have ended since it was looked at; with a new one the import is worth another try.
    if (!isFault(error, 'conflict') || !(await jobHasEnded(error.message, calls, signal))) throw error;
  }
  return once();
}

/** Google's refusal names the job that has ended. */
async function jobHasEnded(message: string, calls: GoogleCalls, signal: AbortSignal): Promise<boolean> {
  const name = /projects\/\S+\/importJobs\/[A-Za-z0-9_-]+/.exec(message)?.[0];
  if (name === undefined) return false;
  const job = await orAbsent(calls.importJob(name, signal));
  return job?.state === 'EXPIRED';
}

function importFailed(version: CryptoKeyVersion, before: CryptoKeyVersion | undefined): KeystoreFault {
  const why = `Google Cloud KMS could not import the material of ${version.name}: ${version.importFailureReason ?? 'no reason given'}.`;
  return before?.importTime !== undefined
    ? new KeystoreFault('conflict', `${why} It takes back only the very material that this version once had.`)
    : new KeystoreFault('broken', why);
}
