import type { KMSClient } from '@aws-sdk/client-kms';
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyPairCommand,
} from '@aws-sdk/client-kms';
import type { KeySpec } from '../drivers/driver.ts';
import { Fault } from '../fault.ts';
import type { WrappedMaterial } from '../keys/key.ts';
import { openEnvelope, parseEnvelope, sealEnvelope } from './envelope.ts';
import { custodyFault } from './faults.ts';
import type { KeyPairSpec } from './key-pair.ts';
import { generateKeyPairLocally } from './key-pair.ts';

export interface CustodyOptions {
  /**
   * Id, ARN or alias of the symmetric KMS key that everything is kept under; it may live in a custom key store. The ARN is kept
   * with each ciphertext, so an alias may later be moved to another key.
   */
  readonly custodyKeyId: string;
  /** A client of the custody key's region. Its timeouts and attempts are the caller's. */
  readonly kms: Pick<KMSClient, 'send'>;
}

/** Whose material it is: a ciphertext opens for this record and for no other. */
export interface MaterialRecord {
  readonly keyId: string;
  readonly version: number;
}

/** Where shared key material is made and kept: as ciphertext under the custody key, plaintext only while it is lent. */
export interface Custody {
  /**
   * Makes new material for a key version and answers its ciphertext; the plaintext is zeroed. Not repeatable: every run makes
   * other material. Throws `unsupported_by_keystore` for an algorithm or size that cannot be made, `keystore_unreachable`,
   * `keystore_throttled`, or `internal` when the custody key refuses.
   */
  generate(
    spec: Pick<KeySpec, 'algorithm' | 'size'>,
    record: MaterialRecord,
    signal?: AbortSignal,
  ): Promise<WrappedMaterial>;

