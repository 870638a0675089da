import type { MacAlgorithmSpec, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateMacCommand,
  KMSClient,
  SignCommand,
} from '@aws-sdk/client-kms';
import { constants, createHmac, createPrivateKey, createPublicKey, publicEncrypt, verify } from 'node:crypto';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import type { Connection, DriverModule } from '../../lib/drivers/registry.ts';
import type { AwsKmsSandbox, FaultKind } from '../../sandbox/aws-kms/server.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import type { SandboxClock } from '../../sandbox/clock.ts';
import { sandboxClock } from '../../sandbox/clock.ts';
import type { Keystore } from './contract.ts';

export const REGION = 'eu-central-1';
export const ACCOUNT = {
  accountId: '111122223333',
  accessKeyId: 'AKIASANDBOXSANDBOX00',
  secretAccessKey: 'sandbox-secret-that-opens-nothing',
};

export interface AwsKeystore extends Keystore {
  readonly sandbox: AwsKmsSandbox;
  readonly clock: SandboxClock;
  /** A client as somebody else in the account would have it. */
  readonly kms: KMSClient;
  connection(settings?: Connection['settings'], credentials?: Connection['credentials']): Connection;
}

const OPERATIONS = { look: 'DescribeKey', create: 'CreateKey', list: 'ListKeys' } as const;
const FAULTS = {
  throttled: 'throttle',
  denied: 'denied',
  answer_lost: 'reset_after',
  no_answer: 'reset_before',
} as const satisfies Record<string, FaultKind>;

/** Starts a sandbox, makes every KMS client of this process use it, and opens a keystore on it. */
export async function openAwsKeystore(
  module: DriverModule,
  settings: (sandbox: AwsKmsSandbox) => Connection['settings'] = () => ({}),
): Promise<AwsKeystore> {
  const clock = sandboxClock();
  const sandbox = await startAwsKmsSandbox({ port: 0, clock, accounts: [ACCOUNT] });
  // The SDK's own setting; drivers have none of theirs.
  process.env['AWS_ENDPOINT_URL_KMS'] = sandbox.endpoint;
  const kms = new KMSClient({ region: REGION, credentials: ACCOUNT });
  const own = settings(sandbox);
  const connection: AwsKeystore['connection'] = (changed = {}, credentials) => ({
    keystoreId: 'keystore-1',
    settings: { aws_region: REGION, ...own, ...changed },
    credentials: credentials ?? {
      aws_access_key_id: ACCOUNT.accessKeyId,
      aws_secret_access_key: ACCOUNT.secretAccessKey,
    },
  });
  const encrypted = new Map<string, Uint8Array>();
  return {
    sandbox,
    clock,
    kms,
    connection,
    connect: () => module.connect(connection()),
    now: () => clock.now(),
    strike(during, how, times) {
      sandbox.faults.add({ kind: FAULTS[how], operation: OPERATIONS[during], times });
    },
    mend() {
      sandbox.faults.clear();
      sandbox.calls.reset();
    },
    async takeName(label) {
      const made = await kms.send(new CreateKeyCommand({ Description: 'somebody else' }));
      await kms.send(new CreateAliasCommand({ AliasName: `alias/${label}`, TargetKeyId: made.KeyMetadata?.KeyId }));
    },
    countOf: (keyId) =>
      Promise.resolve(sandbox.operator.keys().filter((key) => key.tags['shearline:key'] === keyId).length),
    letDeletionsEnd() {
      clock.advance(8 * 86_400_000);
    },
    loseMaterial: (id) => {
      sandbox.operator.loseMaterial(id);
      return Promise.resolve();
    },
    changeMaterial: async (id) => {
      await sandbox.operator.replaceMaterial(id);
    },
    provesMaterial: (id, spec, material) => proves(kms, encrypted, id, spec, material),
    async close() {
      kms.destroy();
      await sandbox.close();
    },
  };
}

const MESSAGE = Buffer.from('what only this material can make or read');
const HASHES: Readonly<Record<string, [string, SigningAlgorithmSpec]>> = {
  '256': ['sha256', 'ECDSA_SHA_256'],
  '256K': ['sha256', 'ECDSA_SHA_256'],
  '384': ['sha384', 'ECDSA_SHA_384'],
  '521': ['sha512', 'ECDSA_SHA_512'],
};

async function proves(
  kms: KMSClient,
  encrypted: Map<string, Uint8Array>,
  id: string,
  spec: KeySpec,
  material: Uint8Array,
): Promise<void> {
  switch (spec.algorithm) {
    case 'aes': {
      // AWS keeps the form of its ciphertext to itself: what was encrypted before must be readable after.
      const before = encrypted.get(id);
      if (before !== undefined) {
        const answer = await kms.send(new DecryptCommand({ KeyId: id, CiphertextBlob: before }));
        same(answer.Plaintext, MESSAGE);
      }
      const answer = await kms.send(new EncryptCommand({ KeyId: id, Plaintext: MESSAGE }));
      if (answer.CiphertextBlob !== undefined) encrypted.set(id, answer.CiphertextBlob);
      return;
    }
    case 'hmac': {
      const MacAlgorithm = `HMAC_SHA_${spec.size}` as MacAlgorithmSpec;
      const answer = await kms.send(new GenerateMacCommand({ KeyId: id, Message: MESSAGE, MacAlgorithm }));
      same(answer.Mac, createHmac(`sha${spec.size}`, material).update(MESSAGE).digest());
      return;
    }
    case 'rsa': {
      const key = publicKeyOf(material);
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      const CiphertextBlob = publicEncrypt({ key, padding, oaepHash: 'sha256' }, MESSAGE);
      const answer = await kms.send(
        new DecryptCommand({ KeyId: id, CiphertextBlob, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }),
      );
      same(answer.Plaintext, MESSAGE);
      return;
    }
    case 'ec': {
      const [hash, SigningAlgorithm] = HASHES[spec.size] ?? ['sha256', 'ECDSA_SHA_256'];
      const answer = await kms.send(new SignCommand({ KeyId: id, Message: MESSAGE, SigningAlgorithm }));
      if (!verify(hash, MESSAGE, publicKeyOf(material), answer.Signature ?? new Uint8Array())) {
        throw new Error('The signature is not by this material.');
      }
      return;
    }
    case 'des':
    case 'dilithium':
      throw new Error(`AWS KMS has no ${spec.algorithm} keys.`);
  }
}

function publicKeyOf(material: Uint8Array) {
  return createPublicKey(createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }));
}

function same(actual: Uint8Array | undefined, expected: Uint8Array): void {
  if (actual === undefined || Buffer.compare(actual, expected) !== 0) throw new Error('The material is another.');
}
