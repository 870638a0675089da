import { fileSealing } from '../aws-kms/sealing.ts';
import type { Sealing } from '../aws-kms/sealing.ts';
import type { SandboxClock } from '../clock.ts';
import { noJournal, openJournal } from './journal.ts';
import type { Journal, JournalRecord } from './journal.ts';
import { PURGED_AFTER } from './key.ts';
import type { IbmKey } from './key.ts';

/** A service instance: Key Protect, or the key management of Hyper Protect Crypto Services. */
export interface SandboxInstance {
  readonly instanceId: string;
  readonly variant: 'key_protect' | 'hpcs';
  /** Default `us-south`. */
  readonly region?: string;
  readonly accountId?: string;
  /** False where the service does not offer import tokens. */
  readonly importTokens?: boolean;
}

/** The one token of an instance with which material is brought in wrapped. */
export interface ImportToken {
  readonly id: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly maxAllowedRetrievals: number;
  remainingRetrievals: number;
  readonly nonce: Buffer;
  /** PKCS #8 DER. */
  readonly privateKey: Buffer;
}

/** One instance: nothing in it is seen from another. */
export class Instance {
  readonly id: string;
  readonly variant: SandboxInstance['variant'];
  readonly region: string;
  readonly accountId: string;
  readonly offersImportTokens: boolean;
  readonly keys = new Map<string, IbmKey>();
  /** Aliases that were deleted and are still held back, with the moment they become free. */
  readonly releasing = new Map<string, number>();
  readonly keyRings = new Map<string, { readonly createdAt: number; readonly createdBy: string }>();
  importToken: ImportToken | undefined;

  constructor(options: SandboxInstance) {
    this.id = options.instanceId;
    this.variant = options.variant;
    this.region = options.region ?? 'us-south';
    this.accountId = options.accountId ?? 'f047b55a3362ac06afad8a3f2f5586ea';
    this.offersImportTokens = options.importTokens ?? true;
    this.keyRings.set('default', { createdAt: 0, createdBy: 'ibm' });
  }

  crn(keyId: string): string {
    const service = this.variant === 'hpcs' ? 'hs-crypto' : 'kms';
    return `crn:v1:bluemix:public:${service}:${this.region}:a/${this.accountId}:${this.id}:key:${keyId}`;
  }

  /** By id or alias. */
  find(reference: string): IbmKey | undefined {
    return this.keys.get(reference) ?? [...this.keys.values()].find(({ aliases }) => aliases.includes(reference));
  }

  get aliasCount(): number {
    return [...this.keys.values()].reduce((count, { aliases }) => count + aliases.length, 0);
  }
}

/** Everything that exists, in memory and in the journal. Whoever changes something saves it in the same turn of the event loop. */
export class Cloud {
  readonly clock: SandboxClock;
  /** How long enabling and restoring must wait after another action, in milliseconds. */
  readonly settleMs: number;
  /** How long a deleted alias is held back, in milliseconds. */
  aliasReleaseMs = 0;
  readonly instances = new Map<string, Instance>();
  readonly #journal: Journal;
  readonly #sealing: Sealing | undefined;
  #sequence = 0;

  constructor(options: {
    readonly clock: SandboxClock;
    readonly instances: readonly SandboxInstance[];
    readonly settleMs: number;
    readonly stateFile: string | undefined;
  }) {
    this.clock = options.clock;
    this.settleMs = options.settleMs;
    for (const instance of options.instances) this.instances.set(instance.instanceId, new Instance(instance));
    const file = options.stateFile;
    this.#sealing = file === undefined ? undefined : fileSealing(`${file}.key`);
    this.#journal = file === undefined ? noJournal : openJournal(file);
    for (const record of this.#journal.restored) this.#restore(record);
  }

  now(): number {
    return this.clock.now().getTime();
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  addKey(key: IbmKey): void {
    this.instances.get(key.instanceId)?.keys.set(key.id, key);
    this.saveKey(key);
  }

  saveKey(key: IbmKey): void {
    const sealing = this.#sealing;
    if (sealing === undefined) return;
    const materials = key.materials.map(({ bytes, ...rest }) => ({
      ...rest,
      sealed: sealing.seal(bytes, `${key.instanceId}/${key.id}/${rest.id}`),
    }));
    this.#journal.append({ kind: 'key', id: key.id, value: { ...key, materials } });
  }

  purgeKey(key: IbmKey): void {
    this.instances.get(key.instanceId)?.keys.delete(key.id);
    for (const { bytes } of key.materials) bytes.fill(0);
    this.#journal.append({ kind: 'key', id: key.id });
  }

  setImportToken(instance: Instance, token: ImportToken): void {
    instance.importToken = token;
    const sealing = this.#sealing;
    if (sealing === undefined) return;
    const { nonce, privateKey, ...rest } = token;
    const value = {
      ...rest,
      nonce: nonce.toString('base64'),
      sealed: sealing.seal(privateKey, `${instance.id}/import_token/${token.id}`),
    };
    this.#journal.append({ kind: 'import_token', id: instance.id, value });
  }

  addKeyRing(instance: Instance, id: string, createdBy: string): void {
    const ring = { createdAt: this.now(), createdBy };
    instance.keyRings.set(id, ring);
    this.#journal.append({ kind: 'key_ring', id: `${instance.id}/${id}`, value: ring });
  }

  /** Lets happen what became due: deleted keys end after 90 days. */
  tick(): void {
    const now = this.now();
    for (const instance of this.instances.values()) {
      for (const key of instance.keys.values()) {
        if (key.deletedAt !== undefined && key.deletedAt + PURGED_AFTER <= now) this.purgeKey(key);
      }
    }
  }

  close(): void {
    this.#journal.close();
  }

  #restore({ kind, id, value }: JournalRecord): void {
    const sealing = this.#sealing;
    if (sealing === undefined) return;
    switch (kind) {
      case 'key': {
        const stored = value as Omit<IbmKey, 'materials'> & {
          materials: { id: string; createdAt: number; sealed: string }[];
        };
        const materials = stored.materials.map(({ sealed, ...rest }) => ({
          ...rest,
          bytes: sealing.open(sealed, `${stored.instanceId}/${stored.id}/${rest.id}`),
        }));
        this.#sequence = Math.max(this.#sequence, stored.sequence);
        this.instances.get(stored.instanceId)?.keys.set(stored.id, {
          ...stored,
          // JSON leaves out what is undefined.
          expiresAt: stored.expiresAt,
          lastRotateAt: stored.lastRotateAt,
          lastActionAt: stored.lastActionAt,
          deletedAt: stored.deletedAt,
          deletedBy: stored.deletedBy,
          setForDeletion: stored.setForDeletion,
          materials,
        });
        return;
      }
      case 'import_token': {
        const { nonce, sealed, ...rest } = value as Omit<ImportToken, 'nonce' | 'privateKey'> & {
          nonce: string;
          sealed: string;
        };
        const instance = this.instances.get(id);
        if (instance === undefined) return;
        const privateKey = sealing.open(sealed, `${id}/import_token/${rest.id}`);
        instance.importToken = { ...rest, nonce: Buffer.from(nonce, 'base64'), privateKey };
        return;
      }
      case 'key_ring': {
        const [instanceId = '', ring = ''] = id.split('/');
        this.instances.get(instanceId)?.keyRings.set(ring, value as { createdAt: number; createdBy: string });
        return;
      }
    }
  }
}
