import type * as z from 'zod/mini';
import { KeystoreFault } from '../driver.ts';
import type { RestCall, Send } from './http.ts';
import type { Place } from './names.ts';
import type { CryptoKey, CryptoKeyVersion, ImportJob } from './resources.ts';
import * as resources from './resources.ts';

/** What a CryptoKey is made of. */
export interface NewCryptoKey {
  readonly purpose: string;
  readonly protectionLevel: string;
  readonly algorithm: string;
  readonly labels: Readonly<Record<string, string>>;
  /** An empty CryptoKey that takes imported versions only. */
  readonly forImport: boolean;
  readonly destroyAfterDays: number;
}

/** An import of wrapped material: into a new CryptoKeyVersion, or back into `version`. */
export interface Import {
  readonly cryptoKey: string;
  readonly version: string | undefined;
  readonly algorithm: string;
  readonly importJob: string;
  readonly wrappedKey: Uint8Array;
}

/** The calls of Cloud KMS that this driver uses, one each. Resources by their names. Every one throws a `KeystoreFault` and nothing else. */
export interface GoogleCalls {
  location(name: string, signal: AbortSignal): Promise<void>;
  cryptoKey(name: string, signal: AbortSignal): Promise<CryptoKey>;
  /** A page of at most 1000 of a key ring's CryptoKeys; symmetric ones with their primary version. */
  cryptoKeys(
    keyRing: string,
    after: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ keys: readonly CryptoKey[]; next: string | undefined }>;
  version(name: string, signal: AbortSignal): Promise<CryptoKeyVersion>;
  /** All of a CryptoKey's versions. */
  versions(cryptoKey: string, signal: AbortSignal): Promise<readonly CryptoKeyVersion[]>;
  /** SubjectPublicKeyInfo, PEM. The version must be enabled. */
  publicKey(version: string, signal: AbortSignal): Promise<string>;
  importJob(name: string, signal: AbortSignal): Promise<ImportJob>;

  createKeyRing(place: Place, signal: AbortSignal): Promise<void>;
  createCryptoKey(keyRing: string, id: string, key: NewCryptoKey, signal: AbortSignal): Promise<CryptoKey>;
  /** Replaces all labels. */
  updateLabels(cryptoKey: string, labels: Readonly<Record<string, string>>, signal: AbortSignal): Promise<CryptoKey>;
  setPrimary(cryptoKey: string, number: number, signal: AbortSignal): Promise<void>;
  createVersion(cryptoKey: string, signal: AbortSignal): Promise<CryptoKeyVersion>;
  setState(version: string, state: 'ENABLED' | 'DISABLED', signal: AbortSignal): Promise<CryptoKeyVersion>;
  destroy(version: string, signal: AbortSignal): Promise<CryptoKeyVersion>;
  restore(version: string, signal: AbortSignal): Promise<CryptoKeyVersion>;
  createImportJob(
    keyRing: string,
    id: string,
    job: { readonly importMethod: string; readonly protectionLevel: string },
    signal: AbortSignal,
  ): Promise<ImportJob>;
  importVersion(request: Import, signal: AbortSignal): Promise<CryptoKeyVersion>;
}

const MOST_PER_PAGE = 1000;

