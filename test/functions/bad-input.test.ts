import { createHmac, randomInt } from 'node:crypto';
import fc from 'fast-check';
import * as z from 'zod/mini';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ROLES } from '../../lib/access/permissions.ts';
import { REQUEST_MODELS } from '../../lib/wire/openapi.ts';
import { OPERATIONS } from '../../lib/wire/operations.ts';
import type { OperationId } from '../../lib/wire/operations.ts';
import type { WireApiError } from '../../lib/wire/errors.ts';
import { signingKey } from '../access/issuer.ts';
import type { WireAnswer } from '../wire/answers.ts';
import { difference, startApi } from './api.ts';
import type { RawRequest, TestApi } from './api.ts';
import { keystoreBody, makeWorld, templateBody } from './world.ts';
import type { World } from './world.ts';

/** `FUZZ_SEED` repeats a run; `FUZZ_RUNS` makes a longer one. */
const SEED = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31));
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100);
const counts = new Map<string, number>();

let api: TestApi;
let world: World;
let token: string;
let before: readonly string[];
let keysBefore: number;

beforeAll(async () => {
  api = await startApi();
  token = await api.token([...ROLES]);
  world = await makeWorld(api.client(token), 'fuzzed');
});
afterAll(async () => {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `Bad input: ${total} requests refused, seed ${SEED}:`,
    [...counts].map(([what, count]) => `${count} ${what}`).join(', '),
  );
  await api.close();
});

/** Refusals are written down, and a keystore may be looked at; nothing else may be different. */
const mayDiffer = ({ pk, sk }: { readonly pk: string; readonly sk: string }) =>
  pk.startsWith('AUDIT#') || sk.startsWith('OBSERVED#') || sk === 'HEALTH';

beforeEach(async () => {
  before = await api.items(mayDiffer);
  keysBefore = api.kms.operator.keys().length;
});
afterEach(async () => {
  expect(difference(before, await api.items(mayDiffer))).toEqual([]);
  expect(api.kms.operator.keys().length).toBe(keysBefore);
});

type Body = Readonly<Record<string, unknown>>;

/** What each operation that takes a body takes, in full: good until something in it is changed. */
function bodies(): Partial<Record<OperationId, Body>> {
  const vault = { id: world.vault };
  const tags = [{ name: 'owner', value: 'payments' }];
  return {
    CreateManagedKey: {
      vault,
      template_name: world.templateName,
      label: 'new',
      description: 'new',
      tags,
      label_tags: [],
    },
    UpdateManagedKey: {
      label: 'new',
      activation_date: '2026-01-31',
      expiration_date: '2027-01-31',
      description: '',
      tags,
    },
    SyncManagedKey: { keystores: [{ id: world.keystore }] },
    CreateKeyTemplate: {
      ...templateBody(world.vault, 'new'),
      description: 'new',
      naming_scheme: 'a<b>',
      type: ['user_defined'],
    },
    UpdateKeyTemplate: {
      name: 'new',
      description: 'new',
      keystores: [{ group: 'Elsewhere' }],
      key: {
        size: '128',
        activation_date: 'P1D',
        expiration_date: 'P1Y',
        state: 'active',
        deactivate_on_rotation: true,
      },
    },
    CreateKeystore: { ...keystoreBody(world.vault, 'new'), description: 'new', tls_proxy: 'https://proxy.example' },
    UpdateKeystore: { name: 'new', description: 'new', groups: ['Elsewhere'], aws_region: 'eu_west_1' },
    CreateVault: { name: 'new', description: 'new', recovery_key_label: 'recovery' },
    UpdateVault: { name: 'new', description: 'new', recovery_key_label: 'recovery' },
    RedriveOpenWork: { vault },
    CreateNotificationSubscription: {
      vault,
      type: 'webhook',
      name: 'new',
      url: 'https://hooks.example.org/new',
      secret: 'nothing-is-ever-sent-to-this-webhook',
      flags: ['error'],
      state: 'disabled',
    },
    UpdateNotificationSubscription: { name: 'new', flags: ['ok'], state: 'disabled' },
    AdoptKeyInKeystore: { key_id_in_keystore: NO_KEY, label: 'new', description: 'new', tags },
  };
}

const NO_KEY = 'arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000';

