import * as fc from 'fast-check';
import { constants, createDecipheriv, createPrivateKey, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AZURE_ENVIRONMENTS, environmentOf } from '../../lib/drivers/azure-key-vault/environments.ts';
import { abandoned, faultFrom } from '../../lib/drivers/azure-key-vault/faults.ts';
import {
  AZURE_KEY_OPERATIONS,
  AZURE_KEY_RULES,
  AZURE_TAG_LIMITS,
  azureKeyRule,
  azureKeyVaultKind,
  azureOperationsOf,
  KEK_NAME,
} from '../../lib/drivers/azure-key-vault/kind.ts';
import { jwkOf } from '../../lib/drivers/azure-key-vault/private-key.ts';
import { fingerprintOf, fingerprintOfMaterial } from '../../lib/drivers/azure-key-vault/public-key.ts';
import { transferBlob } from '../../lib/drivers/azure-key-vault/transfer.ts';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { KeystoreFault } from '../../lib/drivers/driver.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../lib/keys/key.ts';
import * as wireKeystores from '../../lib/wire/keystores.ts';
import * as wireTemplates from '../../lib/wire/templates.ts';
import { makeMaterial } from './aws-material.ts';

const kind = azureKeyVaultKind;
const SIZES = ['2048', '3072', '4096', '256', '384', '521', '256K', '128', '1024', '8192'];
const anySpec: fc.Arbitrary<KeySpec> = fc.record({
  algorithm: fc.constantFrom(...KEY_ALGORITHMS),
  size: fc.constantFrom(...SIZES),
  material: fc.constantFrom(...MATERIAL_KINDS),
  properties: fc.record(
    {
      azure_key_protection_level: fc.constantFrom<unknown>('hsm', 'software', 'steel', 7),
      azure_key_operations: fc.subarray<unknown>([...AZURE_KEY_OPERATIONS, 'export']),
    },
    { requiredKeys: [] },
  ),
});

describe('keys of azure_key_vault', () => {
  it('are refused exactly when the table has no place for them', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const { azure_key_protection_level: level = 'software', azure_key_operations: operations = [] } =
          spec.properties;
        const rule = AZURE_KEY_RULES.find(
          (each) => each.algorithm === spec.algorithm && each.size === spec.size && each.protection === level,
        );
        const fits =
          rule?.materials.includes(spec.material) === true &&
          (operations as unknown[]).every((each) => rule.operations.some((operation) => operation === each));
        expect(kind.refuses(spec) === undefined).toBe(fits);
      }),
      { numRuns: 500 },
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

  const spec = (algorithm: KeySpec['algorithm'], size: string, properties = {}): KeySpec => ({
    algorithm,
    size,
    material: 'imported',
    properties,
  });

  it.each([
    [spec('aes', '256'), /Managed HSM/],
    [spec('hmac', '256'), /HMAC.*choose/],
    [spec('rsa', '1024'), /2048, 3072, 4096/],
    [
      spec('ec', '256K', { azure_key_protection_level: 'hsm' }),
      /native key material, or set azure_key_protection_level/,
    ],
    [
      spec('ec', '256', { azure_key_operations: ['sign', 'encrypt'] }),
      /for encrypt; set azure_key_operations to some of sign, verify/,
    ],
  ])('%j', (refused, why) => {
    expect(kind.refuses(refused)).toMatch(why);
  });

  it('of the HSM are refused in a standard vault only', () => {
    const hsm = spec('rsa', '2048', { azure_key_protection_level: 'hsm' });
    expect(kind.refusesIn?.(hsm, { azure_variant: 'standard' })).toMatch(/premium/);
    expect(kind.refusesIn?.(hsm, { azure_variant: 'premium' })).toBeUndefined();
    expect(kind.refusesIn?.(hsm, {})).toBeUndefined();
    expect(kind.refusesIn?.(spec('rsa', '2048'), { azure_variant: 'standard' })).toBeUndefined();
  });

  it('may do all that their sort can, or what the template says', () => {
    const rsa = spec('rsa', '2048');
    const rule = azureKeyRule(rsa);
    if (rule === undefined) throw new Error('no rule for RSA 2048');
    expect(azureOperationsOf(rsa, rule)).toEqual(AZURE_KEY_OPERATIONS);
    expect(azureOperationsOf(spec('rsa', '2048', { azure_key_operations: [] }), rule)).toEqual(AZURE_KEY_OPERATIONS);
    expect(azureOperationsOf(spec('rsa', '2048', { azure_key_operations: ['verify', 'sign'] }), rule)).toEqual([
      'sign',
      'verify',
    ]);
  });

  it('rotate by a version of their own, which create makes', () => {
    for (const { algorithm, size } of AZURE_KEY_RULES) expect(kind.rotatesInPlace(spec(algorithm, size))).toBe(false);
  });

  it('are described in the words of the wire', () => {
    expect([...AZURE_KEY_OPERATIONS]).toEqual([...wireTemplates.AZURE_KEY_OPERATIONS]);
    expect(Object.keys(AZURE_ENVIRONMENTS).toSorted()).toEqual([...wireKeystores.AZURE_ENVIRONMENTS].toSorted());
  });
});

