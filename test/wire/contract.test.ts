import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../lib/wire/openapi.ts';
import { CONTRACT_OPERATIONS, EXTENSIONS, OPERATIONS } from '../../lib/wire/operations.ts';
import contract from './uko-api-v4.13.json' with { type: 'json' };

/** A field of the contract: name, type, required or optional, and the values it may have. Parameters lack the third. */
type Field = readonly [name: string, type: string, ...rest: (string | readonly string[])[]];

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

interface Described {
  readonly parameters: readonly {
    readonly $ref?: string;
    readonly name?: string;
    readonly in?: string;
    readonly schema?: Schema;
  }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

// The document is made from the very schemas that check requests; so is it checked here in their place.
const document = openApiDocument({ version: 'test', serverUrl: 'http://localhost' }) as Document;
const models = contract.models as unknown as Readonly<Record<string, readonly Field[]>>;
const operations = contract.operations as unknown as readonly {
  readonly operation: string;
  readonly method: string;
  readonly path: string;
  readonly success: number;
  readonly returns?: string;
  readonly if_match?: string;
  readonly query?: readonly Field[];
  readonly body?: string | readonly Field[];
}[];

/** What is ours: fields, values and looser or stricter rules that the contract does not have. Nothing else may differ. */
const EXTRA_VALUES = ['aws_cloudhsm', 'pkcs11'];
const EXTRA_FIELDS: Readonly<Record<string, readonly string[]>> = {
  CreateManagedKey: ['key', 'keystores', 'label_tags', 'tags'],
  UpdateManagedKey: ['referenced_keystores', 'tags'],
  SyncManagedKey: ['keystores'],
  KeyProperties: ['material', 'schedule'],
  KeyPropertiesUpdate: ['schedule'],
  KeystoresPropertiesCreateAwsKms: ['aws_key_usage'],
  KeystoresPropertiesUpdate: ['type'],
  KeystoreCreateAwsKms: ['aws_role_arn'],
  KeystoreUpdateRequest: [
    'aws_role_arn',
    'aws_custom_key_store_id',
    'aws_probe',
    'pkcs11_token_label',
    'pkcs11_user_pin',
  ],
  KeystoreTypeAwsKms: ['aws_role_arn', 'tls_proxy', 'planned_changes'],
  KeystoreTypeAzure: ['planned_changes'],
  KeystoreTypeGoogleKms: ['tls_proxy', 'planned_changes'],
  KeystoreTypeIbmCloudKms: ['tls_proxy', 'planned_changes'],
  KeystoreTypeCca: ['tls_proxy', 'planned_changes'],
  CreateVault: ['approval_required_for', 'auto_repair'],
  UpdateVault: ['approval_required_for', 'auto_repair'],
  Vault: ['approval_required_for', 'auto_repair', 'planned_changes'],
  CreateKeyTemplate: ['auto_repair'],
  UpdateKeyTemplate: ['auto_repair'],
  Template: ['auto_repair', 'planned_changes'],
  StatusInKeystores: ['planned_changes'],
  KeyInstanceAwsKms: ['aws_key_usage'],
  ManagedKey: ['deactivation_date', 'material', 'planned_changes', 'schedule'],
  StatusInKeystore: ['reason', 'since', 'seen_at', 'pending_destruction_until'],
};
const EXTRA_MODELS = [
  'KeystoreCreateAwsCloudHsm',
  'KeystoreCreatePkcs11',
  'KeystoreTypeAwsCloudHsm',
  'KeystoreTypePkcs11',
  'KeystoresPropertiesCreateAwsCloudHsm',
  'KeystoresPropertiesCreatePkcs11',
  'KeyInstancePkcs11',
];
/** Without access keys the function's own role is used. */
const OPTIONAL_HERE = [
  'KeystoreCreateAwsKms.aws_access_key_id',
  'KeystoreCreateAwsKms.aws_secret_access_key',
  // Where key and keystores are given in its place.
  'CreateManagedKey.template_name',
];
/** The field that tells one model of a union from the others has to be there. */
const REQUIRED_HERE = Object.keys(models)
  .filter((name) => name.startsWith('KeystoresPropertiesCreate'))
  .map((name) => `${name}.type`);
/** Parameters that the contract types as text and that are read here: several sizes, or bits. */
const READ_PARAMETERS: Readonly<Record<string, string>> = {
  size: 'array of string',
  'key.size': 'array of string',
  size_min: 'integer',
  size_max: 'integer',
  'key.size_min': 'integer',
  'key.size_max': 'integer',
};
/** Models that are a choice between others, and what chooses. */
const UNIONS: Readonly<Record<string, RegExp>> = {
  Keystore: /^KeystoreType/,
  KeyInstance: /^KeyInstance/,
  KeystoreCreationRequest: /^KeystoreCreate/,
  KeystoresPropertiesCreate: /^KeystoresPropertiesCreate/,
};
/** The updates of all types are one model here: what a template's type has is known only from the template. */
const MERGED = 'KeystoresPropertiesUpdate';

function named(name: string): Schema {
  const schema = document.components.schemas[name];
  if (schema === undefined) throw new Error(`No schema is named ${name}.`);
  return schema;
}

function nameOf(schema: Schema | undefined): string | undefined {
  return schema?.$ref?.replace('#/components/schemas/', '');
}

function followed(schema: Schema): Schema {
  const name = nameOf(schema);
  return name === undefined ? schema : named(name);
}

function modelsIn(schema: Schema): string[] {
  const name = nameOf(schema);
  const options = schema.oneOf ?? schema.anyOf;
  return [...(name === undefined ? [] : [name]), ...(options ?? []).flatMap(modelsIn)];
}

function valuesOf(schema: Schema): readonly string[] | undefined {
  const inner = followed(schema);
  if (inner.const !== undefined) return [inner.const];
  return inner.enum ?? (inner.items === undefined ? undefined : valuesOf(inner.items));
}

/** How the contract would write this schema's type. */
function typeOf(schema: Schema): string {
  const name = nameOf(schema);
  if (name !== undefined) return name;
  if (schema.type === 'array') return `array of ${typeOf(schema.items ?? {})}`;
  if (schema.type === 'string' && (schema.format === 'date' || schema.format === 'date-time')) return schema.format;
  return schema.type ?? 'any';
}

function checkField(model: string, schema: Schema, field: Field, allowedOptional = true): void {
  const [name, type, presence, values] = field;
  const at = `${model}.${name}`;
  const own = schema.properties?.[name];
  if (own === undefined) throw new Error(`${at} is not in the schema.`);
  const expected = type.startsWith('array of Keystores') && model === 'UpdateKeyTemplate' ? `array of ${MERGED}` : type;
  expect(typeOf(own), at).toBe(narrowed(model, name) ?? expected);
  if (allowedOptional) {
    const required = presence === 'required' ? !OPTIONAL_HERE.includes(at) : REQUIRED_HERE.includes(at);
    expect(schema.required?.includes(name) ?? false, `${at} required`).toBe(required);
  }
  checkValues(at, own, values);
}

/** A model of a union narrows the reference that chooses it, so it is no reference to the general one. */
function narrowed(model: string, name: string): string | undefined {
  return model.startsWith('KeyInstance') && name === 'keystore' ? 'object' : undefined;
}

function checkValues(at: string, schema: Schema, values: string | readonly string[] | undefined): void {
  if (!Array.isArray(values)) return;
  const allowed = new Set([...(values as readonly string[]), ...(values.includes('aws_kms') ? EXTRA_VALUES : [])]);
  const own = valuesOf(schema);
  if (own === undefined) throw new Error(`${at} takes any value.`);
  expect(
    own.filter((value) => !allowed.has(value)),
    `${at} has values of its own`,
  ).toEqual([]);
  // The field that chooses a model of a union has that model's values only; the union as a whole is checked below.
  const chooses = at.endsWith('.type') || at.endsWith('.ibm_variant');
  const inUnion = Object.values(UNIONS).some((pattern) => pattern.test(at));
  if (chooses && inUnion && own.length < values.length) return;
  expect(
    values.filter((value: string) => !own.includes(value)),
    `${at} lacks values`,
  ).toEqual([]);
}

const isMerged = (name: string): boolean => name.startsWith(MERGED);

describe('every model of the contract', () => {
  const plain = Object.entries(models).filter(([name]) => !isMerged(name));

  it.each(plain)('%s has its fields, their types, presence and values', (name, fields) => {
    for (const field of fields) checkField(name, named(name), field);
  });

  it.each(plain)('%s has no field of ours beyond the list of them', (name, fields) => {
    const known = [...fields.map(([field]) => field), ...(EXTRA_FIELDS[name] ?? [])];
    expect(Object.keys(named(name).properties ?? {}).filter((field) => !known.includes(field))).toEqual([]);
  });

  it.each(Object.entries(models).filter(([name]) => isMerged(name)))(
    '%s is within the merged update',
    (name, fields) => {
      for (const field of fields) checkField(MERGED, named(MERGED), field);
      expect(named(MERGED).required ?? [], name).toEqual([]);
    },
  );

  it('the merged update has no field of ours beyond the list of them', () => {
    const known = Object.entries(models)
      .filter(([name]) => isMerged(name))
      .flatMap(([, fields]) => fields.map(([field]) => field));
    const own = Object.keys(named(MERGED).properties ?? {});
    expect(own.filter((field) => !known.includes(field))).toEqual(EXTRA_FIELDS[MERGED]);
  });

  it.each(Object.entries(UNIONS))('%s is a choice of all its models', (union, pattern) => {
    const members = Object.keys(models).filter((name) => pattern.test(name));
    const ours = EXTRA_MODELS.filter((name) => pattern.test(name));
    expect(modelsIn(named(union)).sort()).toEqual([...members, ...ours].sort());
  });

  it.each([
    ['Keystore', 'KeystoreTypeAwsKms'],
    ['KeystoreCreationRequest', 'KeystoreCreateAwsKms'],
    ['KeystoresPropertiesCreate', 'KeystoresPropertiesCreateAwsKms'],
  ])('%s chooses between every keystore type', (union, example) => {
    const types = [models[example]?.find(([name]) => name === 'type')?.[3] ?? []].flat();
    const own = modelsIn(named(union)).flatMap((name) => valuesOf(named(name).properties?.['type'] ?? {}) ?? []);
    expect([...new Set(own)].sort()).toEqual([...types, ...EXTRA_VALUES].sort());
  });
});

describe('every operation of the contract', () => {
  it('is there, and no other', () => {
    expect(Object.keys(CONTRACT_OPERATIONS).sort()).toEqual(operations.map(({ operation }) => operation).sort());
    expect(operations).toHaveLength(35);
  });

  it.each(operations.map((row) => [row.operation, row] as const))('%s', (name, row) => {
    const own = OPERATIONS[name as keyof typeof OPERATIONS];
    expect(own.method).toBe(row.method);
    expect(own.path).toBe(row.path);
    expect(own.success).toBe(row.success);
    expect(own.ifMatch).toBe(row.if_match === 'required');
    const described = document.paths[row.path]?.[row.method.toLowerCase()];
    if (described === undefined) throw new Error('The document lacks it.');
    expect(nameOf(described.responses[String(row.success)]?.content?.['application/json']?.schema)).toBe(row.returns);
    checkQuery(name, row.query ?? [], described);
    checkBody(name, row.body, described);
  });
});

function checkQuery(operation: string, query: readonly Field[], described: Described): void {
  const own = described.parameters.filter((parameter) => parameter.in === 'query');
  const listed = query.map(([name]) => name);
  // Every mutation has a dry run, in the contract or not.
  const mutates = OPERATIONS[operation as keyof typeof OPERATIONS].method !== 'GET';
  const expected = mutates && !listed.includes('dry_run') ? [...listed, 'dry_run'] : listed;
  expect(own.map(({ name }) => name).sort(), `${operation} query`).toEqual(expected.sort());
  for (const [name, type, values] of query) {
    const schema = own.find((parameter) => parameter.name === name)?.schema ?? {};
    const at = `${operation} ?${name}`;
    const read = typeOf(schema) === 'date' ? 'string' : typeOf(schema);
    expect(read, at).toBe(READ_PARAMETERS[name] ?? type);
    checkValues(at, schema, values);
  }
}

function checkBody(operation: string, body: string | readonly Field[] | undefined, described: Described): void {
  const model = nameOf(described.requestBody?.content['application/json']?.schema);
  if (body === undefined) {
    // Ours: sync takes an optional body.
    expect(model).toBe(operation === 'SyncManagedKey' ? 'SyncManagedKey' : undefined);
    expect(described.requestBody?.required ?? false).toBe(false);
    return;
  }
  expect(described.requestBody?.required).toBe(true);
  if (typeof body === 'string') {
    expect(model).toBe(body);
    return;
  }
  const fields: readonly Field[] = body;
  // A body that the contract lists in place has its operation's name here.
  expect(model).toBe(operation);
  const name = model ?? '';
  for (const field of fields) checkField(name, named(name), field);
  const known = [...fields.map(([field]) => field), ...(EXTRA_FIELDS[name] ?? [])];
  expect(Object.keys(named(name).properties ?? {}).filter((field) => !known.includes(field))).toEqual([]);
}

describe('the OpenAPI document', () => {
  it('refers only to what it has', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(references.length).toBeGreaterThan(100);
    for (const reference of new Set(references)) {
      let at: unknown = document;
      for (const part of reference.split('/')) at = (at as Readonly<Record<string, unknown>>)[part];
      expect(at, reference).toBeDefined();
    }
  });

  it('gives every path parameter a definition and every operation an id of its own', () => {
    const ids = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => {
        const hasId = operation.parameters.some((parameter) => parameter.$ref === '#/components/parameters/Id');
        expect(hasId, path).toBe(path.includes('{id}'));
        return (operation as unknown as { operationId: string }).operationId;
      }),
    );
    expect(new Set(ids).size).toBe(35 + Object.keys(EXTENSIONS).length);
  });

  it('has no model that no operation leads to', () => {
    const led = JSON.stringify(document);
    const orphans = Object.keys(document.components.schemas).filter(
      (name) => !led.includes(`"#/components/schemas/${name}"`),
    );
    // Each instance narrows its reference to its own type.
    expect(orphans).toEqual(['InstanceInKeystore']);
  });
});
