import * as fc from 'fast-check';
import { constants, createDecipheriv, generateKeyPairSync, privateDecrypt, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AWS_CLOUDHSM_KEY_RULES, awsCloudHsmKind } from '../../lib/drivers/aws-cloudhsm/kind.ts';
import { wrap } from '../../lib/drivers/aws-kms/import.ts';
import {
  AWS_KEY_RULES,
  AWS_KEY_USAGES,
  AWS_TAG_LIMITS,
  awsKeyRule,
  awsKeyUsage,
  awsKmsKind,
} from '../../lib/drivers/aws-kms/kind.ts';
import { aliasOf, isMarked, marksOf } from '../../lib/drivers/aws-kms/names.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../lib/keys/key.ts';

const kinds = [awsKmsKind, awsCloudHsmKind];

/** AWS's own rule for aliases, from the API reference of CreateAlias. */
const AWS_ALIAS = /^alias\/[a-zA-Z0-9/_-]+$/;

const label = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('a', 'A', 'w', 'W', 's', 'S', '/', '_', '-', '9', 'é', ' '), maxLength: 260 }),
);

describe.each(kinds)('labels of $type', (kind) => {
  it('accepts exactly what AWS takes as an alias and does not keep for itself', () => {
    fc.assert(
      fc.property(label, (each) => {
        const alias = aliasOf(each);
        const taken = AWS_ALIAS.test(alias) && alias.length <= 256 && !/^alias\/aws\//i.test(alias);
        expect(kind.refusesLabel(each) === undefined).toBe(taken);
      }),
    );
  });

  it('never makes one name of two labels', () => {
    fc.assert(
      fc.property(label, label, (one, other) => {
        fc.pre(one !== other);
        expect(aliasOf(one)).not.toBe(aliasOf(other));
      }),
    );
  });

  it.each(['AWS/ebs', 'aws/ebs', 'aWs/ebs', '', 'a'.repeat(251), 'with space', 'dot.ted', 'straße'])(
    'refuses %j',
    (each) => {
      expect(kind.refusesLabel(each)).toMatch(/label/);
    },
  );

  it.each(['aws', 'awsome/key', 'a', 'a'.repeat(250), 'team/pay_ments-1'])('accepts %j', (each) => {
    expect(kind.refusesLabel(each)).toBeUndefined();
  });
});

const SIZES = [...new Set([...AWS_KEY_RULES.map((each) => each.size), '112', '128', '168', '192', '1024', '8192'])];
const anySpec: fc.Arbitrary<KeySpec> = fc.record({
  algorithm: fc.constantFrom(...KEY_ALGORITHMS),
  size: fc.constantFrom(...SIZES),
  material: fc.constantFrom(...MATERIAL_KINDS),
  properties: fc.oneof(
    fc.constant({}),
    fc.record({ aws_key_usage: fc.constantFrom<unknown>(...AWS_KEY_USAGES, 'wrap_unwrap', 7) }),
  ),
});

describe.each([
  { kind: awsKmsKind, rules: AWS_KEY_RULES },
  { kind: awsCloudHsmKind, rules: AWS_CLOUDHSM_KEY_RULES },
])('keys of $kind.type', ({ kind, rules }) => {
  it('are refused exactly when the table has no place for them', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const found = rules.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
        const usage = spec.properties['aws_key_usage'];
        const fits =
          found !== undefined &&
          kind.materials.includes(spec.material) &&
          (usage === undefined || found.usages.some((each) => each === usage));
        expect(kind.refuses(spec) === undefined).toBe(fits);
      }),
    );
  });

  it('are refused with a sentence that says what to change', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const why = kind.refuses(spec);
        fc.pre(why !== undefined);
        expect(why).toMatch(/(choose|change|set) .*\.$/);
      }),
    );
  });

  it('rotate in place only if the table says so', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const found = rules.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
        expect(kind.rotatesInPlace(spec)).toBe(found?.rotatesInPlace ?? false);
      }),
    );
  });
});