describe('the documentation', () => {
  it('has the capability table as it is', () => {
    const page = readFileSync(new URL('../../docs/keystores/azure-key-vault.md', import.meta.url), 'utf8');
    const rows = page.split('\n').map((line) => line.replaceAll(/\s+/g, ' '));
    for (const rule of AZURE_KEY_RULES) {
      const { algorithm, size, protection, keyType, materials, operations } = rule;
      const done = operations.map((each) => `\`${each}\``).join(', ');
      expect(rows).toContain(
        `| ${algorithm} | ${size} | ${protection} | ${keyType}${rule.curve === undefined ? '' : ` ${rule.curve}`} | ${materials.join(', ')} | ${done} |`,
      );
    }
  });
});

describe('labels', () => {
  const AZURE_NAME = /^[0-9a-zA-Z-]+$/;
  const label = fc.oneof(
    fc.string({ maxLength: 140 }),
    fc.string({ unit: fc.constantFrom('a', 'A', '0', '-', '_', '/', '.', ' ', 'é'), maxLength: 140 }),
  );

  it('are what Azure takes as a name', () => {
    fc.assert(
      fc.property(label, (each) => {
        const taken = AZURE_NAME.test(each) && each.length <= 127;
        expect(kind.refusesLabel(each) === undefined).toBe(taken);
      }),
    );
  });

  it.each(['', 'a'.repeat(128), 'with_underscore', 'with/slash', 'with space', KEK_NAME, KEK_NAME.toLowerCase()])(
    'refuses %j',
    (each) => {
      expect(kind.refusesLabel(each)).toMatch(/label/);
    },
  );

  it.each(['a', '-', '0', 'a'.repeat(127), 'Payments-Card-Data', `${KEK_NAME}-2`])('accepts %j', (each) => {
    expect(kind.refusesLabel(each)).toBeUndefined();
  });
});

describe('tags', () => {
  const tag = (name: string, value = '') => [{ name, value }];

  it.each([
    [tag('')],
    [tag('a'.repeat(257))],
    [tag('a', 'v'.repeat(257))],
    [tag('shearline:key')],
    [tag('Shearline:key')],
    [[...tag('twice'), ...tag('twice')]],
    [Array.from({ length: AZURE_TAG_LIMITS.tags + 1 }, (_each, n) => ({ name: `t${n}`, value: '' }))],
  ])('refuses %j', (tags) => {
    expect(kind.refusesTags(tags)).toMatch(/\.$/);
  });

  it.each([[[]], [tag('cost center', 'a/b:c=d')], [tag('größe', '🔑')], [tag('a'.repeat(256), 'v'.repeat(256))]])(
    'accepts %j',
    (tags) => {
      expect(kind.refusesTags(tags)).toBeUndefined();
    },
  );
});

