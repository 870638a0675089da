import type { Answer, Call } from './call.ts';
import * as cryptoKeys from './crypto-keys.ts';
import * as cryptography from './cryptography.ts';
import * as imports from './import.ts';
import * as locations from './locations.ts';
import type { CallSort } from './quota.ts';
import * as versions from './versions.ts';

/** One method of the REST API. */
export interface Route {
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Matches the path after `/v1/`; its first group is the resource's name. */
  readonly path: RegExp;
  readonly permission: string;
  /** A second permission, needed on what the body names. */
  readonly alsoNeeds?: string;
  readonly sort: CallSort;
  readonly answer: (call: Call) => Answer;
}

const location = 'projects/[^/]+/locations/[^/:]+';
const keyRing = `${location}/keyRings/[^/:]+`;
const cryptoKey = `${keyRing}/cryptoKeys/[^/:]+`;
const version = `${cryptoKey}/cryptoKeyVersions/\\d+`;
const importJob = `${keyRing}/importJobs/[^/:]+`;

function route(
  operation: string,
  method: Route['method'],
  name: string,
  rest: string,
  permission: string,
  sort: CallSort,
  answer: Route['answer'],
): Route {
  return {
    operation,
    method,
    path: new RegExp(`^(${name})${rest}$`),
    permission: `cloudkms.${permission}`,
    sort,
    answer,
  };
}

/** Every method that this sandbox knows. Source: the `google.api.http` options in `google/cloud/kms/v1/service.proto`. */
export const routes: readonly Route[] = [
  route('GetLocation', 'GET', location, '', 'locations.get', 'read', locations.getLocation),
  route('ListKeyRings', 'GET', location, '/keyRings', 'keyRings.list', 'read', locations.listKeyRings),
  route('CreateKeyRing', 'POST', location, '/keyRings', 'keyRings.create', 'write', locations.createKeyRing),
  route('GetKeyRing', 'GET', keyRing, '', 'keyRings.get', 'read', locations.getKeyRing),

  route('ListCryptoKeys', 'GET', keyRing, '/cryptoKeys', 'cryptoKeys.list', 'read', cryptoKeys.listCryptoKeys),
  route('CreateCryptoKey', 'POST', keyRing, '/cryptoKeys', 'cryptoKeys.create', 'write', cryptoKeys.createCryptoKey),
  route('GetCryptoKey', 'GET', cryptoKey, '', 'cryptoKeys.get', 'read', cryptoKeys.getCryptoKey),
  route('UpdateCryptoKey', 'PATCH', cryptoKey, '', 'cryptoKeys.update', 'write', cryptoKeys.updateCryptoKey),
  route(
    'UpdateCryptoKeyPrimaryVersion',
    'POST',
    cryptoKey,
    ':updatePrimaryVersion',
    'cryptoKeys.update',
    'write',
    cryptoKeys.updatePrimaryVersion,
  ),

  route(
    'ListCryptoKeyVersions',
    'GET',
    cryptoKey,
    '/cryptoKeyVersions',
    'cryptoKeyVersions.list',
    'read',
    versions.listVersions,
  ),
  route(
    'CreateCryptoKeyVersion',
    'POST',
    cryptoKey,
    '/cryptoKeyVersions',
    'cryptoKeyVersions.create',
    'write',
    versions.createVersion,
  ),
  route('GetCryptoKeyVersion', 'GET', version, '', 'cryptoKeyVersions.get', 'read', versions.getVersion),
  route('UpdateCryptoKeyVersion', 'PATCH', version, '', 'cryptoKeyVersions.update', 'write', versions.updateVersion),
  route(
    'DestroyCryptoKeyVersion',
    'POST',
    version,
    ':destroy',
    'cryptoKeyVersions.destroy',
    'write',
    versions.destroyVersion,
  ),
  route(
    'RestoreCryptoKeyVersion',
    'POST',
    version,
    ':restore',
    'cryptoKeyVersions.restore',
    'write',
    versions.restoreVersion,
  ),
  {
    ...route(
      'ImportCryptoKeyVersion',
      'POST',
      cryptoKey,
      '/cryptoKeyVersions:import',
      'cryptoKeyVersions.create',
      'write',
      imports.importVersion,
    ),
    alsoNeeds: 'cloudkms.importJobs.useToImport',
  },

  route('ListImportJobs', 'GET', keyRing, '/importJobs', 'importJobs.list', 'read', imports.listImportJobs),
  route('CreateImportJob', 'POST', keyRing, '/importJobs', 'importJobs.create', 'write', imports.createImportJob),
  route('GetImportJob', 'GET', importJob, '', 'importJobs.get', 'read', imports.getImportJob),

  route(
    'GetPublicKey',
    'GET',
    version,
    '/publicKey',
    'cryptoKeyVersions.viewPublicKey',
    'cryptographic',
    cryptography.getPublicKey,
  ),
  route(
    'Encrypt',
    'POST',
    `(?:${version}|${cryptoKey})`,
    ':encrypt',
    'cryptoKeyVersions.useToEncrypt',
    'cryptographic',
    cryptography.encrypt,
  ),
  route(
    'Decrypt',
    'POST',
    cryptoKey,
    ':decrypt',
    'cryptoKeyVersions.useToDecrypt',
    'cryptographic',
    cryptography.decrypt,
  ),
  route(
    'AsymmetricDecrypt',
    'POST',
    version,
    ':asymmetricDecrypt',
    'cryptoKeyVersions.useToDecrypt',
    'cryptographic',
    cryptography.asymmetricDecrypt,
  ),
  route(
    'AsymmetricSign',
    'POST',
    version,
    ':asymmetricSign',
    'cryptoKeyVersions.useToSign',
    'cryptographic',
    cryptography.asymmetricSign,
  ),
  route('MacSign', 'POST', version, ':macSign', 'cryptoKeyVersions.useToSign', 'cryptographic', cryptography.macSign),
  route(
    'MacVerify',
    'POST',
    version,
    ':macVerify',
    'cryptoKeyVersions.useToVerify',
    'cryptographic',
    cryptography.macVerify,
  ),
];
