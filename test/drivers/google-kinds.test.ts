import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { generateKeyPairSync, privateDecrypt, createDecipheriv, randomBytes, constants } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { faultFromAnswer, faultFromSilence, faultFromTokenAnswer } from '../../lib/drivers/google-kms/faults.ts';
import {
  GOOGLE_KEY_RULES,
  GOOGLE_PERMISSIONS,
  GOOGLE_PURPOSES,
  GOOGLE_TAG_LIMITS,
  googleKeySort,
  googleKmsKind,
} from '../../lib/drivers/google-kms/kind.ts';
import { OWN_LABELS, withOwner, withTags } from '../../lib/drivers/google-kms/labels.ts';
import { cryptoKeyNamed, placeOf } from '../../lib/drivers/google-kms/names.ts';
import { readClaims, withClaim, withoutClaim, writeClaims } from '../../lib/drivers/google-kms/versions.ts';
import { wrap } from '../../lib/drivers/google-kms/wrapping.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../lib/keys/key.ts';
import { GOOGLE_KEY_PURPOSES, GOOGLE_KMS_ALGORITHMS, PROTECTION_LEVELS } from '../../lib/wire/templates.ts';
import { newKey } from './contract.ts';

const SIZES = [...new Set([...GOOGLE_KEY_RULES.map((each) => each.size), '128', '192', '224', '512', '521', '8192'])];
const anySpec: fc.Arbitrary<KeySpec> = fc.record({
  algorithm: fc.constantFrom(...KEY_ALGORITHMS),
  size: fc.constantFrom(...SIZES),
  material: fc.constantFrom(...MATERIAL_KINDS),
  properties: fc.record(
    {
      google_kms_algorithm: fc.constantFrom<unknown>(...GOOGLE_KMS_ALGORITHMS, 'ec_sign_ed25519', 7),
      google_key_purpose: fc.constantFrom<unknown>(...GOOGLE_KEY_PURPOSES, 'raw_encrypt_decrypt'),
      google_key_protection_level: fc.constantFrom<unknown>(...PROTECTION_LEVELS, 'external'),
    },
    { requiredKeys: [] },
  ),
});

describe('keys of google_kms', () => {
  it('are all the algorithms and purposes of the contract, each once', () => {
    expect(GOOGLE_KEY_RULES.map((each) => each.value).toSorted()).toEqual([...GOOGLE_KMS_ALGORITHMS].toSorted());
    expect([...GOOGLE_PURPOSES].toSorted()).toEqual([...GOOGLE_KEY_PURPOSES].toSorted());
  });

  it('say in their names what the table says of them', () => {
    for (const { value, algorithm, size, purpose, digest } of GOOGLE_KEY_RULES) {
      if (digest !== undefined) expect(value).toMatch(new RegExp(`(^hmac|_)_?${digest}$`));
      if (algorithm === 'rsa') expect(value).toContain(`_${size}`);
      expect(purpose === 'asymmetric_sign').toBe(value.includes('_sign_'));
      expect(purpose === 'asymmetric_decrypt').toBe(value.includes('_decrypt_'));
    }
  });

  it('are refused exactly when the table has no place for them', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const {
          google_kms_algorithm: value,
          google_key_purpose: purpose,
          google_key_protection_level: level,
        } = spec.properties;
        const ofValue = GOOGLE_KEY_RULES.filter(
          (each) =>
            each.algorithm === spec.algorithm &&
            each.size === spec.size &&
            (value === undefined || each.value === value) &&
            (purpose === undefined || each.purpose === purpose),
        );
        const [first] = ofValue;
        const fits = first !== undefined && (level === undefined || first.protections.some((each) => each === level));
        const refusal = googleKmsKind.refuses(spec);
        expect(refusal === undefined).toBe(fits);
        if (refusal !== undefined) expect(refusal).toMatch(/^Google Cloud KMS .*(?:change|choose|set) .*\.$/);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['rsa', '2048', {}, 'rsa_decrypt_oaep_2048_sha256', 'software'],
    ['rsa', '4096', { google_key_purpose: 'asymmetric_sign' }, 'rsa_sign_pss_4096_sha256', 'software'],
    ['rsa', '4096', { google_kms_algorithm: 'rsa_sign_raw_pkcs1_4096' }, 'rsa_sign_raw_pkcs1_4096', 'software'],
    ['ec', '256K', {}, 'ec_sign_secp256k1_sha256', 'hsm'],
    ['aes', '256', { google_key_protection_level: 'hsm' }, 'google_symmetric_encryption', 'hsm'],
  ] as const)('of %s %s with %j are %s in %s', (algorithm, size, properties, value, protection) => {
    const sort = googleKeySort({ algorithm, size, material: 'imported', properties });
    expect('why' in sort ? sort.why : [sort.rule.value, sort.protection]).toEqual([value, protection]);
  });

  it('say what to change', () => {
    const why = (properties: KeySpec['properties'], algorithm: KeySpec['algorithm'] = 'rsa', size = '3072') =>
      googleKmsKind.refuses({ algorithm, size, material: 'native', properties });
    expect(why({}, 'des', '168')).toContain('choose one of AES, HMAC, RSA, elliptic curve');
    expect(why({}, 'ec', '521')).toContain('of size 256, 384, 256K only, not 521');
    expect(why({ google_kms_algorithm: 'rsa_sign_pss_2048_sha256' })).toContain('rsa_sign_pss_3072_sha256');
    expect(why({ google_key_purpose: 'mac' })).toContain('asymmetric_decrypt or asymmetric_sign');
    expect(why({ google_key_protection_level: 'software' }, 'ec', '256K')).toContain('hsm only');
  });
});