describe('refusals of aws_kms', () => {
  const spec = (algorithm: KeySpec['algorithm'], size: string, properties = {}): KeySpec => ({
    algorithm,
    size,
    material: 'imported',
    properties,
  });

  it.each([
    [spec('aes', '128'), /256/],
    [spec('aes', '512'), /256/],
    [spec('des', '168'), /DES.*choose/],
    [spec('dilithium', '65'), /Dilithium.*choose/],
    [spec('rsa', '1024'), /2048, 3072, 4096/],
    [spec('ec', '256K', { aws_key_usage: 'key_agreement' }), /aws_key_usage to sign_verify/],
    [spec('aes', '256', { aws_key_usage: 'sign_verify' }), /aws_key_usage to encrypt_decrypt/],
  ])('%j', (refused, why) => {
    expect(awsKmsKind.refuses(refused)).toMatch(why);
  });

  it('cannot bring material into a custom key store', () => {
    expect(awsCloudHsmKind.refuses(spec('aes', '256'))).toMatch(/imported.*choose native/);
  });
});

describe('the use of a key', () => {
  it('is the property, or the first of the table', () => {
    const rsa = awsKeyRule({ algorithm: 'rsa', size: '2048' });
    if (rsa === undefined) throw new Error('no rule for RSA 2048');
    const spec: KeySpec = { algorithm: 'rsa', size: '2048', material: 'native', properties: {} };
    expect(awsKeyUsage(spec, rsa)).toBe('encrypt_decrypt');
    expect(awsKeyUsage({ ...spec, properties: { aws_key_usage: 'sign_verify' } }, rsa)).toBe('sign_verify');
  });
});

describe('tags', () => {
  const tag = (name: string, value = '') => [{ name, value }];

  it.each([
    [tag('')],
    [tag('a'.repeat(129))],
    [tag('a', 'v'.repeat(257))],
    [tag('semi;colon')],
    [tag('a', 'emoji 🔑')],
    [tag('AWS:own')],
    [tag('shearline:key')],
    [tag('Shearline:key')],
    [[...tag('twice'), ...tag('twice')]],
    [Array.from({ length: AWS_TAG_LIMITS.tags + 1 }, (_each, n) => ({ name: `t${n}`, value: '' }))],
  ])('refuses %j', (tags) => {
    expect(awsKmsKind.refusesTags(tags)).toMatch(/\.$/);
  });

  it.each([
    [[]],
    [tag('cost center', 'a/b:c=d+e-f@g_h.i')],
    [tag('größe', 'groß')],
    [tag('a'.repeat(128), 'v'.repeat(256))],
  ])('accepts %j', (tags) => {
    expect(awsKmsKind.refusesTags(tags)).toBeUndefined();
  });

  it('are remembered in no more than one tag’s value', () => {
    const name = fc.string({ minLength: 1, maxLength: 128 });
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: AWS_TAG_LIMITS.tags }), (names) => {
        const marks = marksOf(names);
        expect(marks.length).toBeLessThanOrEqual(256);
        expect(awsKmsKind.refusesTags([{ name: 'marks', value: marks }])).toBeUndefined();
        for (const each of names) expect(isMarked(marks, each)).toBe(true);
      }),
    );
  });

  it('are not remembered when they were not ours', () => {
    expect(isMarked(marksOf(['team', 'stage']), 'auditor')).toBe(false);
    expect(isMarked('', 'team')).toBe(false);
  });
});

describe('wrapping for an import', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const unOaep = (bytes: Uint8Array) =>
    privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes);

  it('is RSA-OAEP with SHA-256 for what is short', () => {
    const material = randomBytes(64);
    expect(unOaep(wrap(material, spki, 'RSAES_OAEP_SHA_256'))).toEqual(material);
  });

  it('is an AES key under RSA-OAEP, then the material under AES-KWP, for RSA keys; of any length', () => {
    for (const length of [1189, 1190, 1191, 2375]) {
      const material = randomBytes(length);
      const wrapped = wrap(material, spki, 'RSA_AES_KEY_WRAP_SHA_256');
      const decipher = createDecipheriv(
        'id-aes256-wrap-pad',
        unOaep(wrapped.subarray(0, 512)),
        Buffer.from('A65959A6', 'hex'),
      );
      expect(Buffer.concat([decipher.update(wrapped.subarray(512)), decipher.final()])).toEqual(material);
    }
  });

  it('leaves the lent material to its lender', () => {
    const material = randomBytes(32);
    const before = Buffer.from(material);
    wrap(material, spki, 'RSAES_OAEP_SHA_256');
    expect(material).toEqual(before);
  });
});
