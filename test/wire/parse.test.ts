import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../lib/fault.ts';
import { parseJson } from '../../lib/wire/json.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
import { etagOf, parseIfMatch, requireMatch } from '../../lib/wire/etag.ts';
import { KEYSTORE_FIELDS, regionOnWire } from '../../lib/wire/keystores.ts';
import { dayRange, instantRange, ordering, pageOf } from '../../lib/wire/lists.ts';
import { parseBody, parseQuery } from '../../lib/wire/parse.ts';

const VAULT = { id: '6f1c1a2e-9b1d-4c58-8a43-0d4a9f4f5a10' };

function faultOf(run: () => unknown): Fault {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}

function refusedBody(operation: OperationId, body: unknown): Fault {
  return faultOf(() => parseBody(OPERATIONS[operation].body(), body));
}

function refusedQuery(operation: OperationId, query: string): Fault {
  return faultOf(() => parseQuery(OPERATIONS[operation].query(), query));
}

const told = (fault: Fault) =>
  fault.details.map(({ code, target }) => `${code ?? fault.code} ${target?.name ?? '-'}`).sort();

const KEYSTORE = { type: 'aws_kms', vault: VAULT, name: 'production', aws_region: 'eu_central_1' };
const TEMPLATE = {
  vault: VAULT,
  name: 'payments',
  key: { size: '256', algorithm: 'aes', activation_date: '', expiration_date: 'P2Y', state: 'active' },
  keystores: [{ type: 'aws_kms', group: 'production' }],
};