/** A request of the operation for something that exists, with a token that may do it. */
function requestOf(operation: OperationId, body?: unknown): RawRequest & { readonly headers: Record<string, string> } {
  const { method, path } = OPERATIONS[operation];
  const id = path.includes('/managed_keys/{id}')
    ? world.keys.active
    : path.includes('/templates/')
      ? world.template
      : path.includes('/keystores/')
        ? world.keystore
        : path.includes('/notification_subscriptions/')
          ? world.subscription
          : world.vault;
  return {
    method,
    path: path.replace('{id}', id),
    // The one parameter that is required.
    ...(operation === 'ExportAudit' ? { query: `vault.id=${world.vault}` } : {}),
    headers: {
      authorization: `Bearer ${token}`,
      ...(OPERATIONS[operation].ifMatch ? { 'if-match': '*' } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  };
}

interface Target {
  readonly type: 'field' | 'parameter' | 'header';
  readonly name: string;
}

/** The contract's error body, whole, with this status; naming the target where there is one. */
function requireRefusal(what: string, answer: WireAnswer, statuses: readonly number[], target?: Target): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
  const text = `${answer.status} ${answer.body ?? ''}`;
  expect(statuses, text).toContain(answer.status);
  expect(answer.headers['content-type'], text).toBe('application/json; charset=utf-8');
  const error = JSON.parse(answer.body ?? '') as WireApiError;
  expect(error, text).toMatchObject({ status_code: answer.status, trace: answer.headers['x-correlation-id'] });
  expect(error.errors.length, text).toBeGreaterThan(0);
  for (const { code, message } of error.errors) {
    expect(code, text).toMatch(/^[a-z_]+$/);
    expect(message.trim(), text).not.toBe('');
    // No stack, no file, nothing of the library behind.
    expect(message, text).not.toMatch(/\n +at |\.ts\b|node_modules|zod/i);
  }
  if (target === undefined) return;
  const named = error.errors.map((entry) => entry.target).filter((entry) => entry?.type === target.type);
  expect(
    named.some(({ name } = {}) => name === target.name || belongsTo(name ?? '', target.name)),
    `${target.name} in ${text}`,
  ).toBe(true);
}

/** A part of the field, the field that it is part of, or the beginning of a name too long to repeat. */
function belongsTo(name: string, field: string): boolean {
  const within = (inner: string, outer: string) => inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
  return within(name, field) || within(field, name) || (name.endsWith('…') && field.startsWith(name.slice(0, -1)));
}

async function fuzz<T>(
  arbitrary: fc.Arbitrary<T>,
  check: (value: T) => Promise<void>,
  options: { readonly runs?: number; readonly examples?: readonly T[] } = {},
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, check), {
    seed: SEED,
    numRuns: options.runs ?? RUNS,
    ...(options.examples === undefined ? {} : { examples: options.examples.map((value): [T] => [value]) }),
  });
}

const operation = (holds: (id: OperationId) => boolean) =>
  fc.constantFrom(...(Object.keys(OPERATIONS) as OperationId[]).filter(holds));
const mutating = operation((id) => OPERATIONS[id].method !== 'GET');
/** Those whose bodies have fields: what `bodies` has, known before there is a world. */
const withBody = fc.constantFrom<OperationId[]>(
  'CreateManagedKey',
  'UpdateManagedKey',
  'SyncManagedKey',
  'CreateKeyTemplate',
  'UpdateKeyTemplate',
  'CreateKeystore',
  'UpdateKeystore',
  'CreateVault',
  'UpdateVault',
  'RedriveOpenWork',
  'CreateNotificationSubscription',
  'UpdateNotificationSubscription',
);

interface Place {
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

/** Every place in a body, however deep, by its dotted name. */
function placesIn(value: unknown, name = '', path: readonly (string | number)[] = []): Place[] {
  const self = path.length === 0 ? [] : [{ name, path, value }];
  if (Array.isArray(value)) {
    return [...self, ...value.flatMap((item: unknown, index) => placesIn(item, `${name}[${index}]`, [...path, index]))];
  }
  if (typeof value !== 'object' || value === null) return self;
  const inner = Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
    placesIn(item, name === '' ? key : `${name}.${key}`, [...path, key]),
  );
  return [...self, ...inner];
}

function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (index === key ? replaced(item, rest, by) : item));
  }
  const object = value as Body;
  return { ...object, [key]: replaced(object[key], rest, by) };
}

