import {
  DecryptCommand,
  EncryptCommand,
  GenerateMacCommand,
  KMSClient,
  SignCommand,
  VerifyCommand,
  VerifyMacCommand,
} from '@aws-sdk/client-kms';
import { createHash, createPublicKey, publicEncrypt, constants, randomBytes, randomUUID, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect as connectCloudHsm } from '../../lib/drivers/aws-cloudhsm/driver.ts';
import { connect as connectAws } from '../../lib/drivers/aws-kms/driver.ts';
import { connect as connectAzure } from '../../lib/drivers/azure-key-vault/driver.ts';
import type { KeyInKeystore, KeySpec, KeystoreDriver } from '../../lib/drivers/driver.ts';
import { connect as connectGoogle } from '../../lib/drivers/google-kms/driver.ts';
import { connect as connectIbm } from '../../lib/drivers/ibm-cloud-kms/driver.ts';
import { IBM_VARIANTS } from '../../lib/drivers/ibm-cloud-kms/kind.ts';
import { kindOfType, KINDS } from '../../lib/drivers/kinds.ts';
import { CK_PARAMS_RSA_OAEP, CKA, CKG, CKM, CKO } from '../../lib/drivers/pkcs11/cryptoki.ts';
import { idOf } from '../../lib/drivers/pkcs11/objects.ts';
import type { KeystoreType } from '../../lib/keystores/keystore.ts';
import { KEYSTORE_TYPES } from '../../lib/keystores/keystore.ts';
import { pointSignature, sequenceSignature } from '../../sandbox/azure-key-vault/signature-form.ts';
import { findSoftHsm } from '../../sandbox/pkcs11/softhsm.ts';
import { makeMaterial } from './aws-material.ts';
import type { AwsKeystore } from './aws-sandbox.ts';
import { ACCOUNT, openAwsKeystore, REGION } from './aws-sandbox.ts';
import type { AzureKeystore } from './azure-sandbox.ts';
import { openAzureKeystore } from './azure-sandbox.ts';
import { newKey, run } from './contract.ts';
import type { GoogleKeystore } from './google-sandbox.ts';
import { openGoogleKeystore } from './google-sandbox.ts';
import type { IbmKeystore } from './ibm-sandbox.ts';
import { INSTANCES, openIbmKeystore, unhurried } from './ibm-sandbox.ts';
import type { AnyMechanism, HsmKeystore } from './pkcs11-softhsm.ts';
import { openHsmKeystore, OTHER_TOKEN } from './pkcs11-softhsm.ts';

const found = findSoftHsm();
const noHsm = 'why' in found ? found.why : undefined;

const MESSAGE = Buffer.from('made in one keystore, for another');
const OTHER_MESSAGE = Buffer.from('made in one keystore, and tampered');
const OTHER_REGION = 'us-east-1';

/** What a key is tried for. Each keystore has its own way to be told so. */
type Purpose = 'sign with RSA' | 'sign with EC' | 'decrypt with RSA' | 'make a MAC' | 'encrypt with AES';

const SORTS = {
  'sign with RSA': { algorithm: 'rsa', size: '2048' },
  'sign with EC': { algorithm: 'ec', size: '256' },
  'decrypt with RSA': { algorithm: 'rsa', size: '2048' },
  'make a MAC': { algorithm: 'hmac', size: '256' },
  'encrypt with AES': { algorithm: 'aes', size: '256' },
} as const satisfies Record<Purpose, Pick<KeySpec, 'algorithm' | 'size'>>;

