import { randomBytes } from 'node:crypto';
import { KeystoreFault } from '../driver.ts';
import type { GoogleCalls } from './calls.ts';
import { isFault, orAbsent } from './faults.ts';
import type { GoogleProtection } from './kind.ts';
import type { Place } from './names.ts';
import type { CryptoKeyVersion, ImportJob } from './resources.ts';
import { lookUntil } from './waiting.ts';

/** A job's wrapping key: good for any key of its protection level in the key ring, for three days. */
export interface WrappingKey {
  readonly importJob: string;
  readonly publicKeyPem: string;
}

/** The wrapping keys of one key ring. */
export interface ImportJobs {
  active(protection: GoogleProtection, signal: AbortSignal): Promise<WrappingKey>;
  /** Lets go of a job that was refused. */
  forget(job: WrappingKey): void;
}

const METHOD = 'RSA_OAEP_4096_SHA256_AES_256';

const OWN_JOB_PREFIX = 'shearline-';

/** Whether the version's material came by one of our jobs. */
export function isOurImport({ importJob: job }: CryptoKeyVersion): boolean {
  return job?.includes(`/importJobs/${OWN_JOB_PREFIX}`) ?? false;
}

/** How long before its end a job is not used any more, in milliseconds. */
const SPARE_MS = 3_600_000;

/**
 * One job a day and protection level, by an id made of these, so that processes which know nothing of each other share it and no more
 * jobs are left behind than days: they cannot be deleted either.
 */
export function importJobs(calls: GoogleCalls, place: Place): ImportJobs {
  const kept = new Map<GoogleProtection, { key: WrappingKey; until: number }>();

  return {
    async active(protection, signal) {
      const known = kept.get(protection);
      if (known !== undefined && Date.now() < known.until) return known.key;
      const job = await usableJob(protection, calls, place, signal);
      const pem = job.publicKey?.pem;
      if (job.state !== 'ACTIVE' || pem === undefined) {
        throw new KeystoreFault('unavailable', `Google Cloud KMS is still making the wrapping key of ${job.name}.`);
      }
      const key = { importJob: job.name, publicKeyPem: pem };
      kept.set(protection, { key, until: endOf(job) - SPARE_MS });
      return key;
    },
    forget(job) {
      for (const [protection, { key }] of kept) if (key.importJob === job.importJob) kept.delete(protection);
    },
  };
}

const endOf = ({ expireTime }: ImportJob): number => (expireTime === undefined ? 0 : Date.parse(expireTime));

async function usableJob(
  protection: GoogleProtection,
  calls: GoogleCalls,
  place: Place,
  signal: AbortSignal,
): Promise<ImportJob> {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const id = `${OWN_JOB_PREFIX}${protection}-${day}`;
  const first = await jobNamed(id, protection, calls, place, signal);
  if (first.state !== 'EXPIRED') return first;
  // Its clock is days ahead of ours.
  return jobNamed(`${id}-${randomBytes(4).toString('hex')}`, protection, calls, place, signal);
}

async function jobNamed(
  id: string,
  protection: GoogleProtection,
  calls: GoogleCalls,
  place: Place,
  signal: AbortSignal,
): Promise<ImportJob> {
  const look = () => calls.importJob(`${place.keyRing}/importJobs/${id}`, signal);
  const found = (await orAbsent(look())) ?? (await makeJob(id, protection, look, calls, place, signal));
  return lookUntil(found, look, (job) => job.state !== 'PENDING_GENERATION', signal);
}

async function makeJob(
  id: string,
  protection: GoogleProtection,
  look: () => Promise<ImportJob>,
  calls: GoogleCalls,
  place: Place,
  signal: AbortSignal,
): Promise<ImportJob> {
  try {
    const job = { importMethod: METHOD, protectionLevel: protection.toUpperCase() };
    return await calls.createImportJob(place.keyRing, id, job, signal);
  } catch (error) {
    if (isFault(error, 'conflict') && error.providerCode === 'ALREADY_EXISTS') return look();
    throw error;
  }
}