describe('environments', () => {
  it('are the public cloud unless the keystore says another', () => {
    expect(environmentOf(undefined)).toBe(AZURE_ENVIRONMENTS['azure']);
    expect(environmentOf('')).toBe(AZURE_ENVIRONMENTS['azure']);
    expect(environmentOf('azure_us_government').vaultSuffix).toBe('vault.usgovcloudapi.net');
  });

  it.each(['constructor', 'AZURE', 7])('%j is none', (name) => {
    expect(() => environmentOf(name)).toThrow(KeystoreFault);
  });
});

const IMPORTABLE = AZURE_KEY_RULES.filter(({ protection }) => protection === 'software');

describe('material', () => {
  it.each(IMPORTABLE.map((rule) => [`${rule.algorithm} ${rule.size}`, rule] as const))(
    'of %s becomes a JWK with the very private key, without a copy of it',
    (_name, rule) => {
      const material = makeMaterial(rule);
      const jwk = jwkOf(material, rule);
      expect(fingerprintOf(jwk)).toBe(fingerprintOfMaterial(material));
      const text = (bytes: Uint8Array | undefined) =>
        bytes === undefined ? '' : Buffer.from(bytes).toString('base64url');
      const expected = createPrivateKey({ key: Buffer.from(material), format: 'der', type: 'pkcs8' }).export({
        format: 'jwk',
      });
      for (const member of ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'x', 'y'] as const) {
        expect(text(jwk[member])).toBe(expected[member] ?? '');
      }
      material.fill(0);
      for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
        expect(jwk[member]?.every((byte) => byte === 0) ?? true).toBe(true);
      }
    },
  );

  it('that is no private key is refused without a word of it', () => {
    const rule = azureKeyRule({ algorithm: 'ec', size: '256', properties: {} });
    if (rule === undefined) throw new Error('no rule for P-256');
    expect(() => jwkOf(Buffer.from('not a key'), rule)).toThrow();
  });

  it.each([2048, 3072])('travels under a key exchange key of %i bits as the specification has it', (modulusLength) => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
    const material = makeMaterial({ algorithm: 'rsa', size: '2048' });
    const before = Buffer.from(material);
    const id = 'https://vault.vault.azure.net/keys/KEK/0123';
    const blob = JSON.parse(Buffer.from(transferBlob(material, { id, publicKey })).toString()) as {
      header: unknown;
      ciphertext: string;
      schema_version: string;
    };
    expect(blob).toMatchObject({
      schema_version: '1.0.0',
      header: { kid: id, alg: 'dir', enc: 'CKM_RSA_AES_KEY_WRAP' },
    });
    const ciphertext = Buffer.from(blob.ciphertext, 'base64url');
    const aes = privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
      ciphertext.subarray(0, modulusLength / 8),
    );
    expect(aes).toHaveLength(32);
    const decipher = createDecipheriv('id-aes256-wrap-pad', aes, Buffer.from('A65959A6', 'hex'));
    expect(Buffer.concat([decipher.update(ciphertext.subarray(modulusLength / 8)), decipher.final()])).toEqual(before);
    expect(Buffer.from(material)).toEqual(before);
  });

  it('has no fingerprint where Azure shows no public key', () => {
    expect(fingerprintOf({ kty: 'oct-HSM' })).toBeUndefined();
  });
});

