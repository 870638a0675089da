import type { Cloud } from './cloud.ts';
import { asNames } from './enums.ts';
import { GoogleError, invalid } from './error.ts';
import type { Call } from './call.ts';
import { cryptoKeyOf, versionOf } from './call.ts';
import type { Tokens } from './oauth.ts';
import { updateCryptoKey, updatePrimaryVersion } from './crypto-keys.ts';
import { addGenerated, destroyVersion, restoreVersion, updateVersion } from './versions.ts';
import type { CryptoKey, VersionState } from './world.ts';
import { versionName } from './world.ts';

export interface VersionListing {
  name: string;
  state: VersionState;
  algorithm: string;
  protectionLevel: string;
  imported: boolean;
  hasMaterial: boolean;
  destroyTime?: string | undefined;
}

export interface KeyListing {
  name: string;
  purpose: string;
  labels: Record<string, string>;
  importOnly: boolean;
  destroyScheduledSeconds: number;
  primary: string | undefined;
  versions: VersionListing[];
}

/**
 * Somebody at Google's own console: changes that no caller of ours asked for. What the console would do through the API goes through the
 * API's operations, with their errors, but is not counted as a call. Keys and versions by their full names.
 */
export interface Operator {
  keys(): KeyListing[];
  disable(version: string): void;
  enable(version: string): void;
  scheduleDestruction(version: string): void;
  restore(version: string): void;
  /** Destroys the material now, without any waiting period. */
  destroyNow(version: string): void;
  setPrimary(version: string): void;
  /** Sets labels, or with undefined removes them. */
  label(key: string, labels: Record<string, string | undefined>): void;
  /** Adds a generated version, as `gcloud kms keys versions create` does; answers its name. */
  addVersion(key: string): string;
  /** Lets the version be at work for that long, then enabled. */
  hold(version: string, state: 'PENDING_GENERATION' | 'PENDING_IMPORT', ms: number): void;
  /** Ends the version in IMPORT_FAILED or GENERATION_FAILED, with its material lost. */
  fail(version: string, state: 'IMPORT_FAILED' | 'GENERATION_FAILED', reason: string): void;
  /** Ends every import job now. */
  expireImportJobs(): void;
  /** Makes every access token that was handed out worthless. */
  revokeTokens(): void;
  /** Gives a service account exactly these IAM permissions; undefined for all. */
  grant(clientEmail: string, permissions: readonly string[] | undefined): void;
}

export function operator(cloud: Cloud, tokens: Tokens): Operator {
  const call = (name: string, query: Record<string, string> = {}, body: Record<string, unknown> = {}): Call => ({
    cloud,
    now: cloud.tick(),
    encode: asNames,
    name,
    query: new URLSearchParams(query),
    body,
  });
  const setState = (version: string, state: 'ENABLED' | 'DISABLED') => {
    updateVersion(call(version, { updateMask: 'state' }, { state }));
  };

  return {
    keys() {
      cloud.tick();
      return [...cloud.allKeys()].map(listing);
    },
    disable(version) {
      setState(version, 'DISABLED');
    },
    enable(version) {
      setState(version, 'ENABLED');
    },
    scheduleDestruction(version) {
      destroyVersion(call(version));
    },
    restore(version) {
      restoreVersion(call(version));
    },
    destroyNow(name) {
      const at = call(name);
      const { key, version } = versionOf(at, name);
      cloud.destroyNow(key, version, at.now);
    },
    setPrimary(version) {
      const [key, number] = version.split('/cryptoKeyVersions/');
      updatePrimaryVersion(call(key ?? '', {}, { cryptoKeyVersionId: number }));
    },
    label(name, labels) {
      const key = cryptoKeyOf(call(name), name);
      const merged = Object.entries({ ...key.labels, ...labels }).filter(([, value]) => value !== undefined);
      updateCryptoKey(call(name, { updateMask: 'labels' }, { labels: Object.fromEntries(merged) }));
    },
    addVersion(name) {
      const at = call(name);
      const key = cryptoKeyOf(at, name);
      if (key.importOnly) throw new GoogleError('FAILED_PRECONDITION', `${name} is import only.`);
      const version = addGenerated(at, key);
      cloud.saveKey(key);
      return versionName(key, version);
    },
    hold(name, state, ms) {
      const at = call(name);
      const { key, version } = versionOf(at, name);
      if (version.material === undefined) throw invalid(`${name} has no material.`);
      version.state = state;
      version.readyAt = at.now + ms;
      cloud.saveKey(key);
      cloud.schedule(key, version);
    },
    fail(name, state, reason) {
      const { key, version } = versionOf(call(name), name);
      version.material?.fill(0);
      version.material = undefined;
      version.state = state;
      version.failure = reason;
      version.readyAt = undefined;
      cloud.saveKey(key);
    },
    expireImportJobs() {
      const now = cloud.tick();
      for (const job of cloud.importJobs.values()) {
        job.expiresAt = Math.min(job.expiresAt, now);
        cloud.saveImportJob(job);
      }
    },
    revokeTokens() {
      tokens.revoke();
    },
    grant(clientEmail, permissions) {
      tokens.grant(clientEmail, permissions);
    },
  };
}

function listing(key: CryptoKey): KeyListing {
  return {
    name: key.name,
    purpose: key.purpose,
    labels: { ...key.labels },
    importOnly: key.importOnly,
    destroyScheduledSeconds: key.destroyScheduledSeconds,
    primary: key.primary === undefined ? undefined : `${key.name}/cryptoKeyVersions/${key.primary}`,
    versions: [...key.versions.values()].map((version) => ({
      name: versionName(key, version),
      state: version.state,
      algorithm: version.algorithm,
      protectionLevel: version.protectionLevel,
      imported: version.importJob !== undefined,
      hasMaterial: version.material !== undefined,
      destroyTime: version.destroyAt === undefined ? undefined : new Date(version.destroyAt).toISOString(),
    })),
  };
}