  /**
   * Lends the plaintext to `use` and zeroes it as soon as `use` is done, whatever happens; `use` must keep no copy. Symmetric
   * keys: the raw bytes; key pairs: PKCS #8 DER. Throws as `generate` does; `internal` also when the ciphertext is another
   * record's.
   */
  lend<T>(
    wrapped: WrappedMaterial,
    record: MaterialRecord,
    use: (material: Uint8Array) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;

  /** Encrypts a keystore's credentials, of any length, for this keystore only. Not deterministic. Throws as `generate` does. */
  seal(credentials: Readonly<Record<string, string>>, keystoreId: string, signal?: AbortSignal): Promise<Uint8Array>;

  /** The credentials that `seal` was given. Throws `internal` when they were sealed for another keystore, or were altered. */
  open(sealed: Uint8Array, keystoreId: string, signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

const KEY_PAIR_SPECS: Readonly<Record<string, KeyPairSpec>> = {
  'rsa 2048': 'RSA_2048',
  'rsa 3072': 'RSA_3072',
  'rsa 4096': 'RSA_4096',
  'ec 256': 'ECC_NIST_P256',
  'ec 384': 'ECC_NIST_P384',
  'ec 521': 'ECC_NIST_P521',
  'ec 256K': 'ECC_SECG_P256K1',
};

const SYMMETRIC_BITS: Readonly<Record<string, number>> = {
  'aes 128': 128,
  'aes 192': 192,
  'aes 256': 256,
  'hmac 224': 224,
  'hmac 256': 256,
  'hmac 384': 384,
  'hmac 512': 512,
};

/** KMS binds a ciphertext to this; it stands in CloudTrail in clear, so it names records and holds no secret. */
function materialContext(record: MaterialRecord): Record<string, string> {
  return {
    'shearline:purpose': 'key-material',
    'shearline:key': record.keyId,
    'shearline:version': String(record.version),
  };
}

function credentialsContext(keystoreId: string): Record<string, string> {
  return { 'shearline:purpose': 'keystore-credentials', 'shearline:keystore': keystoreId };
}

/** The custody of a deployment. Sends nothing by itself. */
export function openCustody({ custodyKeyId, kms }: CustodyOptions): Custody {
  async function newDataKey(bytes: number, context: Record<string, string>, signal: AbortSignal | undefined) {
    const answer = await asked('GenerateDataKey', () =>
      kms.send(
        new GenerateDataKeyCommand({ KeyId: custodyKeyId, NumberOfBytes: bytes, EncryptionContext: context }),
        options(signal),
      ),
    );
    return {
      custodyKeyId: answer.KeyId ?? custodyKeyId,
      plaintext: present(answer.Plaintext, 'GenerateDataKey'),
      encrypted: present(answer.CiphertextBlob, 'GenerateDataKey'),
    };
  }

  async function decrypt(
    keyId: string,
    ciphertext: Uint8Array,
    context: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const answer = await asked('Decrypt', () =>
      kms.send(
        new DecryptCommand({ KeyId: keyId, CiphertextBlob: ciphertext, EncryptionContext: context }),
        options(signal),
      ),
    );
    return present(answer.Plaintext, 'Decrypt');
  }

  /** A custom key store makes no key pairs: then it is made here, and encrypted under the custody key all the same. */
  async function newKeyPair(spec: KeyPairSpec, context: Record<string, string>, signal: AbortSignal | undefined) {
    try {
      const answer = await kms.send(
        new GenerateDataKeyPairCommand({ KeyId: custodyKeyId, KeyPairSpec: spec, EncryptionContext: context }),
        options(signal),
      );
      answer.PrivateKeyPlaintext?.fill(0);
      return {
        custodyKeyId: answer.KeyId ?? custodyKeyId,
        ciphertext: present(answer.PrivateKeyCiphertextBlob, 'GenerateDataKeyPair'),
        publicKey: present(answer.PublicKey, 'GenerateDataKeyPair'),
      };
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'UnsupportedOperationException') {
        throw custodyFault(error, 'GenerateDataKeyPair');
      }
    }
    const { privateKey, publicKey } = await generateKeyPairLocally(spec);
    try {
      const answer = await asked('Encrypt', () =>
        kms.send(
          new EncryptCommand({ KeyId: custodyKeyId, Plaintext: privateKey, EncryptionContext: context }),
          options(signal),
        ),
      );
      return {
        custodyKeyId: answer.KeyId ?? custodyKeyId,
        ciphertext: present(answer.CiphertextBlob, 'Encrypt'),
        publicKey,
      };
    } finally {
      privateKey.fill(0);
    }
  }

  return {
    async generate(spec, record, signal) {
      const name = `${spec.algorithm} ${spec.size}`;
      const context = materialContext(record);
      const bits = SYMMETRIC_BITS[name];
      if (bits !== undefined) {
        const made = await newDataKey(bits / 8, context, signal);
        made.plaintext.fill(0);
        return { ciphertext: made.encrypted, custodyKeyId: made.custodyKeyId, publicKey: undefined };
      }
      const pair = KEY_PAIR_SPECS[name];
      if (pair === undefined) {
        throw new Fault(
          'unsupported_by_keystore',
          `Shearline cannot make key material of ${spec.algorithm} ${spec.size}; choose another algorithm or size, or native material.`,
        );
      }
      return newKeyPair(pair, context, signal);
    },

    async lend(wrapped, record, use, signal) {
      // Not the current custody key: what was made under an earlier one must stay readable.
      const plaintext = await decrypt(wrapped.custodyKeyId, wrapped.ciphertext, materialContext(record), signal);
      try {
        return await use(plaintext);
      } finally {
        plaintext.fill(0);
      }
    },

    async seal(credentials, keystoreId, signal) {
      const dataKey = await newDataKey(32, credentialsContext(keystoreId), signal);
      const plaintext = Buffer.from(JSON.stringify(credentials), 'utf8');
      try {
        return sealEnvelope(plaintext, keystoreId, dataKey);
      } finally {
        dataKey.plaintext.fill(0);
        plaintext.fill(0);
      }
    },

    async open(sealed, keystoreId, signal) {
      const envelope = parseEnvelope(sealed);
      const dataKey = await decrypt(
        envelope.custodyKeyId,
        envelope.encryptedDataKey,
        credentialsContext(keystoreId),
        signal,
      );
      let plaintext: Buffer | undefined;
      try {
        plaintext = openEnvelope(envelope, dataKey, keystoreId);
        return JSON.parse(plaintext.toString('utf8')) as Record<string, string>;
      } finally {
        dataKey.fill(0);
        plaintext?.fill(0);
      }
    },
  };
}

function options(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

async function asked<T>(call: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw custodyFault(error, call);
  }
}

function present(bytes: Uint8Array | undefined, call: string): Uint8Array {
  if (bytes === undefined)
    throw new Fault('internal', `The custody key's AWS KMS answered ${call} without its result.`);
  return bytes;
}
