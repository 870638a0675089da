import { describe, expect, it } from 'vitest';
import { assignedKeystores, datesFrom, differencesOf, isAligned } from '../../lib/keys/alignment.ts';
import type { ManagedKey } from '../../lib/keys/key.ts';
import type { Keystore } from '../../lib/keystores/keystore.ts';
import type { Template } from '../../lib/templates/template.ts';
import { keyOf, keystoreOf, templateOf } from '../examples.ts';

const TEMPLATE = templateOf({
  version: 3,
  key: { activationDate: '', expirationDate: 'P1Y' },
  keystores: [{ type: 'aws_kms', group: 'Production', namingScheme: undefined, properties: {} }],
});
const IN = (id: string, groups: readonly string[], more: Partial<Keystore> = {}) => keystoreOf({ id, groups, ...more });
const KEYSTORES = [IN('b', ['Production', 'Other']), IN('a', ['Production']), IN('c', ['Test'])];
const KEY = keyOf({
  templateVersion: 3,
  keystoreIds: ['a', 'b'],
  createdAt: new Date('2026-01-31T12:00:00Z'),
  expirationDate: '2027-01-31',
});
const aligned = (key: Partial<ManagedKey>, template: Partial<Template> = {}, keystores = KEYSTORES) => {
  const now = { ...TEMPLATE, ...template };
  return isAligned({ ...KEY, ...key }, now, assignedKeystores(now, keystores));
};

describe('the keystores that a template assigns', () => {
  it('are those of its type that carry its group, by id', () => {
    expect(assignedKeystores(TEMPLATE, KEYSTORES).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('are never those of another type, whatever their groups', () => {
    const other = [...KEYSTORES, IN('d', ['Production'], { type: 'aws_cloudhsm' })];
    expect(assignedKeystores(TEMPLATE, other).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('are those of any of its groups, each once', () => {
    const keystores = [...TEMPLATE.keystores, { ...TEMPLATE.keystores[0], group: 'Other' }] as Template['keystores'];
    expect(assignedKeystores({ ...TEMPLATE, keystores }, KEYSTORES).map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('are none where nobody carries the group: names of groups are compared exactly', () => {
    expect(assignedKeystores(TEMPLATE, [IN('a', ['production']), IN('b', ['Production '])])).toEqual([]);
  });
});

describe('a key', () => {
  it('is aligned as long as nothing of its template or of its keystores differs', () => {
    expect(aligned({})).toBe(true);
    expect(aligned({ keystoreIds: ['b', 'a'] })).toBe(true);
  });

  it('is unaligned once its template has another version', () => {
    expect(aligned({}, { version: 4 })).toBe(false);
  });

  it('is unaligned once a keystore joined the group, and once one left it', () => {
    expect(aligned({}, {}, [...KEYSTORES, IN('d', ['Production'])])).toBe(false);
    expect(aligned({}, {}, [IN('a', ['Production']), IN('b', [])])).toBe(false);
  });

  it('is unaligned when its lifecycle is not the template’s', () => {
    expect(aligned({ expirationDate: '2027-02-01' })).toBe(false);
    expect(aligned({ expirationDate: undefined })).toBe(false);
    expect(aligned({ deactivateOnRotation: true })).toBe(false);
  });

  it('may have any date that its template leaves open', () => {
    expect(aligned({ activationDate: '2030-01-01' })).toBe(true);
  });

  it('gets its dates as periods from its own creation', () => {
    const template = templateOf({ key: { activationDate: 'P1M', expirationDate: 'P1Y1D' } });
    expect(datesFrom(template, new Date('2026-01-31T23:00:00Z'))).toEqual({
      activationDate: '2026-02-28',
      expirationDate: '2027-02-01',
    });
  });
});

describe('the differences between a key and its template', () => {
  const differences = (key: Partial<ManagedKey>, template: Partial<Template> = {}, keystores = KEYSTORES) => {
    const now = { ...TEMPLATE, ...template };
    return differencesOf({ ...KEY, ...key }, now, assignedKeystores(now, keystores), (id) => `name of ${id}`);
  };

  it('are none for a key that is aligned', () => {
    expect(differences({})).toEqual([]);
  });

  it('name the keystores, so that people can tell what would happen', () => {
    const [difference] = differences({ keystoreIds: ['a'] });
    expect(difference).toEqual({
      property: 'keystores',
      key: 'name of a',
      template: `${KEYSTORES[1]?.name ?? ''}, ${KEYSTORES[0]?.name ?? ''}`,
      changeable: true,
    });
  });

  it('list what no keystore can change on an existing key, marked so', () => {
    const template = {
      key: { ...TEMPLATE.key, size: '128', material: 'native' },
      keystores: [{ ...TEMPLATE.keystores[0], properties: { aws_key_usage: 'sign_verify' } }],
    } as Partial<Template>;
    expect(differences({}, template).filter(({ changeable }) => !changeable)).toEqual([
      { property: 'size', key: '256', template: '128', changeable: false },
      { property: 'material', key: 'imported', template: 'native', changeable: false },
      { property: 'keystores[].aws_key_usage', key: 'null', template: '"sign_verify"', changeable: false },
    ]);
  });

  it('are there whenever a key is unaligned', () => {
    for (const key of [{ templateVersion: 2 }, { keystoreIds: [] }, { expirationDate: '1999-01-01' }]) {
      expect(aligned(key)).toBe(false);
      expect(differences(key).length).toBeGreaterThan(0);
    }
  });
});