/** One keystore, as its applications use it. ECDSA signatures are ASN.1; RSA is PKCS #1 v1.5 with SHA-256, and OAEP with SHA-1. */
interface Place {
  readonly name: string;
  readonly type: KeystoreType;
  driver(): KeystoreDriver;
  readonly properties: Partial<Record<Purpose, Readonly<Record<string, unknown>>>>;
  sign?(key: KeyInKeystore, algorithm: 'rsa' | 'ec', message: Buffer): Promise<Buffer>;
  verify?(key: KeyInKeystore, algorithm: 'rsa' | 'ec', message: Buffer, signature: Buffer): Promise<boolean>;
  /** Under the public key, as this keystore gives it to everybody. */
  encryptTo?(key: KeyInKeystore, message: Buffer): Promise<Buffer>;
  decryptRsa?(key: KeyInKeystore, ciphertext: Buffer): Promise<Buffer>;
  mac?(key: KeyInKeystore, message: Buffer): Promise<Buffer>;
  verifyMac?(key: KeyInKeystore, message: Buffer, mac: Buffer): Promise<boolean>;
  encrypt?(key: KeyInKeystore, message: Buffer): Promise<Buffer>;
  decrypt?(key: KeyInKeystore, ciphertext: Buffer): Promise<Buffer>;
  /** What it says to a ciphertext that another keystore made under the same bytes. */
  readonly refusesForeign?: RegExp;
}

const idIn = (key: KeyInKeystore): string => key.binding?.idInKeystore ?? '';
const bytes = (value: Uint8Array | string | null | undefined): Buffer => Buffer.from(value ?? []);

