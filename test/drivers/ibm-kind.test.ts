import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeySpec } from '../../lib/drivers/driver.ts';
import { faultFrom } from '../../lib/drivers/ibm-cloud-kms/faults.ts';
import { internalLabel } from '../../lib/drivers/ibm-cloud-kms/internal.ts';
import { IBM_KEY_RULES, IBM_VARIANTS, ibmCloudKmsKind } from '../../lib/drivers/ibm-cloud-kms/kind.ts';
import { aliasOf, checkOf, descriptionOf } from '../../lib/drivers/ibm-cloud-kms/names.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../lib/keys/key.ts';
import { newKey } from './contract.ts';

const NATIVE: KeySpec = { algorithm: 'aes', size: '256', material: 'native', properties: {} };

const anySpec: fc.Arbitrary<KeySpec> = fc.record({
  algorithm: fc.constantFrom(...KEY_ALGORITHMS),
  size: fc.constantFrom('112', '128', '192', '256', '256K', '512', '2048'),
  material: fc.constantFrom(...MATERIAL_KINDS),
  properties: fc.constant({}),
});

describe('keys of ibm_cloud_kms', () => {
  it('are refused exactly when the table has no place for them, with what to change', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const found = IBM_KEY_RULES.find((each) => each.algorithm === spec.algorithm && each.size === spec.size);
        const why = ibmCloudKmsKind.refuses(spec);
        expect(why === undefined).toBe(found?.materials.includes(spec.material) === true);
        if (why !== undefined) expect(why).toMatch(/(choose|change) .*\.$/);
      }),
    );
  });

  it('are refused by a keystore exactly when its variant is not in the table', () => {
    fc.assert(
      fc.property(anySpec, fc.constantFrom(...IBM_VARIANTS), (spec, variant) => {
        fc.pre(ibmCloudKmsKind.refuses(spec) === undefined);
        const found = IBM_KEY_RULES.find((each) => each.size === spec.size);
        const why = ibmCloudKmsKind.refusesIn?.(spec, { ibm_variant: variant });
        expect(why === undefined).toBe(found?.variants.includes(variant));
      }),
    );
  });
});

describe('labels of ibm_cloud_kms', () => {
  const RESERVED = ['key', 'keys', 'metadata', 'policy', 'rings', 'rotate', 'versions', 'registrations'];
  const label = fc.stringMatching(/^[A-Za-z0-9 ]{2,50}$/);
  const anyText = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('a', 'A', '0', '2', 'd', ' ', '-', '_', '/', 'é', '🔑'), maxLength: 12 }),
  );

  it('become aliases that IBM and AWS take', () => {
    fc.assert(
      fc.property(fc.oneof(label, fc.constantFrom(...RESERVED)), (each) => {
        expect(ibmCloudKmsKind.refusesLabel(each)).toBeUndefined();
        expect(aliasOf(each)).toMatch(/^[\w-]{2,90}$/);
        expect(RESERVED).not.toContain(aliasOf(each));
        expect(`alias/${internalLabel(each, '0b5ad2a4-6d2f-4b43-9c7b-6f1a7f5f0a11')}`).toMatch(
          /^alias\/[\w/-]{1,250}$/,
        );
      }),
    );
  });

  it('never make one name of two, not even of texts that are no labels', () => {
    fc.assert(
      fc.property(anyText, anyText, (one, other) => {
        fc.pre(one !== other && one.isWellFormed() && other.isWellFormed());
        expect(aliasOf(one)).not.toBe(aliasOf(other));
      }),
      { numRuns: 2000 },
    );
  });

  it.each(['a', 'x'.repeat(51), 'with-hyphen', 'under_score', 'slash/ed', 'tab\\tbed', 'größe'])(
    'cannot be %j',
    (each) => {
      expect(ibmCloudKmsKind.refusesLabel(each)).toMatch(/label/);
    },
  );
});

describe('the mark in a description', () => {
  it('fits, whatever the description', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), fc.integer({ min: 1, max: 999_999 }), (description, version) => {
        const key = newKey(NATIVE, new Date(), { description, version });
        const marked = descriptionOf(key, checkOf(new Uint8Array(32), key));
        expect(marked.length).toBeLessThanOrEqual(240);
        expect(marked).toMatch(/\[shearline [\w-]{22} \d+ [\w-]{12}\]$/);
      }),
    );
  });

  it('checks the material of one version of one key only', () => {
    const key = newKey(NATIVE, new Date());
    const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    expect(checkOf(one, key)).toBe(checkOf(one, key));
    expect(checkOf(one, key)).not.toBe(checkOf(other, key));
    expect(checkOf(one, key)).not.toBe(checkOf(one, { ...key, version: 2 }));
    expect(checkOf(one, key)).not.toBe(checkOf(one, newKey(NATIVE, new Date())));
  });
});

describe('errors', () => {
  it.each([
    [401, undefined, 'denied'],
    [401, 'UNAUTHORIZED_ERR', 'denied'],
    [403, 'SERVICE_ONLY_ERR', 'denied'],
    [400, 'BEARER_SUB_EXTRACTION_ERR', 'denied'],
    [409, 'AUTHORIZATIONS_NOT_MET', 'denied'],
    [429, undefined, 'throttled'],
    [409, 'KEY_ROTATION_NOT_PERMITTED', 'throttled'],
    [404, 'KEY_NOT_FOUND_ERR', 'not_found'],
    [409, 'KEY_ALIAS_NOT_UNIQUE_ERR', 'conflict'],
    [409, 'SOMETHING_NEW', 'conflict'],
    [410, 'KEY_DELETED_ERR', 'conflict'],
    [422, 'KEY_INVALID_STATE_ERR', 'conflict'],
    [404, 'KEY_RING_NOT_FOUND_ERR', 'conflict'],
    [400, 'BAD_BODY_ERR', 'unsupported'],
    [403, 'FEATURE_RESTRICTED_ERR', 'unsupported'],
    [409, 'REQ_TOO_EARLY_ERR', 'unavailable'],
    [409, 'IMPORT_TOKEN_EXPIRED_ERR', 'unavailable'],
    [503, undefined, 'unavailable'],
    [504, undefined, 'unreachable'],
    [500, 'INCOMPLETE_METADATA_ERR', 'broken'],
    [418, undefined, 'broken'],
  ] as const)('%s %s is %s', (status, code, kind) => {
    expect(faultFrom({ status, code, message: 'words' }, 'GetKeys')).toMatchObject({
      kind,
      providerCode: code ?? String(status),
    });
  });

  it('of a proxy do not make a key absent', () => {
    const fault = faultFrom({ status: 404, code: undefined, message: undefined }, 'GetKeyMetadata');
    expect(fault).toMatchObject({ kind: 'broken', retryable: true });
  });
});
