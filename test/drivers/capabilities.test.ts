import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Capability, KeySpec, KeystoreKind } from '../../lib/drivers/driver.ts';
import { KINDS, kindOfType } from '../../lib/drivers/kinds.ts';
import { KEY_ALGORITHMS, MATERIAL_KINDS } from '../../lib/keys/key.ts';
import { KEYSTORE_TYPES } from '../../lib/keystores/keystore.ts';
import { presentKeystoreType, presentKeystoreTypes } from '../../lib/keystores/types.ts';
import { keystoreTypeList } from '../../lib/wire/keystore-types.ts';
import { openApiDocument } from '../../lib/wire/openapi.ts';

const kinds = KEYSTORE_TYPES.flatMap((type) => kindOfType(type) ?? []);

type Settings = Readonly<Record<string, unknown>>;

/** What a row says of a key: its algorithm and size, and no property or setting that leads elsewhere. */
function leadsTo(row: Capability, spec: KeySpec, settings: Settings): boolean {
  if (row.algorithm !== spec.algorithm || row.size !== spec.size) return false;
  const among = (values: readonly string[], given: unknown): boolean =>
    given === undefined ||
    (Array.isArray(given) ? given : [given]).every((each) => values.some((value) => value === each));
  return (
    Object.keys(spec.properties).every((name) => among(row.properties[name] ?? [], spec.properties[name])) &&
    Object.entries(row.settings).every(([name, values]) => among(values, settings[name]))
  );
}

/** Whether the table has a place for the key: what a template leaves out is as in the first row that fits otherwise. */
function fits(kind: KeystoreKind, spec: KeySpec, settings: Settings): boolean {
  const [row] = kind.capabilities.filter((each) => leadsTo(each, spec, {}));
  return row !== undefined && row.materials.includes(spec.material) && leadsTo(row, spec, settings);
}

function anySpec(kind: KeystoreKind): fc.Arbitrary<KeySpec> {
  const rows = kind.capabilities;
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.properties)))];
  const anyOf = (name: string) => {
    const values = [...new Set(rows.flatMap((row) => row.properties[name] ?? [])), 'something_else'];
    const one = fc.constantFrom(...values);
    const list = fc.array(one, { minLength: 1, maxLength: 3 });
    return fc.option<unknown, undefined>(name.endsWith('_operations') ? list : one, { nil: undefined });
  };
  return fc.record({
    algorithm: fc.constantFrom(...KEY_ALGORITHMS),
    size: fc.constantFrom(...new Set(rows.map((row) => row.size)), '1024', '56'),
    material: fc.constantFrom(...MATERIAL_KINDS),
    properties: fc
      .record(Object.fromEntries(names.map((name) => [name, anyOf(name)])))
      .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))),
  });
}

function anySettings(kind: KeystoreKind): fc.Arbitrary<Settings> {
  const others: Readonly<Record<string, string>> = { azure_variant: 'standard' };
  const names = [...new Set(kind.capabilities.flatMap((row) => Object.keys(row.settings)))];
  return fc.record(
    Object.fromEntries(
      names.map((name) => {
        const values = kind.capabilities.flatMap((row) => row.settings[name] ?? []);
        return [name, fc.constantFrom(...new Set([...values, others[name] ?? values[0] ?? '']))];
      }),
    ),
  );
}

describe.each(kinds)('what $type can hold', (kind) => {
  it('is what it does not refuse, and nothing else', () => {
    fc.assert(
      fc.property(anySpec(kind), anySettings(kind), (spec, settings) => {
        const refusal = kind.refuses(spec) ?? kind.refusesIn?.(spec, settings);
        expect(refusal === undefined, refusal).toBe(fits(kind, spec, settings));
      }),
      { numRuns: 2_000 },
    );
  });

  it('can be had, row by row, in each protection, material and operation that the row names', () => {
    for (const row of kind.capabilities) {
      const settings = Object.fromEntries(Object.entries(row.settings).map(([name, [first]]) => [name, first]));
      for (const material of row.materials) {
        for (const [name, values] of Object.entries(row.properties)) {
          for (const value of values) {
            const properties = { [name]: name.endsWith('_operations') ? [value] : value };
            // A property that another row has too leads there; with all of this row's it leads here.
            const whole = Object.fromEntries(
              Object.entries(row.properties).map(([each, all]) => [each, each.endsWith('_operations') ? all : all[0]]),
            );
            const spec = {
              algorithm: row.algorithm,
              size: row.size,
              material,
              properties: { ...whole, ...properties },
            };
            expect(kind.refuses(spec)).toBeUndefined();
            expect(kind.refusesIn?.(spec, settings)).toBeUndefined();
          }
        }
      }
      expect(row.operations).not.toHaveLength(0);
      expect(row.protections).not.toHaveLength(0);
    }
    expect(kind.capabilities).not.toHaveLength(0);
  });

  it('rotates as the table says', () => {
    for (const { algorithm, size, materials, newVersion } of kind.capabilities) {
      for (const material of materials) {
        const inPlace = kind.rotatesInPlace({ algorithm, size, material, properties: {} });
        expect(inPlace).toBe(newVersion === 'in_the_same_key');
      }
    }
  });

  it('is of the materials that the type has', () => {
    expect(new Set(kind.capabilities.flatMap(({ materials }) => materials))).toEqual(new Set(kind.materials));
  });
});

