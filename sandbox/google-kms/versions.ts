import { randomBytes } from 'node:crypto';
import { shapeOf } from './algorithms.ts';
import type { Answer, Call } from './call.ts';
import { cryptoKeyOf, timestamp, updateMask, versionOf } from './call.ts';
import { digestOf } from './cloud.ts';
import { readEnum } from './enums.ts';
import { GoogleError, invalid, wrongState } from './error.ts';
import { pageOf } from './paging.ts';
import type { CryptoKey, Version } from './world.ts';
import { isPending, versionName } from './world.ts';

const STATE = 'crypto_key_version.state';

export function shownVersion({ encode }: Pick<Call, 'encode'>, key: CryptoKey, version: Version): Answer {
  const time = (member: string, at: number | undefined) => (at === undefined ? {} : { [member]: timestamp(at) });
  return {
    name: versionName(key, version),
    state: encode('versionState', version.state),
    protectionLevel: encode('protectionLevel', version.protectionLevel),
    algorithm: encode('algorithm', version.algorithm),
    ...time('createTime', version.createdAt),
    ...time('generateTime', version.generatedAt),
    ...time('destroyTime', version.state === 'DESTROY_SCHEDULED' ? version.destroyAt : undefined),
    ...time('destroyEventTime', version.state === 'DESTROYED' ? version.destroyedAt : undefined),
    ...(version.importJob === undefined ? {} : { importJob: version.importJob }),
    ...time('importTime', version.importedAt),
    ...(version.state === 'IMPORT_FAILED' ? { importFailureReason: version.failure } : {}),
    ...(isReimportable(version) ? { reimportEligible: true } : {}),
  };
}

/** Whether the material of an imported version can be brought back into it. */
export const isReimportable = (version: Version): boolean =>
  version.importJob !== undefined && (version.state === 'DESTROYED' || version.state === 'IMPORT_FAILED');

/** A version without anything in it yet. */
export function newVersion(
  key: CryptoKey,
  now: number,
  members: Pick<Version, 'state' | 'algorithm'> & Partial<Version>,
): Version {
  const version: Version = {
    number: key.nextNumber,
    protectionLevel: key.protectionLevel,
    createdAt: now,
    generatedAt: undefined,
    readyAt: undefined,
    destroyAt: undefined,
    destroyedAt: undefined,
    importJob: undefined,
    importedAt: undefined,
    failure: undefined,
    material: undefined,
    materialDigest: undefined,
    ...members,
  };
  key.nextNumber += 1;
  key.versions.set(version.number, version);
  return version;
}

/** Only key pairs pass through PENDING_GENERATION; other keys are ready when Google answers. */
export function addGenerated({ cloud, now }: Pick<Call, 'cloud' | 'now'>, key: CryptoKey): Version {
  const { algorithm } = key;
  const shape = shapeOf(algorithm);
  if (shape.family === 'symmetric' || shape.family === 'hmac') {
    const material = randomBytes(shape.bytes);
    return newVersion(key, now, {
      state: 'ENABLED',
      algorithm,
      generatedAt: now,
      material,
      materialDigest: digestOf(material),
    });
  }
  const version = newVersion(key, now, { state: 'PENDING_GENERATION', algorithm, readyAt: now + cloud.pendingMs });
  cloud.generate(key, version);
  return version;
}

export const getVersion = (call: Call): Answer => {
  const { key, version } = versionOf(call, call.name);
  return shownVersion(call, key, version);
};

export function listVersions(call: Call): Answer {
  const key = cryptoKeyOf(call, call.name);
  const versions = [...key.versions.values()].map((version) => ({
    // As Google does, by the text of the name: 10 comes before 2.
    name: versionName(key, version),
    version,
  }));
  const sorted = versions.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return pageOf(call, sorted, 'cryptoKeyVersions', ({ version }) => shownVersion(call, key, version));
}

export function createVersion(call: Call): Answer {
  const key = cryptoKeyOf(call, call.name);
  if (key.importOnly) {
    throw new GoogleError('FAILED_PRECONDITION', `${key.name} is import only: its versions can only be imported.`);
  }
  const version = addGenerated(call, key);
  call.cloud.saveKey(key);
  return shownVersion(call, key, version);
}

export function updateVersion(call: Call): Answer {
  const { key, version } = versionOf(call, call.name);
  updateMask(call, ['state']);
  const state = readEnum('versionState', call.body['state'], STATE);
  if (state !== 'ENABLED' && state !== 'DISABLED')
    throw invalid(`${STATE} can only be updated to ENABLED or DISABLED.`);
  if (version.state !== 'ENABLED' && version.state !== 'DISABLED') {
    throw wrongState(versionName(key, version), STATE, version.state);
  }
  version.state = state;
  call.cloud.saveKey(key);
  return shownVersion(call, key, version);
}

export function destroyVersion(call: Call): Answer {
  const { key, version } = versionOf(call, call.name);
  if (version.state !== 'ENABLED' && version.state !== 'DISABLED') {
    throw wrongState(versionName(key, version), STATE, version.state);
  }
  version.state = 'DESTROY_SCHEDULED';
  version.destroyAt = call.now + key.destroyScheduledSeconds * 1000;
  call.cloud.saveKey(key);
  call.cloud.schedule(key, version);
  return shownVersion(call, key, version);
}

export function restoreVersion(call: Call): Answer {
  const { key, version } = versionOf(call, call.name);
  if (version.state !== 'DESTROY_SCHEDULED') throw wrongState(versionName(key, version), STATE, version.state);
  version.state = 'DISABLED';
  version.destroyAt = undefined;
  call.cloud.saveKey(key);
  return shownVersion(call, key, version);
}

/** The material of a version that can be used now. */
export function usableMaterial(key: CryptoKey, version: Version): Buffer {
  if (version.state === 'ENABLED' && version.material !== undefined) return version.material;
  const name = versionName(key, version);
  const violation = { type: isPending(version) ? 'KEY_PENDING_GENERATION' : `KEY_${version.state}`, subject: name };
  throw new GoogleError('FAILED_PRECONDITION', `${name} is not enabled, current state is: ${version.state}.`, [
    { '@type': 'type.googleapis.com/google.rpc.PreconditionFailure', violations: [violation] },
  ]);
}
