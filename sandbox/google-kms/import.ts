import { constants, createDecipheriv, createPublicKey, privateDecrypt } from 'node:crypto';
import { privateKeyOf, refusesMaterial } from './algorithms.ts';
import type { Answer, Call } from './call.ts';
import { bytesOf, cryptoKeyOf, keyRingOf, newId, textOf, timestamp, versionOf } from './call.ts';
import { bitsOf, digestOf } from './cloud.ts';
import { requireFitting } from './crypto-keys.ts';
import { readEnum } from './enums.ts';
import { exists, GoogleError, invalid, notFound, wrongState } from './error.ts';
import { pageOf } from './paging.ts';
import { isReimportable, newVersion, shownVersion } from './versions.ts';
import type { CryptoKey, ImportJob, Version } from './world.ts';
import { versionName } from './world.ts';

const THREE_DAYS = 3 * 86_400_000;

type JobState = 'PENDING_GENERATION' | 'ACTIVE' | 'EXPIRED';

function stateOf(job: ImportJob, now: number): JobState {
  if (now >= job.expiresAt) return 'EXPIRED';
  return job.privateKey === undefined || now < job.activeAt ? 'PENDING_GENERATION' : 'ACTIVE';
}

function shownJob({ encode, now }: Call, job: ImportJob): Answer {
  const state = stateOf(job, now);
  const publicKey =
    state === 'ACTIVE' && job.privateKey !== undefined
      ? { publicKey: { pem: createPublicKey(privateKeyOf(job.privateKey)).export({ type: 'spki', format: 'pem' }) } }
      : {};
  return {
    name: job.name,
    importMethod: encode('importMethod', job.method),
    protectionLevel: encode('protectionLevel', job.protectionLevel),
    createTime: timestamp(job.createdAt),
    ...(state === 'PENDING_GENERATION' ? {} : { generateTime: timestamp(job.activeAt) }),
    expireTime: timestamp(job.expiresAt),
    ...(state === 'EXPIRED' ? { expireEventTime: timestamp(job.expiresAt) } : {}),
    state: encode('jobState', state),
    ...publicKey,
  };
}

export function createImportJob(call: Call): Answer {
  const { body, cloud, now } = call;
  keyRingOf(call, call.name);
  const name = `${call.name}/importJobs/${newId(call, 'importJobId')}`;
  const method = readEnum('importMethod', body['importMethod'], 'import_job.import_method');
  const level = readEnum('protectionLevel', body['protectionLevel'], 'import_job.protection_level');
  if (method === undefined) throw invalid('ImportJob.import_method is required.');
  if (level !== 'SOFTWARE' && level !== 'HSM') throw invalid('ImportJob.protection_level must be SOFTWARE or HSM.');
  if (cloud.importJobs.has(name)) throw exists('ImportJob', name);
  const job: ImportJob = {
    name,
    method,
    protectionLevel: level,
    createdAt: now,
    activeAt: now + cloud.pendingMs,
    expiresAt: now + THREE_DAYS,
    privateKey: undefined,
  };
  cloud.addImportJob(job, bitsOf(job));
  return shownJob(call, job);
}

function importJobOf({ cloud }: Call, name: string): ImportJob {
  const job = cloud.importJobs.get(name);
  if (job === undefined) throw notFound('ImportJob', name);
  return job;
}

export const getImportJob = (call: Call): Answer => shownJob(call, importJobOf(call, call.name));

export function listImportJobs(call: Call): Answer {
  keyRingOf(call, call.name);
  const jobs = [...call.cloud.importJobs.values()]
    .filter(({ name }) => name.startsWith(`${call.name}/importJobs/`))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return pageOf(call, jobs, 'importJobs', (job) => shownJob(call, job));
}

