import { constants, createHash, createPrivateKey, createPublicKey, publicEncrypt, verify } from 'node:crypto';
import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyPairCommand,
  GenerateDataKeyPairWithoutPlaintextCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateMacCommand,
  GenerateRandomCommand,
  GetPublicKeyCommand,
  ReEncryptCommand,
  SignCommand,
  VerifyCommand,
  VerifyMacCommand,
} from '@aws-sdk/client-kms';
import type { CreateKeyCommandInput, DataKeyPairSpec, KeySpec, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { given, otherAccount, refusal, useKms } from './kms-client.ts';

const kms = useKms();
const text = (bytes: Uint8Array | undefined) => Buffer.from(given(bytes)).toString();

async function newKey(members: CreateKeyCommandInput = {}): Promise<string> {
  return given((await kms.client().send(new CreateKeyCommand(members))).KeyMetadata?.KeyId);
}
const publicKeyOf = async (KeyId: string) => {
  const { PublicKey } = await kms.client().send(new GetPublicKeyCommand({ KeyId }));
  return createPublicKey({ key: Buffer.from(given(PublicKey)), format: 'der', type: 'spki' });
};

describe('symmetric encryption', () => {
  it('binds ciphertext to its encryption context, in any order', async () => {
    const KeyId = await newKey();
    const sealed = await kms
      .client()
      .send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('secret'), EncryptionContext: { a: '1', b: '2' } }));
    const open = (EncryptionContext: Record<string, string>) =>
      kms.client().send(new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext }));
    expect(text((await open({ b: '2', a: '1' })).Plaintext)).toBe('secret');
    expect((await refusal(open({ a: '1' }))).name).toBe('InvalidCiphertextException');
    expect((await refusal(open({ a: '2', b: '1' }))).name).toBe('InvalidCiphertextException');
  });

  it('notices every changed byte', async () => {
    const KeyId = await newKey();
    const { CiphertextBlob } = await kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }));
    const whole = Buffer.from(given(CiphertextBlob));
    for (let index = 0; index < whole.length; index += 5) {
      const changed = Buffer.from(whole);
      changed[index] = (changed[index] ?? 0) ^ 1;
      await refusal(kms.client().send(new DecryptCommand({ CiphertextBlob: changed })));
    }
  });

  it('opens nothing in another account or region', async () => {
    const { CiphertextBlob } = await kms
      .client()
      .send(new EncryptCommand({ KeyId: await newKey(), Plaintext: Buffer.from('x') }));
    for (const client of [kms.client('eu-west-1'), kms.client('eu-central-1', otherAccount)]) {
      const answer = await refusal(client.send(new DecryptCommand({ CiphertextBlob })));
      expect(answer.name).toBe('AccessDeniedException');
    }
  });

  it('re-encrypts under another key without showing the plaintext', async () => {
    const [from, to] = [await newKey(), await newKey()];
    const { CiphertextBlob } = await kms
      .client()
      .send(new EncryptCommand({ KeyId: from, Plaintext: Buffer.from('moved') }));
    const moved = await kms.client().send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: to }));
    expect(moved.KeyId).toContain(to);
    const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob: moved.CiphertextBlob, KeyId: to }));
    expect(text(opened.Plaintext)).toBe('moved');
  });

  it('answers a dry run with its own exception, and refuses plaintexts over 4096 bytes', async () => {
    const KeyId = await newKey();
    const dry = kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x'), DryRun: true }));
    expect((await refusal(dry)).name).toBe('DryRunOperationException');
    const long = await refusal(kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(4097) })));
    expect(long.message).toBe(
      "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
    );
  });
});

describe('RSA encryption', () => {
  it.each([
    ['RSAES_OAEP_SHA_1', 'sha1', 214],
    ['RSAES_OAEP_SHA_256', 'sha256', 190],
  ] as const)('%s decrypts what was encrypted outside', async (EncryptionAlgorithm, oaepHash, most) => {
    const KeyId = await newKey({ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' });
    const key = await publicKeyOf(KeyId);
    const CiphertextBlob = publicEncrypt(
      { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash },
      Buffer.from('out'),
    );
    const opened = await kms.client().send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionAlgorithm }));
    expect(text(opened.Plaintext)).toBe('out');
    const long = kms
      .client()
      .send(new EncryptCommand({ KeyId, Plaintext: Buffer.alloc(most + 1), EncryptionAlgorithm }));
    expect((await refusal(long)).message).toBe(
      `Algorithm ${EncryptionAlgorithm} and key spec RSA_2048 cannot encrypt data larger than ${most} bytes.`,
    );
  });
});