describe('bodies', () => {
  it('tells every invalid, missing and unknown field at once, by its dotted name', () => {
    const fault = refusedBody('CreateKeyTemplate', {
      vault: { id: 'no', surprise: 1 },
      name: '1st',
      key: { size: 256, algorithm: 'rot13', activation_date: '', expiration_date: '2027-01-01', state: 'active' },
      keystores: [
        { type: 'aws_kms', group: '-' },
        { type: 'aws_kms', group: 7, azure_key_operations: [] },
      ],
      colour: 'red',
    });
    expect(fault.status).toBe(400);
    expect(fault.code).toBe('invalid_field');
    expect(told(fault)).toEqual([
      'invalid_field key.algorithm',
      'invalid_field key.expiration_date',
      'invalid_field key.size',
      'invalid_field keystores[0].group',
      'invalid_field keystores[1].group',
      'invalid_field name',
      'invalid_field vault.id',
      'unknown_field colour',
      'unknown_field keystores[1].azure_key_operations',
      'unknown_field vault.surprise',
    ]);
    expect(fault.details.map(({ message }) => message)).toContain(
      'key.algorithm must be one of aes, des, dilithium, ec, hmac, rsa.',
    );
  });

  it('calls a body whose only faults are unknown fields unknown_field', () => {
    expect(refusedBody('CreateVault', { name: 'v', a: 1, b: 2 }).code).toBe('unknown_field');
  });

  it('says that a missing field is required, and what a union is chosen by', () => {
    const fault = refusedBody('CreateKeystore', { name: 'x' });
    expect(fault.message).toMatch(/^type is required and must be one of aws_kms, aws_cloudhsm, /);
    expect(refusedBody('CreateVault', {}).message).toBe('name is required.');
    expect(refusedBody('CreateKeystore', { ...KEYSTORE, type: 'ibm_cloud_kms', ibm_variant: 'x' }).message).toMatch(
      /^ibm_variant must be one of hpcs, key_protect, internal/,
    );
  });

  it.each([[null], [[]], ['text'], [7], [true]])('refuses %j in place of an object', (body) => {
    expect(refusedBody('CreateVault', body).message).toBe('The body must be an object.');
  });

  it('never repeats a value: it may be a secret', () => {
    const secret = 'hunter2-hunter2';
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(OPERATIONS)),
        fc.string({ minLength: 1, maxLength: 20 }),
        (id, field) => {
          const body = OPERATIONS[id as OperationId].body();
          try {
            parseBody(body, {
              ...KEYSTORE,
              [field]: secret,
              aws_region: secret,
              google_credentials: { secret },
              name: [secret],
            });
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
            expect(JSON.stringify((error as Fault).details).includes(secret)).toBe(field.includes(secret));
          }
        },
      ),
    );
  });

  it('throws nothing but faults, whatever the body', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(OPERATIONS)), fc.jsonValue(), (id, body) => {
        try {
          parseBody(OPERATIONS[id as OperationId].body(), body);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });

  it('reads a key named __proto__ as an unknown field, and pollutes nothing', () => {
    const body: unknown = JSON.parse('{"name":"v","__proto__":{"polluted":true}}');
    expect(told(refusedBody('CreateVault', body))).toEqual(['unknown_field __proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('writes ids in lower case and regions as AWS does', () => {
    const body = parseBody(OPERATIONS.CreateKeystore.body(), { ...KEYSTORE, vault: { id: VAULT.id.toUpperCase() } });
    expect(body.vault.id).toBe(VAULT.id);
    if (body.type !== 'aws_kms') throw new Error('another type');
    expect(body.aws_region).toBe('eu-central-1');
    expect(regionOnWire(body.aws_region)).toBe('eu_central_1');
  });

  it.each(['us-east-1', 'us_gov_west_1', 'ap_southeast_7', 'eusc_de_east_1', 'cn_northwest_1'])(
    'knows the region %s',
    (region) => {
      expect(() => parseBody(OPERATIONS.CreateKeystore.body(), { ...KEYSTORE, aws_region: region })).not.toThrow();
    },
  );

  it.each(['us_east', 'US_EAST_1', 'us__east_1', 'us_east_1/../x', 'evil.example/#us_east_1'])(
    'refuses the region %s',
    (region) => {
      expect(told(refusedBody('CreateKeystore', { ...KEYSTORE, aws_region: region }))).toEqual([
        'invalid_field aws_region',
      ]);
    },
  );

  it('takes an AWS access key whole, or none', () => {
    const body = OPERATIONS.CreateKeystore.body();
    const id = 'AKIAIOSFODNN7EXAMPLE';
    expect(() => parseBody(body, KEYSTORE)).not.toThrow();
    expect(() => parseBody(body, { ...KEYSTORE, aws_access_key_id: '', aws_secret_access_key: '' })).not.toThrow();
    expect(() => parseBody(body, { ...KEYSTORE, aws_access_key_id: id, aws_secret_access_key: 's' })).not.toThrow();
    // Told together with the other faults of the body.
    expect(told(refusedBody('CreateKeystore', { ...KEYSTORE, name: '', aws_access_key_id: id }))).toEqual([
      'invalid_field aws_secret_access_key',
      'invalid_field name',
    ]);
    expect(told(refusedBody('CreateKeystore', { ...KEYSTORE, aws_secret_access_key: 's' }))).toEqual([
      'invalid_field aws_access_key_id',
    ]);
  });

  it('refuses the placeholder of a secret where there is none yet', () => {
    const body = { ...KEYSTORE, aws_access_key_id: 'AKIA', aws_secret_access_key: '********' };
    expect(told(refusedBody('CreateKeystore', body))).toEqual(['invalid_field aws_secret_access_key']);
    expect(() => parseBody(OPERATIONS.UpdateKeystore.body(), { aws_secret_access_key: '********' })).not.toThrow();
  });

  it('probes a CloudHSM key store unless told otherwise', () => {
    const cloudHsm = { ...KEYSTORE, type: 'aws_cloudhsm', aws_custom_key_store_id: 'cks-1234567890abcdef0' };
    const given = parseBody(OPERATIONS.CreateKeystore.body(), cloudHsm);
    expect(given).toMatchObject({ type: 'aws_cloudhsm', aws_probe: true });
    expect(parseBody(OPERATIONS.CreateKeystore.body(), { ...cloudHsm, aws_probe: false })).toMatchObject({
      aws_probe: false,
    });
    expect(parseBody(OPERATIONS.UpdateKeystore.body(), {})).toEqual({});
  });

  it('lets a template name one keystore type', () => {
    const keystores = [
      { type: 'aws_kms', group: 'one' },
      { type: 'google_kms', group: 'two' },
    ];
    expect(told(refusedBody('CreateKeyTemplate', { ...TEMPLATE, keystores }))).toEqual([
      'invalid_field keystores[1].type',
    ]);
    expect(told(refusedBody('CreateKeyTemplate', { ...TEMPLATE, keystores: [] }))).toEqual(['invalid_field keystores']);
  });

  it.each(['', 'P1Y', 'P1Y2M1W4D', 'P0D', 'P90D', 'P12W'])('takes the period "%s"', (period) => {
    const key = { ...TEMPLATE.key, activation_date: period };
    expect(() => parseBody(OPERATIONS.CreateKeyTemplate.body(), { ...TEMPLATE, key })).not.toThrow();
  });

  it.each(['P', 'P1', '1Y', 'P1D1Y', 'PT1H', 'P-1D', 'P1Y ', '2027-01-01', 'P99999Y'])(
    'refuses the period "%s"',
    (period) => {
      const key = { ...TEMPLATE.key, activation_date: period };
      expect(told(refusedBody('CreateKeyTemplate', { ...TEMPLATE, key }))).toEqual([
        'invalid_field key.activation_date',
      ]);
    },
  );

  it.each(['2026-02-29', '2100-02-29', '2026-04-31', '2026-13-01', '2026-1-1', '2026-01-01T00:00:00Z', ''])(
    'refuses the date "%s"',
    (date) => {
      expect(told(refusedBody('UpdateManagedKey', { expiration_date: date }))).toEqual([
        'invalid_field expiration_date',
      ]);
    },
  );

  it('takes 29 February of a leap year', () => {
    expect(parseBody(OPERATIONS.UpdateManagedKey.body(), { expiration_date: '2028-02-29' })).toEqual({
      expiration_date: '2028-02-29',
    });
  });

  it.each([
    ['CreateVault', 'name', ["A#@!$%'_-", 'a b', 'x'.repeat(100)], ['', ' a', 'x'.repeat(101), 'ä', 'a\n']],
    ['UpdateKeyTemplate', 'name', ['a', 'a-1', 'x'.repeat(30)], ['', '1a', 'a b', 'a_b', 'x'.repeat(31)]],
    ['UpdateKeystore', 'name', ['0', 'a._- b', 'x'.repeat(100)], ['', ' a', '-a', 'x'.repeat(101)]],
    ['UpdateManagedKey', 'label', ['a/b.c_d-e f', 'x'.repeat(255)], ['', 'ä', 'a\u0000', 'x'.repeat(256)]],
    ['UpdateVault', 'description', ['', 'ä'.repeat(200)], ['x'.repeat(201), '\ud800']],
  ] as const)('%s.%s keeps to its rule', (operation, field, good, bad) => {
    for (const value of good) expect(() => parseBody(OPERATIONS[operation].body(), { [field]: value })).not.toThrow();
    for (const value of bad)
      expect(told(refusedBody(operation, { [field]: value }))).toEqual([`invalid_field ${field}`]);
  });

  it('bounds groups and tags, and refuses one twice, naming it', () => {
    const groups = (values: readonly string[]) => ({ groups: values });
    const many = Array.from({ length: 129 }, (_, index) => `group ${index}`);
    expect(() => parseBody(OPERATIONS.UpdateKeystore.body(), groups(many.slice(1)))).not.toThrow();
    expect(told(refusedBody('UpdateKeystore', groups(many)))).toEqual(['invalid_field groups']);
    expect(told(refusedBody('UpdateKeystore', groups(['ab', 'cd', 'ab'])))).toEqual(['invalid_field groups[2]']);
    const tags = [
      { name: 'owner', value: '' },
      { name: 'owner', value: 'x' },
    ];
    expect(told(refusedBody('UpdateManagedKey', { tags }))).toEqual(['invalid_field tags[1]']);
    expect(told(refusedBody('UpdateManagedKey', { tags: [{ name: '', value: 'x'.repeat(8193) }] }))).toEqual([
      'invalid_field tags[0].name',
      'invalid_field tags[0].value',
    ]);
  });

  it.each(['https://eu-de.kms.cloud.ibm.com', 'http://127.0.0.1:4010/ibm'])('takes the endpoint %s', (url) => {
    expect(() => parseBody(OPERATIONS.UpdateKeystore.body(), { ibm_api_endpoint: url })).not.toThrow();
  });

  it.each([
    'ftp://x.example',
    'https://user:secret@x.example',
    'https://x.example?y=1',
    'https://x.example#y',
    'javascript:1',
  ])('refuses the endpoint %s', (url) => {
    expect(told(refusedBody('UpdateKeystore', { ibm_api_endpoint: url }))).toEqual(['invalid_field ibm_api_endpoint']);
  });

  it('takes no body or an empty object where an operation has none', () => {
    for (const body of [undefined, {}]) {
      expect(() => parseBody(OPERATIONS.ActivateManagedKey.body(), body)).not.toThrow();
    }
    expect(told(refusedBody('ActivateManagedKey', { force: true }))).toEqual(['unknown_field force']);
    expect(parseBody(OPERATIONS.SyncManagedKey.body(), undefined)).toBeUndefined();
    expect(parseBody(OPERATIONS.SyncManagedKey.body(), { keystores: [VAULT] })).toEqual({ keystores: [VAULT] });
    expect(told(refusedBody('SyncManagedKey', {}))).toEqual(['invalid_field keystores']);
  });

  it('judges long hostile text in linear time', () => {
    const started = performance.now();
    for (const text of [
      'a'.repeat(200_000),
      ' '.repeat(200_000),
      'P' + '1'.repeat(200_000),
      'https://' + 'a.'.repeat(100_000),
    ]) {
      refusedBody('CreateKeyTemplate', {
        ...TEMPLATE,
        name: text,
        naming_scheme: `${text}!`,
        description: text,
        key: { ...TEMPLATE.key, size: text, activation_date: text, expiration_date: text },
        keystores: [{ type: 'aws_kms', group: `${text}!` }],
      });
      refusedBody('UpdateKeystore', {
        aws_region: text,
        ibm_api_endpoint: `${text}!`,
        azure_service_name: `${text}!`,
        azure_tenant: text,
        google_project_id: text,
        tls_proxy: `${text}!`,
      });
    }
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('sorts every field of a keystore type into settings and secrets', () => {
    const update = Object.keys(OPERATIONS.UpdateKeystore.body().shape);
    const general = ['name', 'description', 'tls_proxy', 'groups'];
    const own = Object.values(KEYSTORE_FIELDS).flatMap(({ settings, secrets }) => [...settings, ...secrets]);
    expect([...new Set(own)].filter((field) => field !== 'ibm_variant').sort()).toEqual(
      update.filter((field) => !general.includes(field)).sort(),
    );
  });
});

describe('query strings', () => {
  const keys = (query: string) => parseQuery(OPERATIONS.ListManagedKeys.query(), query);

  it('takes several values with commas, by repetition, and both', () => {
    expect(keys('state=active,destroyed&state=deactivated').state).toEqual(['active', 'destroyed', 'deactivated']);
    expect(keys('status_in_keystores%5B%5D.keystore_sync_flag=ok%2Cerror')).toMatchObject({
      'status_in_keystores[].keystore_sync_flag': ['ok', 'error'],
    });
  });

  it('gives limit and offset their defaults and bounds', () => {
    expect(keys('')).toEqual({ limit: 20, offset: 0 });
    expect(keys('limit=1000&offset=40')).toEqual({ limit: 1000, offset: 40 });
    for (const limit of ['0', '1001', '-1', '1.5', '1e3', '', 'x', '1,2', '99999999999']) {
      expect(told(refusedQuery('ListManagedKeys', `limit=${limit}`))).toEqual(['invalid_parameter limit']);
    }
    expect(told(refusedQuery('ListManagedKeys', 'limit=1&limit=2'))).toEqual(['invalid_parameter limit']);
  });

  it('keeps commas and letter case in text', () => {
    expect(parseQuery(OPERATIONS.ListVaults.query(), 'description=a%2C%20B+c').description).toBe('a, B c');
  });

  it('reads what to sort by', () => {
    expect(ordering(keys('sort=-size,label').sort)).toEqual([
      { field: 'size', descending: true },
      { field: 'label', descending: false },
    ]);
    expect(told(refusedQuery('ListManagedKeys', 'sort=colour'))).toEqual(['invalid_parameter sort']);
  });

  it('refuses what it does not know, all at once, and calls it unknown_parameter', () => {
    expect(refusedQuery('ListVaults', 'limitt=1').code).toBe('unknown_parameter');
    expect(told(refusedQuery('GetVault', 'a=1&__proto__=2&constructor=3'))).toEqual([
      'unknown_parameter __proto__',
      'unknown_parameter a',
      'unknown_parameter constructor',
    ]);
    const fault = refusedQuery('ListManagedKeys', 'limit=x&colour=red&state=lost,active,found');
    expect(fault.code).toBe('invalid_parameter');
    expect(told(fault)).toEqual(['invalid_parameter limit', 'invalid_parameter state', 'unknown_parameter colour']);
  });

  it.each(['created_at', 'activation_date', 'size', 'updated_at'])('refuses %s together with its bounds', (name) => {
    const value = name === 'size' ? '256' : '2026-01-01';
    const fault = refusedQuery('ListManagedKeys', `${name}=${value}&${name}_min=${value}&${name}_max=${value}`);
    expect(fault.code).toBe('conflicting_parameters');
    expect(told(fault)).toEqual([`conflicting_parameters ${name}_max`, `conflicting_parameters ${name}_min`]);
    expect(() => keys(`${name}_min=${value}&${name}_max=${value}`)).not.toThrow();
  });

  it('reads ranges: a day stands for all of it, a second for its milliseconds', () => {
    expect(dayRange(keys('activation_date=2026-01-31'), 'activation_date')).toEqual({
      from: '2026-01-31',
      to: '2026-01-31',
    });
    expect(dayRange(keys('expiration_date_max=2026-01-31'), 'expiration_date')).toEqual({
      from: undefined,
      to: '2026-01-31',
    });
    expect(dayRange(keys(''), 'expiration_date')).toBeUndefined();
    expect(instantRange(keys('created_at=2026-01-31'), 'created_at')).toEqual({
      from: new Date('2026-01-31T00:00:00.000Z'),
      to: new Date('2026-01-31T23:59:59.999Z'),
    });
    expect(instantRange(keys('created_at=2026-01-31T08:00:00%2B01:00'), 'created_at')).toEqual({
      from: new Date('2026-01-31T07:00:00.000Z'),
      to: new Date('2026-01-31T07:00:00.999Z'),
    });
    expect(instantRange(keys('updated_at_min=2026-01-31T08:00:00.5Z'), 'updated_at')).toEqual({
      from: new Date('2026-01-31T08:00:00.500Z'),
      to: undefined,
    });
    expect(told(refusedQuery('ListManagedKeys', 'created_at=2026-02-30&updated_at=soon&rotated_at_min=2026'))).toEqual([
      'invalid_parameter created_at',
      'invalid_parameter rotated_at_min',
      'invalid_parameter updated_at',
    ]);
  });

  it('reads flags and choices', () => {
    expect(parseQuery(OPERATIONS.CreateKeystore.query(), 'dry_run=true')).toEqual({ dry_run: true });
    expect(parseQuery(OPERATIONS.DeleteKeystore.query(), 'mode=disconnect')).toEqual({ mode: 'disconnect' });
    expect(told(refusedQuery('CreateKeystore', 'dry_run=yes'))).toEqual(['invalid_parameter dry_run']);
    expect(told(refusedQuery('DeleteKeystore', 'mode=obliterate'))).toEqual(['invalid_parameter mode']);
  });

  it('throws nothing but faults, whatever the query', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(OPERATIONS)), fc.string(), (id, query) => {
        try {
          parseQuery(OPERATIONS[id as OperationId].query(), query);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});

describe('pages', () => {
  const page = (offset: number, limit: number, total: number) =>
    pageOf('https://api.example/api/v4/vaults?name=a%20b&limit=7', { limit, offset }, total);
  const offsets = (of: ReturnType<typeof page>) =>
    [of.first, of.previous, of.next, of.last].map((link) =>
      link?.href === undefined ? undefined : Number(new URL(link.href).searchParams.get('offset')),
    );

  it('links the pages around, keeping the other parameters', () => {
    expect(page(20, 20, 61).next?.href).toBe('https://api.example/api/v4/vaults?name=a+b&limit=20&offset=40');
    expect(offsets(page(20, 20, 61))).toEqual([0, 0, 40, 60]);
    expect(offsets(page(0, 20, 61))).toEqual([0, undefined, 20, 60]);
    expect(offsets(page(60, 20, 61))).toEqual([0, 40, undefined, 60]);
    expect(offsets(page(0, 20, 20))).toEqual([0, undefined, undefined, 0]);
    expect(offsets(page(0, 20, 0))).toEqual([0, undefined, undefined, 0]);
    expect(offsets(page(5, 20, 30))).toEqual([0, 0, 25, 20]);
    expect(offsets(page(500, 20, 61))).toEqual([0, 60, undefined, 60]);
  });

  it('leads a client that follows next to every item exactly once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 400 }), (limit, total) => {
        let seen = 0;
        for (let offset: number | undefined = 0; offset !== undefined;) {
          const now: ReturnType<typeof page> = page(offset, limit, total);
          expect(offset).toBe(seen);
          seen += Math.min(limit, total - offset);
          offset = offsets(now)[2];
        }
        expect(seen).toBe(total);
      }),
    );
  });
});