/** Names that are refused wherever they stand, before anything else is looked at. */
const isNoPrototype = (name: string) => !['__proto__', 'constructor', 'prototype'].includes(name);
const json = (maxDepth: number) =>
  fc.jsonValue({ maxDepth }).filter((value) => !/"(?:__proto__|constructor|prototype)":/.test(JSON.stringify(value)));

/** JSON of another kind than this value. */
function wrongFor(value: unknown): fc.Arbitrary<unknown> {
  const kind = Array.isArray(value) ? 'array' : typeof value;
  const kinds: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    string: fc.oneof(fc.constant('\ud800'), fc.constant('x'.repeat(9000))),
    number: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    boolean: fc.boolean(),
    null: fc.constant(null),
    array: fc.array(json(1), { minLength: 1, maxLength: 3 }),
    object: fc.dictionary(fc.string({ minLength: 1 }).filter(isNoPrototype), json(1), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  };
  // A text of the wrong kind, too, where a text is right: nothing takes half a character, or nine thousand.
  const fitting = Object.entries(kinds).filter(([name]) => name !== kind || kind === 'string');
  return fc.oneof(...fitting.map(([, arbitrary]) => arbitrary));
}

it('there is a good body here for each operation that needs one', () => {
  for (const id of Object.keys(OPERATIONS) as OperationId[]) {
    const given = bodies()[id];
    const parsed = OPERATIONS[id].body().safeParse(given);
    expect(parsed.success, `${id} ${JSON.stringify(parsed.error?.issues)}`).toBe(true);
  }
});

