import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import {
  CreateKeyCommand,
  DecryptCommand,
  DeleteImportedKeyMaterialCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateMacCommand,
  GetParametersForImportCommand,
  GetPublicKeyCommand,
  ImportKeyMaterialCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
  SignCommand,
} from '@aws-sdk/client-kms';
import type { AlgorithmSpec, CreateKeyCommandInput, KeySpec, WrappingKeySpec } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { day, given, refusal, useKms } from './kms-client.ts';
import { importMaterial, wrap } from './wrapping.ts';

const kms = useKms();

async function externalKey(members: Partial<CreateKeyCommandInput> = {}): Promise<string> {
  const made = await kms.client().send(new CreateKeyCommand({ Origin: 'EXTERNAL', ...members }));
  return given(made.KeyMetadata?.KeyId);
}

const describeKey = async (KeyId: string) =>
  given((await kms.client().send(new DescribeKeyCommand({ KeyId }))).KeyMetadata);

const oaep: AlgorithmSpec[] = ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'];
const aesKeyWrap: AlgorithmSpec[] = ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'];
const wrappingKeySpecs: WrappingKeySpec[] = ['RSA_2048', 'RSA_3072', 'RSA_4096'];

describe('wrapped key material', () => {
  it.each(oaep.flatMap((algorithm) => wrappingKeySpecs.map((wrappingKeySpec) => ({ algorithm, wrappingKeySpec }))))(
    'imports an AES key under $algorithm with $wrappingKeySpec, and encrypts with that very key',
    async ({ algorithm, wrappingKeySpec }) => {
      const material = randomBytes(32);
      const [one, same] = [await externalKey(), await externalKey()];
      await importMaterial(kms.client(), one, material, { algorithm, wrappingKeySpec });
      await importMaterial(kms.client(), same, material, { algorithm, wrappingKeySpec });
      const { CiphertextBlob } = await kms
        .client()
        .send(new EncryptCommand({ KeyId: one, Plaintext: Buffer.from('hello') }));
      const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob }));
      expect(Buffer.from(given(opened.Plaintext)).toString()).toBe('hello');
      // The ciphertext is bound to its key, though the other key holds the same bytes.
      const elsewhere = kms.client().send(new DecryptCommand({ CiphertextBlob, KeyId: same }));
      expect((await refusal(elsewhere)).name).toBe('IncorrectKeyException');
    },
  );

  it.each(oaep)('imports an HMAC key under %s', async (algorithm) => {
    const material = randomBytes(32);
    const KeyId = await externalKey({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
    await importMaterial(kms.client(), KeyId, material, { algorithm });
    const { Mac } = await kms
      .client()
      .send(new GenerateMacCommand({ KeyId, Message: Buffer.from('m'), MacAlgorithm: 'HMAC_SHA_256' }));
    expect(Buffer.from(given(Mac))).toEqual(createHmac('sha256', material).update('m').digest());
  });

  it.each(aesKeyWrap)('imports an RSA key under %s', async (algorithm) => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const KeyId = await externalKey({ KeySpec: 'RSA_3072', KeyUsage: 'SIGN_VERIFY' });
    const material = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
    await importMaterial(kms.client(), KeyId, material, { algorithm, wrappingKeySpec: 'RSA_4096' });
    const { PublicKey } = await kms.client().send(new GetPublicKeyCommand({ KeyId }));
    expect(Buffer.from(given(PublicKey))).toEqual(pair.publicKey.export({ type: 'spki', format: 'der' }));
  });

  const curves: [KeySpec, string, 'ECDSA_SHA_256' | 'ECDSA_SHA_384' | 'ECDSA_SHA_512'][] = [
    ['ECC_NIST_P256', 'P-256', 'ECDSA_SHA_256'],
    ['ECC_NIST_P384', 'P-384', 'ECDSA_SHA_384'],
    ['ECC_NIST_P521', 'P-521', 'ECDSA_SHA_512'],
    ['ECC_SECG_P256K1', 'secp256k1', 'ECDSA_SHA_256'],
  ];
  it.each(
    curves.flatMap(([keySpec, namedCurve, signing]) =>
      [...oaep, ...aesKeyWrap].map((algorithm) => ({ keySpec, namedCurve, signing, algorithm })),
    ),
  )('imports a $keySpec key under $algorithm', async ({ keySpec, namedCurve, signing, algorithm }) => {
    const pair = generateKeyPairSync('ec', { namedCurve });
    const KeyId = await externalKey({ KeySpec: keySpec, KeyUsage: 'SIGN_VERIFY' });
    const material = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
    await importMaterial(kms.client(), KeyId, material, { algorithm, wrappingKeySpec: 'RSA_3072' });
    const Message = Buffer.from('signed');
    const { Signature } = await kms.client().send(new SignCommand({ KeyId, Message, SigningAlgorithm: signing }));
    const hash = `sha${signing.slice(-3)}`;
    expect(verify(hash, Message, createPublicKey(pair.privateKey), given(Signature))).toBe(true);
  });

  it.each([
    { keySpec: 'RSA_2048', usage: 'SIGN_VERIFY', algorithm: 'RSAES_OAEP_SHA_256' },
    { keySpec: 'ECC_NIST_P521', usage: 'SIGN_VERIFY', algorithm: 'RSAES_OAEP_SHA_256' },
    { keySpec: 'SYMMETRIC_DEFAULT', usage: 'ENCRYPT_DECRYPT', algorithm: 'RSA_AES_KEY_WRAP_SHA_256' },
    { keySpec: 'SYMMETRIC_DEFAULT', usage: 'ENCRYPT_DECRYPT', algorithm: 'RSAES_PKCS1_V1_5' },
  ] as const)('refuses $algorithm with RSA_2048 for $keySpec', async ({ keySpec, usage, algorithm }) => {
    const KeyId = await externalKey({ KeySpec: keySpec, KeyUsage: usage });
    const answer = kms
      .client()
      .send(new GetParametersForImportCommand({ KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: 'RSA_2048' }));
    expect((await refusal(answer)).name).toBe('UnsupportedOperationException');
  });

  it('refuses material that is not of the key spec', async () => {
    const ofAnotherCurve = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    const cases: [string, Buffer][] = [
      [await externalKey(), randomBytes(16)],
      [await externalKey({ KeySpec: 'HMAC_512', KeyUsage: 'GENERATE_VERIFY_MAC' }), randomBytes(32)],
      [
        await externalKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
        ofAnotherCurve.export({ type: 'pkcs8', format: 'der' }),
      ],
    ];
    for (const [KeyId, material] of cases) {
      const answer = importMaterial(kms.client(), KeyId, material, { wrappingKeySpec: 'RSA_3072' });
      expect((await refusal(answer)).name).toBe('IncorrectKeyMaterialException');
      expect((await describeKey(KeyId)).KeyState).toBe('PendingImport');
    }
  });
});