/** The calls over the REST API of Cloud KMS v1. */
export function googleCalls(send: Send): GoogleCalls {
  async function ask<S extends z.ZodMiniType>(schema: S, call: RestCall, signal: AbortSignal): Promise<z.output<S>> {
    const parsed = schema.safeParse(await send(call, signal));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
    throw new KeystoreFault(
      'broken',
      `Google Cloud KMS answered ${call.name} with something not understood (${where}).`,
    );
  }
  const paged = (limit: number, after: string | undefined) => ({
    pageSize: String(limit),
    ...(after === undefined ? {} : { pageToken: after }),
  });
  const get = <S extends z.ZodMiniType>(schema: S, name: string, path: string, signal: AbortSignal) =>
    ask(schema, { name, method: 'GET', path }, signal);
  const change = (name: string, path: string, body: unknown, signal: AbortSignal) =>
    ask(resources.cryptoKeyVersion, { name, method: 'POST', path, body }, signal);

  return {
    async location(name, signal) {
      await get(resources.anything, 'GetLocation', name, signal);
    },
    cryptoKey: (name, signal) => get(resources.cryptoKey, 'GetCryptoKey', name, signal),
    async cryptoKeys(keyRing, after, limit, signal) {
      const page = await ask(
        resources.cryptoKeyPage,
        { name: 'ListCryptoKeys', method: 'GET', path: `${keyRing}/cryptoKeys`, query: paged(limit, after) },
        signal,
      );
      return { keys: page.cryptoKeys, next: tokenOf(page.nextPageToken) };
    },
    version: (name, signal) => get(resources.cryptoKeyVersion, 'GetCryptoKeyVersion', name, signal),
    async versions(cryptoKey, signal) {
      const all: CryptoKeyVersion[] = [];
      let after: string | undefined;
      do {
        const page: z.output<typeof resources.cryptoKeyVersionPage> = await ask(
          resources.cryptoKeyVersionPage,
          {
            name: 'ListCryptoKeyVersions',
            method: 'GET',
            path: `${cryptoKey}/cryptoKeyVersions`,
            query: paged(MOST_PER_PAGE, after),
          },
          signal,
        );
        all.push(...page.cryptoKeyVersions);
        after = tokenOf(page.nextPageToken);
      } while (after !== undefined);
      return all;
    },
    async publicKey(version, signal) {
      const { pem, name } = await get(resources.publicKey, 'GetPublicKey', `${version}/publicKey`, signal);
      if (name !== undefined && name !== version) {
        throw new KeystoreFault(
          'broken',
          `Google Cloud KMS answered with the public key of ${name}, not of ${version}.`,
        );
      }
      return pem;
    },
    importJob: (name, signal) => get(resources.importJob, 'GetImportJob', name, signal),

    async createKeyRing(place, signal) {
      await ask(
        resources.anything,
        {
          name: 'CreateKeyRing',
          method: 'POST',
          path: `${place.location}/keyRings`,
          query: { keyRingId: place.keyRingId },
          body: {},
        },
        signal,
      );
    },
    createCryptoKey: (keyRing, id, key, signal) =>
      ask(
        resources.cryptoKey,
        {
          name: 'CreateCryptoKey',
          method: 'POST',
          path: `${keyRing}/cryptoKeys`,
          query: { cryptoKeyId: id, ...(key.forImport ? { skipInitialVersionCreation: 'true' } : {}) },
          body: {
            purpose: key.purpose,
            versionTemplate: { algorithm: key.algorithm, protectionLevel: key.protectionLevel },
            labels: key.labels,
            destroyScheduledDuration: `${key.destroyAfterDays * 86_400}s`,
            ...(key.forImport ? { importOnly: true } : {}),
          },
        },
        signal,
      ),
    updateLabels: (cryptoKey, labels, signal) =>
      ask(
        resources.cryptoKey,
        {
          name: 'UpdateCryptoKey',
          method: 'PATCH',
          path: cryptoKey,
          query: { updateMask: 'labels' },
          body: { labels },
        },
        signal,
      ),
    async setPrimary(cryptoKey, number, signal) {
      const call = {
        name: 'UpdateCryptoKeyPrimaryVersion',
        method: 'POST',
        path: `${cryptoKey}:updatePrimaryVersion`,
        body: { cryptoKeyVersionId: String(number) },
      } as const;
      await ask(resources.cryptoKey, call, signal);
    },
    createVersion: (cryptoKey, signal) =>
      change('CreateCryptoKeyVersion', `${cryptoKey}/cryptoKeyVersions`, {}, signal),
    setState: (version, state, signal) =>
      ask(
        resources.cryptoKeyVersion,
        {
          name: 'UpdateCryptoKeyVersion',
          method: 'PATCH',
          path: version,
          query: { updateMask: 'state' },
          body: { state },
        },
        signal,
      ),
    destroy: (version, signal) => change('DestroyCryptoKeyVersion', `${version}:destroy`, {}, signal),
    restore: (version, signal) => change('RestoreCryptoKeyVersion', `${version}:restore`, {}, signal),
    createImportJob: (keyRing, id, job, signal) =>
      ask(
        resources.importJob,
        {
          name: 'CreateImportJob',
          method: 'POST',
          path: `${keyRing}/importJobs`,
          query: { importJobId: id },
          body: job,
        },
        signal,
      ),
    importVersion: ({ cryptoKey, version, algorithm, importJob, wrappedKey }, signal) =>
      change(
        'ImportCryptoKeyVersion',
        `${cryptoKey}/cryptoKeyVersions:import`,
        {
          algorithm,
          importJob,
          wrappedKey: Buffer.from(wrappedKey).toString('base64'),
          ...(version === undefined ? {} : { cryptoKeyVersion: version }),
        },
        signal,
      ),
  };
}

/** Google ends a listing with an empty token or none. */
function tokenOf(token: string | undefined): string | undefined {
  return token === '' ? undefined : token;
}