describe('a body', () => {
  it('with a value of the wrong kind anywhere is refused, naming the field', async () => {
    const arbitrary = withBody.chain((id) => {
      const places = placesIn(bodies()[id]);
      return fc
        .constantFrom(...places)
        .chain(({ name, path, value }) => wrongFor(value).map((wrong) => ({ id, name, path, wrong })));
    });
    await fuzz(
      arbitrary,
      async ({ id, name, path, wrong }) => {
        const answer = await api.send(requestOf(id, replaced(bodies()[id], path, wrong)));
        requireRefusal('wrong values', answer, [400], { type: 'field', name });
      },
      { runs: RUNS * 3 },
    );
  });

  it('with an unknown field anywhere is refused, naming the field', async () => {
    const name = fc.oneof(
      fc.string({ minLength: 1, maxLength: 300 }),
      fc.constantFrom('toString', 'hasOwnProperty', 'ID', 'name '),
    );
    const arbitrary = fc.record({ id: withBody, name, value: json(2) });
    await fuzz(arbitrary, async ({ id, name, value }) => {
      const body = { ...bodies()[id] };
      fc.pre(!Object.hasOwn(body, name) && !KNOWN.has(name) && name !== '__proto__');
      const answer = await api.send(requestOf(id, { ...body, [name]: value }));
      requireRefusal('unknown fields', answer, [400], { type: 'field', name });
    });
  });

  it('that leads to the prototype of objects is refused at any depth, naming the field', async () => {
    const keys = fc.constantFrom('__proto__', 'constructor', 'prototype');
    const arbitrary = fc.record({ id: mutating, key: keys, depth: fc.integer({ min: 0, max: 20 }) });
    await fuzz(arbitrary, async ({ id, key, depth }) => {
      const body = `${'{"a":'.repeat(depth)}{"${key}":{"admin":true}}${'}'.repeat(depth)}`;
      requireRefusal('prototypes', await api.send(requestOf(id, body)), [400], { type: 'field', name: key });
    });
    expect(({} as Body)['admin']).toBeUndefined();
  });

  it('that is any JSON at all, and not what the operation takes, is refused', async () => {
    const arbitrary = fc.record({
      id: mutating,
      value: fc.oneof(fc.json({ maxDepth: 6 }), fc.constantFrom('null', '0', '""', '[]', '[{}]')),
    });
    await fuzz(arbitrary, async ({ id, value }) => {
      fc.pre(value !== '{}');
      // Put into a field that nothing has, the body is wrong whatever it is.
      const wrapped = value.startsWith('{') ? `{"unknown field":${value}}` : value;
      requireRefusal('any JSON', await api.send(requestOf(id, wrapped)), [400]);
    });
  });

  it('that is not JSON is refused', async () => {
    const arbitrary = fc.record({ id: mutating, text: fc.string({ minLength: 1, maxLength: 50, unit: 'binary' }) });
    const examples = [
      '{',
      '{"name":}',
      "{'name':1}",
      '{"name":1}}',
      '\ufeff{}',
      'NaN',
      '{"a":1e}',
      '// {}',
      '\u0000',
      'undefined',
    ];
    await fuzz(
      arbitrary,
      async ({ id, text }) => {
        fc.pre(!isJson(text) && text.isWellFormed());
        requireRefusal('not JSON', await api.send(requestOf(id, text)), [400]);
      },
      { examples: examples.map((text) => ({ id: 'CreateVault' as const, text })) },
    );
  });

  it('that is not UTF-8 is refused', async () => {
    const arbitrary = fc.record({ id: mutating, bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) });
    await fuzz(arbitrary, async ({ id, bytes }) => {
      const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff]), bytes, Buffer.from('"}')]);
      requireRefusal('not UTF-8', await api.send({ ...requestOf(id, '{}'), body }), [400]);
    });
  });

  it('that is nested too deep, or too large, is refused at once', async () => {
    for (const id of ['CreateVault', 'UpdateManagedKey', 'DestroyManagedKey', 'DeleteKeystore'] as const) {
      for (const depth of [33, 1000, 100_000]) {
        const nested = [`${'['.repeat(depth)}${']'.repeat(depth)}`, `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`];
        for (const body of nested) {
          const started = performance.now();
          requireRefusal('too deep', await api.send(requestOf(id, body)), [400]);
          expect(performance.now() - started).toBeLessThan(1000);
        }
      }
      const wide = JSON.stringify({ unknown: Array.from({ length: 150_000 }, (_, index) => index) });
      requireRefusal('wide', await api.send(requestOf(id, wide)), [400], { type: 'field', name: 'unknown' });
      for (const size of [1_048_577, 6_000_000]) {
        requireRefusal('too large', await api.send(requestOf(id, JSON.stringify('x'.repeat(size)))), [413]);
      }
      const full = JSON.stringify({ unknown: 'x'.repeat(1_048_576 - 14) });
      expect(Buffer.byteLength(full)).toBe(1_048_576);
      requireRefusal('1 MB', await api.send(requestOf(id, full)), [400], { type: 'field', name: 'unknown' });
    }
  });

  it('that lacks what is required is refused, naming all that is missing', async () => {
    for (const id of ['CreateManagedKey', 'CreateKeyTemplate', 'CreateKeystore', 'CreateVault'] as const) {
      requireRefusal('nothing in it', await api.send(requestOf(id, {})), [400]);
      requireRefusal('no body', await api.send(requestOf(id)), [400]);
    }
    const answer = await api.send(requestOf('CreateKeyTemplate', {}));
    const { errors } = JSON.parse(answer.body ?? '') as WireApiError;
    expect(errors.map(({ target }) => target?.name).sort()).toEqual(['key', 'keystores', 'name', 'vault']);
  });

  it('without a JSON content type is refused, naming the header', async () => {
    await fuzz(fc.record({ id: withBody, type: fc.string() }), async ({ id, type }) => {
      fc.pre(!/^\s*application\/[^;]*json/i.test(type));
      const { headers, ...request } = requestOf(id, bodies()[id]);
      const answer = await api.send({ ...request, headers: { ...headers, 'content-type': type } });
      requireRefusal('content types', answer, [415], { type: 'header', name: 'Content-Type' });
    });
  });
});