describe('the OpenAPI document', () => {
  const document = openApiDocument({ version: '0', serverUrl: 'https://keys.example' }) as {
    readonly components: { readonly schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  };
  const described = Object.values(document.components.schemas).flatMap(
    (schema) => (schema['x-shearline-capabilities'] as { readonly type: string } | undefined) ?? [],
  );

  it('describes with each type’s template properties what it can hold', () => {
    expect(described.map(({ type }) => type).toSorted()).toEqual([...KEYSTORE_TYPES].toSorted());
    for (const each of described)
      expect(each).toEqual(presentKeystoreType(each.type as (typeof KEYSTORE_TYPES)[number]));
  });

  it('says so where the very type is named', () => {
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const capabilities = schema['x-shearline-capabilities'] as { readonly type: string } | undefined;
      if (capabilities === undefined) continue;
      expect(name).toMatch(/^KeystoresPropertiesCreate/);
      expect(schema).toMatchObject({ properties: { type: { const: capabilities.type } } });
    }
  });
});

describe('the answer of GET /keystore_types', () => {
  it('has every type, and why one cannot be connected', () => {
    const types = presentKeystoreTypes();
    expect(keystoreTypeList().parse({ keystore_types: types }).keystore_types).toEqual(types);
    expect(types.map(({ type }) => type)).toEqual([...KEYSTORE_TYPES]);
    for (const { type, connectable, reason, capabilities } of types) {
      const kind = KINDS[type];
      expect([connectable, reason]).toEqual('why' in kind ? [false, kind.why] : [true, undefined]);
      expect(capabilities).toHaveLength('why' in kind ? 0 : kind.capabilities.length);
    }
  });
});

/** The rows of a table of a document: those that begin with an algorithm. */
function rowsOf(page: string): string[] {
  const text = readFileSync(new URL(`../../docs/keystores/${page}`, import.meta.url), 'utf8');
  const rows = text.replaceAll(/ +/g, ' ').match(/^\| `?(?:aes|des|dilithium|ec|hmac|rsa)`? \|.*$/gm) ?? [];
  return rows.map((row) => row.replaceAll('`', ''));
}

/** Rows that are alike but for their size are one, with all sizes. */
function bySize(
  rows: readonly { readonly algorithm: string; readonly size: string; readonly rest: string }[],
): string[] {
  const grouped = new Map<string, { algorithm: string; sizes: string[]; rest: string }>();
  for (const { algorithm, size, rest } of rows) {
    const group = grouped.get(`${algorithm} ${rest}`) ?? { algorithm, sizes: [], rest };
    group.sizes.push(size);
    grouped.set(`${algorithm} ${rest}`, group);
  }
  return [...grouped.values()].map(({ algorithm, sizes, rest }) => `| ${algorithm} | ${sizes.join(', ')} | ${rest} |`);
}

// Those of Azure, Google and PKCS #11 are held to their tables with their kinds.
describe('the documentation', () => {
  const capabilitiesOf = (type: (typeof KEYSTORE_TYPES)[number]) => kindOfType(type)?.capabilities ?? [];

  it('of AWS KMS has the table as it is', () => {
    const rows = new Map<string, { algorithm: string; size: string; name: string; usages: string[]; rest: string }>();
    for (const row of capabilitiesOf('aws_kms')) {
      const { algorithm, size, providerName, materials, newVersion } = row;
      const usages = [...(rows.get(providerName)?.usages ?? []), ...(row.properties['aws_key_usage'] ?? [])];
      const rotation = newVersion === 'in_the_same_key' ? 'in place, 25 times' : 'a new key behind the same alias';
      const name = providerName.replace(/^(HMAC|RSA|ECC_NIST)_.*$/, '$1_…');
      const rest = `${name} | ${materials.join(', ')} | ${usages.join(', ')} | ${rotation}`;
      rows.set(providerName, { algorithm, size, name, usages, rest });
    }
    expect(rowsOf('aws-kms.md')).toEqual(bySize([...rows.values()]));
  });

  it('of AWS CloudHSM says what little it has', () => {
    expect(capabilitiesOf('aws_cloudhsm')).toMatchObject([
      { algorithm: 'aes', size: '256', materials: ['native'], newVersion: 'new_key' },
    ]);
    const page = readFileSync(new URL('../../docs/keystores/aws-kms.md', import.meta.url), 'utf8');
    expect(page).toContain(
      'In a custom key store: aes 256 alone, native alone, rotation by a new key behind the same alias.',
    );
  });

  it('of IBM Cloud KMS has the table as it is', () => {
    const rows = capabilitiesOf('ibm_cloud_kms').map(({ algorithm, size, materials, settings, operations }) => ({
      algorithm,
      size,
      rest: `${materials.join(', ')} | ${(settings['ibm_variant'] ?? []).join(', ')} | HSM | ${operations.join(', ')}`,
    }));
    expect(rowsOf('ibm-cloud-kms.md')).toEqual(bySize(rows));
  });
});
