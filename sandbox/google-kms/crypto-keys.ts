import { shapeOf } from './algorithms.ts';
import type { Algorithm } from './algorithms.ts';
import type { Answer, Call } from './call.ts';
import { cryptoKeyOf, keyRingOf, newId, objectOf, textOf, timestamp, updateMask } from './call.ts';
import { readEnum } from './enums.ts';
import { exists, GoogleError, invalid, notFound } from './error.ts';
import { pageOf } from './paging.ts';
import { addGenerated, shownVersion } from './versions.ts';
import type { CryptoKey, ProtectionLevel, Purpose } from './world.ts';

const day = 86_400;

export function shownKey(call: Call, key: CryptoKey): Answer {
  const primary = key.primary === undefined ? undefined : key.versions.get(key.primary);
  return {
    name: key.name,
    ...(primary === undefined ? {} : { primary: shownVersion(call, key, primary) }),
    purpose: call.encode('purpose', key.purpose),
    createTime: timestamp(key.createdAt),
    ...(key.nextRotationAt === undefined ? {} : { nextRotationTime: timestamp(key.nextRotationAt) }),
    ...(key.rotationPeriodSeconds === undefined ? {} : { rotationPeriod: `${key.rotationPeriodSeconds}s` }),
    versionTemplate: {
      protectionLevel: call.encode('protectionLevel', key.protectionLevel),
      algorithm: call.encode('algorithm', key.algorithm),
    },
    ...(Object.keys(key.labels).length === 0 ? {} : { labels: { ...key.labels } }),
    ...(key.importOnly ? { importOnly: true } : {}),
    destroyScheduledDuration: `${key.destroyScheduledSeconds}s`,
  };
}

export const getCryptoKey = (call: Call): Answer => shownKey(call, cryptoKeyOf(call, call.name));

export function listCryptoKeys(call: Call): Answer {
  keyRingOf(call, call.name);
  return pageOf(call, call.cloud.keysOf(call.name), 'cryptoKeys', (key) => shownKey(call, key));
}

export function createCryptoKey(call: Call): Answer {
  const { body, cloud, now, query } = call;
  keyRingOf(call, call.name);
  const name = `${call.name}/cryptoKeys/${newId(call, 'cryptoKeyId')}`;
  const purpose = readEnum('purpose', body['purpose'], 'crypto_key.purpose');
  if (purpose === undefined) throw invalid('CryptoKey.purpose is required.');
  const { algorithm, protectionLevel } = templateOf(body, purpose);
  const importOnly = body['importOnly'] === true;
  const skip = query.get('skipInitialVersionCreation') === 'true';
  if (importOnly && !skip) {
    throw invalid('skip_initial_version_creation must be true if import_only is set on the CryptoKey.');
  }
  const labels = labelsOf(body['labels']);
  if (cloud.key(name) !== undefined) throw exists('CryptoKey', name);
  const key: CryptoKey = {
    name,
    purpose,
    labels,
    algorithm,
    protectionLevel,
    importOnly,
    destroyScheduledSeconds: destroySeconds(textOf(body, 'destroyScheduledDuration')),
    createdAt: now,
    primary: undefined,
    ...rotationOf(body, purpose),
    nextNumber: 1,
    versions: new Map(),
  };
  if (!skip) {
    const version = addGenerated(call, key);
    if (purpose === 'ENCRYPT_DECRYPT') key.primary = version.number;
  }
  cloud.addKey(key);
  return shownKey(call, key);
}

function templateOf(
  body: Readonly<Record<string, unknown>>,
  purpose: Purpose,
): { algorithm: Algorithm; protectionLevel: ProtectionLevel } {
  const template = objectOf(body['versionTemplate'], 'crypto_key.version_template');
  const implied = purpose === 'ENCRYPT_DECRYPT' ? 'GOOGLE_SYMMETRIC_ENCRYPTION' : undefined;
  const algorithm = readEnum('algorithm', template['algorithm'], 'crypto_key.version_template.algorithm') ?? implied;
  if (algorithm === undefined) throw invalid('CryptoKey.version_template.algorithm is required.');
  const level =
    readEnum('protectionLevel', template['protectionLevel'], 'crypto_key.version_template.protection_level') ??
    'SOFTWARE';
  if (level !== 'SOFTWARE' && level !== 'HSM')
    throw new GoogleError('UNIMPLEMENTED', `The sandbox has no ${level} keys.`);
  requireFitting(algorithm, purpose, level);
  return { algorithm, protectionLevel: level };
}