/** Fields that some request has: elsewhere they are unknown, but not to this test. */
const KNOWN: ReadonlySet<string> = new Set(
  Object.values(REQUEST_MODELS).flatMap((model) => {
    const { properties = {} } = z.toJSONSchema(model(), { io: 'input', unrepresentable: 'any' });
    return Object.keys(properties);
  }),
);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('a query', () => {
  it('with an unknown parameter is refused, naming it', async () => {
    const arbitrary = fc.record({
      id: operation(() => true),
      name: fc.string({ minLength: 1, maxLength: 40 }),
      value: fc.string(),
    });
    await fuzz(arbitrary, async ({ id, name, value }) => {
      fc.pre(!(name in parametersOf(id)) && name.isWellFormed() && value.isWellFormed());
      const query = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
      const answer = await api.send({ ...requestOf(id, bodies()[id]), query });
      requireRefusal('unknown parameters', answer, [400], { type: 'parameter', name });
    });
  });

  it('with a value that a parameter does not take is refused, naming it', async () => {
    const junk = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '-1',
        '0.5',
        '1e9',
        '99999999999',
        '0x10',
        '',
        'null',
        '2026-02-30',
        ' 1',
        '%',
        '\u0000',
        'a'.repeat(5000),
      ),
    );
    const arbitrary = fc.constantFrom(...LISTS).chain((id) =>
      fc.record({
        id: fc.constant(id),
        name: fc.constantFrom(...CHECKED.filter((parameter) => parameter in parametersOf(id))),
        value: junk,
      }),
    );
    await fuzz(
      arbitrary,
      async ({ id, name, value }) => {
        fc.pre(value.isWellFormed() && !isGood(name, value));
        const query = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
        requireRefusal('parameter values', await api.send({ ...requestOf(id), query }), [400], {
          type: 'parameter',
          name,
        });
      },
      { runs: RUNS * 2 },
    );
  });

  it('that is broken in itself is refused or harmless, and never an error of ours', async () => {
    const arbitrary = fc.record({ id: fc.constantFrom(...LISTS), query: fc.string({ unit: 'binary', maxLength: 60 }) });
    await fuzz(
      arbitrary,
      async ({ id, query }) => {
        const answer = await api.send({ ...requestOf(id), query });
        if (answer.status === 200)
          expect([...new URLSearchParams(query)].every(([name]) => name in parametersOf(id))).toBe(true);
        else requireRefusal('broken queries', answer, [400]);
      },
      {
        examples: ['%', '%ff=%fe', '&&&', '=', 'limit', 'limit=1&limit=2', 'sort=,', '?limit=1'].map((query) => ({
          id: 'ListVaults' as const,
          query,
        })),
      },
    );
  });

  it('with a cursor beyond the end is an empty page, with links back', async () => {
    for (const id of LISTS) {
      const answer = await api.send({ ...requestOf(id), query: 'offset=2147483647&limit=1000' });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body ?? '')).not.toHaveProperty('next');
    }
  });
});

/** Those that are paged by number. */
const LISTS = (Object.keys(OPERATIONS) as OperationId[]).filter(
  (id) => id.startsWith('List') && OPERATIONS[id].query().safeParse({ offset: ['0'] }).success,
);
/** Parameters that do not take any text. */
const CHECKED = [
  'limit',
  'offset',
  'sort',
  'vault.id',
  'state',
  'algorithm',
  'key.algorithm',
  'type',
  'created_at',
  'updated_at_min',
  'activation_date',
  'expiration_date_max',
  'size_min',
  'key.size_max',
  'template.id',
  'status_in_keystores[].keystore_sync_flag',
  'template.alignment_status',
  'status.health_status',
  'type[]',
  'managing_systems',
  'referenced_keystores[].type',
];

function parametersOf(id: OperationId): Readonly<Record<string, unknown>> {
  const { shape } = OPERATIONS[id].query()._zod.def as unknown as { readonly shape: Readonly<Record<string, unknown>> };
  return shape;
}

/** Whether chance has made something that is right. */
function isGood(name: string, value: string): boolean {
  const { query } = OPERATIONS[LISTS.find((id) => name in parametersOf(id)) ?? 'ListVaults'];
  return query().safeParse({ [name]: [value] }).success;
}