describe('data keys', () => {
  it('come with a copy that decrypts to the same bytes', async () => {
    const KeyId = await newKey();
    const pair = await kms.client().send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }));
    expect(pair.Plaintext).toHaveLength(32);
    const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob: pair.CiphertextBlob }));
    expect(Buffer.from(given(opened.Plaintext))).toEqual(Buffer.from(given(pair.Plaintext)));
    const hidden = await kms.client().send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, NumberOfBytes: 64 }));
    expect(hidden).not.toHaveProperty('Plaintext');
    const both = kms.client().send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_128', NumberOfBytes: 16 }));
    expect((await refusal(both)).name).toBe('ValidationException');
  });

  const specs: DataKeyPairSpec[] = [
    'RSA_2048',
    'RSA_3072',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
  ];
  it.each(specs)('come as %s pairs: PKCS #8 and SubjectPublicKeyInfo that belong together', async (KeyPairSpec) => {
    const KeyId = await newKey();
    const pair = await kms.client().send(new GenerateDataKeyPairCommand({ KeyId, KeyPairSpec }));
    const privateKey = createPrivateKey({
      key: Buffer.from(given(pair.PrivateKeyPlaintext)),
      format: 'der',
      type: 'pkcs8',
    });
    const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    expect(Buffer.from(given(pair.PublicKey))).toEqual(spki);
    const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob: pair.PrivateKeyCiphertextBlob }));
    expect(Buffer.from(given(opened.Plaintext))).toEqual(Buffer.from(given(pair.PrivateKeyPlaintext)));
    const hidden = await kms.client().send(new GenerateDataKeyPairWithoutPlaintextCommand({ KeyId, KeyPairSpec }));
    expect(hidden).not.toHaveProperty('PrivateKeyPlaintext');
  });

  it('come as random bytes of any length up to 1024', async () => {
    const { Plaintext } = await kms.client().send(new GenerateRandomCommand({ NumberOfBytes: 1024 }));
    expect(Plaintext).toHaveLength(1024);
    const none = await refusal(kms.client().send(new GenerateRandomCommand({})));
    expect(none).toEqual({ name: 'ValidationException', message: 'NumberOfBytes is required.' });
  });
});

describe('signatures', () => {
  const signing: [KeySpec, SigningAlgorithmSpec][] = [
    ['ECC_NIST_P256', 'ECDSA_SHA_256'],
    ['ECC_NIST_P384', 'ECDSA_SHA_384'],
    ['ECC_NIST_P521', 'ECDSA_SHA_512'],
    ['ECC_SECG_P256K1', 'ECDSA_SHA_256'],
    ...(['PSS', 'PKCS1_V1_5'] as const).flatMap((padding) =>
      (['256', '384', '512'] as const).map((bits): [KeySpec, SigningAlgorithmSpec] => [
        'RSA_2048',
        `RSASSA_${padding}_SHA_${bits}`,
      ]),
    ),
  ];

  it.each(signing)('by %s with %s hold outside, over messages and over digests', async (KeySpec, SigningAlgorithm) => {
    const KeyId = await newKey({ KeySpec, KeyUsage: 'SIGN_VERIFY' });
    const hash = `sha${SigningAlgorithm.slice(-3)}`;
    const Message = Buffer.from('a message');
    const digest = createHash(hash).update(Message).digest();
    const padding = SigningAlgorithm.includes('PSS') ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
    const key = { key: await publicKeyOf(KeyId), ...(KeySpec === 'RSA_2048' && { padding }) };
    const raw = await kms.client().send(new SignCommand({ KeyId, Message, SigningAlgorithm }));
    const ofDigest = await kms
      .client()
      .send(new SignCommand({ KeyId, Message: digest, MessageType: 'DIGEST', SigningAlgorithm }));
    for (const { Signature } of [raw, ofDigest]) {
      expect(verify(hash, Message, key, given(Signature))).toBe(true);
      const input = { KeyId, SigningAlgorithm, Signature };
      await expect(kms.client().send(new VerifyCommand({ ...input, Message }))).resolves.toMatchObject({
        SignatureValid: true,
      });
      const byDigest = new VerifyCommand({ ...input, Message: digest, MessageType: 'DIGEST' });
      await expect(kms.client().send(byDigest)).resolves.toMatchObject({ SignatureValid: true });
      const otherMessage = kms.client().send(new VerifyCommand({ ...input, Message: Buffer.from('another') }));
      expect((await refusal(otherMessage)).name).toBe('KMSInvalidSignatureException');
      const otherDigest = createHash(hash).update('another').digest();
      const wrong = kms.client().send(new VerifyCommand({ ...input, Message: otherDigest, MessageType: 'DIGEST' }));
      expect((await refusal(wrong)).name).toBe('KMSInvalidSignatureException');
    }
  });

  it('take only digests of the right length, and only algorithms of their key', async () => {
    const KeyId = await newKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const short = new SignCommand({
      KeyId,
      Message: Buffer.alloc(31),
      MessageType: 'DIGEST',
      SigningAlgorithm: 'ECDSA_SHA_256',
    });
    expect((await refusal(kms.client().send(short))).message).toBe(
      'Digest is invalid length for algorithm ECDSA_SHA_256.',
    );
    const other = new SignCommand({ KeyId, Message: Buffer.alloc(1), SigningAlgorithm: 'ECDSA_SHA_384' });
    expect(await refusal(kms.client().send(other))).toEqual({
      name: 'InvalidKeyUsageException',
      message: 'Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.',
    });
  });
});

describe('MACs', () => {
  it.each(['224', '256', '384', '512'] as const)('HMAC_%s is made and verified', async (bits) => {
    const KeyId = await newKey({ KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
    const MacAlgorithm = `HMAC_SHA_${bits}` as const;
    const Message = Buffer.from('m');
    const { Mac } = await kms.client().send(new GenerateMacCommand({ KeyId, Message, MacAlgorithm }));
    expect(Mac).toHaveLength(Number(bits) / 8);
    const check = (message: Buffer) =>
      kms.client().send(new VerifyMacCommand({ KeyId, Message: message, MacAlgorithm, Mac }));
    await expect(check(Message)).resolves.toMatchObject({ MacValid: true });
    expect((await refusal(check(Buffer.from('n')))).name).toBe('KMSInvalidMacException');
  });

  it('are not for keys of another usage', async () => {
    const KeyId = await newKey();
    const answer = new GenerateMacCommand({ KeyId, Message: Buffer.from('m'), MacAlgorithm: 'HMAC_SHA_256' });
    expect(await refusal(kms.client().send(answer))).toEqual({
      name: 'InvalidKeyUsageException',
      message: `arn:aws:kms:eu-central-1:111122223333:key/${KeyId} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.`,
    });
  });
});