describe('JSON of strangers', () => {
  it('is refused when malformed, without saying where', () => {
    const fault = faultOf(() => parseJson('{"aws_secret_access_key": "s3cr3t" "x"}'));
    expect(fault.code).toBe('malformed');
    expect(fault.message).toBe('The body is not valid JSON.');
  });

  it('may nest 32 levels and no more', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parseJson(nested(32))).not.toThrow();
    expect(faultOf(() => parseJson(nested(33))).code).toBe('malformed');
    expect(faultOf(() => parseJson(nested(500_000))).code).toBe('malformed');
  });

  it.each(['__proto__', 'constructor', 'prototype'])('may not have a key %s at any depth', (key) => {
    expect(told(faultOf(() => parseJson(`{"tags":[{"${key}":{}}]}`)))).toEqual([`unknown_field ${key}`]);
  });
});

describe('entity tags', () => {
  it('change with the revision and the resource, and are strong', () => {
    const etag = etagOf(VAULT.id, 1);
    expect(etag).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
    expect(etagOf(VAULT.id, 1)).toBe(etag);
    expect(etagOf(VAULT.id, 2)).not.toBe(etag);
    expect(etagOf('another', 1)).not.toBe(etag);
  });

  it('match by *, alone and in a list; weak ones never do', () => {
    const etag = etagOf(VAULT.id, 1);
    for (const header of ['*', etag, `"x", ${etag}`, `${etag},"y"`, `"a,b" , ${etag}`]) {
      expect(() => {
        requireMatch(parseIfMatch(header), etag);
      }).not.toThrow();
    }
    for (const header of ['"x"', `W/${etag}`, '""']) {
      const ifMatch = parseIfMatch(header);
      expect(
        faultOf(() => {
          requireMatch(ifMatch, etag);
        }).code,
      ).toBe('precondition_failed');
    }
  });

  it.each(['', 'abc', '"abc', 'abc"', '"a" "b"', '*, "a"', '"a",', "'a'"])('are refused as %j', (header) => {
    expect(faultOf(() => parseIfMatch(header)).code).toBe('invalid_header');
  });
});