describe('a header', () => {
  it('If-Match that is missing, broken or stale is refused, naming it', async () => {
    const conditional = operation((id) => OPERATIONS[id].ifMatch);
    const target = { type: 'header', name: 'If-Match' } as const;
    await fuzz(fc.record({ id: conditional, tag: fc.string({ unit: 'binary' }) }), async ({ id, tag }) => {
      fc.pre(tag.trim() !== '*');
      const { headers, ...request } = requestOf(id, bodies()[id]);
      const broken = await api.send({ ...request, headers: { ...headers, 'if-match': tag } });
      requireRefusal('If-Match', broken, [400, 412], target);
      const stale = await api.send({
        ...request,
        headers: { ...headers, 'if-match': JSON.stringify(tag.replaceAll(/[^\w]/g, '')) },
      });
      requireRefusal('If-Match', stale, [412], target);
    });
    for (const id of Object.keys(OPERATIONS) as OperationId[]) {
      if (!OPERATIONS[id].ifMatch) continue;
      const { headers, ...request } = requestOf(id, bodies()[id]);
      const rest = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'if-match'));
      requireRefusal('no If-Match', await api.send({ ...request, headers: rest }), [428], target);
    }
  });

  it('Idempotency-Key that is none is refused, naming it', async () => {
    const posts = operation((id) => OPERATIONS[id].method === 'POST');
    await fuzz(
      fc.record({ id: posts, key: fc.oneof(fc.string({ unit: 'binary' }), fc.constant('x'.repeat(129))) }),
      async ({ id, key }) => {
        fc.pre(!/^[\x21-\x7e]{1,128}$/.test(key));
        const { headers, ...request } = requestOf(id, bodies()[id]);
        const answer = await api.send({ ...request, headers: { ...headers, 'idempotency-key': key } });
        requireRefusal('Idempotency-Key', answer, [400], { type: 'header', name: 'Idempotency-Key' });
      },
    );
  });

  it('UKO-Vault of another vault, or of none, is 404', async () => {
    const withId = operation((id) => OPERATIONS[id].path.includes('{id}'));
    await fuzz(
      fc.record({ id: withId, vault: fc.oneof(fc.uuid(), fc.string({ minLength: 1 })) }),
      async ({ id, vault }) => {
        const { headers, ...request } = requestOf(id, bodies()[id]);
        const answer = await api.send({ ...request, headers: { ...headers, 'uko-vault': vault } });
        requireRefusal('UKO-Vault', answer, [404]);
      },
    );
  });

  it('of any other name and content changes nothing about the answer', async () => {
    const names = fc.constantFrom(
      'x-correlation-id',
      'x-original-user-agent',
      'accept',
      'accept-language',
      'user-agent',
      'host',
      'x-forwarded-host',
      'cookie',
    );
    await fuzz(
      fc.record({ name: names, value: fc.string({ unit: 'binary', maxLength: 300 }) }),
      async ({ name, value }) => {
        const { headers, ...request } = requestOf('GetVault');
        const answer = await api.send({ ...request, headers: { ...headers, [name]: value } });
        expect(answer.status).toBe(200);
        expect(answer.headers['x-correlation-id']).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
        expect((JSON.parse(answer.body ?? '') as { href: string }).href).toMatch(
          /^https?:\/\/[A-Za-z0-9.:[\]-]+\/api\/v4\/vaults\//,
        );
        counts.set('other headers', (counts.get('other headers') ?? 0) + 1);
      },
    );
  });
});

describe('a path', () => {
  it('with anything but the id of something that is there is 404', async () => {
    const withId = operation((id) => OPERATIONS[id].path.includes('{id}'));
    const ids = fc
      .oneof(
        fc.uuid(),
        fc
          .string({ minLength: 1 })
          .filter((text) => text.isWellFormed())
          .map(encodeURIComponent),
        fc.string({ minLength: 1, unit: fc.constantFrom('%', '2', 'e', 'f', '0', '.', '5', 'c', 'A') }),
        fc.constantFrom(
          '..',
          '%2e%2e',
          '%2e%2e%2fvaults',
          '%00',
          '%c0%ae',
          '%ff',
          '%',
          '{id}',
          'null',
          '%2525',
          '*',
          '%0d%0aX:1',
          'a'.repeat(4000),
        ),
      )
      .filter((id) => !id.includes('/'));
    await fuzz(
      fc.record({ id: withId, in: ids }),
      async ({ id, in: given }) => {
        const request = requestOf(id, bodies()[id]);
        const path = OPERATIONS[id].path.replace('{id}', () => given);
        requireRefusal('paths', await api.send({ ...request, path }), [404]);
      },
      { runs: RUNS * 2 },
    );
  });

  it('of one kind with the id of another is 404', async () => {
    for (const id of Object.keys(OPERATIONS) as OperationId[]) {
      if (!OPERATIONS[id].path.includes('{id}')) continue;
      for (const other of [world.vault, world.template, world.keystore, world.keys.active]) {
        const request = requestOf(id, bodies()[id]);
        const path = OPERATIONS[id].path.replace('{id}', other);
        if (path !== request.path) requireRefusal('ids of others', await api.send({ ...request, path }), [404]);
      }
    }
  });

  it('or a method that no operation has is 404', async () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE');
    const path = fc.webPath().map((tail) => `/api/v4/nowhere${tail}`);
    await fuzz(fc.record({ method, path }), async ({ method, path }) => {
      requireRefusal('routes', await api.send({ ...requestOf('GetVault'), method, path }), [404]);
    });
  });
});