describe('the key after an import', () => {
  it('is enabled, and shows how its material expires and which material it is', async () => {
    const KeyId = await externalKey();
    expect(await describeKey(KeyId)).not.toHaveProperty('ExpirationModel');
    const { KeyMaterialId } = await importMaterial(kms.client(), KeyId, randomBytes(32));
    expect(KeyMaterialId).toMatch(/^[0-9a-f]{64}$/);
    expect(await describeKey(KeyId)).toMatchObject({
      KeyState: 'Enabled',
      Origin: 'EXTERNAL',
      ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      CurrentKeyMaterialId: KeyMaterialId,
    });
  });

  it('waits for import again when its material is deleted, and takes only the same bytes back', async () => {
    const KeyId = await externalKey();
    const material = randomBytes(32);
    const first = await importMaterial(kms.client(), KeyId, material);
    await kms.client().send(new DeleteImportedKeyMaterialCommand({ KeyId }));
    expect((await describeKey(KeyId)).KeyState).toBe('PendingImport');
    const other = importMaterial(kms.client(), KeyId, randomBytes(32));
    expect((await refusal(other)).name).toBe('IncorrectKeyMaterialException');
    const again = await importMaterial(kms.client(), KeyId, material);
    expect(again.KeyMaterialId).toBe(first.KeyMaterialId);
    expect((await describeKey(KeyId)).KeyState).toBe('Enabled');
  });

  it('loses its material when that expires, and says so in an event', async () => {
    const KeyId = await externalKey();
    const events: string[] = [];
    const stop = kms.sandbox.on('event', (event) => {
      if (event.detail['key-id'] === KeyId) events.push(event['detail-type']);
    });
    const ValidTo = new Date(Math.floor((kms.clock.now().getTime() + day) / 1000) * 1000);
    await importMaterial(kms.client(), KeyId, randomBytes(32), {
      members: { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo },
    });
    expect(await describeKey(KeyId)).toMatchObject({ ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo });
    kms.clock.advance(day);
    expect((await describeKey(KeyId)).KeyState).toBe('PendingImport');
    expect(events).toEqual(['KMS Imported Key Material Expiration']);
    stop();
  });

  it('needs an expiry date that fits the expiration model', async () => {
    const KeyId = await externalKey();
    const soon = new Date(kms.clock.now().getTime() + day);
    const wrong = [
      { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: undefined },
      { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE', ValidTo: soon },
      { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(kms.clock.now().getTime() + 366 * day) },
      { ExpirationModel: 'KEY_MATERIAL_EXPIRES', ValidTo: new Date(kms.clock.now().getTime() - 1000) },
    ] as const;
    for (const members of wrong) {
      const answer = importMaterial(kms.client(), KeyId, randomBytes(32), { members });
      expect((await refusal(answer)).name).toBe('ValidationException');
    }
  });
});

describe('import tokens', () => {
  const parameters = (KeyId: string) =>
    kms.client().send(
      new GetParametersForImportCommand({
        KeyId,
        WrappingAlgorithm: 'RSAES_OAEP_SHA_256',
        WrappingKeySpec: 'RSA_2048',
      }),
    );
  const importing = (KeyId: string, from: Awaited<ReturnType<typeof parameters>>, material: Buffer) =>
    kms.client().send(
      new ImportKeyMaterialCommand({
        KeyId,
        ImportToken: given(from.ImportToken),
        EncryptedKeyMaterial: wrap('RSAES_OAEP_SHA_256', given(from.PublicKey), material),
        ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      }),
    );

  it('are valid for 24 hours', async () => {
    const KeyId = await externalKey();
    const from = await parameters(KeyId);
    expect(given(from.ParametersValidTo).getTime() - kms.clock.now().getTime()).toBeLessThanOrEqual(day);
    kms.clock.advance(day + 1);
    expect((await refusal(importing(KeyId, from, randomBytes(32)))).name).toBe('ExpiredImportTokenException');
  });

  it('serve one import only', async () => {
    const KeyId = await externalKey();
    const material = randomBytes(32);
    const from = await parameters(KeyId);
    await importing(KeyId, from, material);
    expect((await refusal(importing(KeyId, from, material))).name).toBe('InvalidImportTokenException');
  });

  it('serve their own key only', async () => {
    const from = await parameters(await externalKey());
    const answer = importing(await externalKey(), from, randomBytes(32));
    expect((await refusal(answer)).name).toBe('InvalidImportTokenException');
  });

  it('do not help when the ciphertext is not under their wrapping key, and survive the attempt', async () => {
    const KeyId = await externalKey();
    const from = await parameters(KeyId);
    const garbage = kms.client().send(
      new ImportKeyMaterialCommand({
        KeyId,
        ImportToken: given(from.ImportToken),
        EncryptedKeyMaterial: randomBytes(256),
        ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE',
      }),
    );
    expect((await refusal(garbage)).name).toBe('InvalidCiphertextException');
    await expect(importing(KeyId, from, randomBytes(32))).resolves.toBeDefined();
  });
});

describe('several materials under one key', () => {
  const newMaterial = { members: { ImportType: 'NEW_KEY_MATERIAL' as const } };
  const materials = async (KeyId: string) =>
    given(
      (await kms.client().send(new ListKeyRotationsCommand({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })))
        .Rotations,
    );

  it('wait for RotateKeyOnDemand, and old ciphertexts still decrypt after it', async () => {
    const KeyId = await externalKey();
    const first = await importMaterial(kms.client(), KeyId, randomBytes(32));
    const old = await kms.client().send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('old') }));
    const second = await importMaterial(kms.client(), KeyId, randomBytes(32), newMaterial);
    expect((await describeKey(KeyId)).CurrentKeyMaterialId).toBe(first.KeyMaterialId);
    await kms.client().send(new RotateKeyOnDemandCommand({ KeyId }));
    expect((await describeKey(KeyId)).CurrentKeyMaterialId).toBe(second.KeyMaterialId);
    const opened = await kms.client().send(new DecryptCommand({ CiphertextBlob: old.CiphertextBlob }));
    expect(opened.KeyMaterialId).toBe(first.KeyMaterialId);
    expect(
      (await materials(KeyId)).map(({ KeyMaterialId, KeyMaterialState }) => [KeyMaterialId, KeyMaterialState]),
    ).toEqual([
      [first.KeyMaterialId, 'NON_CURRENT'],
      [second.KeyMaterialId, 'CURRENT'],
    ]);
  });

  it('are all needed: losing an old one makes the key wait for import', async () => {
    const KeyId = await externalKey();
    const bytes = randomBytes(32);
    const first = await importMaterial(kms.client(), KeyId, bytes);
    await importMaterial(kms.client(), KeyId, randomBytes(32), newMaterial);
    await kms.client().send(new RotateKeyOnDemandCommand({ KeyId }));
    await kms.client().send(new DeleteImportedKeyMaterialCommand({ KeyId, KeyMaterialId: first.KeyMaterialId }));
    expect((await describeKey(KeyId)).KeyState).toBe('PendingImport');
    await importMaterial(kms.client(), KeyId, bytes, { members: { KeyMaterialId: first.KeyMaterialId } });
    expect((await describeKey(KeyId)).KeyState).toBe('Enabled');
  });

  it('must be new when they are said to be new, and there is nothing to rotate to without them', async () => {
    const KeyId = await externalKey();
    const bytes = randomBytes(32);
    await importMaterial(kms.client(), KeyId, bytes);
    expect((await refusal(importMaterial(kms.client(), KeyId, bytes, newMaterial))).name).toBe(
      'IncorrectKeyMaterialException',
    );
    const rotation = kms.client().send(new RotateKeyOnDemandCommand({ KeyId }));
    expect((await refusal(rotation)).name).toBe('KMSInvalidStateException');
  });

  it('can be taken back before they are rotated to', async () => {
    const KeyId = await externalKey();
    await importMaterial(kms.client(), KeyId, randomBytes(32));
    const pending = await importMaterial(kms.client(), KeyId, randomBytes(32), newMaterial);
    await kms.client().send(new DeleteImportedKeyMaterialCommand({ KeyId, KeyMaterialId: pending.KeyMaterialId }));
    expect((await describeKey(KeyId)).KeyState).toBe('Enabled');
    expect(await materials(KeyId)).toHaveLength(1);
  });
});
