import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import * as fc from 'fast-check';
import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import type { Custody } from '../../lib/material/custody.ts';
import { openCustody } from '../../lib/material/custody.ts';
import { openEnvelope, parseEnvelope, sealEnvelope } from '../../lib/material/envelope.ts';
import type { AwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { startAwsKmsSandbox } from '../../sandbox/aws-kms/server.ts';
import { sandboxClock } from '../../sandbox/clock.ts';

const REGION = 'eu-central-1';
const ACCOUNT = {
  accountId: '111122223333',
  accessKeyId: 'AKIASANDBOXSANDBOX00',
  secretAccessKey: 'sandbox-secret-that-opens-nothing',
};

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('It succeeded.');
}

describe('custody', () => {
  let sandbox: AwsKmsSandbox;
  let kms: KMSClient;
  let custodyKeyId: string;
  let custody: Custody;
  /** Every plaintext that AWS KMS handed out, as the very array that custody was given. */
  let plaintexts: Uint8Array[];

  beforeAll(async () => {
    sandbox = await startAwsKmsSandbox({ port: 0, clock: sandboxClock(), accounts: [ACCOUNT] });
    kms = new KMSClient({ region: REGION, credentials: ACCOUNT, endpoint: sandbox.endpoint, maxAttempts: 1 });
    kms.middlewareStack.add(
      (next) => async (args) => {
        const answer = await next(args);
        const output = answer.output as { Plaintext?: Uint8Array; PrivateKeyPlaintext?: Uint8Array };
        for (const each of [output.Plaintext, output.PrivateKeyPlaintext])
          if (each !== undefined) plaintexts.push(each);
        return answer;
      },
      { step: 'initialize' },
    );
    const made = await kms.send(new CreateKeyCommand({ Description: 'custody key' }));
    custodyKeyId = made.KeyMetadata?.Arn ?? '';
    custody = openCustody({ custodyKeyId, kms });
  });
  afterAll(async () => {
    kms.destroy();
    await sandbox.close();
  });
  beforeEach(() => {
    sandbox.faults.clear();
    plaintexts = [];
  });

  const record = () => ({ keyId: randomUUID(), version: 1 });
  const allZero = () => plaintexts.every((each) => each.every((byte) => byte === 0));
  const copy = (bytes: Uint8Array) => Promise.resolve(Uint8Array.from(bytes));

  describe('key material', () => {
    it.each([
      ['aes', '128', 16],
      ['aes', '192', 24],
      ['aes', '256', 32],
      ['hmac', '224', 28],
      ['hmac', '256', 32],
      ['hmac', '384', 48],
      ['hmac', '512', 64],
    ] as const)('of %s %s is %i bytes, the same whenever it is lent', async (algorithm, size, length) => {
      const of = record();
      const wrapped = await custody.generate({ algorithm, size }, of);
      expect(wrapped).toMatchObject({ custodyKeyId, publicKey: undefined });
      const [first, second] = [await custody.lend(wrapped, of, copy), await custody.lend(wrapped, of, copy)];
      expect(first).toHaveLength(length);
      expect(first.some((byte) => byte !== 0)).toBe(true);
      expect(second).toEqual(first);
    });

    const PAIRS = [
      ['rsa', '2048', 'rsa'],
      ['rsa', '3072', 'rsa'],
      ['rsa', '4096', 'rsa'],
      ['ec', '256', 'prime256v1'],
      ['ec', '384', 'secp384r1'],
      ['ec', '521', 'secp521r1'],
      ['ec', '256K', 'secp256k1'],
    ] as const;

    it.each(PAIRS)('of %s %s is PKCS #8, with its public key', async (algorithm, size, sort) => {
      const of = record();
      const wrapped = await custody.generate({ algorithm, size }, of);
      await custody.lend(wrapped, of, (material) => {
        const key = createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' });
        const details = key.asymmetricKeyDetails;
        expect(algorithm === 'rsa' ? details?.modulusLength : details?.namedCurve).toBe(
          algorithm === 'rsa' ? Number(size) : sort,
        );
        const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
        expect(Buffer.compare(wrapped.publicKey ?? new Uint8Array(), spki)).toBe(0);
        return Promise.resolve();
      });
    });

    it('of a key pair is made here when the custody key is in a custom key store, which makes none', async () => {
      const storeId = sandbox.operator.seedCustomKeyStore(REGION, ACCOUNT.accountId, 'custody');
      const made = await kms.send(new CreateKeyCommand({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: storeId }));
      const inHsm = openCustody({ custodyKeyId: made.KeyMetadata?.Arn ?? '', kms });
      const of = record();
      for (const [algorithm, size] of PAIRS) {
        const wrapped = await inHsm.generate({ algorithm, size }, of);
        await inHsm.lend(wrapped, of, (material) => {
          const key = createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' });
          const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
          expect(Buffer.compare(wrapped.publicKey ?? new Uint8Array(), spki)).toBe(0);
          return Promise.resolve();
        });
      }
    });

    it('is new every time', async () => {
      const of = record();
      const one = await custody.lend(await custody.generate({ algorithm: 'aes', size: '256' }, of), of, copy);
      const other = await custody.lend(await custody.generate({ algorithm: 'aes', size: '256' }, of), of, copy);
      expect(one).not.toEqual(other);
    });

    it('is zeroed after it was made', async () => {
      await custody.generate({ algorithm: 'aes', size: '256' }, record());
      await custody.generate({ algorithm: 'ec', size: '256' }, record());
      expect(plaintexts).toHaveLength(2);
      expect(allZero()).toBe(true);
    });

    it('is zeroed after it was lent, also when its use fails', async () => {
      const of = record();
      const wrapped = await custody.generate({ algorithm: 'aes', size: '256' }, of);
      await custody.lend(wrapped, of, copy);
      await expect(custody.lend(wrapped, of, () => Promise.reject(new Error('its use failed')))).rejects.toThrow(
        'its use',
      );
      let lent = new Uint8Array();
      await custody.lend(wrapped, of, (material) => {
        lent = material as Uint8Array<ArrayBuffer>;
        expect(lent.some((byte) => byte !== 0)).toBe(true);
        return Promise.resolve();
      });
      expect(lent.every((byte) => byte === 0)).toBe(true);
      expect(plaintexts).toHaveLength(4);
      expect(allZero()).toBe(true);
    });

    it('does not open for another key, nor for another version', async () => {
      const of = record();
      const wrapped = await custody.generate({ algorithm: 'aes', size: '256' }, of);
      for (const moved of [{ ...of, version: 2 }, record()]) {
        const fault = await faultOf(custody.lend(wrapped, moved, copy));
        expect(fault.code).toBe('internal');
        expect(fault.message).toContain('not encrypted for it');
      }
    });

    it('stays readable when the custody key is another one since', async () => {
      const of = record();
      const wrapped = await custody.generate({ algorithm: 'aes', size: '256' }, of);
      const made = await kms.send(new CreateKeyCommand({}));
      const later = openCustody({ custodyKeyId: made.KeyMetadata?.Arn ?? '', kms });
      expect(await later.lend(wrapped, of, copy)).toHaveLength(32);
    });

    it.each([
      ['des', '168'],
      ['dilithium', '65'],
      ['aes', '512'],
      ['rsa', '1024'],
    ] as const)('of %s %s is not made', async (algorithm, size) => {
      expect(await faultOf(custody.generate({ algorithm, size }, record()))).toMatchObject({ status: 422 });
    });
  });

  describe('credentials of a keystore', () => {
    const credentials = { aws_access_key_id: 'AKIA', aws_secret_access_key: 'secret / with = everything ü' };

    it('come back as they were', async () => {
      const sealed = await custody.seal(credentials, 'keystore-1');
      expect(Buffer.from(sealed).includes('secret')).toBe(false);
      expect(await custody.open(sealed, 'keystore-1')).toEqual(credentials);
    });

    it('may be longer than what AWS KMS encrypts itself', async () => {
      const google = { google_credentials: JSON.stringify({ private_key: 'x'.repeat(50_000) }) };
      expect(await custody.open(await custody.seal(google, 'keystore-1'), 'keystore-1')).toEqual(google);
    });

    it('do not open for another keystore', async () => {
      const sealed = await custody.seal(credentials, 'keystore-1');
      expect((await faultOf(custody.open(sealed, 'keystore-2'))).code).toBe('internal');
    });

    it('leave no data key behind', async () => {
      await custody.open(await custody.seal(credentials, 'keystore-1'), 'keystore-1');
      expect(plaintexts).toHaveLength(2);
      expect(allZero()).toBe(true);
    });

    it('do not open when they were cut off or come from elsewhere', async () => {
      for (const bytes of [new Uint8Array(), Uint8Array.of(1), Uint8Array.of(2, 0, 0), new Uint8Array(200)]) {
        expect((await faultOf(custody.open(bytes, 'keystore-1'))).code).toBe('internal');
      }
    });
  });

  describe('when the custody key cannot be used', () => {
    it.each([
      ['throttle', 'keystore_throttled', 503],
      ['reset_before', 'keystore_unreachable', 503],
      ['dependency_timeout', 'keystore_unreachable', 503],
      ['denied', 'internal', 500],
      ['internal', 'internal', 500],
    ] as const)('%s is %s', async (kind, code, status) => {
      sandbox.faults.add({ kind });
      for (const spec of [{ algorithm: 'aes', size: '256' } as const, { algorithm: 'ec', size: '256' } as const]) {
        const fault = await faultOf(custody.generate(spec, record()));
        expect(fault).toMatchObject({ code, status });
        expect(fault.message).not.toContain('arn:');
      }
    });

    it('says so when it does not exist', async () => {
      const lost = openCustody({ custodyKeyId: 'alias/not-there', kms });
      expect((await faultOf(lost.seal({}, 'keystore-1'))).message).toContain('does not exist');
    });

    it('gives up when the signal aborts', async () => {
      const given = custody.generate({ algorithm: 'aes', size: '256' }, record(), AbortSignal.abort());
      expect((await faultOf(given)).code).toBe('keystore_unreachable');
    });
  });
});