describe('a token', () => {
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('that is not the issuer’s, or not good now, or not for us, is 401, naming the header', async () => {
    const { issuer } = api;
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer.url, aud: 'shearline', sub: 'eve', exp: now + 3600, roles: [...ROLES] };
    const [header = '', payload = '', signature = ''] = token.split('.');
    const other = await signingKey(issuer.key.kid);
    const secret = JSON.stringify(issuer.key.jwk);
    const signedWithSecret = (alg: string) => {
      const unsigned = `${encoded({ alg, kid: issuer.key.kid })}.${encoded(claims)}`;
      return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
    };
    const bad: Readonly<Record<string, string>> = {
      'alg none': `${encoded({ alg: 'none' })}.${encoded(claims)}.`,
      'alg None with a signature': `${encoded({ alg: 'None' })}.${encoded(claims)}.${signature}`,
      'signed with the public key as a secret': signedWithSecret('HS256'),
      'of another key under the same name': await issuer.token({ roles: [...ROLES] }, other),
      'of a key that the issuer does not list': await issuer.token({}, await signingKey('unknown')),
      'of another issuer': await issuer.token({ iss: 'https://evil.example' }),
      'for another audience': await issuer.token({ aud: 'somebody-else' }),
      'that has expired': await issuer.token({ exp: now - 3600 }),
      'that is not good yet': await issuer.token({ nbf: now + 3600 }),
      'without an end': await issuer.token({ exp: undefined } as unknown as Record<string, number>),
      'without a subject': await issuer.token({ sub: undefined } as unknown as Record<string, string>),
      'whose claims were changed': `${header}.${encoded(claims)}.${signature}`,
      'with half its signature': `${header}.${payload}.${signature.slice(0, 20)}`,
      'with four parts': `${token}.${signature}`,
      'with two parts': `${header}.${payload}`,
      'that is oversized': await issuer.token({ padding: 'x'.repeat(20_000) }),
      'with a key in its header': `${encoded({ alg: 'ES256', jwk: other.jwk })}.${payload}.${signature}`,
      'with a critical extension': `${encoded({ alg: 'ES256', kid: issuer.key.kid, crit: ['x'], x: 1 })}.${payload}.${signature}`,
    };
    const target = { type: 'header', name: 'Authorization' } as const;
    for (const [what, jwt] of Object.entries(bad)) {
      for (const id of ['ListManagedKeys', 'CreateVault', 'DeleteVault'] as const) {
        const { headers, ...request } = requestOf(id, bodies()[id]);
        const answer = await api.send({ ...request, headers: { ...headers, authorization: `Bearer ${jwt}` } });
        expect(answer.status, what).toBe(401);
        requireRefusal('tokens', answer, [401], target);
      }
    }
  });

  it('that is any text is 401, for every operation and before anything else', async () => {
    const arbitrary = fc.record({
      id: operation(() => true),
      authorization: fc.oneof(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc
          .array(fc.base64String({ maxLength: 80 }), { minLength: 1, maxLength: 5 })
          .map((parts) => `Bearer ${parts.join('.')}`),
        fc.constantFrom(
          '',
          'Bearer',
          'Bearer ',
          'Basic YTpi',
          `bearer ${'.'.repeat(9000)}`,
          'Bearer null',
          'Bearer a.b.c, Bearer d.e.f',
        ),
      ),
    });
    await fuzz(arbitrary, async ({ id, authorization }) => {
      const { headers, ...request } = requestOf(id, 'not even JSON');
      const answer = await api.send({ ...request, headers: { ...headers, authorization } });
      requireRefusal('authorizations', answer, [401], { type: 'header', name: 'Authorization' });
    });
  });

  it('with roles of any form gives no more than what it names', async () => {
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.string()),
      fc.constantFrom(
        'admin',
        'Manager',
        'reader@',
        '@',
        'vault_administrator@all',
        'vault_administrator@*',
        `vault_administrator@${'x'.repeat(100)}`,
        ['__proto__'],
        { vault_administrator: true },
      ),
    );
    await fuzz(fc.record({ roles: junk, id: operation(() => true) }), async ({ roles, id }) => {
      fc.pre(!JSON.stringify(roles).match(new RegExp(`"(${ROLES.join('|')})"`)));
      const { headers, ...request } = requestOf(id, bodies()[id]);
      const authorization = `Bearer ${await api.issuer.token({ roles })}`;
      requireRefusal('roles', await api.send({ ...request, headers: { ...headers, authorization } }), [403, 404]);
    });
  });
});