function awsPlace(
  name: string,
  type: KeystoreType,
  kms: KMSClient,
  driver: () => KeystoreDriver,
  only?: readonly Purpose[],
): Place {
  const all = {
    'sign with RSA': { aws_key_usage: 'sign_verify' },
    'sign with EC': {},
    'decrypt with RSA': { aws_key_usage: 'encrypt_decrypt' },
    'make a MAC': {},
    'encrypt with AES': {},
  };
  const SigningAlgorithm = { rsa: 'RSASSA_PKCS1_V1_5_SHA_256', ec: 'ECDSA_SHA_256' } as const;
  const OAEP = { EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' } as const;
  const MAC = { MacAlgorithm: 'HMAC_SHA_256' } as const;
  return {
    name,
    type,
    driver,
    properties: only === undefined ? all : Object.fromEntries(only.map((purpose) => [purpose, {}])),
    async sign(key, algorithm, Message) {
      const command = new SignCommand({ KeyId: idIn(key), Message, SigningAlgorithm: SigningAlgorithm[algorithm] });
      return bytes((await kms.send(command)).Signature);
    },
    async verify(key, algorithm, Message, Signature) {
      const parts = { KeyId: idIn(key), Message, Signature, SigningAlgorithm: SigningAlgorithm[algorithm] };
      try {
        return (await kms.send(new VerifyCommand(parts))).SignatureValid === true;
      } catch (error) {
        if (error instanceof Error && error.name === 'KMSInvalidSignatureException') return false;
        throw error;
      }
    },
    async encryptTo(key, Plaintext) {
      return bytes((await kms.send(new EncryptCommand({ KeyId: idIn(key), Plaintext, ...OAEP }))).CiphertextBlob);
    },
    async decryptRsa(key, CiphertextBlob) {
      return bytes((await kms.send(new DecryptCommand({ KeyId: idIn(key), CiphertextBlob, ...OAEP }))).Plaintext);
    },
    async mac(key, Message) {
      return bytes((await kms.send(new GenerateMacCommand({ KeyId: idIn(key), Message, ...MAC }))).Mac);
    },
    async verifyMac(key, Message, Mac) {
      try {
        return (await kms.send(new VerifyMacCommand({ KeyId: idIn(key), Message, Mac, ...MAC }))).MacValid === true;
      } catch (error) {
        if (error instanceof Error && error.name === 'KMSInvalidMacException') return false;
        throw error;
      }
    },
    async encrypt(key, Plaintext) {
      return bytes((await kms.send(new EncryptCommand({ KeyId: idIn(key), Plaintext }))).CiphertextBlob);
    },
    async decrypt(key, CiphertextBlob) {
      return bytes((await kms.send(new DecryptCommand({ KeyId: idIn(key), CiphertextBlob }))).Plaintext);
    },
    refusesForeign: /^(?:InvalidCiphertextException|IncorrectKeyException)/,
  };
}

function azurePlace(azure: AzureKeystore, protection: 'software' | 'hsm'): Place {
  const own = { azure_key_protection_level: protection };
  const of = (key: KeyInKeystore) => {
    const [, , name = '', keyVersion = ''] = new URL(idIn(key)).pathname.split('/');
    return azure.client.getCryptographyClient(name, { keyVersion });
  };
  const ALGORITHM = { rsa: 'RS256', ec: 'ES256' } as const;
  const X = 'A'.repeat(43);
  return {
    name: `Azure, ${protection}`,
    type: 'azure_key_vault',
    driver: () => azure.connect(),
    properties: { 'sign with RSA': own, 'sign with EC': own, 'decrypt with RSA': own },
    async sign(key, algorithm, message) {
      const signature = bytes((await of(key).signData(ALGORITHM[algorithm], message)).result);
      return algorithm === 'ec' ? sequenceSignature(signature) : signature;
    },
    async verify(key, algorithm, message, signature) {
      const own = algorithm === 'ec' ? pointSignature(signature, X) : signature;
      return (await of(key).verifyData(ALGORITHM[algorithm], message, own)).result;
    },
    encryptTo: async (key, plaintext) => bytes((await of(key).encrypt({ algorithm: 'RSA-OAEP', plaintext })).result),
    decryptRsa: async (key, ciphertext) => bytes((await of(key).decrypt({ algorithm: 'RSA-OAEP', ciphertext })).result),
  };
}

function googlePlace(google: GoogleKeystore): Place {
  const publicKey = async (key: KeyInKeystore) => {
    const [{ pem }] = await google.kms.getPublicKey({ name: idIn(key) });
    return createPublicKey(pem ?? '');
  };
  const cryptoKey = (key: KeyInKeystore) => idIn(key).slice(0, idIn(key).indexOf('/cryptoKeyVersions/'));
  return {
    name: 'Google',
    type: 'google_kms',
    driver: () => google.connect(),
    properties: {
      'sign with RSA': { google_kms_algorithm: 'rsa_sign_pkcs1_2048_sha256' },
      'sign with EC': { google_kms_algorithm: 'ec_sign_p256_sha256' },
      'decrypt with RSA': { google_kms_algorithm: 'rsa_decrypt_oaep_2048_sha1' },
      'make a MAC': {},
      'encrypt with AES': {},
    },
    async sign(key, _algorithm, message) {
      const digest = { sha256: createHash('sha256').update(message).digest() };
      return bytes((await google.kms.asymmetricSign({ name: idIn(key), digest }))[0].signature);
    },
    // Google verifies nothing; it gives the public key to whoever does.
    verify: async (key, _algorithm, message, signature) => verify('sha256', message, await publicKey(key), signature),
    encryptTo: async (key, message) => {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return publicEncrypt({ key: await publicKey(key), padding, oaepHash: 'sha1' }, message);
    },
    decryptRsa: async (key, ciphertext) =>
      bytes((await google.kms.asymmetricDecrypt({ name: idIn(key), ciphertext }))[0].plaintext),
    mac: async (key, data) => bytes((await google.kms.macSign({ name: idIn(key), data }))[0].mac),
    verifyMac: async (key, data, mac) =>
      (await google.kms.macVerify({ name: idIn(key), data, mac }))[0].success === true,
    encrypt: async (key, plaintext) =>
      bytes((await google.kms.encrypt({ name: cryptoKey(key), plaintext }))[0].ciphertext),
    decrypt: async (key, ciphertext) =>
      bytes((await google.kms.decrypt({ name: cryptoKey(key), ciphertext }))[0].plaintext),
    refusesForeign: /Decryption failed/,
  };
}

function ibmPlace(ibm: IbmKeystore, variant: 'key_protect' | 'hpcs'): Place {
  const instance = INSTANCES[variant];
  const ask = async (key: KeyInKeystore, action: 'wrap' | 'unwrap', body: object): Promise<Record<string, string>> => {
    const path = `/keys/${idIn(key).split(':').at(-1) ?? ''}/actions/${action}`;
    const answer = await ibm.call('POST', path, body, instance);
    if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Record<string, string>;
  };
  return {
    name: `IBM, ${variant}`,
    type: 'ibm_cloud_kms',
    driver: () => unhurried(connectIbm(ibm.connection({ ibm_variant: variant, ibm_instance_id: instance })), ibm.clock),
    properties: { 'encrypt with AES': {} },
    encrypt: async (key, message) =>
      Buffer.from((await ask(key, 'wrap', { plaintext: message.toString('base64') }))['ciphertext'] ?? ''),
    decrypt: async (key, ciphertext) =>
      Buffer.from((await ask(key, 'unwrap', { ciphertext: ciphertext.toString() }))['plaintext'] ?? '', 'base64'),
    refusesForeign: /^Error: (?:422|400) /,
  };
}

/** CKM_SHA256_RSA_PKCS, CKM_AES_GCM and the shape of its parameter: the driver needs none of them. */
const SHA256_RSA_PKCS = 0x40;
const AES_GCM = 0x1087;
const GCM_SHAPE = 7;
const RSA_OAEP: AnyMechanism = {
  mechanism: CKM.RSA_PKCS_OAEP,
  parameter: { type: CK_PARAMS_RSA_OAEP, hashAlg: CKM.SHA_1, mgf: CKG.MGF1_SHA1, source: 1 },
};

function hsmPlace(hsm: HsmKeystore, name: string): Place {
  const objectOf = (key: KeyInKeystore, isPublic: boolean) => {
    const found = hsm.operator
      .find([{ type: CKA.ID, value: idOf(key) }])
      .find((each) => (hsm.operator.read(each, CKA.CLASS)[0] === CKO.PUBLIC_KEY) === isPublic);
    if (found === undefined) throw new Error('The key is not there.');
    return found;
  };
  const digest = (message: Buffer) => createHash('sha256').update(message).digest();
  const isBy = (key: KeyInKeystore, mechanism: number, input: Buffer, signature: Buffer, isPublic: boolean) => {
    try {
      hsm.operator.verify(objectOf(key, isPublic), mechanism, input, signature);
      return Promise.resolve(true);
    } catch (error) {
      if (error instanceof Error && error.message === 'CKR_SIGNATURE_INVALID') return Promise.resolve(false);
      throw error;
    }
  };
  const gcm = (iv: Buffer): AnyMechanism => ({
    mechanism: AES_GCM,
    parameter: { type: GCM_SHAPE, iv, ivBits: 96, tagBits: 128 },
  });
  return {
    name,
    type: 'pkcs11',
    driver: () => hsm.connect(),
    properties: Object.fromEntries(Object.keys(SORTS).map((purpose) => [purpose, {}])),
    sign(key, algorithm, message) {
      const made =
        algorithm === 'ec'
          ? sequenceSignature(hsm.operator.sign(objectOf(key, false), CKM.ECDSA, digest(message)))
          : hsm.operator.sign(objectOf(key, false), SHA256_RSA_PKCS, message);
      return Promise.resolve(made);
    },
    verify: (key, algorithm, message, signature) =>
      algorithm === 'ec'
        ? isBy(key, CKM.ECDSA, digest(message), pointSignature(signature, 'A'.repeat(43)), true)
        : isBy(key, SHA256_RSA_PKCS, message, signature, true),
    encryptTo: (key, message) => Promise.resolve(hsm.operator.encrypt(objectOf(key, true), RSA_OAEP, message)),
    decryptRsa: (key, ciphertext) => Promise.resolve(hsm.operator.decrypt(objectOf(key, false), RSA_OAEP, ciphertext)),
    mac: (key, message) => Promise.resolve(hsm.operator.sign(objectOf(key, false), CKM.SHA256_HMAC, message)),
    verifyMac: (key, message, mac) => isBy(key, CKM.SHA256_HMAC, message, mac, false),
    encrypt(key, message) {
      const iv = randomBytes(12);
      return Promise.resolve(Buffer.concat([iv, hsm.operator.encrypt(objectOf(key, false), gcm(iv), message)]));
    },
    decrypt: async (key, ciphertext) => {
      await Promise.resolve();
      return hsm.operator.decrypt(objectOf(key, false), gcm(ciphertext.subarray(0, 12)), ciphertext.subarray(12));
    },
    refusesForeign: /: CKR_/,
  };
}

describe('the same key in several keystores', () => {
  let aws: AwsKeystore;
  let azure: AzureKeystore;
  let google: GoogleKeystore;
  let ibm: IbmKeystore;
  let otherRegion: KMSClient;
  let places: readonly Place[];
  const environment = {
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: ACCOUNT.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ACCOUNT.secretAccessKey,
  };
  const before = Object.keys(environment).map((name) => [name, process.env[name]] as const);

  beforeAll(async () => {
    [aws, azure, google, ibm] = await Promise.all([
      openAwsKeystore({ connect: connectAws }),
      openAzureKeystore({ connect: connectAzure }),
      openGoogleKeystore({ connect: connectGoogle }),
      openIbmKeystore(),
    ]);
    // An internal keystore uses the role and the region of the function, which this process plays.
    Object.assign(process.env, environment);
    otherRegion = new KMSClient({ region: OTHER_REGION, credentials: ACCOUNT });
    const internal = (keystoreId: string) => () =>
      connectIbm({ keystoreId, settings: { ibm_variant: 'internal' }, credentials: {} });
    const storeId = aws.sandbox.operator.seedCustomKeyStore(REGION, ACCOUNT.accountId, 'same-key');
    places = [
      awsPlace('AWS, one region', 'aws_kms', aws.kms, () => connectAws(aws.connection())),
      awsPlace('AWS, another region', 'aws_kms', otherRegion, () =>
        connectAws(aws.connection({ aws_region: OTHER_REGION })),
      ),
      awsPlace('CloudHSM', 'aws_cloudhsm', aws.kms, () =>
        connectCloudHsm(aws.connection({ aws_custom_key_store_id: storeId })),
      ),
      azurePlace(azure, 'software'),
      azurePlace(azure, 'hsm'),
      googlePlace(google),
      ibmPlace(ibm, 'key_protect'),
      ibmPlace(ibm, 'hpcs'),
      awsPlace('IBM, internal', 'ibm_cloud_kms', aws.kms, internal('keystore-1'), ['encrypt with AES']),
      awsPlace('IBM, another internal', 'ibm_cloud_kms', aws.kms, internal('keystore-2'), ['encrypt with AES']),
      ...(noHsm === undefined
        ? [
            hsmPlace(openHsmKeystore(), 'PKCS #11'),
            hsmPlace(openHsmKeystore(undefined, OTHER_TOKEN), 'PKCS #11, another token'),
          ]
        : []),
    ];
  });
  afterAll(async () => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    otherRegion.destroy();
    await Promise.all([aws.close(), azure.close(), google.close(), ibm.close()]);
  });

  interface Copy {
    readonly place: Place;
    readonly key: KeyInKeystore;
  }

  const specOf = (place: Place, purpose: Purpose, material: KeySpec['material']): KeySpec => ({
    ...SORTS[purpose],
    material,
    properties: place.properties[purpose] ?? {},
  });

  /** One key with imported material, in every keystore that can hold it for this. */
  async function everywhere(purpose: Purpose): Promise<readonly Copy[]> {
    const material = makeMaterial(SORTS[purpose]);
    const keyId = randomUUID();
    // A label that all of them take.
    const label = `S${keyId.replaceAll('-', '')}`;
    const copies: Copy[] = [];
    for (const place of places) {
      const spec = specOf(place, purpose, 'imported');
      if (place.properties[purpose] === undefined || kindOfType(place.type)?.refuses(spec) !== undefined) continue;
      const key = { ...newKey(spec, aws.now()), keyId, label, tags: [] };
      const driver = place.driver();
      copies.push({ place, key: await run(driver, 'import', await run(driver, 'create', key, material), material) });
    }
    return copies;
  }

  const othersThan = (from: Copy, copies: readonly Copy[]) => copies.filter((to) => to !== from);
  const between = (from: Copy, to: Copy) => `${from.place.name} → ${to.place.name}`;
  /** Name and words of a refusal; `none` when there was none. */
  const refusalOf = (work: Promise<unknown>) => work.then(() => 'none', String);
  const named = (copies: readonly Copy[]) => copies.map(({ place }) => place.name);
  const hsms = noHsm === undefined ? ['PKCS #11', 'PKCS #11, another token'] : [];

  it.each([
    ['rsa', 'sign with RSA'],
    ['ec', 'sign with EC'],
  ] as const)('%s: what any of them signs, every other verifies, and nothing else', async (algorithm, purpose) => {
    const copies = await everywhere(purpose);
    expect(named(copies)).toEqual([
      'AWS, one region',
      'AWS, another region',
      'Azure, software',
      'Azure, hsm',
      'Google',
      ...hsms,
    ]);
    const fingerprints = new Set(copies.map(({ key }) => key.binding?.fingerprint));
    expect([...fingerprints]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    for (const from of copies) {
      const signature = await from.place.sign?.(from.key, algorithm, MESSAGE);
      if (signature === undefined) throw new Error(`${from.place.name} cannot sign.`);
      for (const to of othersThan(from, copies)) {
        expect(await to.place.verify?.(to.key, algorithm, MESSAGE, signature), between(from, to)).toBe(true);
      }
      expect(await from.place.verify?.(from.key, algorithm, OTHER_MESSAGE, signature), from.place.name).toBe(false);
    }
  });

  it('rsa: what is encrypted to it by any of them, every other decrypts', async () => {
    const copies = await everywhere('decrypt with RSA');
    expect(named(copies)).toHaveLength(5 + hsms.length);
    for (const from of copies) {
      const ciphertext = await from.place.encryptTo?.(from.key, MESSAGE);
      if (ciphertext === undefined) throw new Error(`${from.place.name} cannot encrypt.`);
      for (const to of othersThan(from, copies)) {
        expect(await to.place.decryptRsa?.(to.key, ciphertext), between(from, to)).toEqual(MESSAGE);
      }
    }
  });

  it('hmac: what any of them makes, every other verifies, and nothing else', async () => {
    const copies = await everywhere('make a MAC');
    expect(named(copies)).toEqual(['AWS, one region', 'AWS, another region', 'Google', ...hsms]);
    for (const from of copies) {
      const mac = await from.place.mac?.(from.key, MESSAGE);
      if (mac === undefined) throw new Error(`${from.place.name} makes no MAC.`);
      for (const to of othersThan(from, copies)) {
        expect(await to.place.verifyMac?.(to.key, MESSAGE, mac), between(from, to)).toBe(true);
      }
      expect(await from.place.verifyMac?.(from.key, OTHER_MESSAGE, mac), from.place.name).toBe(false);
    }
  });

  it('aes: clouds bind a ciphertext to their own key, so each refuses what another made; HSMs read each other’s', async () => {
    const copies = await everywhere('encrypt with AES');
    expect(named(copies)).toEqual([
      'AWS, one region',
      'AWS, another region',
      'Google',
      'IBM, key_protect',
      'IBM, hpcs',
      'IBM, internal',
      'IBM, another internal',
      ...hsms,
    ]);
    for (const from of copies) {
      const ciphertext = (await from.place.encrypt?.(from.key, MESSAGE)) ?? Buffer.alloc(0);
      expect(await from.place.decrypt?.(from.key, ciphertext), from.place.name).toEqual(MESSAGE);
      for (const to of othersThan(from, copies)) {
        const decrypted = to.place.decrypt?.(to.key, ciphertext) ?? Promise.resolve(Buffer.alloc(0));
        if (from.place.type === 'pkcs11' && to.place.type === 'pkcs11') {
          expect(await decrypted, between(from, to)).toEqual(MESSAGE);
        } else {
          expect(await refusalOf(decrypted), between(from, to)).toMatch(to.place.refusesForeign ?? /never/);
        }
      }
    }
  });

  it('native: each keystore makes its own, so none verifies or reads what another made', async () => {
    const native = async (place: Place, purpose: Purpose) => {
      const keyId = randomUUID();
      const spec = specOf(place, purpose, 'native');
      const key = { ...newKey(spec, aws.now()), keyId, label: `N${keyId.replaceAll('-', '')}`, tags: [] };
      return { place, key: await run(place.driver(), 'create', key) };
    };
    const signing = places.filter(({ properties }) => 'sign with EC' in properties);
    const signers: Copy[] = [];
    for (const place of signing.filter(({ type }) => type !== 'aws_cloudhsm')) {
      signers.push(await native(place, 'sign with EC'));
    }
    expect(signers).toHaveLength(5 + hsms.length);
    for (const from of signers) {
      const signature = (await from.place.sign?.(from.key, 'ec', MESSAGE)) ?? Buffer.alloc(0);
      expect(await from.place.verify?.(from.key, 'ec', MESSAGE, signature), from.place.name).toBe(true);
      for (const to of othersThan(from, signers)) {
        expect(await to.place.verify?.(to.key, 'ec', MESSAGE, signature), between(from, to)).toBe(false);
      }
    }
    const cloudHsm = places.filter(({ type }) => type === 'aws_cloudhsm' || type === 'aws_kms');
    const keys: Copy[] = [];
    for (const place of cloudHsm) keys.push(await native(place, 'encrypt with AES'));
    for (const from of keys) {
      const ciphertext = (await from.place.encrypt?.(from.key, MESSAGE)) ?? Buffer.alloc(0);
      for (const to of othersThan(from, keys)) {
        const decrypted = to.place.decrypt?.(to.key, ciphertext) ?? Promise.resolve(Buffer.alloc(0));
        expect(await refusalOf(decrypted), between(from, to)).toMatch(to.place.refusesForeign ?? /never/);
      }
    }
  });

  it('what cannot be there is refused before anything is sent, with what to do', () => {
    const refusal = (type: KeystoreType, purpose: Purpose) =>
      kindOfType(type)?.refuses({ ...SORTS[purpose], material: 'imported', properties: {} });
    expect(refusal('aws_cloudhsm', 'encrypt with AES')).toBe(
      'An AWS CloudHSM key store cannot hold imported key material; choose native.',
    );
    expect(refusal('aws_cloudhsm', 'sign with EC')).toMatch(/cannot hold elliptic curve keys; choose/);
    expect(refusal('azure_key_vault', 'encrypt with AES')).toMatch(/only Azure Managed HSM can; choose/);
    expect(refusal('azure_key_vault', 'make a MAC')).toMatch(/cannot hold HMAC keys; choose/);
    for (const purpose of ['sign with RSA', 'sign with EC', 'make a MAC'] as const) {
      expect(refusal('ibm_cloud_kms', purpose)).toMatch(/root keys, which are AES keys; choose/);
    }
  });

  it('is tried in every type of keystore, and in every variant', () => {
    const connectable = KEYSTORE_TYPES.filter((type) => !('why' in KINDS[type]));
    const tried = new Set(places.map(({ type }) => type));
    expect([...tried, ...(noHsm === undefined ? [] : ['pkcs11'])].toSorted(), noHsm).toEqual(connectable.toSorted());
    for (const variant of IBM_VARIANTS) expect(places.map(({ name }) => name)).toContain(`IBM, ${variant}`);
  });
});