/** What is wrong with the wrapped bytes shows only after the call was answered: the version ends in IMPORT_FAILED. */
export function importVersion(call: Call): Answer {
  const { body, cloud, now } = call;
  const key = cryptoKeyOf(call, call.name);
  const algorithm = readEnum('algorithm', body['algorithm'], 'algorithm');
  if (algorithm === undefined) throw invalid('ImportCryptoKeyVersionRequest.algorithm is required.');
  requireFitting(algorithm, key.purpose, key.protectionLevel);
  const job = usableJob(call, key);
  const wrapped = bytesOf(body, 'wrappedKey') ?? bytesOf(body, 'rsaAesWrappedKey');
  if (wrapped === undefined) throw invalid('ImportCryptoKeyVersionRequest.wrapped_key is required.');
  const version = targetOf(call, key) ?? newVersion(key, now, { state: 'PENDING_IMPORT', algorithm });
  const unwrapped = unwrap(job, wrapped);
  const material = typeof unwrapped === 'string' ? undefined : unwrapped;
  version.failure = failureOf(version, algorithm, unwrapped);
  version.state = 'PENDING_IMPORT';
  version.importJob = job.name;
  version.readyAt = now + cloud.pendingMs;
  if (version.failure === undefined && material !== undefined) {
    version.material = material;
    version.materialDigest = digestOf(material);
    version.destroyedAt = undefined;
  } else {
    material?.fill(0);
  }
  cloud.saveKey(key);
  cloud.schedule(key, version);
  return shownVersion(call, key, version);
}

function usableJob(call: Call, key: CryptoKey): ImportJob {
  const job = importJobOf(call, textOf(call.body, 'importJob') ?? '');
  const state = stateOf(job, call.now);
  if (state !== 'ACTIVE') throw wrongState(job.name, 'import_job.state', state);
  if (job.protectionLevel !== key.protectionLevel) {
    throw new GoogleError(
      'FAILED_PRECONDITION',
      `The protection level ${job.protectionLevel} of ${job.name} does not match that of ${key.name}.`,
    );
  }
  return job;
}

/** The version to import back into, when the call names one. */
function targetOf(call: Call, key: CryptoKey): Version | undefined {
  const name = textOf(call.body, 'cryptoKeyVersion');
  if (name === undefined) return undefined;
  if (!name.startsWith(`${key.name}/cryptoKeyVersions/`)) throw invalid(`${name} is not a version of ${key.name}.`);
  const { version } = versionOf(call, name);
  if (!isReimportable(version)) {
    throw wrongState(versionName(key, version), 'crypto_key_version.state', version.state);
  }
  return version;
}

function failureOf(version: Version, algorithm: Version['algorithm'], unwrapped: Buffer | string): string | undefined {
  if (typeof unwrapped === 'string') return unwrapped;
  const refusal = refusesMaterial(algorithm, unwrapped);
  if (refusal !== undefined) return refusal;
  if (algorithm !== version.algorithm) return 'The algorithm does not match that of the key version';
  if (version.materialDigest !== undefined && version.materialDigest !== digestOf(unwrapped)) {
    return 'The key material does not match the original key material of the key version';
  }
  return undefined;
}

/** RSA AES key wrap, or OAEP alone, as the job's method says; the reason when that fails. */
function unwrap(job: ImportJob, wrapped: Buffer): Buffer | string {
  const { method, privateKey } = job;
  if (privateKey === undefined) return 'The wrapping key is missing';
  const oaep = (bytes: Buffer) =>
    privateDecrypt(
      {
        key: privateKeyOf(privateKey),
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: method.includes('SHA1') ? 'sha1' : 'sha256',
      },
      bytes,
    );
  try {
    if (!method.endsWith('_AES_256')) return oaep(wrapped);
    const length = bitsOf(job) / 8;
    const aesKey = oaep(wrapped.subarray(0, length));
    const decipher = createDecipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('A65959A6', 'hex'));
    return Buffer.concat([decipher.update(wrapped.subarray(length)), decipher.final()]);
  } catch {
    return 'The key material could not be unwrapped';
  }
}