describe('errors of Azure Key Vault', () => {
  const azureError = (statusCode: number, code?: string) =>
    Object.assign(new Error('as Azure says'), {
      name: 'RestError',
      statusCode,
      ...(code === undefined ? {} : { code }),
    });
  const body = (code: string, inner?: string) =>
    JSON.stringify({
      error: { code, message: 'in full', ...(inner === undefined ? {} : { innererror: { code: inner } }) },
    });

  it.each([
    [401, 'Unauthorized', undefined, 'denied'],
    [403, 'Forbidden', 'ForbiddenByRbac', 'denied'],
    [403, 'Forbidden', 'ForbiddenByPolicy', 'denied'],
    [403, 'Forbidden', 'ForbiddenByFirewall', 'denied'],
    [403, 'Forbidden', 'AccessDenied', 'denied'],
    [403, 'Forbidden', 'KeyDisabled', 'conflict'],
    [403, 'Forbidden', 'SomethingNew', 'denied'],
    [404, 'KeyNotFound', undefined, 'not_found'],
    [404, 'NotFound', undefined, 'broken'],
    [404, undefined, undefined, 'broken'],
    [409, 'Conflict', 'ObjectIsDeletedButRecoverable', 'conflict'],
    [409, 'Conflict', 'ObjectIsBeingDeleted', 'unavailable'],
    [409, 'Conflict', 'ObjectIsBeingRecovered', 'unavailable'],
    [409, 'Conflict', undefined, 'conflict'],
    [429, 'Throttled', undefined, 'throttled'],
    [429, undefined, undefined, 'throttled'],
    [400, 'BadParameter', undefined, 'unsupported'],
    [400, undefined, undefined, 'unsupported'],
    [408, undefined, undefined, 'unreachable'],
    [500, 'InternalServerError', undefined, 'broken'],
    [502, undefined, undefined, 'unreachable'],
    [503, 'ServiceUnavailable', undefined, 'unavailable'],
    [504, undefined, undefined, 'unreachable'],
    [418, 'SomethingNew', undefined, 'broken'],
  ] as const)('%i %s %s is %s', (status, code, inner, expected) => {
    const fault = faultFrom(azureError(status, code), 'get key', code === undefined ? undefined : body(code, inner));
    expect(fault).toMatchObject({ kind: expected, providerCode: inner ?? code ?? String(status) });
    expect(fault.message).toBe(
      `Azure Key Vault get key: ${inner ?? code ?? String(status)}: ${code === undefined ? 'as Azure says' : 'in full'}`,
    );
  });

  it.each([
    ['invalid_client', 401],
    ['unauthorized_client', 400],
    ['invalid_request', 400],
    ['invalid_scope', 400],
  ])('%s of the token endpoint is denied', (code, status) => {
    expect(faultFrom(azureError(status, code), 'token request').kind).toBe('denied');
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'REQUEST_SEND_ERROR'])(
    '%s is unreachable',
    (code) => {
      const fault = faultFrom(Object.assign(new Error('socket'), { code }), 'get key');
      expect(fault).toMatchObject({ kind: 'unreachable', providerCode: undefined });
      expect(fault.message).toContain(code);
    },
  );

  it.each(['TimeoutError', 'AbortError'])('%s is unreachable', (name) => {
    expect(faultFrom(Object.assign(new Error('late'), { name }), 'create key').kind).toBe('unreachable');
  });

  it('leaves a fault as it is, and takes what is no error for broken', () => {
    const fault = new KeystoreFault('conflict', 'taken');
    expect(faultFrom(fault, 'create key')).toBe(fault);
    expect(faultFrom('text', 'create key').kind).toBe('broken');
    expect(abandoned('create key', undefined).kind).toBe('unreachable');
  });

  it('tells one line of what Azure says, and hands on nothing of the request', () => {
    const error = Object.assign(azureError(500), {
      request: { body: 'private key' },
      message: `One.\r\nTrace ID: two`,
    });
    const fault = faultFrom(error, 'import key', 'not JSON');
    expect(fault.message).toMatch(/One\.$/);
    expect(fault.cause).not.toHaveProperty('request');
    expect(
      faultFrom(Object.assign(azureError(500), { message: 'x'.repeat(5000) }), 'get key').message.length,
    ).toBeLessThan(500);
  });
});