/** Throws unless keys of this purpose and protection level can be of this algorithm. */
export function requireFitting(algorithm: Algorithm, purpose: Purpose, level: ProtectionLevel): void {
  const shape = shapeOf(algorithm);
  if (shape.purpose !== purpose)
    throw invalid(`The algorithm ${algorithm} cannot be used with the purpose ${purpose}.`);
  if (shape.hsmOnly === true && level !== 'HSM') {
    throw invalid(`The algorithm ${algorithm} is not supported with the protection level ${level}.`);
  }
}

const LABEL_NAME = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

function labelsOf(given: unknown): Record<string, string> {
  const labels = objectOf(given, 'crypto_key.labels');
  if (Object.keys(labels).length > 64) throw invalid('A resource can have at most 64 labels.');
  for (const [name, value] of Object.entries(labels)) {
    if (!LABEL_NAME.test(name)) throw invalid(`Invalid label key: "${name}".`);
    if (typeof value !== 'string' || !LABEL_VALUE.test(value)) throw invalid(`Invalid label value for "${name}".`);
  }
  return labels as Record<string, string>;
}

function destroySeconds(text: string | undefined): number {
  const seconds = text === undefined ? 30 * day : secondsOf(text, 'crypto_key.destroy_scheduled_duration');
  if (seconds < day || seconds > 120 * day)
    throw invalid('destroy_scheduled_duration must be from 24 hours to 120 days.');
  return seconds;
}

function secondsOf(text: string, field: string): number {
  const seconds = /^(\d+)(?:\.\d+)?s$/.exec(text)?.[1];
  if (seconds === undefined)
    throw invalid(`Invalid value at '${field}' (type.googleapis.com/google.protobuf.Duration)`);
  return Number(seconds);
}

function rotationOf(
  body: Readonly<Record<string, unknown>>,
  purpose: Purpose,
): Pick<CryptoKey, 'rotationPeriodSeconds' | 'nextRotationAt'> {
  const period = textOf(body, 'rotationPeriod');
  const next = textOf(body, 'nextRotationTime');
  if (period === undefined && next === undefined)
    return { rotationPeriodSeconds: undefined, nextRotationAt: undefined };
  if (purpose !== 'ENCRYPT_DECRYPT') throw invalid('Only keys with the purpose ENCRYPT_DECRYPT rotate automatically.');
  return {
    rotationPeriodSeconds: period === undefined ? undefined : secondsOf(period, 'crypto_key.rotation_period'),
    nextRotationAt: next === undefined ? undefined : Date.parse(next),
  };
}

export function updateCryptoKey(call: Call): Answer {
  const key = cryptoKeyOf(call, call.name);
  const fields = updateMask(call, ['labels', 'rotationPeriod', 'nextRotationTime', 'versionTemplate.algorithm']);
  if (fields.includes('labels')) key.labels = labelsOf(call.body['labels']);
  if (fields.includes('versionTemplate.algorithm')) key.algorithm = templateOf(call.body, key.purpose).algorithm;
  if (fields.some((field) => field.includes('otation'))) {
    const rotation = rotationOf(call.body, key.purpose);
    if (fields.includes('rotationPeriod')) key.rotationPeriodSeconds = rotation.rotationPeriodSeconds;
    if (fields.includes('nextRotationTime')) key.nextRotationAt = rotation.nextRotationAt;
  }
  call.cloud.saveKey(key);
  return shownKey(call, key);
}

export function updatePrimaryVersion(call: Call): Answer {
  const key = cryptoKeyOf(call, call.name);
  if (key.purpose !== 'ENCRYPT_DECRYPT') {
    throw invalid(
      `The primary version can be set only for keys with the purpose ENCRYPT_DECRYPT, and ${key.name} has ${key.purpose}.`,
    );
  }
  const number = Number(textOf(call.body, 'cryptoKeyVersionId') ?? 'none');
  if (!key.versions.has(number)) {
    throw notFound(
      'CryptoKeyVersion',
      `${key.name}/cryptoKeyVersions/${textOf(call.body, 'cryptoKeyVersionId') ?? ''}`,
    );
  }
  key.primary = number;
  call.cloud.saveKey(key);
  return shownKey(call, key);
}
