import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { Due } from '../aws-kms/due.ts';
import type { Sealing } from '../aws-kms/sealing.ts';
import { fileSealing } from '../aws-kms/sealing.ts';
import type { SandboxClock } from '../clock.ts';
import { generateMaterial } from './algorithms.ts';
import type { Journal } from './journal.ts';
import { noJournal, openJournal } from './journal.ts';
import type { CryptoKey, ImportJob, KeyRing, Version } from './world.ts';
import { versionName } from './world.ts';

/** Makes the key pair of an import job; answers PKCS #8 DER. */
export type MakeWrappingKey = (bits: number) => Promise<Buffer>;

export interface CloudOptions {
  clock: SandboxClock;
  stateFile: string | undefined;
  /** How long key pairs stay PENDING_GENERATION, imports PENDING_IMPORT, import jobs PENDING_GENERATION, in milliseconds. */
  pendingMs: number;
  makeWrappingKey: MakeWrappingKey | undefined;
}

export const digestOf = (material: Buffer): string => createHash('sha256').update(material).digest('hex');

/** Everything that exists, in memory and in the journal. Whoever changes an entity saves it in the same turn of the event loop. */
export class Cloud {
  readonly clock: SandboxClock;
  readonly pendingMs: number;
  readonly keyRings = new Map<string, KeyRing>();
  readonly importJobs = new Map<string, ImportJob>();
  readonly #keys = new Map<string, CryptoKey>();
  readonly #keysOfRing = new Map<string, CryptoKey[]>();
  readonly #due = new Due();
  readonly #journal: Journal;
  readonly #sealing: Sealing | undefined;
  readonly #makeWrappingKey: MakeWrappingKey;
  #closed = false;

  constructor(options: CloudOptions) {
    this.clock = options.clock;
    this.pendingMs = options.pendingMs;
    this.#makeWrappingKey = options.makeWrappingKey ?? makeRsaKey;
    this.#sealing = options.stateFile === undefined ? undefined : fileSealing(`${options.stateFile}.key`);
    this.#journal = options.stateFile === undefined ? noJournal : openJournal(options.stateFile);
    this.#restore();
  }

  /** Lets everything happen that became due by now. */
  tick(): number {
    const now = this.clock.now().getTime();
    this.#due.runUntil(now);
    return now;
  }

  close(): void {
    this.#closed = true;
    this.#journal.close();
  }

  key(name: string): CryptoKey | undefined {
    return this.#keys.get(name);
  }

  allKeys(): Iterable<CryptoKey> {
    return this.#keys.values();
  }

  /** Sorted by name. */
  keysOf(ring: string): readonly CryptoKey[] {
    return this.#keysOfRing.get(ring) ?? [];
  }

  addKeyRing(ring: KeyRing): void {
    this.keyRings.set(ring.name, ring);
    this.#journal.append({ kind: 'key_ring', name: ring.name, value: ring });
  }

  addKey(key: CryptoKey): void {
    this.#insertKey(key);
    this.saveKey(key);
  }