describe('labels of google_kms', () => {
  const label = fc.string({ unit: fc.constantFrom('a', 'A', '_', '-', '9', 'é', ' ', '/', '.'), maxLength: 70 });
  const place = placeOf('p', 'l', 'r');

  it('are the ids of CryptoKeys: accepted exactly as Google does, and never two of one name', () => {
    fc.assert(
      fc.property(label, label, (one, other) => {
        expect(googleKmsKind.refusesLabel(one) === undefined).toBe(/^[a-zA-Z0-9_-]{1,63}$/.test(one));
        fc.pre(one !== other);
        expect(cryptoKeyNamed(one, place)).not.toBe(cryptoKeyNamed(other, place));
      }),
    );
  });
});

describe('tags of google_kms', () => {
  it.each([
    [[{ name: 'Team', value: 'a' }], 'lower-case'],
    [[{ name: '1st', value: 'a' }], 'lower-case'],
    [[{ name: 'team', value: 'A B' }], 'value'],
    [[{ name: 'team', value: 'a'.repeat(64) }], '63'],
    [[{ name: 'a'.repeat(64), value: '' }], '63'],
    [[{ name: 'shearline_key', value: '' }], 'shearline_'],
    [
      [
        { name: 'a', value: '' },
        { name: 'a', value: '' },
      ],
      'twice',
    ],
    [Array.from({ length: 56 }, (_each, n) => ({ name: `t${n}`, value: '' })), '55'],
  ])('%# are refused', (tags, says) => {
    expect(googleKmsKind.refusesTags(tags)).toContain(says);
  });

  const tags = fc.uniqueArray(
    fc.record({ name: fc.stringMatching(/^[a-z][a-z0-9_-]{0,20}$/), value: fc.stringMatching(/^[a-z0-9_-]{0,20}$/) }),
    { selector: (tag) => tag.name, maxLength: GOOGLE_TAG_LIMITS.tags },
  );

  it('replace each other, within 64 labels, and leave what is not ours', () => {
    const key = newKey({ algorithm: 'aes', size: '256', material: 'native', properties: {} }, new Date());
    fc.assert(
      fc.property(tags, tags, (before, after) => {
        const theirs = { 'theirs-1': 'x' };
        const labels = withTags(withTags(withOwner(theirs, key), before), after);
        const users = Object.entries(labels).filter(([name]) => !name.startsWith('shearline_'));
        const wanted = { ...theirs, ...Object.fromEntries(after.map((tag) => [tag.name, tag.value])) };
        expect(Object.fromEntries(users)).toEqual(wanted);
        expect(Object.keys(labels).length - 1).toBeLessThanOrEqual(63);
        expect(Object.values(labels).every((value) => value.length <= 63)).toBe(true);
        expect(labels[OWN_LABELS.key]).toBe(key.keyId);
      }),
    );
  });
});

describe('the versions written on a CryptoKey', () => {
  const claims = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 20 })), { maxLength: 6 })
    .map((each) =>
      each.reduce<ReadonlyMap<number, number>>((all, [version, number]) => withClaim(all, version, number), new Map()),
    );

  it('are read as they were written, in a label value', () => {
    fc.assert(
      fc.property(claims, (each) => {
        const text = writeClaims(each);
        expect(text).toMatch(/^[a-z0-9_-]{0,63}$/);
        expect([...readClaims(text)].toSorted()).toEqual([...each].toSorted());
      }),
    );
  });

  it('never give two versions one number', () => {
    fc.assert(
      fc.property(claims, fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 20 }), (each, version, number) => {
        const changed = withClaim(each, version, number);
        expect(new Set(changed.values()).size).toBe(changed.size);
        expect(changed.get(version)).toBe(number);
        expect(withoutClaim(changed, version).has(version)).toBe(false);
      }),
    );
  });

  it('forget the oldest when they do not fit, and what somebody else wrote', () => {
    const many = new Map(Array.from({ length: 40 }, (_each, n) => [n + 1, 3 * n + 100]));
    const read = readClaims(writeClaims(many));
    expect([read.get(40), read.has(1)]).toEqual([217, false]);
    expect(readClaims('nonsense_1-x-2_9-1-1_1-999999999-1')).toEqual(new Map());
  });
});