describe('an envelope', () => {
  const dataKey = {
    custodyKeyId: 'arn:aws:kms:eu-central-1:111122223333:key/1',
    plaintext: new Uint8Array(32).fill(7),
    encrypted: new Uint8Array(184).fill(9),
  };
  const open = (bytes: Uint8Array, recipient: string) =>
    openEnvelope(parseEnvelope(bytes), dataKey.plaintext, recipient);

  it('opens for whom it was sealed, whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.string(), (plaintext, recipient) => {
        expect(Buffer.compare(open(sealEnvelope(plaintext, recipient, dataKey), recipient), plaintext)).toBe(0);
      }),
    );
  });

  it('does not open when any bit of it was altered', () => {
    const sealed = sealEnvelope(Buffer.from('secret'), 'keystore-1', dataKey);
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.nat(7), (at, bit) => {
        const altered = Uint8Array.from(sealed);
        altered[at] = (altered[at] ?? 0) ^ (1 << bit);
        expect(() => open(altered, 'keystore-1')).toThrow(Fault);
      }),
    );
  });

  it('does not open for somebody else', () => {
    expect(() => open(sealEnvelope(Buffer.from('secret'), 'keystore-1', dataKey), 'keystore-2')).toThrow(Fault);
  });

  it('is not the same twice', () => {
    const [one, other] = [0, 1].map(() => sealEnvelope(Buffer.from('secret'), 'keystore-1', dataKey));
    expect(one).not.toEqual(other);
  });
});