  /** After any change of a key or one of its versions. */
  saveKey(key: CryptoKey): void {
    if (this.#closed) return;
    const versions = [...key.versions.values()].map(({ material, ...rest }) => ({
      ...rest,
      sealed: material && this.#sealing?.seal(material, `${key.name}/${rest.number}`),
    }));
    this.#journal.append({ kind: 'crypto_key', name: key.name, value: { ...key, versions } });
  }

  /** Watches what time does to this version. Call again whenever one of its deadlines changed. */
  schedule(key: CryptoKey, version: Version): void {
    const { readyAt, destroyAt } = version;
    if (readyAt !== undefined) {
      this.#due.at(readyAt, () => {
        if (version.readyAt === readyAt) this.#settle(key, version);
      });
    }
    if (destroyAt !== undefined) {
      this.#due.at(destroyAt, () => {
        if (version.destroyAt === destroyAt && version.state === 'DESTROY_SCHEDULED')
          this.destroyNow(key, version, destroyAt);
      });
    }
  }

  /** Begins to generate the version's material; it is ready when that is there and its time has come. */
  generate(key: CryptoKey, version: Version): void {
    void generateMaterial(version.algorithm).then((material) => {
      if (this.#closed || version.state !== 'PENDING_GENERATION') return;
      version.material = material;
      version.materialDigest = digestOf(material);
      version.readyAt = Math.max(version.readyAt ?? 0, this.clock.now().getTime());
      this.saveKey(key);
      this.schedule(key, version);
    });
  }

  destroyNow(key: CryptoKey, version: Version, at: number): void {
    version.material?.fill(0);
    version.material = undefined;
    version.state = 'DESTROYED';
    version.destroyAt = undefined;
    version.destroyedAt = at;
    this.saveKey(key);
  }

  /** Adds the job and begins to make its key pair. */
  addImportJob(job: ImportJob, bits: number): void {
    this.importJobs.set(job.name, job);
    this.saveImportJob(job);
    void this.#makeWrappingKey(bits).then((privateKey) => {
      if (this.#closed) return;
      job.privateKey = privateKey;
      this.saveImportJob(job);
    });
  }

  saveImportJob({ privateKey, ...rest }: ImportJob): void {
    const sealed = privateKey && this.#sealing?.seal(privateKey, rest.name);
    this.#journal.append({ kind: 'import_job', name: rest.name, value: { ...rest, sealed } });
  }

  /** Keeps a service account's private key, so that credentials handed out stay good. */
  saveServiceAccount(email: string, keyId: string, privateKey: Buffer): void {
    const sealed = this.#sealing?.seal(privateKey, email);
    this.#journal.append({ kind: 'service_account', name: email, value: { keyId, sealed } });
  }

  savedServiceAccount(email: string): { keyId: string; privateKey: Buffer } | undefined {
    const record = this.#journal.restored.find(({ kind, name }) => kind === 'service_account' && name === email);
    if (record === undefined || this.#sealing === undefined) return undefined;
    const { keyId, sealed } = record.value as { keyId: string; sealed: string };
    return { keyId, privateKey: this.#sealing.open(sealed, email) };
  }

  #settle(key: CryptoKey, version: Version): void {
    if (version.state === 'PENDING_GENERATION') {
      if (version.material === undefined) return;
      version.state = 'ENABLED';
      version.generatedAt = version.readyAt;
    } else if (version.state === 'PENDING_IMPORT') {
      version.state = version.failure === undefined ? 'ENABLED' : 'IMPORT_FAILED';
      if (version.failure === undefined) version.importedAt = version.readyAt;
    }
    version.readyAt = undefined;
    this.saveKey(key);
  }

  #insertKey(key: CryptoKey): void {
    this.#keys.set(key.name, key);
    const ring = key.name.slice(0, key.name.indexOf('/cryptoKeys/'));
    const siblings = this.#keysOfRing.get(ring) ?? [];
    let at = siblings.length;
    while (at > 0 && (siblings[at - 1]?.name ?? '') > key.name) at -= 1;
    siblings.splice(at, 0, key);
    this.#keysOfRing.set(ring, siblings);
  }

  #restore(): void {
    for (const { kind, value } of this.#journal.restored) {
      switch (kind) {
        case 'key_ring':
          this.keyRings.set((value as KeyRing).name, value as KeyRing);
          break;
        case 'crypto_key':
          this.#restoreKey(value as StoredKey);
          break;
        case 'import_job': {
          const { sealed, ...rest } = value as Omit<ImportJob, 'privateKey'> & { sealed?: string };
          const privateKey = sealed === undefined ? undefined : this.#sealing?.open(sealed, rest.name);
          const job: ImportJob = { ...rest, privateKey };
          this.importJobs.set(job.name, job);
          if (privateKey === undefined) this.addImportJob(job, bitsOf(job));
          break;
        }
        case 'service_account':
          break;
      }
    }
  }

  #restoreKey({ versions, ...rest }: StoredKey): void {
    const key: CryptoKey = { ...emptyKey, ...rest, versions: new Map() };
    for (const { sealed, ...stored } of versions) {
      const material = sealed === undefined ? undefined : this.#sealing?.open(sealed, `${key.name}/${stored.number}`);
      const version: Version = { ...emptyVersion, ...stored, material };
      key.versions.set(version.number, version);
      this.schedule(key, version);
      if (version.state === 'PENDING_GENERATION' && material === undefined) this.generate(key, version);
    }
    this.#insertKey(key);
  }
}

type StoredVersion = Omit<Version, 'material'> & { sealed?: string };
type StoredKey = Omit<CryptoKey, 'versions'> & { versions: StoredVersion[] };

/** Members that JSON leaves out when they are undefined. */
const emptyVersion = {
  generatedAt: undefined,
  readyAt: undefined,
  destroyAt: undefined,
  destroyedAt: undefined,
  importJob: undefined,
  importedAt: undefined,
  failure: undefined,
  materialDigest: undefined,
};
const emptyKey = { primary: undefined, rotationPeriodSeconds: undefined, nextRotationAt: undefined };

/** The length of a job's wrapping key is in the name of its method. */
export const bitsOf = ({ method }: Pick<ImportJob, 'method'>): number => (method.includes('_4096_') ? 4096 : 3072);

async function makeRsaKey(modulusLength: number): Promise<Buffer> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength });
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}

export { versionName };