describe('faults of google_kms', () => {
  const rpc = (status: string, code = 400) => ({ error: { code, message: 'Said so.\nand the request', status } });

  it.each([
    ['PERMISSION_DENIED', 'denied'],
    ['UNAUTHENTICATED', 'denied'],
    ['RESOURCE_EXHAUSTED', 'throttled'],
    ['NOT_FOUND', 'not_found'],
    ['ALREADY_EXISTS', 'conflict'],
    ['ABORTED', 'conflict'],
    ['FAILED_PRECONDITION', 'conflict'],
    ['INVALID_ARGUMENT', 'unsupported'],
    ['UNIMPLEMENTED', 'unsupported'],
    ['UNAVAILABLE', 'unavailable'],
    ['DEADLINE_EXCEEDED', 'unreachable'],
    ['INTERNAL', 'broken'],
    ['NEVER_HEARD_OF', 'broken'],
  ] as const)('%s is %s', (status, kind) => {
    const fault = faultFromAnswer('GetCryptoKey', 500, rpc(status));
    expect(fault).toMatchObject({ kind, providerCode: status });
    expect(fault.message).toBe(`Google Cloud KMS GetCryptoKey: ${status}: Said so.`);
  });

  it.each([
    [401, 'denied'],
    [403, 'denied'],
    [404, 'not_found'],
    [409, 'conflict'],
    [429, 'throttled'],
    [500, 'broken'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unreachable'],
  ] as const)('HTTP %d without a status is %s', (status, kind) => {
    expect(faultFromAnswer('GetCryptoKey', status, undefined).kind).toBe(kind);
    expect(faultFromTokenAnswer(status, '<html>').kind).toBe(kind);
  });

  it('tells what the token endpoint says', () => {
    const fault = faultFromTokenAnswer(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' });
    expect(fault).toMatchObject({ kind: 'denied', providerCode: 'invalid_grant' });
    expect(fault.message).toContain('Invalid JWT Signature.');
  });

  it('names what kept an answer away', () => {
    const error = new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code: 'ECONNREFUSED' }) });
    expect(faultFromSilence('GetCryptoKey', error)).toMatchObject({ kind: 'unreachable' });
    expect(faultFromSilence('GetCryptoKey', error).message).toContain('ECONNREFUSED');
  });

  it('cuts long messages', () => {
    const long = { error: { code: 400, message: 'x'.repeat(5000), status: 'INTERNAL' } };
    expect(faultFromAnswer('GetCryptoKey', 500, long).message.length).toBeLessThan(500);
  });
});

describe('wrapping for an import job', () => {
  it('is CKM_RSA_AES_KEY_WRAP, whatever the length of the material', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    for (const length of [16, 32, 138, 1217, 2375]) {
      const material = randomBytes(length);
      const wrapped = Buffer.from(wrap(material, pem));
      const oaep = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
      const aesKey = privateDecrypt(oaep, wrapped.subarray(0, 384));
      expect(aesKey).toHaveLength(32);
      const decipher = createDecipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('A65959A6', 'hex'));
      expect(Buffer.concat([decipher.update(wrapped.subarray(384)), decipher.final()]).equals(material)).toBe(true);
    }
  });
});

describe('the documentation of google_kms', () => {
  const text = readFileSync(new URL('../../docs/keystores/google-kms.md', import.meta.url), 'utf8');
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', ''));

  it('has the table that keys are refused by', () => {
    const values: readonly string[] = GOOGLE_KMS_ALGORITHMS;
    const rows = text
      .split('\n')
      .map(cells)
      .filter(([value]) => values.includes(value ?? ''));
    expect(rows).toEqual(
      GOOGLE_KEY_RULES.map((rule) => [
        rule.value,
        rule.algorithm,
        rule.size,
        rule.purpose,
        rule.digest ?? '',
        rule.protections.join(', '),
        rule.materials.join(', '),
        rule.operations.join(', '),
      ]),
    );
  });

  it('names the permissions that the tests run with', () => {
    expect(text.match(/^cloudkms\.\S+$/gm)).toEqual(GOOGLE_PERMISSIONS);
  });
});
