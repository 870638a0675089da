import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { awsKmsKind } from '../../lib/drivers/aws-kms/kind.ts';
import { azureKeyVaultKind } from '../../lib/drivers/azure-key-vault/kind.ts';
import type { FoundKey } from '../../lib/drivers/driver.ts';
import { googleKmsKind } from '../../lib/drivers/google-kms/kind.ts';
import { adoptedState, isUnmanaged, labelFor, whyNotAdoptable } from '../../lib/unmanaged/judge.ts';
import type { Judging } from '../../lib/unmanaged/judge.ts';
import { keyOf } from '../../lib/unmanaged/known.ts';
import { placeFrom, placeText } from '../../lib/unmanaged/view.ts';

const NOW = new Date('2026-03-01T12:00:00.000Z');
const ARN = 'arn:aws:kms:us-east-1:111122223333:key/0c6a2b1e-6f0a-4f0e-9a2e-5a1f5b7d9c11';
const found = (given: Partial<FoundKey> = {}): FoundKey => ({
  idInKeystore: ARN,
  owner: 'nobody',
  names: ['orders'],
  description: '',
  state: 'enabled',
  createdAt: new Date('2025-01-01T00:00:00.000Z'),
  providerName: 'SYMMETRIC_DEFAULT',
  spec: { algorithm: 'aes', size: '256', material: 'native', properties: {} },
  binding: { idInKeystore: ARN, fingerprint: 'f1' },
  obstacle: undefined,
  ...given,
});
const by = (given: Partial<Judging> = {}): Judging => ({
  kind: awsKmsKind,
  settings: {},
  known: { inDoubtSince: undefined },
  custodyKeyId: 'alias/custody',
  settlingSeconds: 30,
  now: NOW,
  ...given,
});

describe('an unmanaged key', () => {
  it('is nobody’s: neither the provider’s, nor marked as a managed one', () => {
    expect(isUnmanaged(found(), by())).toBe(true);
    expect(isUnmanaged(found({ owner: 'provider' }), by())).toBe(false);
    expect(isUnmanaged(found({ owner: 'shearline' }), by())).toBe(false);
  });

  it('is never the custody key, however that is named in the configuration', () => {
    const id = ARN.replace(/^.*\//, '');
    for (const custodyKeyId of [ARN, id, 'alias/orders', 'arn:aws:kms:us-east-1:111122223333:alias/orders']) {
      expect(isUnmanaged(found(), by({ custodyKeyId }))).toBe(false);
    }
  });

  it('is not one that may be ours and does not say so yet', () => {
    const young = found({ createdAt: new Date(NOW.getTime() - 29_000) });
    expect(isUnmanaged(young, by())).toBe(false);
    expect(isUnmanaged(young, by({ settlingSeconds: 0 }))).toBe(true);
    const inDoubtSince = new Date('2026-02-01T00:00:00.000Z');
    const after = found({ createdAt: new Date('2026-02-02T00:00:00.000Z') });
    expect(isUnmanaged(after, by({ known: { inDoubtSince } }))).toBe(false);
    expect(isUnmanaged(found({ createdAt: undefined }), by({ known: { inDoubtSince } }))).toBe(false);
    expect(isUnmanaged(found(), by({ known: { inDoubtSince } }))).toBe(true);
  });

  it('can be adopted exactly when nothing is said against it, and then in a state that it has', () => {
    const states = ['enabled', 'disabled', 'no_material', 'unusable', 'pending_deletion', 'settling'] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...states),
        fc.option(fc.constant('It is in the way.'), { nil: undefined }),
        fc.constantFrom('aes', 'rsa', 'dilithium'),
        fc.boolean(),
        (state, obstacle, algorithm, known) => {
          const spec = known ? { algorithm, size: '256', material: 'native' as const, properties: {} } : undefined;
          const why = whyNotAdoptable(found({ state, obstacle, spec }), by());
          const adoptable =
            obstacle === undefined && ['enabled', 'disabled'].includes(state) && spec?.algorithm === 'aes';
          expect(why === undefined).toBe(adoptable);
          if (adoptable) expect(adoptedState(state)).toBe(state === 'enabled' ? 'active' : 'deactivated');
        },
      ),
    );
  });

  it('gets the first of its names that is a label, and none that is not', () => {
    expect(labelFor({ names: ['aws/ebs', 'with space', 'orders/one'] }, awsKmsKind)).toBe('orders/one');
    expect(labelFor({ names: ['with space'] }, awsKmsKind)).toBeUndefined();
  });
});

describe('the key that an id belongs to', () => {
  it('is the same for every version of it, and for one that is deleted', () => {
    const vault = 'https://payments.vault.azure.net';
    const ids = [`${vault}/keys/Orders/0a1b`, `${vault}/keys/orders`, `${vault}/deletedkeys/orders`];
    expect(new Set(ids.map((id) => keyOf(azureKeyVaultKind, id))).size).toBe(1);
    expect(keyOf(azureKeyVaultKind, `${vault}/keys/orders2`)).not.toBe(keyOf(azureKeyVaultKind, ids[0] ?? ''));
    const key = 'projects/p/locations/l/keyRings/r/cryptoKeys/orders';
    expect(keyOf(googleKmsKind, `${key}/cryptoKeyVersions/12`)).toBe(key);
    expect(keyOf(awsKmsKind, ARN)).toBe(ARN);
  });
});

describe('a place in a listing', () => {
  it('comes back as it was from the link that carries it, and nothing else is one', () => {
    const part = fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined });
    fc.assert(
      fc.property(part, part, (page, past) => {
        expect(placeFrom(placeText({ page, past }))).toEqual({ page, past });
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          placeFrom(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_parameter' });
        }
      }),
    );
  });
});
